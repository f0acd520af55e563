/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/kernels/window_pool.h"

#include <assert.h>
#include <math.h>

/* One window: which kernel places are inside, and the first place it reads. */
struct view {
    int64_t from[WINDOW_DIMS], to[WINDOW_DIMS], begin[WINDOW_DIMS];
};

static void view_of(const struct window *w, int64_t index, struct view *ret)
{
    for (int d = WINDOW_DIMS - 1; d >= 0; d--) {
        int64_t o = index % w->out[d];

        index /= w->out[d];
        ret->begin[d] = o * w->stride[d] - w->pad_begin[d];
        window_clip(w, d, o, &ret->from[d], &ret->to[d]);
    }
}

/* Walks the places inside: `i`, `j`, `k` are coordinates, `at` the position in the plane. */
#define FOR_PLACES(w, v) \
    for (int64_t a = (v).from[0]; a < (v).to[0]; a++) \
        for (int64_t b = (v).from[1]; b < (v).to[1]; b++) \
            for (int64_t c = (v).from[2], i = (v).begin[0] + a * (w)->dilation[0], \
                         j = (v).begin[1] + b * (w)->dilation[1], \
                         k = (v).begin[2] + c * (w)->dilation[2], \
                         at = (i * (w)->in[1] + j) * (w)->in[2] + k; \
                 c < (v).to[2]; c++, k += (w)->dilation[2], at += (w)->dilation[2])

static float same_f32(float item)
{
    return item;
}

static double same_f64(double item)
{
    return item;
}

static int same_i8(int8_t item)
{
    return item;
}

static int same_u8(uint8_t item)
{
    return item;
}

/* KEY makes of an element what compares as the number does. A window wholly in the padding has
 * nothing to choose from and gives LOWEST. */
#define MAX(SUFFIX, T, WIDE, KEY, LOWEST) \
    static void max_##SUFFIX(const struct window *w, const T *x, bool column_major, T *y, \
                             int64_t *indices) \
    { \
        int64_t outputs = window_out_size(w); \
        for (int64_t o = 0; o < outputs; o++) { \
            struct view v; \
            WIDE best = 0; \
            int64_t best_at = -1, best_index = 0; \
            view_of(w, o, &v); \
            FOR_PLACES (w, v) { \
                WIDE item = KEY(x[at]); \
                if (best_at >= 0 && !(item > best) && item == item) \
                    continue; \
                if (best_at >= 0 && best != best) \
                    continue; \
                best = item; \
                best_at = at; \
                best_index = column_major ? (k * w->in[1] + j) * w->in[0] + i : at; \
            } \
            y[o] = best_at >= 0 ? x[best_at] : (T)LOWEST; \
            if (indices != NULL) \
                indices[o] = best_index; \
        } \
    }

MAX(f32, float, float, same_f32, -INFINITY)
MAX(f64, double, double, same_f64, -INFINITY)
MAX(f16, uint16_t, float, f16_to_f32, 0xfc00)
MAX(bf16, uint16_t, float, bf16_to_f32, 0xff80)
MAX(i8, int8_t, int, same_i8, INT8_MIN)
MAX(u8, uint8_t, int, same_u8, 0)

void window_max(const struct window *window, enum dtype dtype, const void *x, bool column_major,
                void *y, int64_t *indices)
{
    switch (dtype) {
    case DTYPE_F32:
        max_f32(window, x, column_major, y, indices);
        break;
    case DTYPE_F64:
        max_f64(window, x, column_major, y, indices);
        break;
    case DTYPE_F16:
        max_f16(window, x, column_major, y, indices);
        break;
    case DTYPE_BF16:
        max_bf16(window, x, column_major, y, indices);
        break;
    case DTYPE_I8:
        max_i8(window, x, column_major, y, indices);
        break;
    default:
        assert(dtype == DTYPE_U8);
        max_u8(window, x, column_major, y, indices);
        break;
    }
}

/* How many kernel places of a window lie within input and padding. */
static int64_t places_with_padding(const struct window *w, const struct view *v)
{
    int64_t places = 1;

    for (int d = 0; d < WINDOW_DIMS; d++) {
        int64_t room = w->in[d] + w->pad_end[d] - v->begin[d];
        int64_t count = (room + w->dilation[d] - 1) / w->dilation[d];

        places *= count < w->kernel[d] ? count : w->kernel[d];
    }
    return places;
}

static int64_t places_inside(const struct view *v)
{
    return (v->to[0] - v->from[0]) * (v->to[1] - v->from[1]) * (v->to[2] - v->from[2]);
}

/* Sums of TERM over each window, then RESULT of the sum: in double, whatever the type. */
#define SUMS(NAME, T, READ, WRITE, EXTRA, TERM, RESULT) \
    static void NAME(const struct window *w, EXTRA, const T *x, T *y) \
    { \
        int64_t outputs = window_out_size(w); \
        for (int64_t o = 0; o < outputs; o++) { \
            struct view v; \
            double sum = 0; \
            view_of(w, o, &v); \
            FOR_PLACES (w, v) { \
                double item = (double)READ(x[at]); \
                sum += TERM; \
            } \
            y[o] = WRITE(RESULT); \
        } \
    }

#define AS_F32(x) ((float)(x))
#define AS_F16(x) f32_to_f16((float)(x))
#define AS_BF16(x) f32_to_bf16((float)(x))

static double mean_of(const struct window *w, const struct view *v, enum window_mean mean, double sum)
{
    int64_t places = mean == WINDOW_MEAN ? places_inside(v) : places_with_padding(w, v);

    return places > 0 ? sum / (double)places : 0;
}

static double power(double item, int64_t p)
{
    item = fabs(item);
    return p == 1 ? item : p == 2 ? item * item : pow(item, (double)p);
}

static double root(double sum, int64_t p)
{
    return p == 1 ? sum : p == 2 ? sqrt(sum) : pow(sum, 1 / (double)p);
}

#define BOTH(SUFFIX, T, READ, WRITE) \
    SUMS(average_##SUFFIX, T, READ, WRITE, enum window_mean mean, item, mean_of(w, &v, mean, sum)) \
    SUMS(norm_##SUFFIX, T, READ, WRITE, int64_t p, power(item, p), root(sum, p))

BOTH(f32, float, same_f32, AS_F32)
BOTH(f64, double, same_f64, same_f64)
BOTH(f16, uint16_t, f16_to_f32, AS_F16)
BOTH(bf16, uint16_t, bf16_to_f32, AS_BF16)

#define DISPATCH(NAME, ARG) \
    switch (dtype) { \
    case DTYPE_F32: \
        NAME##_f32(window, ARG, x, y); \
        break; \
    case DTYPE_F64: \
        NAME##_f64(window, ARG, x, y); \
        break; \
    case DTYPE_F16: \
        NAME##_f16(window, ARG, x, y); \
        break; \
    default: \
        assert(dtype == DTYPE_BF16); \
        NAME##_bf16(window, ARG, x, y); \
        break; \
    }

void window_average(const struct window *window, enum dtype dtype, enum window_mean mean,
                    const void *x, void *y)
{
    DISPATCH(average, mean)
}

void window_norm(const struct window *window, enum dtype dtype, int64_t p, const void *x, void *y)
{
    DISPATCH(norm, p)
}
