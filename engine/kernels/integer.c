/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/kernels/integer.h"

#include <math.h>
#include <string.h>

void widen_8bit(enum dtype dtype, const void *from, int64_t count, int zero, int16_t *to)
{
    const uint8_t *u = from;
    const int8_t *s = from;

    if (dtype == DTYPE_U8)
        for (int64_t i = 0; i < count; i++)
            to[i] = (int16_t)(u[i] - zero);
    else
        for (int64_t i = 0; i < count; i++)
            to[i] = (int16_t)(s[i] - zero);
}

/* y += scale * x, wrapping: unsigned arithmetic, the same bits. */
static void add_scaled(int64_t n, int scale, const int16_t *x, int32_t *y)
{
    for (int64_t j = 0; j < n; j++)
        y[j] = (int32_t)((uint32_t)y[j] + (uint32_t)(scale * x[j]));
}

void integer_gemm(int64_t m, int64_t n, int64_t k, const int16_t *a, const int16_t *b, int32_t *c)
{
    for (int64_t i = 0; i < m; i++) {
        memset(c + i * n, 0, (size_t)n * sizeof(*c));
        for (int64_t l = 0; l < k; l++)
            add_scaled(n, a[i * k + l], b + l * n, c + i * n);
    }
}

/* The places o along `dim` for which kernel place `k` reads inside: [*ret_from, *ret_to). */
static void valid_outputs(const struct window *w, int dim, int64_t k, int64_t *ret_from,
                          int64_t *ret_to)
{
    int64_t from = 0, to = w->out[dim];
    int64_t shift = k * w->dilation[dim] - w->pad_begin[dim];

    while (from < to && from * w->stride[dim] + shift < 0)
        from++;
    while (to > from && (to - 1) * w->stride[dim] + shift >= w->in[dim])
        to--;
    *ret_from = from;
    *ret_to = to;
}

/* y += weight * x for all windows, of which kernel place k[] reads one element each. */
static void spread(const struct window *w, const int64_t k[WINDOW_DIMS], int weight,
                   const int16_t *x, int32_t *y)
{
    int64_t from[WINDOW_DIMS], to[WINDOW_DIMS], shift[WINDOW_DIMS];

    for (int d = 0; d < WINDOW_DIMS; d++) {
        valid_outputs(w, d, k[d], &from[d], &to[d]);
        shift[d] = k[d] * w->dilation[d] - w->pad_begin[d];
    }
    for (int64_t i = from[0]; i < to[0]; i++)
        for (int64_t j = from[1]; j < to[1]; j++) {
            const int16_t *row =
                x +
                ((i * w->stride[0] + shift[0]) * w->in[1] + j * w->stride[1] + shift[1]) * w->in[2];
            int32_t *out = y + (i * w->out[1] + j) * w->out[2];

            if (w->stride[2] == 1) {
                add_scaled(to[2] - from[2], weight, row + from[2] + shift[2], out + from[2]);
                continue;
            }
            for (int64_t o = from[2]; o < to[2]; o++)
                out[o] = (int32_t)((uint32_t)out[o] +
                                   (uint32_t)(weight * row[o * w->stride[2] + shift[2]]));
        }
}

void integer_conv(const struct window *window, int64_t channels, int64_t outputs, const int16_t *x,
                  const int16_t *w, int32_t *y)
{
    int64_t in = window_in_size(window), out = window_out_size(window), k[WINDOW_DIMS];

    memset(y, 0, (size_t)(outputs * out) * sizeof(*y));
    for (int64_t m = 0; m < outputs; m++)
        for (int64_t c = 0; c < channels; c++)
            for (k[0] = 0; k[0] < window->kernel[0]; k[0]++)
                for (k[1] = 0; k[1] < window->kernel[1]; k[1]++)
                    for (k[2] = 0; k[2] < window->kernel[2]; k[2]++)
                        spread(window, k, *w++, x + c * in, y + m * out);
}

void requantise(enum dtype dtype, int64_t count, const int32_t *from, float factor, int zero,
                void *to)
{
    float low = dtype == DTYPE_U8 ? 0 : -128, high = dtype == DTYPE_U8 ? 255 : 127;
    uint8_t *u = to;
    int8_t *s = to;

    for (int64_t i = 0; i < count; i++) {
        float value = rintf((float)from[i] * factor) + (float)zero;

        value = fminf(fmaxf(value, low), high);
        if (dtype == DTYPE_U8)
            u[i] = (uint8_t)value;
        else
            s[i] = (int8_t)value;
    }
}
