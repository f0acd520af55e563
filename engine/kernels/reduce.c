/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/kernels/reduce.h"

#include "engine/kernels/convert.h"
#include "engine/kernels/vec_math.h"

#include <math.h>
#include <string.h>

/* BLOCK: outputs computed side by side, and elements converted at a time. ROWS, LEVELS: see
 * reduce_rows in reduce_body.h. SHORT_LINE: below it a vector kernel does not pay. */
enum { BLOCK = 256, ROWS = 64, LEVELS = 4, SHORT_LINE = 16, GRAIN = 16384 };

/* What one walk through the elements does. */
enum pass { PASS_SUM, PASS_MAX, PASS_MIN, PASS_PROD, PASS_ABS, PASS_SQUARE, PASS_EXP, PASSES };

static const enum pass kinds[REDUCE_KINDS] = {
    [REDUCE_SUM] = PASS_SUM,
    [REDUCE_MEAN] = PASS_SUM,
    [REDUCE_MAX] = PASS_MAX,
    [REDUCE_MIN] = PASS_MIN,
    [REDUCE_PROD] = PASS_PROD,
    [REDUCE_L1] = PASS_ABS,
    [REDUCE_L2] = PASS_SQUARE,
    [REDUCE_SUM_SQUARE] = PASS_SQUARE,
    [REDUCE_LOG_SUM] = PASS_SUM,
    [REDUCE_LOG_SUM_EXP] = PASS_EXP,
    [REDUCE_MEAN_SQUARE] = PASS_SQUARE,
};

/* A dimension to walk along: its size and the stride between its elements. */
struct axis {
    int64_t size, stride;
};

struct job {
    enum reduce_kind kind;
    enum dtype dtype, compute;
    size_t size;                   /* of an element */
    const char *x;
    char *y;
    /* The walked dimensions; the innermost one of the tensor is in neither list. */
    struct axis kept[SHAPE_RANK_MAX], reduced[SHAPE_RANK_MAX];
    int n_kept_dims, n_reduced_dims;
    int64_t n_kept, n_reduced;     /* their products */
    bool by_line;                  /* the innermost dimension is reduced */
    int64_t n_last;                /* elements of a line, 1 unless by_line */
    int64_t n_row;                 /* outputs side by side, 1 if by_line */
    int64_t stride;                /* between the elements of neighbouring outputs of a row */
    int tasks;
};

/* A place among several dimensions. */
struct walk {
    int64_t index[SHAPE_RANK_MAX];
    int64_t offset;
};

static struct walk walk_to(int64_t place, int n_dims, const struct axis *dims)
{
    struct walk walk = {0};

    for (int d = n_dims - 1; d >= 0; d--) {
        walk.index[d] = place % dims[d].size;
        walk.offset += walk.index[d] * dims[d].stride;
        place /= dims[d].size;
    }
    return walk;
}

static void walk_next(struct walk *walk, int n_dims, const struct axis *dims)
{
    for (int d = n_dims - 1; d >= 0; d--) {
        walk->offset += dims[d].stride;
        if (++walk->index[d] < dims[d].size)
            return;
        walk->offset -= dims[d].stride * dims[d].size;
        walk->index[d] = 0;
    }
}

static void f32_exp(int64_t n, float *x)
{
    vec_exp_f32((size_t)n, x, x);
}

static void f64_exp(int64_t n, double *x)
{
    for (int64_t i = 0; i < n; i++)
        x[i] = exp(x[i]);
}

/* What needs the exponential of integers is computed as double. */
#define i64_exp(n, x) ((void)(n), (void)(x))
#define u64_exp(n, x) ((void)(n), (void)(x))

static void f32_fast_sum(int64_t n, const float *x, const float *shifts, float *accumulator)
{
    (void)shifts;
    *accumulator += vec_sum_f32((size_t)n, x);
}

static void f32_fast_abs(int64_t n, const float *x, const float *shifts, float *accumulator)
{
    (void)shifts;
    *accumulator += vec_sum_abs_f32((size_t)n, x);
}

static void f32_fast_square(int64_t n, const float *x, const float *shifts, float *accumulator)
{
    (void)shifts;
    *accumulator += vec_sum_squares_f32((size_t)n, 0.0f, x);
}

static void f32_fast_max(int64_t n, const float *x, const float *shifts, float *accumulator)
{
    float most = vec_max_f32((size_t)n, x);

    (void)shifts;
    if (most > *accumulator || most != most)
        *accumulator = most;
}

static void (*f32_line_of(enum pass pass))(int64_t, const float *, const float *, float *)
{
    return pass == PASS_SUM      ? f32_fast_sum
           : pass == PASS_ABS    ? f32_fast_abs
           : pass == PASS_SQUARE ? f32_fast_square
           : pass == PASS_MAX    ? f32_fast_max
                                 : NULL;
}

#define f64_line_of(pass) NULL
#define i64_line_of(pass) NULL
#define u64_line_of(pass) NULL

