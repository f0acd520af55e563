/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/kernels/pool_planes.h"

#include "engine/kernels/cpu.h"
#include "engine/kernels/isa.h"
#include "engine/kernels/vec_math.h"

#include <math.h>
#include <string.h>

enum { ROW = 128, NOWHERE = 255 };  /* windows of a row at a time; a byte that is no place */

static int64_t min64(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* Some windows of one row, and the walk over the kernel places that are inside for any of them. */
struct walk {
    const struct window *w;
    int64_t o[2], first, count;     /* windows first .. first + count - 1 */
    int64_t range[2][2];            /* of kernel places along the first two dimensions */
    int64_t a, b, c;                /* the present place */
    int64_t place;                  /* its number */
    int64_t from, to, at;           /* windows (counted from `first`) inside there, and where the row's
                                       window `first` reads, inside or not */
};

static void walk_begin(struct walk *walk, const struct window *w, int64_t row, int64_t first)
{
    *walk = (struct walk){.w = w, .o = {row / w->out[1], row % w->out[1]}, .first = first};
    walk->count = min64(ROW, w->out[2] - first);
    for (int d = 0; d < 2; d++)
        window_clip(w, d, walk->o[d], &walk->range[d][0], &walk->range[d][1]);
    walk->a = walk->range[0][0];
    walk->b = walk->range[1][0];
    walk->c = -1;
}

/* False after the last place. */
static bool walk_next(struct walk *walk)
{
    const struct window *w = walk->w;
    int64_t step = w->stride[2], line;

    if (++walk->c >= w->kernel[2]) {
        walk->c = 0;
        if (++walk->b >= walk->range[1][1]) {
            walk->b = walk->range[1][0];
            walk->a++;
        }
    }
    if (walk->a >= walk->range[0][1] || walk->b >= walk->range[1][1])
        return false;
    walk->place = (walk->a * w->kernel[1] + walk->b) * w->kernel[2] + walk->c;
    line = walk->first * step - w->pad_begin[2] + walk->c * w->dilation[2];
    walk->from = line < 0 ? min64((-line + step - 1) / step, walk->count) : 0;
    walk->to = walk->count;
    if (line + (walk->count - 1) * step >= w->in[2])
        walk->to = line < w->in[2] ? min64((w->in[2] - line + step - 1) / step, walk->count) : 0;
    walk->at = ((walk->o[0] * w->stride[0] - w->pad_begin[0] + walk->a * w->dilation[0]) * w->in[1] +
                walk->o[1] * w->stride[1] - w->pad_begin[1] + walk->b * w->dilation[1]) * w->in[2] + line;
    return true;
}

#define INLINE static inline __attribute__((always_inline))

/* One kernel place of windows [from, to): x is where window 0 reads. */
INLINE void take_larger(int64_t from, int64_t to, const int64_t step, const float *x, int32_t place,
                        float *best, int32_t *where)
{
    for (int64_t i = from; i < to; i++) {
        float item = x[i * step];
        bool take = (where[i] < 0) | (((item > best[i]) | (item != item)) & (best[i] == best[i]));

        best[i] = take ? item : best[i];
        where[i] = take ? place : where[i];
    }
}

INLINE void add_places(int64_t from, int64_t to, const int64_t step, const float *x, float *sums)
{
    for (int64_t i = from; i < to; i++)
        sums[i] += x[i * step];
}

INLINE void spread_places(int64_t from, int64_t to, const int64_t step, const float *parts, float *x)
{
    for (int64_t i = from; i < to; i++)
        x[i * step] += parts[i];
}

/* With the usual strides as constants, so that the compiler knows how to load. */
#define STEPS(SUFFIX) \
    static void larger_##SUFFIX(const struct walk *k, const float *x, float *best, int32_t *where) \
    { \
        if (k->w->stride[2] == 1) \
            take_larger(k->from, k->to, 1, x, (int32_t)k->place, best, where); \
        else if (k->w->stride[2] == 2) \
            take_larger(k->from, k->to, 2, x, (int32_t)k->place, best, where); \
        else \
            take_larger(k->from, k->to, k->w->stride[2], x, (int32_t)k->place, best, where); \
    } \
    static void add_##SUFFIX(const struct walk *k, const float *x, float *sums) \
    { \
        if (k->w->stride[2] == 1) \
            add_places(k->from, k->to, 1, x, sums); \
        else if (k->w->stride[2] == 2) \
            add_places(k->from, k->to, 2, x, sums); \
        else \
            add_places(k->from, k->to, k->w->stride[2], x, sums); \
    } \
    static void spread_##SUFFIX(const struct walk *k, const float *parts, float *x) \
    { \
        if (k->w->stride[2] == 1) \
            spread_places(k->from, k->to, 1, parts, x); \
        else \
            spread_places(k->from, k->to, k->w->stride[2], parts, x); \
    }

/* Windows of 2 x 2 that step by two and all lie inside, which most networks have: one row of them, from
 * two rows of the plane. */
#define HALVES(SUFFIX) \
    static void mean_half_##SUFFIX(int64_t n, const float *restrict a, const float *restrict b, \
                                   float *restrict y) \
    { \
        for (int64_t i = 0; i < n; i++) \
            y[i] = ((a[2 * i] + a[2 * i + 1]) + (b[2 * i] + b[2 * i + 1])) * 0.25f; \
    } \
    static void mean_spread_half_##SUFFIX(int64_t n, const float *restrict dy, float *restrict a, \
                                          float *restrict b) \
    { \
        for (int64_t i = 0; i < n; i++) { \
            float part = dy[i] * 0.25f; \
            a[2 * i] += part; \
            a[2 * i + 1] += part; \
            b[2 * i] += part; \
            b[2 * i + 1] += part; \
        } \
    }

