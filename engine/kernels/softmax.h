/* SPDX-License-Identifier: Apache-2.0
 * engine/kernels/softmax.h - softmax, its logarithm and hardmax along the middle of [outer, n,
 * inner]. The largest element of a line is subtracted before the exponential. Pure; any thread. */
#ifndef ENGINE_KERNELS_SOFTMAX_H
#define ENGINE_KERNELS_SOFTMAX_H

#include <stdint.h>

enum softmax_kind { SOFTMAX, LOG_SOFTMAX, HARDMAX };

/* y may be x. */
void softmax_f32(enum softmax_kind kind, int64_t outer, int64_t n, int64_t inner, const float *x,
                 float *y);
void softmax_f64(enum softmax_kind kind, int64_t outer, int64_t n, int64_t inner, const double *x,
                 double *y);

#endif
