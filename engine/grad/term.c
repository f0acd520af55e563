/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/grad/term.h"

#include "engine/kernels/cpu.h"
#include "engine/kernels/vec_math.h"

#include <assert.h>
#include <string.h>

/* BLOCK: terms made at a time. RUN: rows summed in float. PARTS_MAX: of all sums together, where there
 * are at most half as many results (or blocks of them). PART: terms of a part at least. */
enum { BLOCK = 256, RUN = 64, PARTS_MAX = 16, PART = 32768, GRAIN_LIGHT = 32768, GRAIN_HEAVY = 4096 };

struct inner {
    row_fn *fn;
    const void *arg;
    int n_sources;
    size_t sizes[BROADCAST_INPUTS_MAX];
};

/* Terms on top of what the output has. */
static void add_row(int64_t n, const void *const *inputs, const int64_t *steps, void *output,
                    const void *arg)
{
    const struct inner *inner = arg;
    _Alignas(64) float terms[BLOCK];
    float *out = output;

    for (int64_t from = 0; from < n; from += BLOCK) {
        int64_t count = n - from < BLOCK ? n - from : BLOCK;
        const void *at[BROADCAST_INPUTS_MAX];

        for (int k = 0; k < inner->n_sources; k++)
            at[k] = (const char *)inputs[k] + (size_t)(from * steps[k]) * inner->sizes[k];
        inner->fn(count, at, steps, terms, inner->arg);
        for (int64_t i = 0; i < count; i++)
            out[from + i] += terms[i];
    }
}

/* A dimension of the grid: how far a step along it takes each source. */
struct axis {
    int64_t size;
    int64_t strides[BROADCAST_INPUTS_MAX];
    bool kept;                     /* the result moves along it */
};

/* A sum: the innermost dimension is a line of terms, summed or side by side as results. */
struct sum {
    struct inner inner;
    const char *sources[BROADCAST_INPUTS_MAX];
    struct axis kept[SHAPE_RANK_MAX], summed[SHAPE_RANK_MAX];   /* without the innermost */
    int n_kept_dims, n_summed_dims;
    struct axis line;
    int64_t n_kept, n_rows;        /* their products */
    int64_t blocks;                /* of the line */
    int64_t units;                 /* results, as blocks of a kept line or single ones */
    int64_t pieces;                /* rows, or blocks of lines, that go into each */
    int parts, tasks;
    float *to;
    bool accumulate;
    double (*partial)[BLOCK];      /* [unit * parts + part], where there are several */
};

/* The offsets of row number `row` of some dimensions are added. */
static void add_offsets(int64_t row, int n_dims, const struct axis *dims, int64_t *offsets)
{
    for (int d = n_dims - 1; d >= 0; d--) {
        int64_t index = row % dims[d].size;

        for (int k = 0; k < BROADCAST_INPUTS_MAX; k++)
            offsets[k] += index * dims[d].strides[k];
        row /= dims[d].size;
    }
}

/* Makes `count` terms from element `from` of the line on; where they lie is returned. */
static const float *make_terms(const struct sum *sum, const int64_t *offsets, int64_t from, int64_t count,
                               float *terms)
{
    const void *at[BROADCAST_INPUTS_MAX] = {NULL};

    for (int k = 0; k < sum->inner.n_sources; k++)
        at[k] = sum->sources[k] + (size_t)(offsets[k] + from * sum->line.strides[k]) * sum->inner.sizes[k];
    if (sum->inner.fn == term_copy.plain && sum->line.strides[0] == 1)
        return at[0];
    sum->inner.fn(count, at, sum->line.strides, terms, sum->inner.arg);
    return terms;
}

/* Rows [first, last), each `count` neighbouring terms from `from` on, into as many totals. */
static void sum_rows(const struct sum *sum, const int64_t *base, int64_t from, int64_t count,
                     int64_t first, int64_t last, double *totals)
{
    _Alignas(64) float run[BLOCK], terms[BLOCK];

    for (int64_t i = 0; i < count; i++)
        totals[i] = 0;
    for (int64_t start = first; start < last; start += RUN) {
        int64_t end = last - start < RUN ? last : start + RUN;

        for (int64_t row = start; row < end; row++) {
            int64_t offsets[BROADCAST_INPUTS_MAX];
            const float *made;

            memcpy(offsets, base, sizeof(offsets));
            add_offsets(row, sum->n_summed_dims, sum->summed, offsets);
            made = make_terms(sum, offsets, from, count, terms);
            if (row == start)
                memcpy(run, made, (size_t)count * sizeof(*run));
            else
                for (int64_t i = 0; i < count; i++)
                    run[i] += made[i];
        }
        for (int64_t i = 0; i < count; i++)
            totals[i] += (double)run[i];
    }
}