#define T float
#define NAME(x) f32_##x
#define LOWEST (-INFINITY)
#define HIGHEST INFINITY
#define IS_NEGATIVE(item) ((item) < 0)
#define ADD(a, b) ((a) + (b))
#define SUBTRACT(a, b) ((a) - (b))
#define MULTIPLY(a, b) ((a) * (b))
#include "engine/kernels/reduce_body.h"
#undef T
#undef NAME

#define T double
#define NAME(x) f64_##x
#include "engine/kernels/reduce_body.h"
#undef T
#undef NAME
#undef LOWEST
#undef HIGHEST
#undef IS_NEGATIVE
#undef ADD
#undef SUBTRACT
#undef MULTIPLY

/* Integers wrap around. */
#define ADD(a, b) ((uint64_t)(a) + (uint64_t)(b))
#define SUBTRACT(a, b) ((uint64_t)(a) - (uint64_t)(b))
#define MULTIPLY(a, b) ((uint64_t)(a) * (uint64_t)(b))

#define T int64_t
#define NAME(x) i64_##x
#define LOWEST INT64_MIN
#define HIGHEST INT64_MAX
#define IS_NEGATIVE(item) ((item) < 0)
#include "engine/kernels/reduce_body.h"
#undef T
#undef NAME
#undef LOWEST
#undef HIGHEST
#undef IS_NEGATIVE

#define T uint64_t
#define NAME(x) u64_##x
#define LOWEST 0
#define HIGHEST UINT64_MAX
#define IS_NEGATIVE(item) false
#include "engine/kernels/reduce_body.h"

static void run_task(void *arg, int task, int thread)
{
    const struct job *job = arg;
    int64_t first = job->n_kept * task / job->tasks, last = job->n_kept * (task + 1) / job->tasks;

    (void)thread;
    if (job->compute == DTYPE_F32)
        f32_reduce_range(job, first, last);
    else if (job->compute == DTYPE_F64)
        f64_reduce_range(job, first, last);
    else if (job->compute == DTYPE_U64)
        u64_reduce_range(job, first, last);
    else
        i64_reduce_range(job, first, last);
}

/* Fills the job's loop nest: dimensions of size 1 drop out, neighbours of one fate are joined. */
static void make_nest(struct job *job, const struct shape *shape, uint32_t axes)
{
    int64_t sizes[SHAPE_RANK_MAX], stride = 1;
    bool reduced[SHAPE_RANK_MAX] = {false};
    int rank = 0;

    for (int d = 0; d < shape->rank; d++) {
        bool fate = (axes >> d & 1u) != 0;

        if (shape->dims[d] == 1)
            continue;
        if (rank > 0 && reduced[rank - 1] == fate) {
            sizes[rank - 1] *= shape->dims[d];
            continue;
        }
        sizes[rank] = shape->dims[d];
        reduced[rank++] = fate;
    }
    job->n_kept = job->n_reduced = job->n_last = job->n_row = job->stride = 1;
    job->by_line = rank > 0 && reduced[rank - 1];
    if (job->by_line && rank > 1 && sizes[rank - 1] < SHORT_LINE && job->dtype == job->compute) {
        /* Short lines are columns of one wide row. */
        job->by_line = false;
        job->stride = job->n_reduced = sizes[--rank];
        job->reduced[job->n_reduced_dims++] = (struct axis){job->n_reduced, 1};
        job->n_row = sizes[--rank];
        stride = job->stride * job->n_row;
    } else if (rank > 0) {
        *(job->by_line ? &job->n_last : &job->n_row) = sizes[rank - 1];
        stride = sizes[--rank];
    }
    for (int d = 0; d < rank; d++) {
        int64_t below = stride;
        struct axis *axis = reduced[d] ? &job->reduced[job->n_reduced_dims++]
                                       : &job->kept[job->n_kept_dims++];

        for (int k = d + 1; k < rank; k++)
            below *= sizes[k];
        *axis = (struct axis){sizes[d], below};
        *(reduced[d] ? &job->n_reduced : &job->n_kept) *= sizes[d];
    }
}

void reduce_run(struct pool *pool, enum reduce_kind kind, const struct tensor *x, uint32_t axes,
                const struct tensor *y)
{
    struct job job = {.kind = kind, .dtype = x->dtype, .compute = compute_dtype(x->dtype),
                      .size = dtype_size(x->dtype), .x = x->data, .y = y->data};
    int threads = pool_threads(pool);
    bool fractional = kind == REDUCE_MEAN || kind == REDUCE_MEAN_SQUARE || kind == REDUCE_L2 ||
                      kind == REDUCE_LOG_SUM || kind == REDUCE_LOG_SUM_EXP;

    if (shape_elements(&y->shape) == 0)
        return;
    if (fractional && job.compute != DTYPE_F32)
        job.compute = DTYPE_F64;
    make_nest(&job, &x->shape, axes);
    job.tasks = job.n_kept < threads || shape_elements(&x->shape) / threads < GRAIN ? 1 : threads;
    pool_run(job.tasks == 1 ? NULL : pool, job.tasks, run_task, &job);
}
