/* SPDX-License-Identifier: Apache-2.0
 * Comparisons, logic and bits of two broadcast inputs. Comparisons never work in place: their
 * output's elements are narrower than their inputs', which may repeat. */
#include "engine/ops/elementwise.h"
#include "engine/ops/rows.h"

#include <string.h>

#define RUN(op) \
    static enum engine_status op##_run(const struct op_call *call, struct engine_error *err) \
    { \
        (void)err; \
        elementwise_run(call->pool, &op##_rows, 2, call->inputs, call->outputs[0], NULL); \
        return ENGINE_OK; \
    }

#define COMPARISON(op, expression) \
    BINARY_ROW(op##_f32, float, uint8_t, expression) \
    BINARY_ROW(op##_f64, double, uint8_t, expression) \
    BINARY_ROW(op##_i64, int64_t, uint8_t, expression) \
    BINARY_ROW(op##_u64, uint64_t, uint8_t, expression) \
    static const struct rows op##_rows = {.f32 = op##_f32, .f64 = op##_f64, .i64 = op##_i64, \
                                          .u64 = op##_u64, .to_bool = true};

COMPARISON(equal, a == b)
COMPARISON(less, a < b)
RUN(less)
COMPARISON(less_equal, a <= b)
RUN(less_equal)
COMPARISON(greater, a > b)
RUN(greater)
COMPARISON(greater_equal, a >= b)
RUN(greater_equal)

static bool same_bytes(struct bytes a, struct bytes b)
{
    return a.length == b.length && (a.length == 0 || memcmp(a.data, b.data, a.length) == 0);
}

BINARY_ROW(equal_strings, struct bytes, uint8_t, same_bytes(a, b))

static enum engine_status equal_run(const struct op_call *call, struct engine_error *err)
{
    (void)err;
    if (call->inputs[0]->dtype == DTYPE_STRING)
        broadcast_run(NULL, 1, 2, call->inputs, call->outputs[0], equal_strings, NULL);
    else
        elementwise_run(call->pool, &equal_rows, 2, call->inputs, call->outputs[0], NULL);
    return ENGINE_OK;
}

BINARY_ROW(and_bools, uint8_t, uint8_t, a && b)
static const struct rows and_rows = {.bools = and_bools};
RUN(and)

BINARY_ROW(or_bools, uint8_t, uint8_t, a || b)
static const struct rows or_rows = {.bools = or_bools};
RUN(or)

BINARY_ROW(xor_bools, uint8_t, uint8_t, !a != !b)
static const struct rows xor_rows = {.bools = xor_bools};
RUN(xor)

BINARY_ROW(bit_and_i64, int64_t, int64_t, a & b)
static const struct rows bit_and_rows = {.i64 = bit_and_i64, .u64 = bit_and_i64};
RUN(bit_and)

BINARY_ROW(bit_or_i64, int64_t, int64_t, a | b)
static const struct rows bit_or_rows = {.i64 = bit_or_i64, .u64 = bit_or_i64};
RUN(bit_or)

BINARY_ROW(bit_xor_i64, int64_t, int64_t, a ^ b)
static const struct rows bit_xor_rows = {.i64 = bit_xor_i64, .u64 = bit_xor_i64};
RUN(bit_xor)

/* Narrower types are widened with zeros and cut after a left shift, so 64 bits serve them all. */
BINARY_ROW(shift_left, uint64_t, uint64_t, b < 64 ? a << b : 0)
BINARY_ROW(shift_right, uint64_t, uint64_t, b < 64 ? a >> b : 0)
static const struct rows shift_rows[2] = {
    {.i64 = shift_right, .u64 = shift_right},
    {.i64 = shift_left, .u64 = shift_left},
};

struct shift_params {
    bool left;
};

static enum engine_status shift_init(const struct op_init *init, struct engine_error *err)
{
    struct shift_params *params = init->params;
    const char *direction = node_string(init->node, "direction", "");

    params->left = strcmp(direction, "LEFT") == 0;
    if (!params->left && strcmp(direction, "RIGHT") != 0)
        return op_unsupported(init->node, err, "direction '%.32s'", direction);
    return ENGINE_OK;
}

static enum engine_status shift_run(const struct op_call *call, struct engine_error *err)
{
    const struct shift_params *params = call->params;

    (void)err;
    elementwise_run(call->pool, &shift_rows[params->left], 2, call->inputs, call->outputs[0], NULL);
    return ENGINE_OK;
}

#define BINARY(op_name, opset, types, op_infer, op, run_flags) \
    {.name = op_name, .domain = "", .since = opset, .inputs_min = 2, .inputs_max = 2, \
     .outputs_min = 1, .outputs_max = 1, .flags = run_flags, .dtypes = types, .infer = op_infer, \
     .run = op##_run}
#define COMPARE(op_name, opset, types, op) \
    BINARY(op_name, opset, types, infer_broadcast_to_bool, op, OP_PARALLEL)
#define BITS(op_name, opset, types, op) \
    BINARY(op_name, opset, types, infer_broadcast_one_type, op, OP_PARALLEL | OP_INPLACE)

const struct op_def ops_compare[] = {
    COMPARE("Equal", 7, DTYPES_ANY, equal),
    COMPARE("Less", 7, DTYPES_NUMBER, less),
    COMPARE("LessOrEqual", 12, DTYPES_NUMBER, less_equal),
    COMPARE("Greater", 7, DTYPES_NUMBER, greater),
    COMPARE("GreaterOrEqual", 12, DTYPES_NUMBER, greater_equal),
    BITS("And", 7, DTYPE_BIT(DTYPE_BOOL), and),
    BITS("Or", 7, DTYPE_BIT(DTYPE_BOOL), or),
    BITS("Xor", 7, DTYPE_BIT(DTYPE_BOOL), xor),
    BITS("BitwiseAnd", 18, DTYPES_INTEGER, bit_and),
    BITS("BitwiseOr", 18, DTYPES_INTEGER, bit_or),
    BITS("BitwiseXor", 18, DTYPES_INTEGER, bit_xor),
    {.name = "BitShift", .domain = "", .since = 11, .inputs_min = 2, .inputs_max = 2,
     .outputs_min = 1, .outputs_max = 1, .flags = OP_PARALLEL | OP_INPLACE,
     .dtypes = DTYPES_UNSIGNED, .params_size = sizeof(struct shift_params), .init = shift_init,
     .infer = infer_broadcast_one_type, .run = shift_run},
    {0},
};