/* Blocks [first, last) of all lines into one total. */
static void sum_lines(const struct sum *sum, const int64_t *base, int64_t first, int64_t last,
                      double *total)
{
    _Alignas(64) float terms[BLOCK];
    int64_t offsets[BROADCAST_INPUTS_MAX];

    *total = 0;
    for (int64_t piece = first; piece < last; piece++) {
        int64_t from = piece % sum->blocks * BLOCK;
        int64_t count = sum->line.size - from < BLOCK ? sum->line.size - from : BLOCK;

        if (piece == first || from == 0) {
            memcpy(offsets, base, sizeof(offsets));
            add_offsets(piece / sum->blocks, sum->n_summed_dims, sum->summed, offsets);
        }
        *total += (double)vec_sum_f32((size_t)count, make_terms(sum, offsets, from, count, terms));
    }
}

/* Where results of a unit go, and how many they are. */
static float *unit_results(const struct sum *sum, int64_t unit, int64_t *ret_count)
{
    int64_t from;

    *ret_count = 1;
    if (!sum->line.kept)
        return sum->to + unit;
    from = unit % sum->blocks * BLOCK;
    *ret_count = sum->line.size - from < BLOCK ? sum->line.size - from : BLOCK;
    return sum->to + unit / sum->blocks * sum->line.size + from;
}

static void write_results(const struct sum *sum, int64_t unit, const double *totals)
{
    int64_t count;
    float *to = unit_results(sum, unit, &count);

    for (int64_t i = 0; i < count; i++)
        to[i] = sum->accumulate ? to[i] + (float)totals[i] : (float)totals[i];
}

static void sum_unit(const struct sum *sum, int64_t unit, int part, double *totals)
{
    int64_t first = sum->pieces * part / sum->parts, last = sum->pieces * (part + 1) / sum->parts;
    int64_t base[BROADCAST_INPUTS_MAX] = {0};
    int64_t count;

    unit_results(sum, unit, &count);
    add_offsets(sum->line.kept ? unit / sum->blocks : unit, sum->n_kept_dims, sum->kept, base);
    if (sum->line.kept)
        sum_rows(sum, base, unit % sum->blocks * BLOCK, count, first, last, totals);
    else
        sum_lines(sum, base, first, last, totals);
}

static void sum_task(void *arg, int task, int thread)
{
    const struct sum *sum = arg;
    int64_t first = sum->units * task / sum->tasks, last = sum->units * (task + 1) / sum->tasks;
    double totals[BLOCK];

    (void)thread;
    if (sum->parts > 1) {
        sum_unit(sum, task / sum->parts, task % sum->parts, sum->partial[task]);
        return;
    }
    for (int64_t unit = first; unit < last; unit++) {
        sum_unit(sum, unit, 0, totals);
        write_results(sum, unit, totals);
    }
}

/* Few results of many terms each: each is the sum of some parts. */
static void sum_in_parts(struct sum *sum, struct pool *pool)
{
    double partial[PARTS_MAX][BLOCK];

    sum->partial = partial;
    sum->tasks = (int)sum->units * sum->parts;
    pool_run(pool, sum->tasks, sum_task, sum);
    for (int64_t unit = 0; unit < sum->units; unit++) {
        double (*parts)[BLOCK] = &partial[unit * sum->parts];
        int64_t count;

        unit_results(sum, unit, &count);
        for (int part = 1; part < sum->parts; part++)
            for (int64_t i = 0; i < count; i++)
                parts[0][i] += parts[part][i];
        write_results(sum, unit, parts[0]);
    }
}

/* Size of `shape` along dimension d of a grid of rank `rank`. */
static int64_t aligned_dim(const struct shape *shape, int rank, int d)
{
    int own = d - (rank - shape->rank);

    return own >= 0 ? shape->dims[own] : 1;
}

/* The grid's dimensions, neighbours of one fate joined. Strides are in elements. */
static int make_axes(const struct shape *grid, int n_sources, const struct tensor *const *sources,
                     const struct tensor *to, struct axis *axes)
{
    int rank = 0;

    for (int d = 0; d < grid->rank; d++) {
        struct axis axis = {.size = grid->dims[d]};
        bool joins = rank > 0;

        if (axis.size == 1)
            continue;
        axis.kept = aligned_dim(&to->shape, grid->rank, d) != 1;
        joins = joins && axes[rank - 1].kept == axis.kept;
        for (int k = 0; k < n_sources; k++) {
            axis.strides[k] = aligned_dim(&sources[k]->shape, grid->rank, d) != 1;
            joins = joins && axes[rank - 1].strides[k] == axis.strides[k];
        }
        if (joins)
            axes[rank - 1].size *= axis.size;
        else
            axes[rank++] = axis;
    }
    for (int k = 0; k < n_sources; k++) {
        int64_t stride = 1;

        for (int d = rank - 1; d >= 0; d--) {
            if (axes[d].strides[k] == 0)
                continue;
            axes[d].strides[k] = stride;
            stride *= axes[d].size;
        }
    }
    return rank;
}

