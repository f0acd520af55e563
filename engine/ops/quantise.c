/* SPDX-License-Identifier: Apache-2.0
 * QuantizeLinear, DequantizeLinear, DynamicQuantizeLinear. The tensor is seen as [outer, n, inner]
 * around the axis; scale and zero point are one number, one for each of n, or one for each block of
 * the axis and each place beside it. Rounding is to even, results saturate. */
#include "engine/kernels/convert.h"
#include "engine/kernels/reduce.h"
#include "engine/ops/elementwise.h"
#include "engine/ops/operands.h"
#include "engine/ops/quantise_form.h"

#include <inttypes.h>
#include <string.h>

#define DTYPES_QUANTISED \
    (DTYPE_BIT(DTYPE_I8) | DTYPE_BIT(DTYPE_U8) | DTYPE_BIT(DTYPE_I16) | DTYPE_BIT(DTYPE_U16))

static enum engine_status quantise_init(const struct op_init *init, struct engine_error *err)
{
    struct quantise_params *params = init->params;

    params->axis = node_int(init->node, "axis", 1);
    params->block = node_int(init->node, "block_size", 0);
    params->output = (enum dtype)node_int(init->node, "output_dtype", DTYPE_NONE);
    if (params->block < 0)
        return op_unsupported(init->node, err, "block_size %" PRId64, params->block);
    if (params->output != DTYPE_NONE && compute_dtype(params->output) == DTYPE_NONE)
        return op_unsupported(init->node, err, "output_dtype %d", (int)params->output);
    return ENGINE_OK;
}

static enum engine_status check_scale(const struct op_infer *infer, struct engine_error *err)
{
    const struct quantise_params *params = infer->params;
    const struct shape *x = &infer->inputs[0].shape;
    const struct tensor *scale = &infer->inputs[1];
    struct shape expected = {.rank = 1};
    char text[SHAPE_TEXT_MAX], other[SHAPE_TEXT_MAX];
    int axis = 0;

    if (!dtype_is_float(scale->dtype))
        return op_fail(infer->node, err, "the scale is %s", dtype_name(scale->dtype));
    if (operand_present(infer, 2) && !shape_equal(&infer->inputs[2].shape, &scale->shape) &&
        (shape_elements(&infer->inputs[2].shape) != 1 || shape_elements(&scale->shape) != 1))
        return op_fail(infer->node, err, "scale %s and zero point %s differ in shape",
                       shape_text(&scale->shape, text, sizeof(text)),
                       shape_text(&infer->inputs[2].shape, other, sizeof(other)));
    if (scale->shape.rank == 0 || (scale->shape.rank == 1 && scale->shape.dims[0] == 1))
        return ENGINE_OK;
    if (operand_axis(infer, params->axis, x->rank, &axis, err) != ENGINE_OK)
        return ENGINE_BAD_INPUT;
    expected.dims[0] = x->dims[axis];
    if (params->block != 0) {
        expected = *x;
        expected.dims[axis] = x->dims[axis] / params->block + (x->dims[axis] % params->block != 0);
    }
    if (!shape_equal(&scale->shape, &expected))
        return op_fail(infer->node, err, "the scale has shape %s, expected %s",
                       shape_text(&scale->shape, text, sizeof(text)),
                       shape_text(&expected, other, sizeof(other)));
    return ENGINE_OK;
}

/* The scales and zero points of `count` elements that follow element `first`; repeated where one
 * serves a whole row. The zero point is 0 where there is none. */
static void load_grid(const struct quantise_grid *grid, const struct tensor *scale,
                      const struct tensor *zero, int64_t first, int64_t count, float *scales,
                      float *zeros)
{
    bool repeat = grid->single || grid->block == 0;
    int64_t loaded = repeat ? 1 : count;

    load_f32(scale->dtype, loaded,
             (const char *)scale->data + (size_t)first * dtype_size(scale->dtype), scales);
    memset(zeros, 0, (size_t)loaded * sizeof(*zeros));
    if (zero != NULL)
        load_f32(zero->dtype, loaded,
                 (const char *)zero->data + (size_t)first * dtype_size(zero->dtype), zeros);
    for (int64_t k = 1; repeat && k < count; k++) {
        scales[k] = scales[0];
        zeros[k] = zeros[0];
    }
}