STEPS(generic)
HALVES(generic)
#if defined(__x86_64__)
ISA_BEGIN_AVX2
STEPS(avx2)
HALVES(avx2)
ISA_END
#else
#define mean_half_avx2 mean_half_generic
#define mean_spread_half_avx2 mean_spread_half_generic
#define larger_avx2 larger_generic
#define add_avx2 add_generic
#define spread_avx2 spread_generic
#endif

size_t pool_place_bytes(const struct window *window)
{
    return window_kernel_size(window) <= POOL_PLACES_BYTE ? 1 : sizeof(int32_t);
}

static void store_places(bool bytes, int64_t at, int64_t count, const int32_t *where, void *places)
{
    if (!bytes) {
        memcpy((int32_t *)places + at, where, (size_t)count * sizeof(*where));
        return;
    }
    for (int64_t i = 0; i < count; i++)
        ((uint8_t *)places)[at + i] = (uint8_t)where[i];     /* -1 becomes NOWHERE */
}

void pool_max_f32(const struct window *window, const float *x, float *y, void *places)
{
    bool bytes = pool_place_bytes(window) == 1, avx2 = cpu_isa() >= ISA_AVX2;
    int64_t rows = window->out[0] * window->out[1], width = window->out[2];

    for (int64_t row = 0; row < rows; row++)
        for (int64_t first = 0; first < width; first += ROW) {
            float *best = y + row * width + first;
            int32_t where[ROW];
            struct walk walk;

            walk_begin(&walk, window, row, first);
            for (int64_t i = 0; i < walk.count; i++) {
                best[i] = -INFINITY;
                where[i] = -1;
            }
            while (walk_next(&walk)) {
                /* Where padding is outside, this does not point at anything before `from`. */
                const float *from = (const float *)((uintptr_t)x + (uintptr_t)walk.at * sizeof(float));

                if (avx2)
                    larger_avx2(&walk, from, best, where);
                else
                    larger_generic(&walk, from, best, where);
            }
            store_places(bytes, row * width + first, walk.count, where, places);
        }
}

