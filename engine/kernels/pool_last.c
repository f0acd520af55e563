/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/kernels/pool_last.h"

#include "engine/kernels/cpu.h"

#include <math.h>
#include <stdbool.h>
#include <stdint.h>

enum {
    TAPS_MAX = 64,              /* of a larger window at a time */
    VECTOR_MAX = 16,
    PARALLEL_ELEMENTS = 1 << 15 /* read, from which other threads are worth waking */
};

#define KERNEL_BODY "engine/kernels/pool_last_body.h"
#include "engine/kernels/each_isa.h"

typedef void pool_fn(const float *const *starts, size_t taps, size_t channels, float first, bool more,
                     bool loose, float factor, float *y);

static pool_fn *const max_functions[ISA_COUNT] = ISA_TABLE(max);
static pool_fn *const sum_functions[ISA_COUNT] = ISA_TABLE(sum);

/* What the threads share. */
struct work {
    const struct pool_last *p;
    pool_fn *fn;
    float first;                /* what no place at all gives */
    const float **tables;       /* TAPS_MAX for each thread */
    int64_t rows;               /* of output places, of all images */
    const float *x_end;
    int tasks;
};

size_t pool_last_scratch(int threads)
{
    return (size_t)threads * TAPS_MAX * sizeof(float *);
}

/* What the places along one dimension count for in a mean. */
static int64_t mean_count(const struct pool_last *p, int d, int64_t o, int64_t inside)
{
    const struct window *w = &p->window;
    int64_t room = w->in[d] + w->pad_end[d] + w->pad_begin[d] - o * w->stride[d];
    int64_t count = (room + w->dilation[d] - 1) / w->dilation[d];

    if (p->mean == WINDOW_MEAN)
        return inside;
    return count < w->kernel[d] ? count : w->kernel[d];
}

/* A row of output places, whose windows share all but the last dimension. */
struct row {
    int64_t from[2], to[2];     /* kernel places inside */
    const float *x;             /* where kernel place (0, 0) reads, inside or not */
    int64_t count;              /* mean_count() of these dimensions */
};

/* What is left of a task after an output place; so much may be written behind it before others are
 * computed, which overwrite that. */
static bool is_loose(const struct work *work, const float *last_start, int64_t left)
{
    int64_t channels = work->p->channels;

    return left * channels >= VECTOR_MAX && work->x_end - last_start >= channels + VECTOR_MAX;
}

/* Collects where the places inside start, and joins them TAPS_MAX at a time. `left` output places of the
 * task follow. */
static void pool_place(const struct work *work, const float **table, const struct row *row, int64_t o,
                       int64_t left, float *y)
{
    const struct pool_last *p = work->p;
    const struct window *w = &p->window;
    size_t channels = (size_t)p->channels, taps = 0;
    int64_t from, to, begin = o * w->stride[2] - w->pad_begin[2];
    float factor = 1;
    bool more = false;

    window_clip(w, 2, o, &from, &to);
    if (p->kind == POOL_LAST_MEAN) {
        int64_t count = row->count * mean_count(p, 2, o, to - from);

        factor = 1 / (float)(count > 0 ? count : 1);
    }
    for (int64_t a = row->from[0]; a < row->to[0]; a++) {
        for (int64_t b = row->from[1]; b < row->to[1]; b++) {
            int64_t at = (a * w->dilation[0] * w->in[1] + b * w->dilation[1]) * w->in[2] + begin;

            for (int64_t c = from; c < to; c++) {
                if (taps == TAPS_MAX) {
                    work->fn(table, taps, channels, work->first, more, false, 1, y);
                    more = true;
                    taps = 0;
                }
                table[taps++] = row->x + (at + c * w->dilation[2]) * p->channels;
            }
        }
    }
    work->fn(table, taps, channels, work->first, more, taps > 0 && is_loose(work, table[taps - 1], left),
             factor, y);
}

