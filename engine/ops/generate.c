/* SPDX-License-Identifier: Apache-2.0
 * engine/ops/generate.c - tensors made from a shape or a few numbers: Shape, Size, ConstantOfShape,
 * Range, EyeLike, OneHot. */
#include "engine/kernels/convert.h"
#include "engine/kernels/move.h"
#include "engine/ops/operands.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

struct shape_params {
    int64_t start, end;
};

static enum engine_status shape_init(const struct op_init *init, struct engine_error *err)
{
    struct shape_params *params = init->params;

    (void)err;
    params->start = node_int(init->node, "start", 0);
    params->end = node_int(init->node, "end", INT64_MAX);
    return ENGINE_OK;
}

/* Both ends clamp to [0, rank]. */
static void shape_range(const struct shape_params *params, int rank, int *ret_start, int *ret_end)
{
    const int64_t start = params->start < 0 ? params->start + rank : params->start;
    const int64_t end = params->end < 0 ? params->end + rank : params->end;

    *ret_start = (int)(start < 0 ? 0 : start > rank ? rank : start);
    *ret_end = (int)(end < *ret_start ? *ret_start : end > rank ? rank : end);
}

static enum engine_status shape_infer(struct op_infer *infer, struct engine_error *err)
{
    struct shape shape = {.rank = 1};
    int start, end;

    (void)err;
    shape_range(infer->params, infer->inputs[0].shape.rank, &start, &end);
    shape.dims[0] = end - start;
    infer_output(infer, 0, DTYPE_I64, &shape);
    return ENGINE_OK;
}

static enum engine_status shape_run(const struct op_call *call, struct engine_error *err)
{
    int64_t *to = call->outputs[0]->data;
    int start, end;

    (void)err;
    shape_range(call->params, call->inputs[0]->shape.rank, &start, &end);
    for (int d = start; d < end; d++)
        to[d - start] = call->inputs[0]->shape.dims[d];
    return ENGINE_OK;
}

static enum engine_status size_infer(struct op_infer *infer, struct engine_error *err)
{
    const struct shape scalar = {0};

    (void)err;
    infer_output(infer, 0, DTYPE_I64, &scalar);
    return ENGINE_OK;
}

static enum engine_status size_run(const struct op_call *call, struct engine_error *err)
{
    (void)err;
    *(int64_t *)call->outputs[0]->data = shape_elements(&call->inputs[0]->shape);
    return ENGINE_OK;
}

struct fill_params {
    enum dtype dtype;
    const void *item;              /* NULL: zero */
};

static enum engine_status fill_init(const struct op_init *init, struct engine_error *err)
{
    struct fill_params *params = init->params;
    const struct attribute *value = node_attribute(init->node, "value");

    params->dtype = DTYPE_F32;
    if (value == NULL || value->t == NULL)
        return ENGINE_OK;
    if (shape_elements(&value->t->shape) != 1 || value->t->data == NULL)
        return op_fail(init->node, err, "value has to have one element");
    params->dtype = value->t->dtype;
    params->item = value->t->data;
    return ENGINE_OK;
}

static enum engine_status fill_infer(struct op_infer *infer, struct engine_error *err)
{
    const struct fill_params *params = infer->params;
    struct shape shape = {0};
    enum engine_status status = operand_ints(infer, 0, "shape", shape.dims, &shape.rank, err);

    if (status != ENGINE_OK)
        return status;
    for (int d = 0; d < shape.rank; d++)
        if (shape.dims[d] < 0)
            return op_fail(infer->node, err, "dimension %d is %" PRId64, d, shape.dims[d]);
    infer_output(infer, 0, params->dtype, &shape);
    return ENGINE_OK;
}

static enum engine_status fill_run(const struct op_call *call, struct engine_error *err)
{
    const struct fill_params *params = call->params;
    struct tensor *to = call->outputs[0];
    const size_t bytes = tensor_bytes(to);

    (void)err;
    if (bytes > 0 && params->item == NULL)
        memset(to->data, 0, bytes);
    else if (bytes > 0)
        move_fill(to->data, shape_elements(&to->shape), dtype_size(to->dtype), params->item);
    return ENGINE_OK;
}

/* Elements from start to limit, -1 for no sensible number. The integer count is exact. */
static int64_t range_count(const struct tensor *start, const struct tensor *limit,
                           const struct tensor *delta)
{
    if (dtype_is_float(start->dtype)) {
        const double count = ceil((tensor_double_at(limit, 0) - tensor_double_at(start, 0)) /
                                  tensor_double_at(delta, 0));

        return count <= 0 ? 0 : count < 9e15 ? (int64_t)count : -1;
    } else {
        const int64_t a = tensor_int_at(start, 0), b = tensor_int_at(limit, 0);
        const int64_t step = tensor_int_at(delta, 0);
        uint64_t count = 0;

        if (step > 0 && b > a)
            count = ((uint64_t)b - (uint64_t)a - 1) / (uint64_t)step + 1;
        else if (step < 0 && a > b)
            count = ((uint64_t)a - (uint64_t)b - 1) / (0 - (uint64_t)step) + 1;
        return step == 0 || count > INT64_MAX ? -1 : (int64_t)count;
    }
}

