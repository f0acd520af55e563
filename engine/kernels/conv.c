/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/kernels/conv.h"

#include "engine/kernels/gemm.h"

#include <string.h>

/* Elements of a stretch's columns: they stay in a core's second-level cache. */
enum { COLUMNS_MAX = 1 << 16 };

int64_t conv_stretch(const struct window *window, int64_t channels)
{
    int64_t depth = channels * window_kernel_size(window), places = window_out_size(window);
    int64_t stretch = depth > 0 ? COLUMNS_MAX / depth : places;

    if (stretch < 16)
        stretch = 16;
    return stretch < places ? stretch : places;
}

int64_t conv_scratch(const struct window *window, int64_t channels)
{
    return channels * window_kernel_size(window) * conv_stretch(window, channels);
}

/* Calls for each run of output places [from, to) that lie in one output row: `o` are the first
 * one's coordinates, `count` their number. */
struct row {
    int64_t o[WINDOW_DIMS], count, at;
};

static bool next_row(const struct window *w, int64_t from, int64_t to, struct row *row)
{
    int64_t place = from + row->at + row->count, left;

    row->at += row->count;
    if (place >= to)
        return false;
    row->o[2] = place % w->out[2];
    row->o[1] = place / w->out[2] % w->out[1];
    row->o[0] = place / w->out[2] / w->out[1];
    left = w->out[2] - row->o[2];
    row->count = left < to - place ? left : to - place;
    return true;
}

/* Where kernel place (a, b) of the row's windows reads: the input row, or -1 in the padding. */
static int64_t input_row(const struct window *w, const struct row *row, int64_t a, int64_t b)
{
    int64_t i = row->o[0] * w->stride[0] - w->pad_begin[0] + a * w->dilation[0];
    int64_t j = row->o[1] * w->stride[1] - w->pad_begin[1] + b * w->dilation[1];

    if (i < 0 || i >= w->in[0] || j < 0 || j >= w->in[1])
        return -1;
    return (i * w->in[1] + j) * w->in[2];
}

/* The part of the row's windows, as [*ret_from, *ret_to) within it, whose kernel place `c` along the
 * last dimension is inside; *ret_first is the input place of window 0, inside or not. */
static void inside(const struct window *w, const struct row *row, int64_t c, int64_t *ret_from,
                   int64_t *ret_to, int64_t *ret_first)
{
    int64_t step = w->stride[2], first = row->o[2] * step - w->pad_begin[2] + c * w->dilation[2];
    int64_t from = first < 0 ? (-first + step - 1) / step : 0;
    int64_t to = first < w->in[2] ? (w->in[2] - first + step - 1) / step : 0;

    *ret_from = from < row->count ? from : row->count;
    *ret_to = to < row->count ? to : row->count;
    if (*ret_to < *ret_from)
        *ret_to = *ret_from;
    *ret_first = first;
}

/* One row of columns: kernel place (a, b, c) of one channel, for places [from, to). */
#define GATHER(T) \
    static void gather_##T(const struct window *w, const T *x, int64_t a, int64_t b, int64_t c, \
                           int64_t from, int64_t to, T *column) \
    { \
        struct row row = {.count = 0}; \
        while (next_row(w, from, to, &row)) { \
            int64_t source = input_row(w, &row, a, b), i, begin, end, first; \
            T *out = column + row.at; \
            if (source < 0) { \
                memset(out, 0, (size_t)row.count * sizeof(T)); \
                continue; \
            } \
            inside(w, &row, c, &begin, &end, &first); \
            for (i = 0; i < begin; i++) \
                out[i] = 0; \
            if (w->stride[2] == 1 && end > begin) \
                memcpy(out + begin, x + source + first + begin, (size_t)(end - begin) * sizeof(T)); \
            else \
                for (i = begin; i < end; i++) \
                    out[i] = x[source + first + i * w->stride[2]]; \
            for (i = end; i < row.count; i++) \
                out[i] = 0; \
        } \
    }

/* The way back: adds a row of columns to the places it came from. */
#define SPREAD(T) \
    static void spread_##T(const struct window *w, T *y, int64_t a, int64_t b, int64_t c, \
                           int64_t from, int64_t to, const T *column) \
    { \
        struct row row = {.count = 0}; \
        while (next_row(w, from, to, &row)) { \
            int64_t target = input_row(w, &row, a, b), begin, end, first; \
            if (target < 0) \
                continue; \
            inside(w, &row, c, &begin, &end, &first); \
            for (int64_t i = begin; i < end; i++) \
                y[target + first + i * w->stride[2]] += column[row.at + i]; \
        } \
    }

/* Kernel place `k` of [channels, kernel]. */
struct tap {
    int64_t channel, a, b, c;
};

static struct tap tap_of(const struct window *w, int64_t k)
{
    struct tap tap;

    tap.c = k % w->kernel[2];
    k /= w->kernel[2];
    tap.b = k % w->kernel[1];
    k /= w->kernel[1];
    tap.a = k % w->kernel[0];
    tap.channel = k / w->kernel[0];
    return tap;
}

#define CONV(T, SUFFIX) \
    void conv_##SUFFIX(const struct window *window, int64_t channels, int64_t outputs, int64_t from, \
                       int64_t to, const T *x, const T *w, const T *bias, T *scratch, T *y) \
    { \
        int64_t depth = channels * window_kernel_size(window), places = window_out_size(window); \
        int64_t plane = window_in_size(window); \
        struct gemm_form form = {.m = outputs, .n = to - from, .k = depth, .lda = depth, \
                                 .ldb = to - from, .ldc = places}; \
        for (int64_t k = 0; k < depth; k++) { \
            struct tap tap = tap_of(window, k); \
            gather_##T(window, x + tap.channel * plane, tap.a, tap.b, tap.c, from, to, \
                       scratch + k * (to - from)); \
        } \
        for (int64_t o = 0; bias != NULL && o < outputs; o++) \
            for (int64_t i = from; i < to; i++) \
                y[o * places + i] = bias[o]; \
        gemm_##SUFFIX(&form, 1, w, scratch, bias != NULL ? 1 : 0, y + from); \
    }

#define CONV_TRANSPOSED(T, SUFFIX) \
    void conv_transposed_##SUFFIX(const struct window *window, int64_t channels, int64_t outputs, \
                                  const T *x, const T *w, const T *bias, bool accumulate, \
                                  T *scratch, T *y) \
    { \
        int64_t depth = outputs * window_kernel_size(window), places = window_out_size(window); \
        int64_t plane = window_in_size(window), stretch = conv_stretch(window, outputs); \
        for (int64_t o = 0; o < outputs && !accumulate; o++) \
            for (int64_t i = 0; i < plane; i++) \
                y[o * plane + i] = bias != NULL ? bias[o] : 0; \
        for (int64_t from = 0; from < places; from += stretch) { \
            int64_t to = from + stretch < places ? from + stretch : places; \
            struct gemm_form form = {.trans_a = true, .m = depth, .n = to - from, .k = channels, \
                                     .lda = depth, .ldb = places, .ldc = to - from}; \
            gemm_##SUFFIX(&form, 1, w, x + from, 0, scratch); \
            for (int64_t k = 0; k < depth; k++) { \
                struct tap tap = tap_of(window, k); \
                spread_##T(window, y + tap.channel * plane, tap.a, tap.b, tap.c, from, to, \
                           scratch + k * (to - from)); \
            } \
        } \
    }

GATHER(float)
GATHER(double)
SPREAD(float)
SPREAD(double)
CONV(float, f32)
CONV(double, f64)
CONV_TRANSPOSED(float, f32)
CONV_TRANSPOSED(double, f64)
