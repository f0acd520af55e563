/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/kernels/norm_grad.h"

#include "engine/kernels/cpu.h"

enum { CHUNK = 4096 };             /* elements summed in float: a multiple of twice any vector */

#define INLINE static inline __attribute__((always_inline))

struct norm_grad {
    void (*sums)(size_t n, float shift, const float *dy, const float *scale, const float *x,
                 double ret[2]);
    void (*combine)(size_t n, float a, float b, float c, float shift, const float *dy,
                    const float *scale, const float *x, bool add, float *dx);
    void (*parameters)(size_t n, float shift, float factor, const float *dy, const float *x,
                       float *dscale, float *dbias);
    float (*dot)(size_t n, const float *a, const float *b);
    void (*multiply)(size_t n, float factor, const float *x, bool add, float *y);
};

#define KERNEL_BODY "engine/kernels/norm_grad_body.h"
#include "engine/kernels/each_isa.h"

static const struct norm_grad *const tables[ISA_COUNT] = ISA_TABLE(table);

void norm_sums_f32(size_t n, float shift, const float *dy, const float *scale, const float *x,
                   double ret[2])
{
    tables[cpu_isa()]->sums(n, shift, dy, scale, x, ret);
}

void norm_combine_f32(size_t n, float a, float b, float c, float shift, const float *dy,
                      const float *scale, const float *x, bool add, float *dx)
{
    tables[cpu_isa()]->combine(n, a, b, c, shift, dy, scale, x, add, dx);
}

void norm_parameters_f32(size_t n, float shift, float factor, const float *dy, const float *x,
                         float *dscale, float *dbias)
{
    tables[cpu_isa()]->parameters(n, shift, factor, dy, x, dscale, dbias);
}

float vec_dot_f32(size_t n, const float *a, const float *b)
{
    return tables[cpu_isa()]->dot(n, a, b);
}

void vec_multiply_f32(size_t n, float factor, const float *x, bool add, float *y)
{
    tables[cpu_isa()]->multiply(n, factor, x, add, y);
}