static enum engine_status range_infer(struct op_infer *infer, struct engine_error *err)
{
    const struct tensor *inputs = infer->inputs;
    struct shape shape = {.rank = 1};

    for (int i = 0; i < 3; i++)
        if (shape_elements(&inputs[i].shape) != 1 || inputs[i].dtype != inputs[0].dtype)
            return op_fail(infer->node, err, "start, limit and delta have to be scalars of one type");
    switch (inputs[0].dtype) {
    case DTYPE_F32: case DTYPE_F64: case DTYPE_F16: case DTYPE_BF16:
    case DTYPE_I16: case DTYPE_I32: case DTYPE_I64:
        break;
    default:
        return op_unsupported(infer->node, err, "type %s", dtype_name(inputs[0].dtype));
    }
    shape.dims[0] = range_count(&inputs[0], &inputs[1], &inputs[2]);
    if (shape.dims[0] < 0)
        return op_fail(infer->node, err, "from %g to %g by %g has no end",
                       tensor_double_at(&inputs[0], 0), tensor_double_at(&inputs[1], 0),
                       tensor_double_at(&inputs[2], 0));
    infer_output(infer, 0, inputs[0].dtype, &shape);
    return ENGINE_OK;
}

/* Integers wrap like the unsigned type of their size, without overflow. */
#define RANGE_OF(T, number) \
    do { \
        const T start = *(const T *)call->inputs[0]->data; \
        const T delta = *(const T *)call->inputs[2]->data; \
        for (int64_t i = 0; i < count; i++) \
            ((T *)to)[i] = (T)(start + (T)((number)i * delta)); \
    } while (0)

static enum engine_status range_run(const struct op_call *call, struct engine_error *err)
{
    const int64_t count = shape_elements(&call->outputs[0]->shape);
    void *to = call->outputs[0]->data;

    (void)err;
    switch (call->outputs[0]->dtype) {
    case DTYPE_F16: case DTYPE_BF16:
        for (int64_t i = 0; i < count; i++) {
            const float item = (float)tensor_double_at(call->inputs[0], 0) +
                               (float)i * (float)tensor_double_at(call->inputs[2], 0);

            store_f32(call->outputs[0]->dtype, 1, &item, (uint16_t *)to + i);
        }
        break;
    case DTYPE_F32: RANGE_OF(float, float); break;
    case DTYPE_F64: RANGE_OF(double, double); break;
    case DTYPE_I16: RANGE_OF(uint16_t, uint32_t); break;
    case DTYPE_I32: RANGE_OF(uint32_t, uint32_t); break;
    default: RANGE_OF(uint64_t, uint64_t); break;
    }
    return ENGINE_OK;
}

struct eye_params {
    int64_t diagonal;
    enum dtype dtype;              /* DTYPE_NONE: the input's */
};

static enum engine_status eye_init(const struct op_init *init, struct engine_error *err)
{
    struct eye_params *params = init->params;

    (void)err;
    params->diagonal = node_int(init->node, "k", 0);
    params->dtype = (enum dtype)node_int(init->node, "dtype", DTYPE_NONE);
    return ENGINE_OK;
}

static enum engine_status eye_infer(struct op_infer *infer, struct engine_error *err)
{
    const struct eye_params *params = infer->params;
    const enum dtype dtype = params->dtype == DTYPE_NONE ? infer->inputs[0].dtype : params->dtype;

    if (infer->inputs[0].shape.rank != 2)
        return op_fail(infer->node, err, "input has rank %d, expected 2",
                       infer->inputs[0].shape.rank);
    if (!dtype_is_float(dtype) && !dtype_is_integer(dtype) && dtype != DTYPE_BOOL)
        return op_unsupported(infer->node, err, "type %s", dtype_name(dtype));
    infer_output(infer, 0, dtype, &infer->inputs[0].shape);
    return ENGINE_OK;
}

static enum engine_status eye_run(const struct op_call *call, struct engine_error *err)
{
    const struct eye_params *params = call->params;
    struct tensor *to = call->outputs[0];
    const size_t size = dtype_size(to->dtype);
    const int64_t rows = to->shape.dims[0], columns = to->shape.dims[1];
    const int64_t one = 1;

    (void)err;
    if (rows * columns > 0)
        memset(to->data, 0, tensor_bytes(to));
    if (params->diagonal <= -rows || params->diagonal >= columns)
        return ENGINE_OK;
    for (int64_t r = 0; r < rows; r++) {
        const int64_t c = r + params->diagonal;

        if (c >= 0 && c < columns)
            store_i64(to->dtype, 1, &one, (char *)to->data + (size_t)(r * columns + c) * size);
    }
    return ENGINE_OK;
}

