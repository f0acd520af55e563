/* SPDX-License-Identifier: Apache-2.0
 * engine/kernels/vec_math.h - elementary functions of float arrays, with vector instructions.
 *
 * One source, engine/kernels/vec_math_body.h, is compiled for plain C, AVX2 and AVX-512; each call
 * picks the one of cpu_isa(). A result depends on the input's value alone, never on its place in
 * the array, the array's length or alignment: tails go through the same vector code. `y` may be
 * `x`. Pure; any thread. Errors were measured against double over all floats that matter
 * (tests/engine/test_vec_math.c). NaN gives NaN, infinities their limits. */
#ifndef ENGINE_KERNELS_VEC_MATH_H
#define ENGINE_KERNELS_VEC_MATH_H

#include <stddef.h>

/* y = e^x. Within 2 ulp; overflows to infinity, underflows through denormals to 0. */
void vec_exp_f32(size_t n, const float *x, float *y);
/* y = ln x. Within 2 ulp; -infinity at 0, NaN below. */
void vec_log_f32(size_t n, const float *x, float *y);
/* y = tanh x. Within 5 ulp. */
void vec_tanh_f32(size_t n, const float *x, float *y);
/* y = 1 / (1 + e^-x). Within 4 ulp where x > -87. */
void vec_sigmoid_f32(size_t n, const float *x, float *y);
/* y = erf x. Within 6 ulp. */
void vec_erf_f32(size_t n, const float *x, float *y);
/* y = x / (1 + e^(-alpha x)): Swish, SiLU for alpha 1. */
void vec_swish_f32(size_t n, float alpha, const float *x, float *y);
/* y = x (1 + erf(x / sqrt 2)) / 2, and the form with tanh. Within 1e-6 of the exact value, or 6 ulp
 * where that is more. */
void vec_gelu_f32(size_t n, const float *x, float *y);
void vec_gelu_tanh_f32(size_t n, const float *x, float *y);

/* y = positive x where x > 0, else negative (e^(rate x) - 1): Elu, Selu, Celu. */
void vec_elu_f32(size_t n, float positive, float negative, float rate, const float *x, float *y);
/* y = ln(1 + e^x). Within 4 ulp. */
void vec_softplus_f32(size_t n, const float *x, float *y);

/* The parts of a softmax over one row. The largest of x (NaN if there is one; -infinity for n = 0),
 * and y = e^(x - shift), of which the sum is returned. */
float vec_max_f32(size_t n, const float *x);
float vec_exp_sum_f32(size_t n, float shift, const float *x, float *y);
/* y = x + addend, and what vec_max_f32() says of it. */
float vec_add_max_f32(size_t n, const float *x, const float *addend, float *y);
/* ret[r] = factor * (x . y[r]) for rows y_step apart, and y = the sum of weights[r] * x[r]: a row times
 * a matrix that nobody packed. */
void vec_dots_f32(size_t rows, size_t n, const float *x, const float *y, size_t y_step, float factor,
                  float *ret);
void vec_weighted_rows_f32(size_t rows, size_t n, const float *weights, const float *x, size_t x_step,
                           float *y);
/* The sums of x, of (x - shift)^2 and of |x|, each in as many lanes as a vector has. */
float vec_sum_f32(size_t n, const float *x);
float vec_sum_squares_f32(size_t n, float shift, const float *x);
float vec_sum_abs_f32(size_t n, const float *x);
/* y = (x - shift) * factor * scale[i] + bias[i]; scale and bias may be NULL for 1 and 0. */
void vec_normalise_f32(size_t n, float shift, float factor, const float *scale, const float *bias,
                       const float *x, float *y);
/* y = (x - shift) * factor + offset. */
void vec_scale_f32(size_t n, float shift, float factor, float offset, const float *x, float *y);

#endif