/* Kernel place `place` of window `o`, as a position in the plane. */
static int64_t position(const struct window *w, int64_t o, int64_t place)
{
    int64_t at[WINDOW_DIMS];

    for (int d = WINDOW_DIMS - 1; d >= 0; d--) {
        at[d] = o % w->out[d] * w->stride[d] - w->pad_begin[d] + place % w->kernel[d] * w->dilation[d];
        o /= w->out[d];
        place /= w->kernel[d];
    }
    return (at[0] * w->in[1] + at[1]) * w->in[2] + at[2];
}

int64_t pool_max_position(const struct window *window, const void *places, int64_t o)
{
    if (pool_place_bytes(window) == 1) {
        int64_t place = ((const uint8_t *)places)[o];

        return place == NOWHERE ? -1 : position(window, o, place);
    }
    return ((const int32_t *)places)[o] < 0 ? -1 : position(window, o, ((const int32_t *)places)[o]);
}

void pool_max_spread_f32(const struct window *window, const void *places, const float *dy, float *dx)
{
    int64_t rows = window->out[0] * window->out[1], width = window->out[2];
    int64_t kernel = window_kernel_size(window);
    int64_t offset[POOL_PLACES_BYTE];
    const uint8_t *byte = places;

    if (pool_place_bytes(window) != 1) {
        for (int64_t o = 0; o < rows * width; o++) {
            int64_t at = pool_max_position(window, places, o);

            if (at >= 0)
                dx[at] += dy[o];
        }
        return;
    }
    for (int64_t place = 0; place < kernel; place++)
        offset[place] = position(window, 0, place);
    for (int64_t row = 0; row < rows; row++) {
        int64_t at = position(window, row * width, 0) - offset[0];

        for (int64_t i = 0; i < width; i++, byte++, dy++, at += window->stride[2])
            if (*byte != NOWHERE)
                dx[at + offset[*byte]] += *dy;
    }
}

/* 1 / the number of places that each window of the walk's row is divided by. */
static void divisors(const struct walk *walk, enum window_mean mean, float *ret)
{
    const struct window *w = walk->w;

    for (int64_t i = 0; i < walk->count; i++) {
        const int64_t o[WINDOW_DIMS] = {walk->o[0], walk->o[1], walk->first + i};
        int64_t places = 1;

        for (int d = 0; d < WINDOW_DIMS; d++) {
            int64_t from, to, room = w->in[d] + w->pad_end[d] + w->pad_begin[d] - o[d] * w->stride[d];

            window_clip(w, d, o[d], &from, &to);
            if (mean == WINDOW_MEAN_WITH_PADDING) {
                from = 0;
                to = min64((room + w->dilation[d] - 1) / w->dilation[d], w->kernel[d]);
            }
            places *= to - from;
        }
        ret[i] = places > 0 ? 1.0f / (float)places : 0.0f;
    }
}

/* True where every window has the same divisor: ret[0 .. ROW - 1] is filled once for all. */
static bool same_divisor(const struct window *w, float *ret)
{
    for (int d = 0; d < WINDOW_DIMS; d++)
        if (w->pad_begin[d] != 0 ||
            (w->out[d] - 1) * w->stride[d] + (w->kernel[d] - 1) * w->dilation[d] >= w->in[d])
            return false;
    for (int64_t i = 0; i < ROW; i++)
        ret[i] = 1.0f / (float)window_kernel_size(w);
    return true;
}

/* One window that is the whole plane. */
static bool is_global(const struct window *w)
{
    int64_t in = window_in_size(w);

    for (int d = 0; d < WINDOW_DIMS; d++)
        if (w->pad_begin[d] != 0 || w->dilation[d] != 1)
            return false;
    return window_out_size(w) == 1 && window_kernel_size(w) == in && in > 0;
}

static bool is_half(const struct window *w)
{
    for (int d = 1; d < WINDOW_DIMS; d++)
        if (w->kernel[d] != 2 || w->stride[d] != 2 || w->dilation[d] != 1 || w->pad_begin[d] != 0 ||
            2 * w->out[d] > w->in[d])
            return false;
    return w->in[0] == 1 && w->kernel[0] == 1;
}