struct one_hot_params {
    int64_t axis;
};

static enum engine_status one_hot_init(const struct op_init *init, struct engine_error *err)
{
    struct one_hot_params *params = init->params;

    (void)err;
    params->axis = node_int(init->node, "axis", -1);
    return ENGINE_OK;
}

static enum engine_status one_hot_infer(struct op_infer *infer, struct engine_error *err)
{
    const struct one_hot_params *params = infer->params;
    const struct shape *from = &infer->inputs[0].shape;
    struct shape shape = {.rank = from->rank + 1};
    int64_t depth;
    enum engine_status status = operand_int(infer, 1, "depth", &depth, err);
    int axis;

    if (status == ENGINE_OK)
        status = operand_axis(infer, params->axis, shape.rank, &axis, err);
    if (status != ENGINE_OK)
        return status;
    if (shape.rank > SHAPE_RANK_MAX)
        return op_unsupported(infer->node, err, "rank %d, at most %d is held", shape.rank,
                              SHAPE_RANK_MAX);
    if (depth < 0)
        return op_fail(infer->node, err, "depth is %" PRId64, depth);
    if (shape_elements(&infer->inputs[2].shape) != 2)
        return op_fail(infer->node, err, "values have to be two: off and on");
    if (!dtype_is_integer(infer->inputs[0].dtype) && !dtype_is_float(infer->inputs[0].dtype))
        return op_unsupported(infer->node, err, "indices of type %s",
                              dtype_name(infer->inputs[0].dtype));
    for (int d = 0, next = 0; d < shape.rank; d++)
        shape.dims[d] = d == axis ? depth : from->dims[next++];
    infer_output(infer, 0, infer->inputs[2].dtype, &shape);
    return ENGINE_OK;
}

/* An index out of [-depth, depth) leaves its row off, as ONNX says. */
static enum engine_status one_hot_run(const struct op_call *call, struct engine_error *err)
{
    const struct one_hot_params *params = call->params;
    const struct tensor *indices = call->inputs[0];
    struct tensor *to = call->outputs[0];
    const size_t size = dtype_size(to->dtype);
    const char *values = call->inputs[2]->data;
    const int64_t count = shape_elements(&indices->shape);
    int64_t depth, inner;
    int axis = 0;

    (void)err;
    shape_axis(params->axis, to->shape.rank, &axis);
    depth = to->shape.dims[axis];
    inner = shape_product(&to->shape, axis + 1, to->shape.rank);
    move_fill(to->data, shape_elements(&to->shape), size, values);
    for (int64_t i = 0; i < count; i++) {
        int64_t index = tensor_int_at(indices, i);

        index = index < 0 ? index + depth : index;
        if (index >= 0 && index < depth)
            memcpy((char *)to->data + (size_t)((i / inner * depth + index) * inner + i % inner) * size,
                   values + size, size);
    }
    return ENGINE_OK;
}

const struct op_def ops_generate[] = {
    {.name = "Shape", .domain = "", .since = 1, .inputs_min = 1, .inputs_max = 1,
     .outputs_min = 1, .outputs_max = 1, .flags = OP_SHAPE_ONLY,
     .params_size = sizeof(struct shape_params), .init = shape_init, .infer = shape_infer,
     .run = shape_run},
    {.name = "Size", .domain = "", .since = 1, .inputs_min = 1, .inputs_max = 1,
     .outputs_min = 1, .outputs_max = 1, .flags = OP_SHAPE_ONLY, .infer = size_infer,
     .run = size_run},
    {.name = "ConstantOfShape", .domain = "", .since = 9, .inputs_min = 1, .inputs_max = 1,
     .outputs_min = 1, .outputs_max = 1, .host_inputs = 1 << 0,
     .params_size = sizeof(struct fill_params), .init = fill_init, .infer = fill_infer,
     .run = fill_run},
    {.name = "Range", .domain = "", .since = 11, .inputs_min = 3, .inputs_max = 3,
     .outputs_min = 1, .outputs_max = 1, .host_inputs = 1 << 0 | 1 << 1 | 1 << 2,
     .infer = range_infer, .run = range_run},
    {.name = "EyeLike", .domain = "", .since = 9, .inputs_min = 1, .inputs_max = 1,
     .outputs_min = 1, .outputs_max = 1, .flags = OP_SHAPE_ONLY,
     .params_size = sizeof(struct eye_params), .init = eye_init, .infer = eye_infer,
     .run = eye_run},
    {.name = "OneHot", .domain = "", .since = 9, .inputs_min = 3, .inputs_max = 3,
     .outputs_min = 1, .outputs_max = 1, .host_inputs = 1 << 1,
     .params_size = sizeof(struct one_hot_params), .init = one_hot_init, .infer = one_hot_infer,
     .run = one_hot_run},
    {.name = NULL},
};