/* Output places [o, end) whose windows lie inside like that of place o - 1, which has left its starts. */
static void pool_inside(const struct work *work, const float **table, const struct row *row, int64_t o,
                        int64_t end, int64_t left, float *y)
{
    const struct pool_last *p = work->p;
    const struct window *w = &p->window;
    int64_t taps = (row->to[0] - row->from[0]) * (row->to[1] - row->from[1]) * w->kernel[2];
    int64_t step = w->stride[2] * p->channels;
    float factor = p->kind == POOL_LAST_MEAN ? 1 / (float)(row->count * w->kernel[2]) : 1;

    for (; o < end; o++, y += p->channels) {
        for (int64_t t = 0; t < taps; t++)
            table[t] += step;
        work->fn(table, (size_t)taps, (size_t)p->channels, work->first, false,
                 is_loose(work, table[taps - 1], left + end - 1 - o), factor, y);
    }
}

/* The places [ret_from, ret_to) of a row whose windows are inside of it and fit the table. */
static void inside_places(const struct window *w, int64_t taps, int64_t *ret_from, int64_t *ret_to)
{
    int64_t room = w->in[2] + w->pad_begin[2] - (w->kernel[2] - 1) * w->dilation[2];

    *ret_from = (w->pad_begin[2] + w->stride[2] - 1) / w->stride[2];
    *ret_to = room > 0 ? (room + w->stride[2] - 1) / w->stride[2] : 0;
    if (*ret_to > w->out[2])
        *ret_to = w->out[2];
    if (*ret_to < *ret_from || taps == 0 || taps > TAPS_MAX)
        *ret_to = *ret_from;
}

static void pool_row(const struct work *work, const float **table, int64_t index, int64_t rows_left)
{
    const struct pool_last *p = work->p;
    const struct window *w = &p->window;
    int64_t o[2] = {index / w->out[1] % w->out[0], index % w->out[1]};
    int64_t at = index / w->out[1] / w->out[0], from, to;
    float *y = p->y + index * w->out[2] * p->channels;
    struct row row = {.count = 1};

    for (int d = 0; d < 2; d++) {
        window_clip(w, d, o[d], &row.from[d], &row.to[d]);
        row.count *= mean_count(p, d, o[d], row.to[d] - row.from[d]);
        at = at * w->in[d] + o[d] * w->stride[d] - w->pad_begin[d];
    }
    row.x = p->x + at * w->in[2] * p->channels;
    inside_places(w, (row.to[0] - row.from[0]) * (row.to[1] - row.from[1]) * w->kernel[2], &from, &to);
    for (int64_t i = 0; i < w->out[2]; i++) {
        int64_t left = rows_left * w->out[2] + w->out[2] - 1 - i;

        pool_place(work, table, &row, i, left, y + i * p->channels);
        if (i == from && i + 1 < to) {
            pool_inside(work, table, &row, i + 1, to, left - (to - 1 - i), y + (i + 1) * p->channels);
            i = to - 1;
        }
    }
}

static void run_task(void *arg, int task, int thread)
{
    const struct work *work = arg;
    const float **table = work->tables + (size_t)thread * TAPS_MAX;

    int64_t end = work->rows * (task + 1) / work->tasks;

    for (int64_t row = work->rows * task / work->tasks; row < end; row++)
        pool_row(work, table, row, end - 1 - row);
}

void pool_last_run(const struct pool_last *pooling, void *scratch, struct pool *pool)
{
    bool max = pooling->kind == POOL_LAST_MAX;
    struct work work = {.p = pooling,
                        .fn = (max ? max_functions : sum_functions)[cpu_isa()],
                        .first = max ? -INFINITY : 0,
                        .rows = pooling->images * pooling->window.out[0] * pooling->window.out[1]};

    work.x_end = pooling->x + pooling->images * window_in_size(&pooling->window) * pooling->channels;
    work.tables = scratch;
    work.tasks = pool_threads(pool);
    if ((double)work.rows * (double)pooling->window.out[2] * (double)pooling->channels *
            (double)window_kernel_size(&pooling->window) < PARALLEL_ELEMENTS)
        work.tasks = 1;
    if (work.rows > 0)
        pool_run(pool, work.tasks, run_task, &work);
}
