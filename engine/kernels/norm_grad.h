/* SPDX-License-Identifier: Apache-2.0
 * engine/kernels/norm_grad.h - rows of the gradients of normalisations, and the few vector operations
 * that other gradients share with them. One source, norm_grad_body.h, for each instruction set; sums
 * are kept in a fixed number of lanes, so a result depends on the row alone. Pure; any thread. */
#ifndef ENGINE_KERNELS_NORM_GRAD_H
#define ENGINE_KERNELS_NORM_GRAD_H

#include <stdbool.h>
#include <stddef.h>

/* ret[0] = sum of g and ret[1] = sum of g (x - shift), where g is dy, or dy * scale (NULL: none). */
void norm_sums_f32(size_t n, float shift, const float *dy, const float *scale, const float *x,
                   double ret[2]);
/* dx = a g + b (x - shift) + c; with `add`, added to dx. `dx` may be `dy`. */
void norm_combine_f32(size_t n, float a, float b, float c, float shift, const float *dy,
                      const float *scale, const float *x, bool add, float *dx);
/* dscale[i] += dy (x - shift) factor and dbias[i] += dy; either may be NULL. */
void norm_parameters_f32(size_t n, float shift, float factor, const float *dy, const float *x,
                         float *dscale, float *dbias);
/* Sum of a[i] b[i]. */
float vec_dot_f32(size_t n, const float *a, const float *b);
/* y = factor x; with `add`, added to y. */
void vec_multiply_f32(size_t n, float factor, const float *x, bool add, float *y);

#endif
