/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/kernels/softmax.h"

#include "engine/kernels/vec_math.h"

#include <math.h>
#include <string.h>

/* Lines that lie side by side are computed this many at a time. */
enum { BLOCK = 128 };

/* One line of n adjacent floats. */
static void line_f32(enum softmax_kind kind, int64_t n, const float *x, float *y)
{
    float most = vec_max_f32((size_t)n, x);
    float sum = 0.0f;

    if (kind == SOFTMAX) {
        sum = vec_exp_sum_f32((size_t)n, most, x, y);
        vec_scale_f32((size_t)n, 0.0f, 1.0f / sum, 0.0f, y, y);
        return;
    }
    for (int64_t from = 0; from < n; from += BLOCK) {
        float powers[BLOCK];

        sum += vec_exp_sum_f32((size_t)(n - from < BLOCK ? n - from : BLOCK), most, x + from,
                               powers);
    }
    sum = logf(sum);
    for (int64_t i = 0; i < n; i++)
        y[i] = x[i] - most - sum;
}

/* `count` lines side by side, at most BLOCK, whose elements are `inner` apart. */
static void lines_f32(enum softmax_kind kind, int64_t n, int64_t inner, int64_t count,
                      const float *x, float *y)
{
    float most[BLOCK], sum[BLOCK], powers[BLOCK];

    for (int64_t k = 0; k < count; k++) {
        most[k] = x[k];
        sum[k] = 0.0f;
    }
    for (int64_t i = 1; i < n; i++)
        for (int64_t k = 0; k < count; k++) {
            float item = x[i * inner + k];

            most[k] = item > most[k] || item != item ? item : most[k];
        }
    for (int64_t i = 0; i < n; i++) {
        for (int64_t k = 0; k < count; k++)
            powers[k] = x[i * inner + k] - most[k];
        vec_exp_f32((size_t)count, powers, powers);
        for (int64_t k = 0; k < count; k++)
            sum[k] += powers[k];
        if (kind == SOFTMAX)
            memcpy(y + i * inner, powers, (size_t)count * sizeof(*y));
    }
    for (int64_t k = 0; k < count; k++)
        sum[k] = kind == SOFTMAX ? 1.0f / sum[k] : most[k] + logf(sum[k]);
    for (int64_t i = 0; i < n; i++)
        for (int64_t k = 0; k < count; k++)
            y[i * inner + k] = kind == SOFTMAX ? y[i * inner + k] * sum[k]
                                               : x[i * inner + k] - sum[k];
}

static void line_f64(enum softmax_kind kind, int64_t n, int64_t inner, const double *x, double *y)
{
    double most = x[0], sum = 0.0;

    for (int64_t i = 1; i < n; i++)
        most = x[i * inner] > most || x[i * inner] != x[i * inner] ? x[i * inner] : most;
    for (int64_t i = 0; i < n; i++)
        sum += exp(x[i * inner] - most);
    for (int64_t i = 0; i < n; i++)
        y[i * inner] = kind == SOFTMAX ? exp(x[i * inner] - most) / sum
                                       : x[i * inner] - most - log(sum);
}

/* One at the first of the largest, zero elsewhere. */
#define HARDMAX_LINE(name, type) \
    static void name(int64_t n, int64_t inner, const type *x, type *y) \
    { \
        int64_t best = 0; \
        for (int64_t i = 1; i < n; i++) \
            if (x[i * inner] > x[best * inner]) \
                best = i; \
        for (int64_t i = 0; i < n; i++) \
            y[i * inner] = i == best; \
    }

HARDMAX_LINE(hardmax_f32, float)
HARDMAX_LINE(hardmax_f64, double)

void softmax_f32(enum softmax_kind kind, int64_t outer, int64_t n, int64_t inner, const float *x,
                 float *y)
{
    if (n == 0 || inner == 0)
        return;
    for (int64_t o = 0; o < outer; o++, x += n * inner, y += n * inner) {
        if (kind == HARDMAX)
            for (int64_t k = 0; k < inner; k++)
                hardmax_f32(n, inner, x + k, y + k);
        else if (inner == 1)
            line_f32(kind, n, x, y);
        else
            for (int64_t k = 0; k < inner; k += BLOCK)
                lines_f32(kind, n, inner, inner - k < BLOCK ? inner - k : BLOCK, x + k, y + k);
    }
}

void softmax_f64(enum softmax_kind kind, int64_t outer, int64_t n, int64_t inner, const double *x,
                 double *y)
{
    if (n == 0 || inner == 0)
        return;
    for (int64_t o = 0; o < outer; o++, x += n * inner, y += n * inner)
        for (int64_t k = 0; k < inner; k++) {
            if (kind == HARDMAX)
                hardmax_f64(n, inner, x + k, y + k);
            else
                line_f64(kind, n, inner, x + k, y + k);
        }
}
