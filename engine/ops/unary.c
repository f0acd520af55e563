/* SPDX-License-Identifier: Apache-2.0
 * Mathematics of one input, without parameters. */
#include "engine/kernels/isa.h"
#include "engine/kernels/vec_math.h"
#include "engine/ops/elementwise.h"
#include "engine/ops/rows.h"

#include <math.h>
#include <string.h>

/* From a vector kernel of engine/kernels/vec_math.h. */
#define VEC_ROW(name, kernel) \
    static void name(int64_t n, const void *const *inputs, const int64_t *steps, void *output, \
                     const void *arg) \
    { \
        (void)steps; \
        (void)arg; \
        kernel((size_t)n, inputs[0], output); \
    }

#define RUN(op) \
    static enum engine_status op##_run(const struct op_call *call, struct engine_error *err) \
    { \
        (void)err; \
        elementwise_run(call->pool, &op##_rows, 1, call->inputs, call->outputs[0], NULL); \
        return ENGINE_OK; \
    }

/* An operator on floats whose kernels are the C library's functions. */
#define LIBRARY(op, function) \
    UNARY_ROW(op##_f32, float, float, function##f(a)) \
    UNARY_ROW(op##_f64, double, double, function(a)) \
    static const struct rows op##_rows = {.f32 = op##_f32, .f64 = op##_f64, .heavy = true}; \
    RUN(op)

/* With a vector kernel for float. */
#define VECTOR(op, kernel, expression) \
    VEC_ROW(op##_f32, kernel) \
    UNARY_ROW(op##_f64, double, double, expression) \
    static const struct rows op##_rows = {.f32 = op##_f32, .f64 = op##_f64, .heavy = true}; \
    RUN(op)

VECTOR(exp, vec_exp_f32, exp(a))
VECTOR(log, vec_log_f32, log(a))
VECTOR(erf, vec_erf_f32, erf(a))
VECTOR(tanh, vec_tanh_f32, tanh(a))
LIBRARY(sin, sin)
LIBRARY(cos, cos)
LIBRARY(tan, tan)
LIBRARY(asin, asin)
LIBRARY(acos, acos)
LIBRARY(atan, atan)
LIBRARY(sinh, sinh)
LIBRARY(cosh, cosh)
LIBRARY(asinh, asinh)
LIBRARY(acosh, acosh)
LIBRARY(atanh, atanh)

/* Few instructions each, for both vector widths. */
#define FLOAT_ROWS(isa) \
    UNARY_ROW(floor_##isa, float, float, floorf(a)) \
    UNARY_ROW(ceil_##isa, float, float, ceilf(a)) \
    UNARY_ROW(round_##isa, float, float, rintf(a)) \
    UNARY_ROW(sqrt_##isa, float, float, sqrtf(a)) \
    UNARY_ROW(reciprocal_##isa, float, float, 1.0f / a) \
    UNARY_ROW(neg_##isa, float, float, -a) \
    UNARY_ROW(abs_##isa, float, float, fabsf(a))

FLOAT_ROWS(f32)
#if defined(__x86_64__)
ISA_BEGIN_AVX2
#endif
FLOAT_ROWS(wide)
#if defined(__x86_64__)
ISA_END
#endif

UNARY_ROW(floor_f64, double, double, floor(a))
static const struct rows floor_rows = {
    .f32 = floor_f32, .f64 = floor_f64, .f32_wide = floor_wide};
RUN(floor)

UNARY_ROW(ceil_f64, double, double, ceil(a))
static const struct rows ceil_rows = {.f32 = ceil_f32, .f64 = ceil_f64, .f32_wide = ceil_wide};
RUN(ceil)

UNARY_ROW(round_f64, double, double, rint(a))
static const struct rows round_rows = {
    .f32 = round_f32, .f64 = round_f64, .f32_wide = round_wide};
RUN(round)

UNARY_ROW(sqrt_f64, double, double, sqrt(a))
static const struct rows sqrt_rows = {.f32 = sqrt_f32, .f32_wide = sqrt_wide, .f64 = sqrt_f64};
RUN(sqrt)

UNARY_ROW(reciprocal_f64, double, double, 1.0 / a)
static const struct rows reciprocal_rows = {
    .f32 = reciprocal_f32, .f32_wide = reciprocal_wide, .f64 = reciprocal_f64};
RUN(reciprocal)

UNARY_ROW(neg_f64, double, double, -a)
UNARY_ROW(neg_i64, int64_t, int64_t, 0 - (uint64_t)a)
static const struct rows neg_rows = {
    .f32 = neg_f32, .f32_wide = neg_wide, .f64 = neg_f64, .i64 = neg_i64};
RUN(neg)

UNARY_ROW(abs_f64, double, double, fabs(a))
UNARY_ROW(abs_i64, int64_t, int64_t, a < 0 ? 0 - (uint64_t)a : (uint64_t)a)
UNARY_ROW(abs_u64, uint64_t, uint64_t, a)
static const struct rows abs_rows = {
    .f32 = abs_f32, .f32_wide = abs_wide, .f64 = abs_f64, .i64 = abs_i64, .u64 = abs_u64};
RUN(abs)

UNARY_ROW(sign_f32, float, float, a != a ? a : (float)((a > 0.0f) - (a < 0.0f)))
UNARY_ROW(sign_f64, double, double, a != a ? a : (double)((a > 0.0) - (a < 0.0)))
UNARY_ROW(sign_i64, int64_t, int64_t, (a > 0) - (a < 0))
UNARY_ROW(sign_u64, uint64_t, uint64_t, a != 0)
static const struct rows sign_rows = {
    .f32 = sign_f32, .f64 = sign_f64, .i64 = sign_i64, .u64 = sign_u64};
RUN(sign)

UNARY_ROW(not_bools, uint8_t, uint8_t, !a)
static const struct rows not_rows = {.bools = not_bools};
RUN(not)

UNARY_ROW(bit_not_i64, int64_t, int64_t, ~a)
static const struct rows bit_not_rows = {.i64 = bit_not_i64, .u64 = bit_not_i64};
RUN(bit_not)

UNARY_ROW(is_nan_f32, float, uint8_t, a != a)
UNARY_ROW(is_nan_f64, double, uint8_t, a != a)
static const struct rows is_nan_rows = {.f32 = is_nan_f32, .f64 = is_nan_f64, .to_bool = true};
RUN(is_nan)

/* Which infinities IsInf looks for. */
struct inf_params {
    bool negative, positive;
};

#define INF_ROW(name, type) \
    static void name(int64_t n, const void *const *inputs, const int64_t *steps, void *output, \
                     const void *arg) \
    { \
        const struct inf_params *params = arg; \
        const type *x = inputs[0]; \
        const type highest = params->positive ? (type)INFINITY : (type)NAN; \
        const type lowest = params->negative ? -(type)INFINITY : (type)NAN; \
        uint8_t *out = output; \
        (void)steps; \
        for (int64_t i = 0; i < n; i++) \
            out[i] = x[i] == highest || x[i] == lowest; \
    }

INF_ROW(is_inf_f32, float)
INF_ROW(is_inf_f64, double)
static const struct rows is_inf_rows = {.f32 = is_inf_f32, .f64 = is_inf_f64, .to_bool = true};

static enum engine_status is_inf_init(const struct op_init *init, struct engine_error *err)
{
    struct inf_params *params = init->params;

    (void)err;
    params->negative = node_int(init->node, "detect_negative", 1) != 0;
    params->positive = node_int(init->node, "detect_positive", 1) != 0;
    return ENGINE_OK;
}

static enum engine_status is_inf_run(const struct op_call *call, struct engine_error *err)
{
    (void)err;
    elementwise_run(call->pool, &is_inf_rows, 1, call->inputs, call->outputs[0], call->params);
    return ENGINE_OK;
}

/* A plan never runs it: the output is the input's bytes. */
static enum engine_status identity_run(const struct op_call *call, struct engine_error *err)
{
    (void)err;
    memmove(call->outputs[0]->data, call->inputs[0]->data, tensor_bytes(call->outputs[0]));
    return ENGINE_OK;
}

#define UNARY(op_name, opset, types, op) \
    {.name = op_name, .domain = "", .since = opset, .inputs_min = 1, .inputs_max = 1, \
     .outputs_min = 1, .outputs_max = 1, .flags = OP_INPLACE | OP_PARALLEL, .dtypes = types, \
     .infer = infer_same_as_first, .run = op##_run}

const struct op_def ops_unary[] = {
    UNARY("Abs", 6, DTYPES_NUMBER, abs),
    UNARY("Acos", 7, DTYPES_FLOAT, acos),
    UNARY("Acosh", 9, DTYPES_FLOAT, acosh),
    UNARY("Asin", 7, DTYPES_FLOAT, asin),
    UNARY("Asinh", 9, DTYPES_FLOAT, asinh),
    UNARY("Atan", 7, DTYPES_FLOAT, atan),
    UNARY("Atanh", 9, DTYPES_FLOAT, atanh),
    UNARY("BitwiseNot", 18, DTYPES_INTEGER, bit_not),
    UNARY("Ceil", 6, DTYPES_FLOAT, ceil),
    UNARY("Cos", 7, DTYPES_FLOAT, cos),
    UNARY("Cosh", 9, DTYPES_FLOAT, cosh),
    UNARY("Erf", 9, DTYPES_FLOAT, erf),
    UNARY("Exp", 6, DTYPES_FLOAT, exp),
    UNARY("Floor", 6, DTYPES_FLOAT, floor),
    UNARY("Log", 6, DTYPES_FLOAT, log),
    UNARY("Neg", 6, DTYPES_FLOAT | DTYPES_SIGNED, neg),
    UNARY("Not", 1, DTYPE_BIT(DTYPE_BOOL), not),
    UNARY("Reciprocal", 6, DTYPES_FLOAT, reciprocal),
    UNARY("Round", 11, DTYPES_FLOAT, round),
    UNARY("Sign", 9, DTYPES_NUMBER, sign),
    UNARY("Sin", 7, DTYPES_FLOAT, sin),
    UNARY("Sinh", 9, DTYPES_FLOAT, sinh),
    UNARY("Sqrt", 6, DTYPES_FLOAT, sqrt),
    UNARY("Tan", 7, DTYPES_FLOAT, tan),
    UNARY("Tanh", 6, DTYPES_FLOAT, tanh),
    {.name = "Identity", .domain = "", .since = 1, .inputs_min = 1, .inputs_max = 1,
     .outputs_min = 1, .outputs_max = 1, .flags = OP_VIEW | OP_CONTAINERS,
     .infer = infer_same_as_first, .run = identity_run},
    {.name = "IsNaN", .domain = "", .since = 9, .inputs_min = 1, .inputs_max = 1, .outputs_min = 1,
     .outputs_max = 1, .flags = OP_PARALLEL, .dtypes = DTYPES_FLOAT, .infer = infer_same_to_bool,
     .run = is_nan_run},
    {.name = "IsInf", .domain = "", .since = 10, .inputs_min = 1, .inputs_max = 1,
     .outputs_min = 1, .outputs_max = 1, .flags = OP_PARALLEL, .dtypes = DTYPES_FLOAT,
     .params_size = sizeof(struct inf_params), .init = is_inf_init, .infer = infer_same_to_bool,
     .run = is_inf_run},
    {0},
};
