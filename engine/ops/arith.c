/* SPDX-License-Identifier: Apache-2.0
 * Arithmetic of two broadcast inputs. Integers wrap around; dividing one by zero gives zero, since
 * a request must not be able to stop the process. */
#include "engine/kernels/convert.h"
#include "engine/kernels/cpu.h"
#include "engine/kernels/isa.h"
#include "engine/ops/elementwise.h"
#include "engine/ops/rows.h"

#include <math.h>

#define RUN(op) \
    static enum engine_status op##_run(const struct op_call *call, struct engine_error *err) \
    { \
        (void)err; \
        elementwise_run(call->pool, &op##_rows, 2, call->inputs, call->outputs[0], NULL); \
        return ENGINE_OK; \
    }

/* What networks spend their time on, for both vector widths. */
#define FLOAT_ROWS(isa) \
    BINARY_ROW(add_##isa, float, float, a + b) \
    BINARY_ROW(sub_##isa, float, float, a - b) \
    BINARY_ROW(mul_##isa, float, float, a * b) \
    BINARY_ROW(div_##isa, float, float, a / b) \
    UNARY_ROW(square_##isa, float, float, a * a) \
    UNARY_ROW(cube_##isa, float, float, a * a * a)

FLOAT_ROWS(f32)
#if defined(__x86_64__)
ISA_BEGIN_AVX2
#endif
FLOAT_ROWS(wide)
#if defined(__x86_64__)
ISA_END
#endif

BINARY_ROW(add_f64, double, double, a + b)
BINARY_ROW(add_i64, int64_t, int64_t, (uint64_t)a + (uint64_t)b)
static const struct rows add_rows = {
    .f32 = add_f32, .f64 = add_f64, .i64 = add_i64, .u64 = add_i64, .f32_wide = add_wide};
RUN(add)

BINARY_ROW(sub_f64, double, double, a - b)
BINARY_ROW(sub_i64, int64_t, int64_t, (uint64_t)a - (uint64_t)b)
static const struct rows sub_rows = {
    .f32 = sub_f32, .f64 = sub_f64, .i64 = sub_i64, .u64 = sub_i64, .f32_wide = sub_wide};
RUN(sub)

BINARY_ROW(mul_f64, double, double, a * b)
BINARY_ROW(mul_i64, int64_t, int64_t, (uint64_t)a * (uint64_t)b)
static const struct rows mul_rows = {
    .f32 = mul_f32, .f64 = mul_f64, .i64 = mul_i64, .u64 = mul_i64, .f32_wide = mul_wide};
RUN(mul)

BINARY_ROW(div_f64, double, double, a / b)
BINARY_ROW(div_i64, int64_t, int64_t, b == 0 ? 0 : b == -1 ? (int64_t)(0 - (uint64_t)a) : a / b)
BINARY_ROW(div_u64, uint64_t, uint64_t, b == 0 ? 0 : a / b)
static const struct rows div_rows = {
    .f32 = div_f32, .f64 = div_f64, .i64 = div_i64, .u64 = div_u64, .f32_wide = div_wide};
RUN(div)

struct mod_params {
    bool fmod;                     /* the sign is the dividend's, as in C; else the divisor's */
};

static float floor_mod_f32(float a, float b)
{
    float rest = fmodf(a, b);

    return rest != 0.0f && (rest < 0.0f) != (b < 0.0f) ? rest + b : rest;
}

static double floor_mod_f64(double a, double b)
{
    double rest = fmod(a, b);

    return rest != 0.0 && (rest < 0.0) != (b < 0.0) ? rest + b : rest;
}

static int64_t mod_i64(int64_t a, int64_t b)
{
    return b == 0 || b == -1 ? 0 : a % b;
}

static int64_t floor_mod_i64(int64_t a, int64_t b)
{
    int64_t rest = mod_i64(a, b);

    return rest != 0 && (rest < 0) != (b < 0) ? rest + b : rest;
}

BINARY_ROW(fmod_row_f32, float, float, fmodf(a, b))
BINARY_ROW(fmod_row_f64, double, double, fmod(a, b))
BINARY_ROW(fmod_row_i64, int64_t, int64_t, mod_i64(a, b))
BINARY_ROW(mod_row_f32, float, float, floor_mod_f32(a, b))
BINARY_ROW(mod_row_f64, double, double, floor_mod_f64(a, b))
BINARY_ROW(mod_row_i64, int64_t, int64_t, floor_mod_i64(a, b))
BINARY_ROW(mod_row_u64, uint64_t, uint64_t, b == 0 ? 0 : a % b)

static const struct rows mod_rows[2] = {
    {.f32 = mod_row_f32, .f64 = mod_row_f64, .i64 = mod_row_i64, .u64 = mod_row_u64, .heavy = true},
    {.f32 = fmod_row_f32, .f64 = fmod_row_f64, .i64 = fmod_row_i64, .u64 = mod_row_u64,
     .heavy = true},
};

static enum engine_status mod_init(const struct op_init *init, struct engine_error *err)
{
    struct mod_params *params = init->params;

    (void)err;
    params->fmod = node_int(init->node, "fmod", 0) != 0;
    return ENGINE_OK;
}

static enum engine_status mod_run(const struct op_call *call, struct engine_error *err)
{
    const struct mod_params *params = call->params;

    (void)err;
    elementwise_run(call->pool, &mod_rows[params->fmod], 2, call->inputs, call->outputs[0], NULL);
    return ENGINE_OK;
}

/* Wraps around; a negative exponent gives the whole part of the fraction. */
static int64_t pow_integer(int64_t base, int64_t exponent)
{
    uint64_t factor = (uint64_t)base, power = 1;

    if (exponent < 0)
        return base == 1 ? 1 : base == -1 ? (exponent % 2 != 0 ? -1 : 1) : 0;
    for (; exponent != 0; exponent >>= 1) {
        if ((exponent & 1) != 0)
            power *= factor;
        factor *= factor;
    }
    return (int64_t)power;
}

BINARY_ROW(pow_any_f32, float, float, powf(a, b))
BINARY_ROW(pow_f64, double, double, b == 2.0 ? a * a : pow(a, b))
BINARY_ROW(pow_i64, int64_t, int64_t, pow_integer(a, b))

/* Networks mostly square (normalisation) or cube (GELU): one exponent for the whole row. */
static void pow_f32(int64_t n, const void *const *inputs, const int64_t *steps, void *output,
                    const void *arg)
{
    float exponent = *(const float *)inputs[1];
    row_fn *fn = pow_any_f32;

    if ((steps[1] == 0 || n == 1) && (exponent == 2.0f || exponent == 3.0f))
        fn = cpu_isa() >= ISA_AVX2 ? (exponent == 2.0f ? square_wide : cube_wide)
                                   : (exponent == 2.0f ? square_f32 : cube_f32);
    fn(n, inputs, steps, output, arg);
}

static const struct rows pow_rows = {
    .f32 = pow_f32, .f64 = pow_f64, .i64 = pow_i64, .u64 = pow_i64, .heavy = true};

static enum engine_status pow_run(const struct op_call *call, struct engine_error *err)
{
    enum dtype compute = compute_dtype(call->inputs[0]->dtype);

    (void)err;
    if (!dtype_is_float(call->inputs[0]->dtype) && dtype_is_float(call->inputs[1]->dtype))
        compute = DTYPE_F64;
    elementwise_run_as(compute, call->pool, &pow_rows, 2, call->inputs, call->outputs[0], NULL);
    return ENGINE_OK;
}

static enum engine_status pow_infer(struct op_infer *infer, struct engine_error *err)
{
    if (compute_dtype(infer->inputs[1].dtype) == DTYPE_NONE)
        return op_fail(infer->node, err, "the exponent is %s", dtype_name(infer->inputs[1].dtype));
    return infer_broadcast(infer, err);
}

/* Pow may not work in place: its exponent can be wider than its base, and repeat. */
const struct op_def ops_arith[] = {
#define BINARY(op_name, opset, op, run_flags) \
    {.name = op_name, .domain = "", .since = opset, .inputs_min = 2, .inputs_max = 2, \
     .outputs_min = 1, .outputs_max = 1, .flags = run_flags, .dtypes = DTYPES_NUMBER, \
     .infer = infer_broadcast_one_type, .run = op##_run}
    BINARY("Add", 7, add, OP_INPLACE | OP_PARALLEL),
    BINARY("Sub", 7, sub, OP_INPLACE | OP_PARALLEL),
    BINARY("Mul", 7, mul, OP_INPLACE | OP_PARALLEL),
    BINARY("Div", 7, div, OP_INPLACE | OP_PARALLEL),
    {.name = "Mod", .domain = "", .since = 10, .inputs_min = 2, .inputs_max = 2, .outputs_min = 1,
     .outputs_max = 1, .flags = OP_INPLACE | OP_PARALLEL, .dtypes = DTYPES_NUMBER,
     .params_size = sizeof(struct mod_params), .init = mod_init,
     .infer = infer_broadcast_one_type, .run = mod_run},
    {.name = "Pow", .domain = "", .since = 12, .inputs_min = 2, .inputs_max = 2, .outputs_min = 1,
     .outputs_max = 1, .flags = OP_PARALLEL, .dtypes = DTYPES_NUMBER, .infer = pow_infer,
     .run = pow_run},
    {0},
};