static void make_sum(struct sum *sum, const struct shape *grid, const struct tensor *const *sources,
                     const struct tensor *to)
{
    struct axis axes[SHAPE_RANK_MAX];
    int rank = make_axes(grid, sum->inner.n_sources, sources, to, axes);
    int64_t terms = shape_elements(grid);

    sum->line = axes[--rank];
    sum->n_kept = sum->n_rows = 1;
    for (int d = 0; d < rank; d++) {
        if (axes[d].kept) {
            sum->kept[sum->n_kept_dims++] = axes[d];
            sum->n_kept *= axes[d].size;
        } else {
            sum->summed[sum->n_summed_dims++] = axes[d];
            sum->n_rows *= axes[d].size;
        }
    }
    sum->blocks = (sum->line.size + BLOCK - 1) / BLOCK;
    sum->units = sum->line.kept ? sum->n_kept * sum->blocks : sum->n_kept;
    sum->pieces = sum->line.kept ? sum->n_rows : sum->n_rows * sum->blocks;
    sum->parts = 1;
    if (sum->units <= PARTS_MAX / 2) {
        int64_t parts = terms / sum->units / PART, most = PARTS_MAX / sum->units;

        parts = parts < most ? parts : most;
        sum->parts = (int)(parts < 1 ? 1 : parts < sum->pieces ? parts : sum->pieces);
    }
}

static row_fn *pick(const struct term *term)
{
    return term->wide != NULL && cpu_isa() >= ISA_AVX2 ? term->wide : term->plain;
}

void term_run(struct pool *pool, const struct term *term, const struct shape *grid, int n_sources,
              const struct tensor *const *sources, const struct tensor *to, bool accumulate,
              const void *arg)
{
    int64_t grain = term->heavy ? GRAIN_HEAVY : GRAIN_LIGHT;
    struct sum sum = {.inner = {.fn = pick(term), .arg = arg, .n_sources = n_sources},
                      .to = to->data, .accumulate = accumulate};
    int64_t terms = shape_elements(grid), results = shape_elements(&to->shape);

    assert(n_sources >= 1 && n_sources <= BROADCAST_INPUTS_MAX && to->dtype == DTYPE_F32);
    for (int k = 0; k < n_sources; k++) {
        sum.inner.sizes[k] = dtype_size(sources[k]->dtype);
        sum.sources[k] = sources[k]->data;
    }
    if (results == terms) {
        broadcast_run(pool, grain, n_sources, sources, to, accumulate ? add_row : sum.inner.fn,
                      accumulate ? &sum.inner : arg);
        return;
    }
    if (terms == 0) {
        if (!accumulate && results > 0)
            memset(to->data, 0, tensor_bytes(to));
        return;
    }
    make_sum(&sum, grid, sources, to);
    if (sum.parts > 1) {
        sum_in_parts(&sum, pool);
        return;
    }
    sum.tasks = pool_threads(pool);
    if (terms / sum.tasks < grain || sum.units < sum.tasks)
        sum.tasks = 1;
    pool_run(sum.tasks == 1 ? NULL : pool, sum.tasks, sum_task, &sum);
}

static void copy_row(int64_t n, const void *const *inputs, const int64_t *steps, void *output,
                     const void *arg)
{
    const float *from = inputs[0];
    float *to = output;

    (void)arg;
    if (steps[0] == 0)
        for (int64_t i = 0; i < n; i++)
            to[i] = from[0];
    else if (to != from)
        memcpy(to, from, (size_t)n * sizeof(*to));
}

const struct term term_copy = {.plain = copy_row};

struct tensor *grad_wanted(const struct grad_call *call, int input)
{
    return input < call->n_inputs ? call->in_grads[input] : NULL;
}

int grad_turn(const struct grad_call *call, int turn)
{
    const struct tensor *first = call->in_grads[0];

    return first != NULL && first->data == call->out_grads[0]->data ? 1 - turn : turn;
}

void term_grad(const struct grad_call *call, int input, const struct term *term,
               const struct tensor *a, const struct tensor *b, const void *arg)
{
    const struct tensor *sources[BROADCAST_INPUTS_MAX] = {call->out_grads[0], a, b};
    struct tensor *to = grad_wanted(call, input);

    if (to != NULL)
        term_run(call->pool, term, &call->out_grads[0]->shape, a == NULL ? 1 : b == NULL ? 2 : 3,
                 sources, to, call->accumulate[input], arg);
}