/* round(x / scale) + zero, limited to the type's range; NaN becomes the least. Adding and taking
 * away 1.5 * 2^23 rounds to even; the limits keep numbers where that holds. */
static void quantise_chunk(enum dtype to, int64_t count, const float *x, const float *scales,
                           const float *zeros, void *y)
{
    const float magic = 12582912.0f;
    float least = dtype_is_signed(to) ? (dtype_size(to) == 1 ? -128.0f : -32768.0f) : 0.0f;
    float most = least + (dtype_size(to) == 1 ? 255.0f : 65535.0f);
    float rounded[CONVERT_CHUNK];

    for (int64_t k = 0; k < count; k++) {
        float low = least - zeros[k], high = most - zeros[k];
        float item = x[k] / scales[k];

        item = item > low ? item : low;
        item = item < high ? item : high;
        rounded[k] = (item + magic) - magic + zeros[k];
    }
    store_f32(to, count, rounded, y);
}

typedef void chunk_fn(enum dtype to, int64_t count, const float *x, const float *scales,
                      const float *zeros, void *y);

static void dequantise_chunk(enum dtype to, int64_t count, const float *x, const float *scales,
                             const float *zeros, void *y)
{
    float result[CONVERT_CHUNK];

    for (int64_t k = 0; k < count; k++)
        result[k] = (x[k] - zeros[k]) * scales[k];
    store_f32(to, count, result, y);
}

static void walk_grid(const struct op_call *call, chunk_fn *chunk)
{
    const struct tensor *x = call->inputs[0], *scale = call->inputs[1];
    const struct tensor *zero = operand_given(call, 2) ? call->inputs[2] : NULL;
    struct tensor *y = call->outputs[0];
    struct quantise_grid grid = quantise_grid_of(call->params, &x->shape, &scale->shape);
    float items[CONVERT_CHUNK], scales[CONVERT_CHUNK], zeros[CONVERT_CHUNK];

    for (int64_t row = 0; grid.inner != 0 && row < grid.outer * grid.n; row++)
        for (int64_t k = 0; k < grid.inner; k += CONVERT_CHUNK) {
            int64_t count = grid.inner - k < CONVERT_CHUNK ? grid.inner - k : CONVERT_CHUNK;
            int64_t at = row * grid.inner + k;
            int64_t first = quantise_scale_at(&grid, at);

            load_grid(&grid, scale, zero, first, count, scales, zeros);
            load_f32(x->dtype, count, (const char *)x->data + (size_t)at * dtype_size(x->dtype),
                     items);
            chunk(y->dtype, count, items, scales, zeros,
                  (char *)y->data + (size_t)at * dtype_size(y->dtype));
        }
}

static enum engine_status quantise_run(const struct op_call *call, struct engine_error *err)
{
    (void)err;
    walk_grid(call, quantise_chunk);
    return ENGINE_OK;
}

static enum engine_status dequantise_run(const struct op_call *call, struct engine_error *err)
{
    (void)err;
    walk_grid(call, dequantise_chunk);
    return ENGINE_OK;
}

static enum engine_status quantise_infer(struct op_infer *infer, struct engine_error *err)
{
    const struct quantise_params *params = infer->params;
    enum dtype to = operand_present(infer, 2)        ? infer->inputs[2].dtype
                    : params->output != DTYPE_NONE ? params->output
                                                     : DTYPE_U8;
    enum engine_status status = check_scale(infer, err);

    if (status != ENGINE_OK)
        return status;
    if ((DTYPES_QUANTISED & DTYPE_BIT(to)) == 0)
        return op_unsupported(infer->node, err, "quantising to %s", dtype_name(to));
    infer_output(infer, 0, to, &infer->inputs[0].shape);
    return ENGINE_OK;
}

