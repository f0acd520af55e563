/* SPDX-License-Identifier: Apache-2.0
 * Operators that choose among their inputs: Min Max (and Sum Mean, which take as many) Where Clip
 * PRelu. */
#include "engine/kernels/convert.h"
#include "engine/kernels/isa.h"
#include "engine/ops/elementwise.h"
#include "engine/ops/rows.h"

#include <math.h>
#include <string.h>

/* As numpy.clip: at least the minimum, then at most the maximum; NaN stays. */
#define CLIP_ROW(name, type) \
    static void name(int64_t n, const void *const *inputs, const int64_t *steps, void *output, \
                     const void *arg) \
    { \
        const type *x = inputs[0]; \
        const type least = *(const type *)inputs[1], most = *(const type *)inputs[2]; \
        type *out = output; \
        (void)steps; \
        (void)arg; \
        _Pragma("GCC ivdep") for (int64_t i = 0; i < n; i++) \
        { \
            type item = x[i]; \
            item = item < least ? least : item; \
            out[i] = item > most ? most : item; \
        } \
    }

/* A NaN on either side of min and max wins. */
#define FLOAT_ROWS(isa) \
    BINARY_ROW(min_##isa, float, float, a < b || a != a ? a : b) \
    BINARY_ROW(max_##isa, float, float, a > b || a != a ? a : b) \
    BINARY_ROW(sum_##isa, float, float, a + b) \
    BINARY_ROW(prelu_##isa, float, float, a < 0.0f ? a * b : a) \
    CLIP_ROW(clip_##isa, float)

FLOAT_ROWS(f32)
#if defined(__x86_64__)
ISA_BEGIN_AVX2
#endif
FLOAT_ROWS(wide)
#if defined(__x86_64__)
ISA_END
#endif

BINARY_ROW(min_f64, double, double, a < b || a != a ? a : b)
BINARY_ROW(min_i64, int64_t, int64_t, a < b ? a : b)
BINARY_ROW(min_u64, uint64_t, uint64_t, a < b ? a : b)
BINARY_ROW(max_f64, double, double, a > b || a != a ? a : b)
BINARY_ROW(max_i64, int64_t, int64_t, a > b ? a : b)
BINARY_ROW(max_u64, uint64_t, uint64_t, a > b ? a : b)
BINARY_ROW(sum_f64, double, double, a + b)
BINARY_ROW(mean_f32, float, float, a / b)
BINARY_ROW(mean_f64, double, double, a / b)

static const struct rows min_rows = {
    .f32 = min_f32, .f64 = min_f64, .i64 = min_i64, .u64 = min_u64, .f32_wide = min_wide};
static const struct rows max_rows = {
    .f32 = max_f32, .f64 = max_f64, .i64 = max_i64, .u64 = max_u64, .f32_wide = max_wide};
static const struct rows sum_rows = {.f32 = sum_f32, .f64 = sum_f64, .f32_wide = sum_wide};
static const struct rows mean_rows = {.f32 = mean_f32, .f64 = mean_f64};

/* Combines all inputs into output 0, two at a time. Not in place: a later input would be lost. */
static void fold(const struct op_call *call, const struct rows *rows)
{
    const struct tensor *pair[2] = {call->inputs[0], NULL};

    if (call->n_inputs == 1)
        memcpy(call->outputs[0]->data, call->inputs[0]->data, tensor_bytes(call->outputs[0]));
    for (int k = 1; k < call->n_inputs; k++) {
        pair[1] = call->inputs[k];
        elementwise_run(call->pool, rows, 2, pair, call->outputs[0], NULL);
        pair[0] = call->outputs[0];
    }
}

static enum engine_status min_run(const struct op_call *call, struct engine_error *err)
{
    (void)err;
    fold(call, &min_rows);
    return ENGINE_OK;
}

static enum engine_status max_run(const struct op_call *call, struct engine_error *err)
{
    (void)err;
    fold(call, &max_rows);
    return ENGINE_OK;
}

static enum engine_status sum_run(const struct op_call *call, struct engine_error *err)
{
    (void)err;
    fold(call, &sum_rows);
    return ENGINE_OK;
}

static enum engine_status mean_run(const struct op_call *call, struct engine_error *err)
{
    double count = call->n_inputs;
    const struct tensor divisor = {.dtype = DTYPE_F64, .data = &count};
    const struct tensor *pair[2] = {call->outputs[0], &divisor};

    (void)err;
    fold(call, &sum_rows);
    elementwise_run(call->pool, &mean_rows, 2, pair, call->outputs[0], NULL);
    return ENGINE_OK;
}

static enum engine_status variadic_infer(struct op_infer *infer, struct engine_error *err)
{
    for (int i = 0; i < infer->n_inputs; i++)
        if (infer->inputs[i].dtype == DTYPE_NONE)
            return op_fail(infer->node, err, "input %d is left out", i);
    return infer_broadcast_one_type(infer, err);
}

/* Where moves bytes: one row function for each element size. */
#define WHERE_ROW(name, type) \
    static void name(int64_t n, const void *const *inputs, const int64_t *steps, void *output, \
                     const void *arg) \
    { \
        const uint8_t *condition = inputs[0]; \
        const type *x = inputs[1], *y = inputs[2]; \
        type *out = output; \
        (void)arg; \
        if (steps[0] == 0) { \
            const type *from = condition[0] != 0 ? x : y; \
            const int64_t step = condition[0] != 0 ? steps[1] : steps[2]; \
            for (int64_t i = 0; i < n; i++) \
                out[i] = from[i * step]; \
        } else if (steps[1] != 0 && steps[2] != 0) { \
            _Pragma("GCC ivdep") for (int64_t i = 0; i < n; i++) \
            { \
                const type a = x[i], b = y[i]; \
                out[i] = condition[i] != 0 ? a : b; \
            } \
        } else if (steps[1] != 0) { \
            const type b = y[0]; \
            _Pragma("GCC ivdep") for (int64_t i = 0; i < n; i++) \
            { \
                const type a = x[i]; \
                out[i] = condition[i] != 0 ? a : b; \
            } \
        } else { \
            const type a = x[0], other = y[0]; \
            const int64_t step = steps[2]; \
            _Pragma("GCC ivdep") for (int64_t i = 0; i < n; i++) \
            { \
                const type b = step != 0 ? y[i] : other; \
                out[i] = condition[i] != 0 ? a : b; \
            } \
        } \
    }

WHERE_ROW(where_1, uint8_t)
WHERE_ROW(where_2, uint16_t)
WHERE_ROW(where_4, uint32_t)
WHERE_ROW(where_8, uint64_t)
WHERE_ROW(where_string, struct bytes)

static enum engine_status where_run(const struct op_call *call, struct engine_error *err)
{
    size_t size = dtype_size(call->outputs[0]->dtype);
    row_fn *fn = size == 1   ? where_1
                 : size == 2 ? where_2
                 : size == 4 ? where_4
                 : size == 8 ? where_8
                             : where_string;

    (void)err;
    broadcast_run(call->pool, 32768, 3, call->inputs, call->outputs[0], fn, NULL);
    return ENGINE_OK;
}

static enum engine_status where_infer(struct op_infer *infer, struct engine_error *err)
{
    if ((DTYPES_ANY & DTYPE_BIT(infer->inputs[1].dtype)) == 0)
        return op_fail(infer->node, err, "X is %s", dtype_name(infer->inputs[1].dtype));
    if (infer->inputs[1].dtype != infer->inputs[2].dtype)
        return op_fail(infer->node, err, "X is %s, Y is %s", dtype_name(infer->inputs[1].dtype),
                       dtype_name(infer->inputs[2].dtype));
    if (infer_broadcast(infer, err) != ENGINE_OK)
        return ENGINE_BAD_INPUT;
    infer->outputs[0].dtype = infer->inputs[1].dtype;
    return ENGINE_OK;
}

CLIP_ROW(clip_f64, double)
CLIP_ROW(clip_i64, int64_t)
CLIP_ROW(clip_u64, uint64_t)

static const struct rows clip_rows = {
    .f32 = clip_f32, .f64 = clip_f64, .i64 = clip_i64, .u64 = clip_u64, .f32_wide = clip_wide};

static enum engine_status clip_run(const struct op_call *call, struct engine_error *err)
{
    static const double f64_bounds[2] = {-INFINITY, INFINITY};
    static const float f32_bounds[2] = {-INFINITY, INFINITY};
    static const int64_t i64_bounds[2] = {INT64_MIN, INT64_MAX};
    static const uint64_t u64_bounds[2] = {0, UINT64_MAX};
    enum dtype compute = compute_dtype(call->inputs[0]->dtype);
    struct tensor bounds[2] = {{.dtype = compute}, {.dtype = compute}};
    const struct tensor *inputs[3] = {call->inputs[0], &bounds[0], &bounds[1]};

    (void)err;
    for (int i = 0; i < 2; i++) {
        bounds[i].data = compute == DTYPE_F32   ? (void *)&f32_bounds[i]
                         : compute == DTYPE_F64 ? (void *)&f64_bounds[i]
                         : compute == DTYPE_U64 ? (void *)&u64_bounds[i]
                                                : (void *)&i64_bounds[i];
        if (i + 1 < call->n_inputs && call->inputs[i + 1] != NULL) {
            bounds[i] = *call->inputs[i + 1];
            bounds[i].shape.rank = 0;
        }
    }
    elementwise_run(call->pool, &clip_rows, 3, inputs, call->outputs[0], NULL);
    return ENGINE_OK;
}

static enum engine_status clip_infer(struct op_infer *infer, struct engine_error *err)
{
    for (int i = 1; i < infer->n_inputs; i++) {
        const struct tensor *bound = &infer->inputs[i];

        if (bound->dtype == DTYPE_NONE)
            continue;
        if (bound->dtype != infer->inputs[0].dtype || shape_elements(&bound->shape) != 1)
            return op_fail(infer->node, err, "input %d is not one %s", i,
                           dtype_name(infer->inputs[0].dtype));
    }
    return infer_same_as_first(infer, err);
}

BINARY_ROW(prelu_f64, double, double, a < 0.0 ? a * b : a)
BINARY_ROW(prelu_i64, int64_t, int64_t, a < 0 ? (int64_t)((uint64_t)a * (uint64_t)b) : a)

static void copy_u64(int64_t n, const void *const *inputs, const int64_t *steps, void *output,
                     const void *arg)
{
    (void)steps;
    (void)arg;
    memmove(output, inputs[0], (size_t)n * sizeof(uint64_t));
}

static const struct rows prelu_rows = {
    .f32 = prelu_f32, .f64 = prelu_f64, .i64 = prelu_i64, .u64 = copy_u64,
    .f32_wide = prelu_wide};

static enum engine_status prelu_run(const struct op_call *call, struct engine_error *err)
{
    (void)err;
    elementwise_run(call->pool, &prelu_rows, 2, call->inputs, call->outputs[0], NULL);
    return ENGINE_OK;
}

static enum engine_status prelu_infer(struct op_infer *infer, struct engine_error *err)
{
    char x[SHAPE_TEXT_MAX], slope[SHAPE_TEXT_MAX];

    if (infer_broadcast_one_type(infer, err) != ENGINE_OK)
        return ENGINE_BAD_INPUT;
    if (!shape_equal(&infer->outputs[0].shape, &infer->inputs[0].shape))
        return op_fail(infer->node, err, "slope %s does not broadcast to X %s",
                       shape_text(&infer->inputs[1].shape, slope, sizeof(slope)),
                       shape_text(&infer->inputs[0].shape, x, sizeof(x)));
    return ENGINE_OK;
}

#define VARIADIC(op_name, opset, types, op) \
    {.name = op_name, .domain = "", .since = opset, .inputs_min = 1, .inputs_max = OP_VARIADIC, \
     .outputs_min = 1, .outputs_max = 1, .flags = OP_PARALLEL, .dtypes = types, \
     .infer = variadic_infer, .run = op##_run}

const struct op_def ops_where[] = {
    VARIADIC("Min", 8, DTYPES_NUMBER, min),
    VARIADIC("Max", 8, DTYPES_NUMBER, max),
    VARIADIC("Sum", 8, DTYPES_FLOAT, sum),
    VARIADIC("Mean", 8, DTYPES_FLOAT, mean),
    {.name = "Where", .domain = "", .since = 9, .inputs_min = 3, .inputs_max = 3, .outputs_min = 1,
     .outputs_max = 1, .flags = OP_PARALLEL | OP_INPLACE, .dtypes = DTYPE_BIT(DTYPE_BOOL),
     .infer = where_infer, .run = where_run},
    {.name = "Clip", .domain = "", .since = 11, .inputs_min = 1, .inputs_max = 3, .outputs_min = 1,
     .outputs_max = 1, .flags = OP_PARALLEL | OP_INPLACE, .dtypes = DTYPES_NUMBER,
     .infer = clip_infer, .run = clip_run},
    {.name = "PRelu", .domain = "", .since = 7, .inputs_min = 2, .inputs_max = 2, .outputs_min = 1,
     .outputs_max = 1, .flags = OP_PARALLEL | OP_INPLACE, .dtypes = DTYPES_NUMBER,
     .infer = prelu_infer, .run = prelu_run},
    {0},
};
