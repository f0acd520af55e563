/* SPDX-License-Identifier: Apache-2.0
 * engine/kernels/conv.h - convolution of planes stored channel by channel (NCHW), for one image and
 * one group: the general form for any geometry and any weights, constant or not. Columns of input
 * places are gathered for a stretch of output places and multiplied by OpenBLAS. The fast paths for
 * constant weights are in engine/kernels/conv_nhwc.h. */
#ifndef ENGINE_KERNELS_CONV_H
#define ENGINE_KERNELS_CONV_H

#include "engine/kernels/window.h"

#include <stddef.h>

/* Output places in one stretch. */
int64_t conv_stretch(const struct window *window, int64_t channels);
/* Scratch of one stretch, in elements. */
int64_t conv_scratch(const struct window *window, int64_t channels);

/* y[outputs, places [from, to)] = w[outputs, channels * kernel] * columns of x[channels, in], plus
 * bias (NULL: none). to - from <= conv_stretch(). */
void conv_f32(const struct window *window, int64_t channels, int64_t outputs, int64_t from, int64_t to,
              const float *x, const float *w, const float *bias, float *scratch, float *y);
void conv_f64(const struct window *window, int64_t channels, int64_t outputs, int64_t from, int64_t to,
              const double *x, const double *w, const double *bias, double *scratch, double *y);

/* The transposed form, and what the gradient by a convolution's input is: x[channels, out] is
 * spread over y[outputs, in] through w[channels, outputs * kernel]; with `accumulate` it is added to
 * y, and there is no bias. Takes conv_scratch(window, outputs). */
void conv_transposed_f32(const struct window *window, int64_t channels, int64_t outputs, const float *x,
                         const float *w, const float *bias, bool accumulate, float *scratch, float *y);
void conv_transposed_f64(const struct window *window, int64_t channels, int64_t outputs,
                         const double *x, const double *w, const double *bias, bool accumulate,
                         double *scratch, double *y);

#endif
