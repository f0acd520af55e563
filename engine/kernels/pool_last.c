/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/kernels/pool_last.h"

#include "engine/kernels/cpu.h"

#include <math.h>
#include <stdbool.h>
#include <stdint.h>

enum {
    TAPS_MAX = 64,              /* of a larger window at a time */
    PARALLEL_ELEMENTS = 1 << 15 /* read, from which other threads are worth waking */
};

#define NAME(x) generic_##x
#define VECTOR 4
#include "engine/kernels/pool_last_body.h"
#undef NAME
#undef VECTOR

#if defined(__x86_64__)
#pragma GCC push_options
#pragma GCC target("avx2,fma")
#define NAME(x) avx2_##x
#define VECTOR 8
#include "engine/kernels/pool_last_body.h"
#undef NAME
#undef VECTOR
#pragma GCC pop_options

#pragma GCC push_options
#pragma GCC target("avx512f,avx512bw,avx512dq,avx512vl,fma,prefer-vector-width=512")
#define NAME(x) avx512_##x
#define VECTOR 16
#include "engine/kernels/pool_last_body.h"
#undef NAME
#undef VECTOR
#pragma GCC pop_options
#else
#define avx2_max generic_max
#define avx2_sum generic_sum
#define avx512_max generic_max
#define avx512_sum generic_sum
#endif

typedef void pool_fn(const float *const *starts, size_t taps, size_t channels, float first, bool more,
                     float *y);

static pool_fn *const functions[ISA_COUNT][2] = {
    [ISA_GENERIC] = {generic_max, generic_sum},
    [ISA_AVX2] = {avx2_max, avx2_sum},
    [ISA_AVX512] = {avx512_max, avx512_sum},
};

/* What the threads share. */
struct work {
    const struct pool_last *p;
    pool_fn *fn;
    float first;                /* what no place at all gives */
    const float **tables;       /* TAPS_MAX for each thread */
    int64_t rows;               /* of output places, of all images */
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

/* Collects where the places inside start, and joins them TAPS_MAX at a time. */
static void pool_place(const struct work *work, const float **table, const struct row *row, int64_t o,
                       float *y)
{
    const struct pool_last *p = work->p;
    const struct window *w = &p->window;
    size_t channels = (size_t)p->channels, taps = 0;
    int64_t from, to, begin = o * w->stride[2] - w->pad_begin[2];
    bool more = false;

    window_clip(w, 2, o, &from, &to);
    for (int64_t a = row->from[0]; a < row->to[0]; a++) {
        for (int64_t b = row->from[1]; b < row->to[1]; b++) {
            int64_t at = (a * w->dilation[0] * w->in[1] + b * w->dilation[1]) * w->in[2] + begin;

            for (int64_t c = from; c < to; c++) {
                table[taps++] = row->x + (at + c * w->dilation[2]) * p->channels;
                if (taps < TAPS_MAX)
                    continue;
                work->fn(table, taps, channels, work->first, more, y);
                more = true;
                taps = 0;
            }
        }
    }
    if (taps > 0 || !more)
        work->fn(table, taps, channels, work->first, more, y);
    if (p->kind == POOL_LAST_MEAN) {
        int64_t count = row->count * mean_count(p, 2, o, to - from);
        float factor = 1 / (float)(count > 0 ? count : 1);

        for (size_t c = 0; c < channels; c++)
            y[c] *= factor;
    }
}

static void pool_row(const struct work *work, const float **table, int64_t index)
{
    const struct pool_last *p = work->p;
    const struct window *w = &p->window;
    int64_t o[2] = {index / w->out[1] % w->out[0], index % w->out[1]};
    int64_t at = index / w->out[1] / w->out[0];
    float *y = p->y + index * w->out[2] * p->channels;
    struct row row = {.count = 1};

    for (int d = 0; d < 2; d++) {
        window_clip(w, d, o[d], &row.from[d], &row.to[d]);
        row.count *= mean_count(p, d, o[d], row.to[d] - row.from[d]);
        at = at * w->in[d] + o[d] * w->stride[d] - w->pad_begin[d];
    }
    row.x = p->x + at * w->in[2] * p->channels;
    for (int64_t i = 0; i < w->out[2]; i++)
        pool_place(work, table, &row, i, y + i * p->channels);
}

static void run_task(void *arg, int task, int thread)
{
    const struct work *work = arg;
    const float **table = work->tables + (size_t)thread * TAPS_MAX;

    for (int64_t row = work->rows * task / work->tasks; row < work->rows * (task + 1) / work->tasks; row++)
        pool_row(work, table, row);
}

void pool_last_run(const struct pool_last *pooling, void *scratch, struct pool *pool)
{
    struct work work = {.p = pooling, .fn = functions[cpu_isa()][pooling->kind],
                        .first = pooling->kind == POOL_LAST_MAX ? -INFINITY : 0,
                        .rows = pooling->images * pooling->window.out[0] * pooling->window.out[1]};

    work.tables = scratch;
    work.tasks = pool_threads(pool);
    if ((double)work.rows * (double)pooling->window.out[2] * (double)pooling->channels *
            (double)window_kernel_size(&pooling->window) < PARALLEL_ELEMENTS)
        work.tasks = 1;
    if (work.rows > 0)
        pool_run(pool, work.tasks, run_task, &work);
}