void pool_mean_f32(const struct window *window, enum window_mean mean, const float *x, float *y)
{
    int64_t rows = window->out[0] * window->out[1], width = window->out[2];
    bool avx2 = cpu_isa() >= ISA_AVX2, same;
    float factor[ROW];

    if (is_global(window)) {
        int64_t in = window_in_size(window);

        y[0] = vec_sum_f32((size_t)in, x) / (float)in;
        return;
    }
    for (int64_t row = 0; is_half(window) && row < rows; row++) {
        const float *a = x + 2 * row * window->in[2];

        (avx2 ? mean_half_avx2 : mean_half_generic)(width, a, a + window->in[2], y + row * width);
    }
    if (is_half(window))
        return;
    same = same_divisor(window, factor);
    for (int64_t row = 0; row < rows; row++)
        for (int64_t first = 0; first < width; first += ROW) {
            float *sums = y + row * width + first;
            struct walk walk;

            walk_begin(&walk, window, row, first);
            if (!same)
                divisors(&walk, mean, factor);
            memset(sums, 0, (size_t)walk.count * sizeof(float));
            while (walk_next(&walk)) {
                const float *from = (const float *)((uintptr_t)x + (uintptr_t)walk.at * sizeof(float));

                if (avx2)
                    add_avx2(&walk, from, sums);
                else
                    add_generic(&walk, from, sums);
            }
            for (int64_t i = 0; i < walk.count; i++)
                sums[i] *= factor[i];
        }
}

void pool_mean_spread_f32(const struct window *window, enum window_mean mean, const float *dy, float *dx)
{
    int64_t rows = window->out[0] * window->out[1], width = window->out[2];
    bool avx2 = cpu_isa() >= ISA_AVX2, same;
    float factor[ROW], parts[ROW];

    if (is_global(window)) {
        int64_t in = window_in_size(window);

        for (int64_t i = 0; i < in; i++)
            dx[i] += dy[0] / (float)in;
        return;
    }
    for (int64_t row = 0; is_half(window) && row < rows; row++) {
        float *a = dx + 2 * row * window->in[2];

        (avx2 ? mean_spread_half_avx2 : mean_spread_half_generic)(width, dy + row * width, a,
                                                                  a + window->in[2]);
    }
    if (is_half(window))
        return;
    same = same_divisor(window, factor);
    for (int64_t row = 0; row < rows; row++)
        for (int64_t first = 0; first < width; first += ROW) {
            struct walk walk;

            walk_begin(&walk, window, row, first);
            if (!same)
                divisors(&walk, mean, factor);
            for (int64_t i = 0; i < walk.count; i++)
                parts[i] = dy[row * width + first + i] * factor[i];
            while (walk_next(&walk)) {
                float *to = (float *)((uintptr_t)dx + (uintptr_t)walk.at * sizeof(float));

                if (avx2)
                    spread_avx2(&walk, parts, to);
                else
                    spread_generic(&walk, parts, to);
            }
        }
}

void pool_norm_spread_f32(const struct window *window, int64_t p, const float *x, const float *y,
                          const float *dy, float *dx)
{
    int64_t rows = window->out[0] * window->out[1], width = window->out[2], step = window->stride[2];

    for (int64_t row = 0; row < rows; row++)
        for (int64_t first = 0; first < width; first += ROW) {
            int64_t line = row * width + first;
            double parts[ROW] = {0};
            struct walk walk;

            walk_begin(&walk, window, row, first);
            for (int64_t i = 0; i < walk.count; i++)
                parts[i] = y[line + i] > 0 ? (double)dy[line + i] * pow((double)y[line + i], (double)(1 - p))
                                           : 0;
            while (walk_next(&walk))
                for (int64_t i = walk.from; i < walk.to; i++) {
                    double item = (double)x[walk.at + i * step];
                    double power = p == 1 ? item > 0 ? 1 : item < 0 ? -1 : 0
                                   : p == 2 ? item : copysign(pow(fabs(item), (double)(p - 1)), item);

                    dx[walk.at + i * step] += (float)(parts[i] * power);
                }
        }
}
