/* SPDX-License-Identifier: Apache-2.0
 * engine/kernels/integer.h - products of 8-bit integers with zero points, summed in 32 bits
 * (wrapping), and their way back to 8 bits. Pure; any thread. */
#ifndef ENGINE_KERNELS_INTEGER_H
#define ENGINE_KERNELS_INTEGER_H

#include "engine/dtype.h"
#include "engine/kernels/window.h"

/* count 8-bit elements (U8 or I8) at `from`, less `zero`, as 16-bit ones: -255 to 255. */
void widen_8bit(enum dtype dtype, const void *from, int64_t count, int zero, int16_t *to);

/* c[m,n] = a[m,k] b[k,n]. */
void integer_gemm(int64_t m, int64_t n, int64_t k, const int16_t *a, const int16_t *b, int32_t *c);

/* One image and one group: y[outputs, out] = w[outputs, channels, kernel] over x[channels, in];
 * what lies outside of x counts as 0. */
void integer_conv(const struct window *window, int64_t channels, int64_t outputs, const int16_t *x,
                  const int16_t *w, int32_t *y);

/* to[i] = saturate(round_half_even(from[i] * factor) + zero) in U8 or I8. */
void requantise(enum dtype dtype, int64_t count, const int32_t *from, float factor, int zero,
                void *to);

#endif
