/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/kernels/vec_math.h"

#include "engine/kernels/cpu.h"

#include <math.h>
#include <stdint.h>

enum { SUM_ROUNDS = 64 };

struct vec_math {
    void (*exp)(size_t n, const float *x, float *y);
    void (*log)(size_t n, const float *x, float *y);
    void (*tanh)(size_t n, const float *x, float *y);
    void (*sigmoid)(size_t n, const float *x, float *y);
    void (*erf)(size_t n, const float *x, float *y);
    void (*gelu)(size_t n, const float *x, float *y);
    void (*gelu_tanh)(size_t n, const float *x, float *y);
    void (*swish)(size_t n, float alpha, const float *x, float *y);
    void (*elu)(size_t n, float positive, float negative, float rate, const float *x, float *y);
    void (*softplus)(size_t n, const float *x, float *y);
    float (*max)(size_t n, const float *x);
    float (*exp_sum)(size_t n, float shift, const float *x, float *y);
    float (*add_max)(size_t n, const float *x, const float *addend, float *y);
    void (*dots)(size_t rows, size_t n, const float *x, const float *y, size_t y_step, float factor,
                 float *ret);
    void (*weighted_rows)(size_t rows, size_t n, const float *weights, const float *x, size_t x_step,
                          float *y);
    float (*sum)(size_t n, const float *x);
    float (*sum_squares)(size_t n, float shift, const float *x);
    float (*sum_abs)(size_t n, const float *x);
    void (*normalise)(size_t n, float shift, float factor, const float *scale, const float *bias,
                      const float *x, float *y);
    void (*scale)(size_t n, float shift, float factor, float offset, const float *x, float *y);
};

#define KERNEL_BODY "engine/kernels/vec_math_body.h"
#include "engine/kernels/each_isa.h"

static const struct vec_math *const tables[ISA_COUNT] = ISA_TABLE(table);

void vec_exp_f32(size_t n, const float *x, float *y)
{
    tables[cpu_isa()]->exp(n, x, y);
}

void vec_log_f32(size_t n, const float *x, float *y)
{
    tables[cpu_isa()]->log(n, x, y);
}

void vec_tanh_f32(size_t n, const float *x, float *y)
{
    tables[cpu_isa()]->tanh(n, x, y);
}

void vec_sigmoid_f32(size_t n, const float *x, float *y)
{
    tables[cpu_isa()]->sigmoid(n, x, y);
}

void vec_erf_f32(size_t n, const float *x, float *y)
{
    tables[cpu_isa()]->erf(n, x, y);
}

void vec_swish_f32(size_t n, float alpha, const float *x, float *y)
{
    tables[cpu_isa()]->swish(n, alpha, x, y);
}

void vec_gelu_f32(size_t n, const float *x, float *y)
{
    tables[cpu_isa()]->gelu(n, x, y);
}

void vec_gelu_tanh_f32(size_t n, const float *x, float *y)
{
    tables[cpu_isa()]->gelu_tanh(n, x, y);
}

void vec_elu_f32(size_t n, float positive, float negative, float rate, const float *x, float *y)
{
    tables[cpu_isa()]->elu(n, positive, negative, rate, x, y);
}

void vec_softplus_f32(size_t n, const float *x, float *y)
{
    tables[cpu_isa()]->softplus(n, x, y);
}

float vec_max_f32(size_t n, const float *x)
{
    return tables[cpu_isa()]->max(n, x);
}

float vec_exp_sum_f32(size_t n, float shift, const float *x, float *y)
{
    return tables[cpu_isa()]->exp_sum(n, shift, x, y);
}

float vec_add_max_f32(size_t n, const float *x, const float *addend, float *y)
{
    return tables[cpu_isa()]->add_max(n, x, addend, y);
}

void vec_dots_f32(size_t rows, size_t n, const float *x, const float *y, size_t y_step, float factor,
                  float *ret)
{
    tables[cpu_isa()]->dots(rows, n, x, y, y_step, factor, ret);
}

void vec_weighted_rows_f32(size_t rows, size_t n, const float *weights, const float *x, size_t x_step,
                           float *y)
{
    tables[cpu_isa()]->weighted_rows(rows, n, weights, x, x_step, y);
}

float vec_sum_f32(size_t n, const float *x)
{
    return tables[cpu_isa()]->sum(n, x);
}

float vec_sum_squares_f32(size_t n, float shift, const float *x)
{
    return tables[cpu_isa()]->sum_squares(n, shift, x);
}

float vec_sum_abs_f32(size_t n, const float *x)
{
    return tables[cpu_isa()]->sum_abs(n, x);
}

void vec_normalise_f32(size_t n, float shift, float factor, const float *scale, const float *bias,
                       const float *x, float *y)
{
    tables[cpu_isa()]->normalise(n, shift, factor, scale, bias, x, y);
}

void vec_scale_f32(size_t n, float shift, float factor, float offset, const float *x, float *y)
{
    tables[cpu_isa()]->scale(n, shift, factor, offset, x, y);
}
