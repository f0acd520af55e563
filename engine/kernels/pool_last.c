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
    int64_t places;             /* output places of all images */
    int tasks;
};

size_t pool_last_scratch(int threads)
{
    return (size_t)threads * TAPS_MAX * sizeof(float *);
}

/* What the sum is divided by. */
static double mean_count(const struct pool_last *p, const int64_t *o)
{
    const struct window *w = &p->window;
    double count = 1;

    for (int d = 0; d < WINDOW_DIMS; d++) {
        int64_t from, to, begin = o[d] * w->stride[d] - w->pad_begin[d];

        if (p->mean == WINDOW_MEAN) {
            window_clip(w, d, o[d], &from, &to);
        } else {
            from = 0;
            to = (w->in[d] + w->pad_end[d] - begin + w->dilation[d] - 1) / w->dilation[d];
            to = to < w->kernel[d] ? to : w->kernel[d];
        }
        count *= (double)(to - from);
    }
    return count > 0 ? count : 1;
}

/* Collects where the places inside start, and joins them TAPS_MAX at a time. */
static void pool_place(const struct work *work, const float **table, int64_t place)
{
    const struct pool_last *p = work->p;
    const struct window *w = &p->window;
    int64_t o[WINDOW_DIMS], from[WINDOW_DIMS], to[WINDOW_DIMS], begin[WINDOW_DIMS];
    int64_t left = place;
    float *y = p->y + place * p->channels;
    size_t taps = 0;
    bool more = false;

    for (int d = WINDOW_DIMS - 1; d >= 0; d--) {
        o[d] = left % w->out[d];
        left /= w->out[d];
        begin[d] = o[d] * w->stride[d] - w->pad_begin[d];
        window_clip(w, d, o[d], &from[d], &to[d]);
    }
    for (int64_t a = from[0]; a < to[0]; a++) {
        for (int64_t b = from[1]; b < to[1]; b++) {
            int64_t i = left * w->in[0] + begin[0] + a * w->dilation[0];
            const float *row =
                p->x + (i * w->in[1] + begin[1] + b * w->dilation[1]) * w->in[2] * p->channels;

            for (int64_t c = from[2]; c < to[2]; c++) {
                table[taps++] = row + (begin[2] + c * w->dilation[2]) * p->channels;
                if (taps < TAPS_MAX)
                    continue;
                work->fn(table, taps, (size_t)p->channels, work->first, more, y);
                more = true;
                taps = 0;
            }
        }
    }
    if (taps > 0 || !more)
        work->fn(table, taps, (size_t)p->channels, work->first, more, y);
    if (p->kind == POOL_LAST_MEAN) {
        float factor = (float)(1 / mean_count(p, o));

        for (int64_t c = 0; c < p->channels; c++)
            y[c] *= factor;
    }
}

static void run_task(void *arg, int task, int thread)
{
    const struct work *work = arg;
    const float **table = work->tables + (size_t)thread * TAPS_MAX;

    for (int64_t place = work->places * task / work->tasks;
         place < work->places * (task + 1) / work->tasks; place++)
        pool_place(work, table, place);
}

void pool_last_run(const struct pool_last *pooling, void *scratch, struct pool *pool)
{
    struct work work = {.p = pooling, .fn = functions[cpu_isa()][pooling->kind],
                        .first = pooling->kind == POOL_LAST_MAX ? -INFINITY : 0,
                        .places = pooling->images * window_out_size(&pooling->window)};

    work.tables = scratch;
    work.tasks = pool_threads(pool);
    if ((double)work.places * (double)pooling->channels *
            (double)window_kernel_size(&pooling->window) < PARALLEL_ELEMENTS)
        work.tasks = 1;
    if (work.places > 0)
        pool_run(pool, work.tasks, run_task, &work);
}
