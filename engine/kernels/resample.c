/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/kernels/resample.h"

/* Rows of `inner` elements: the sum runs over whole rows, so that the compiler vectorises it. With
 * one element a row, a plain dot product. */
#define RESAMPLE(name, T) \
    static void row_##name(const struct resample *r, int64_t x, int64_t inner, \
                           const T *restrict from, T *restrict to) \
    { \
        for (int64_t t = 0; t < r->taps; t++) { \
            const T weight = (T)r->weights[x * r->taps + t]; \
            const T *row = from + r->indices[x * r->taps + t] * inner; \
            if (t == 0) \
                for (int64_t i = 0; i < inner; i++) \
                    to[i] = weight * row[i]; \
            else \
                for (int64_t i = 0; i < inner; i++) \
                    to[i] += weight * row[i]; \
        } \
    } \
    static T dot_##name(const struct resample *r, int64_t x, const T *from) \
    { \
        T sum = 0; \
        for (int64_t t = 0; t < r->taps; t++) \
            sum += (T)r->weights[x * r->taps + t] * from[r->indices[x * r->taps + t]]; \
        return sum; \
    } \
    void resample_##name(const struct resample *r, int64_t outer, int64_t inner, const T *from, \
                         T *to) \
    { \
        for (int64_t o = 0; o < outer; o++, from += r->in * inner) { \
            for (int64_t x = 0; x < r->out; x++, to += inner) { \
                if (r->indices[x * r->taps] < 0) \
                    for (int64_t i = 0; i < inner; i++) \
                        to[i] = (T)r->extrapolation; \
                else if (inner == 1) \
                    *to = dot_##name(r, x, from); \
                else \
                    row_##name(r, x, inner, from, to); \
            } \
        } \
    }

RESAMPLE(f32, float)
RESAMPLE(f64, double)

void resample_back_f32(const struct resample *r, int64_t outer, int64_t inner, const float *to,
                       float *from)
{
    for (int64_t o = 0; o < outer; o++, from += r->in * inner)
        for (int64_t x = 0; x < r->out; x++, to += inner)
            for (int64_t t = 0; t < r->taps && r->indices[x * r->taps] >= 0; t++) {
                const float weight = (float)r->weights[x * r->taps + t];
                float *row = from + r->indices[x * r->taps + t] * inner;

                for (int64_t i = 0; i < inner; i++)
                    row[i] += weight * to[i];
            }
}