static enum engine_status dequantise_infer(struct op_infer *infer, struct engine_error *err)
{
    const struct quantise_params *params = infer->params;
    enum engine_status status = check_scale(infer, err);

    if (status != ENGINE_OK)
        return status;
    if (operand_present(infer, 2) && infer->inputs[2].dtype != infer->inputs[0].dtype)
        return op_fail(infer->node, err, "x is %s, the zero point %s",
                       dtype_name(infer->inputs[0].dtype), dtype_name(infer->inputs[2].dtype));
    infer_output(infer, 0,
                 params->output != DTYPE_NONE ? params->output : infer->inputs[1].dtype,
                 &infer->inputs[0].shape);
    return ENGINE_OK;
}

static enum engine_status dynamic_infer(struct op_infer *infer, struct engine_error *err)
{
    const struct shape scalar = {0};

    (void)err;
    infer_output(infer, 0, DTYPE_U8, &infer->inputs[0].shape);
    infer_output(infer, 1, DTYPE_F32, &scalar);
    infer_output(infer, 2, DTYPE_U8, &scalar);
    return ENGINE_OK;
}

/* The range always includes 0; an empty range (all zeros) has scale 1. */
static enum engine_status dynamic_run(const struct op_call *call, struct engine_error *err)
{
    const struct tensor *x = call->inputs[0];
    float least = 0.0f, most = 0.0f, scale, zero;
    struct tensor bound = {.dtype = DTYPE_F32};
    uint32_t all = (1u << x->shape.rank) - 1;
    uint8_t zero_point;
    float scales[CONVERT_CHUNK], zeros[CONVERT_CHUNK];
    int64_t n = shape_elements(&x->shape);

    (void)err;
    bound.data = &least;
    reduce_run(NULL, REDUCE_MIN, x, all, &bound);
    bound.data = &most;
    reduce_run(NULL, REDUCE_MAX, x, all, &bound);
    least = least < 0.0f ? least : 0.0f;
    most = most > 0.0f ? most : 0.0f;
    scale = most > least ? (most - least) / 255.0f : 1.0f;
    zero = 0.0f;
    least = -least;
    quantise_chunk(DTYPE_U8, 1, &least, &scale, &zero, &zero_point);
    for (int k = 0; k < CONVERT_CHUNK; k++) {
        scales[k] = scale;
        zeros[k] = (float)zero_point;
    }
    for (int64_t at = 0; at < n; at += CONVERT_CHUNK)
        quantise_chunk(DTYPE_U8, n - at < CONVERT_CHUNK ? n - at : CONVERT_CHUNK,
                       (const float *)x->data + at, scales, zeros,
                       (uint8_t *)call->outputs[0]->data + at);
    *(float *)call->outputs[1]->data = scale;
    *(uint8_t *)call->outputs[2]->data = zero_point;
    return ENGINE_OK;
}

const struct op_def ops_quantise[] = {
    {.name = "QuantizeLinear", .domain = "", .since = 10, .inputs_min = 2, .inputs_max = 3,
     .outputs_min = 1, .outputs_max = 1, .dtypes = DTYPES_FLOAT | DTYPE_BIT(DTYPE_I32),
     .params_size = sizeof(struct quantise_params), .init = quantise_init,
     .infer = quantise_infer, .run = quantise_run},
    {.name = "DequantizeLinear", .domain = "", .since = 10, .inputs_min = 2, .inputs_max = 3,
     .outputs_min = 1, .outputs_max = 1, .dtypes = DTYPES_QUANTISED | DTYPE_BIT(DTYPE_I32),
     .params_size = sizeof(struct quantise_params), .init = quantise_init,
     .infer = dequantise_infer, .run = dequantise_run},
    {.name = "DynamicQuantizeLinear", .domain = "", .since = 11, .inputs_min = 1, .inputs_max = 1,
     .outputs_min = 3, .outputs_max = 3, .dtypes = DTYPE_BIT(DTYPE_F32), .infer = dynamic_infer,
     .run = dynamic_run},
    {0},
};
