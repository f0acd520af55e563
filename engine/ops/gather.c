/* SPDX-License-Identifier: Apache-2.0
 * engine/ops/gather.c - elements picked by index: Gather, GatherElements, GatherND. Indices are
 * data: a negative one counts from the back, one out of range is the client's mistake. */
#include "engine/ops/operands.h"

#include <inttypes.h>
#include <string.h>

struct gather_params {
    int64_t axis;
    int64_t batch_dims;
};

static enum engine_status gather_init(const struct op_init *init, struct engine_error *err)
{
    struct gather_params *params = init->params;

    (void)err;
    params->axis = node_int(init->node, "axis", 0);
    params->batch_dims = node_int(init->node, "batch_dims", 0);
    return ENGINE_OK;
}

static enum engine_status check_indices(const struct op_infer *infer, struct engine_error *err)
{
    if (infer->inputs[1].dtype != DTYPE_I64 && infer->inputs[1].dtype != DTYPE_I32)
        return op_fail(infer->node, err, "indices are of type %s, expected int64 or int32",
                       dtype_name(infer->inputs[1].dtype));
    return ENGINE_OK;
}

/* Index `i` of the indices for a dimension of `dim`: true and in [0, dim), or false. */
static inline bool index_at(const struct tensor *indices, int64_t i, int64_t dim, int64_t *ret)
{
    const int64_t index = indices->dtype == DTYPE_I64 ? ((const int64_t *)indices->data)[i]
                                                      : ((const int32_t *)indices->data)[i];

    *ret = index < 0 ? index + dim : index;
    return *ret >= 0 && *ret < dim;
}

static enum engine_status refuse_index(const struct op_call *call, int64_t i, int64_t dim,
                                       struct engine_error *err)
{
    return op_fail(call->node, err, "index %" PRId64 " (element %" PRId64 " of the indices) is out "
                   "of range for %" PRId64 " elements", tensor_int_at(call->inputs[1], i), i, dim);
}

static enum engine_status gather_infer(struct op_infer *infer, struct engine_error *err)
{
    const struct gather_params *params = infer->params;
    const struct shape *from = &infer->inputs[0].shape;
    const struct shape *indices = &infer->inputs[1].shape;
    struct shape shape = {0};
    enum engine_status status = check_indices(infer, err);
    int axis;

    if (status == ENGINE_OK)
        status = operand_axis(infer, params->axis, from->rank, &axis, err);
    if (status != ENGINE_OK)
        return status;
    if (from->rank + indices->rank - 1 > SHAPE_RANK_MAX)
        return op_unsupported(infer->node, err, "rank %d, at most %d is held",
                              from->rank + indices->rank - 1, SHAPE_RANK_MAX);
    for (int d = 0; d < axis; d++)
        shape.dims[shape.rank++] = from->dims[d];
    for (int d = 0; d < indices->rank; d++)
        shape.dims[shape.rank++] = indices->dims[d];
    for (int d = axis + 1; d < from->rank; d++)
        shape.dims[shape.rank++] = from->dims[d];
    infer_output(infer, 0, infer->inputs[0].dtype, &shape);
    return ENGINE_OK;
}

static enum engine_status gather_run(const struct op_call *call, struct engine_error *err)
{
    const struct gather_params *params = call->params;
    const struct tensor *from = call->inputs[0];
    const struct tensor *indices = call->inputs[1];
    const int64_t count = shape_elements(&indices->shape);
    const size_t size = dtype_size(from->dtype);
    const char *source = from->data;
    char *to = call->outputs[0]->data;
    int64_t outer, dim, index;
    size_t row;
    int axis = 0;

    shape_axis(params->axis, from->shape.rank, &axis);
    dim = from->shape.dims[axis];
    outer = shape_product(&from->shape, 0, axis);
    row = (size_t)shape_product(&from->shape, axis + 1, from->shape.rank) * size;
    for (int64_t i = 0; i < count; i++)
        if (!index_at(indices, i, dim, &index))
            return refuse_index(call, i, dim, err);
    if (row == 0)
        return ENGINE_OK;
    for (int64_t o = 0; o < outer; o++, source += (size_t)dim * row) {
        for (int64_t i = 0; i < count; i++, to += row) {
            index_at(indices, i, dim, &index);
            if (row == 4)
                memcpy(to, source + index * 4, 4);
            else if (row == 8)
                memcpy(to, source + index * 8, 8);
            else
                memcpy(to, source + (size_t)index * row, row);
        }
    }
    return ENGINE_OK;
}

static enum engine_status elements_infer(struct op_infer *infer, struct engine_error *err)
{
    const struct gather_params *params = infer->params;
    const struct shape *from = &infer->inputs[0].shape;
    const struct shape *indices = &infer->inputs[1].shape;
    char text[2][SHAPE_TEXT_MAX];
    enum engine_status status = check_indices(infer, err);
    int axis;

    if (status == ENGINE_OK)
        status = operand_axis(infer, params->axis, from->rank, &axis, err);
    if (status != ENGINE_OK)
        return status;
    if (indices->rank != from->rank)
        return op_fail(infer->node, err, "indices have rank %d, the data %d", indices->rank,
                       from->rank);
    for (int d = 0; d < from->rank; d++)
        if (d != axis && indices->dims[d] > from->dims[d])
            return op_fail(infer->node, err, "indices of shape %s reach outside data of shape %s",
                           shape_text(indices, text[0], sizeof(text[0])),
                           shape_text(from, text[1], sizeof(text[1])));
    infer_output(infer, 0, infer->inputs[0].dtype, indices);
    return ENGINE_OK;
}

static void copy_element(char *to, const char *from, size_t size)
{
    switch (size) {
    case 1: *to = *from; break;
    case 2: memcpy(to, from, 2); break;
    case 4: memcpy(to, from, 4); break;
    case 8: memcpy(to, from, 8); break;
    default: memcpy(to, from, size); break;
    }
}

static enum engine_status elements_run(const struct op_call *call, struct engine_error *err)
{
    const struct gather_params *params = call->params;
    const struct tensor *from = call->inputs[0];
    const struct tensor *indices = call->inputs[1];
    const struct shape *shape = &indices->shape;
    const int64_t count = shape_elements(shape);
    const size_t size = dtype_size(from->dtype);
    int64_t strides[SHAPE_RANK_MAX], at[SHAPE_RANK_MAX] = {0};
    int64_t base = 0;
    int axis = 0;

    shape_axis(params->axis, shape->rank, &axis);
    shape_strides(&from->shape, strides);
    /* `base` is where the indices' position falls in the data, its axis left out. */
    for (int64_t i = 0; i < count; i++) {
        int64_t index;

        if (!index_at(indices, i, from->shape.dims[axis], &index))
            return refuse_index(call, i, from->shape.dims[axis], err);
        copy_element((char *)call->outputs[0]->data + (size_t)i * size,
                     (const char *)from->data + (size_t)(base + index * strides[axis]) * size, size);
        for (int d = shape->rank - 1; d >= 0; d--) {
            const int64_t stride = d == axis ? 0 : strides[d];

            base += stride;
            if (++at[d] < shape->dims[d])
                break;
            base -= stride * shape->dims[d];
            at[d] = 0;
        }
    }
    return ENGINE_OK;
}

static enum engine_status nd_infer(struct op_infer *infer, struct engine_error *err)
{
    const struct gather_params *params = infer->params;
    const struct shape *from = &infer->inputs[0].shape;
    const struct shape *indices = &infer->inputs[1].shape;
    const int64_t batch = params->batch_dims;
    struct shape shape = {0};
    int64_t depth;
    enum engine_status status = check_indices(infer, err);

    if (status != ENGINE_OK)
        return status;
    if (batch < 0 || batch >= from->rank || batch >= indices->rank)
        return op_fail(infer->node, err, "batch_dims is %" PRId64 " for ranks %d and %d", batch,
                       from->rank, indices->rank);
    depth = indices->dims[indices->rank - 1];
    if (depth < 1 || depth > from->rank - batch)
        return op_fail(infer->node, err, "indices have %" PRId64 " coordinates for rank %d", depth,
                       from->rank - (int)batch);
    for (int d = 0; d < batch; d++)
        if (from->dims[d] != indices->dims[d])
            return op_fail(infer->node, err, "batch dimension %d is %" PRId64 " in the data, %" PRId64
                           " in the indices", d, from->dims[d], indices->dims[d]);
    if (indices->rank - 1 + from->rank - depth - batch > SHAPE_RANK_MAX)
        return op_unsupported(infer->node, err, "output rank is above %d", SHAPE_RANK_MAX);
    for (int d = 0; d < indices->rank - 1; d++)
        shape.dims[shape.rank++] = indices->dims[d];
    for (int d = (int)(batch + depth); d < from->rank; d++)
        shape.dims[shape.rank++] = from->dims[d];
    infer_output(infer, 0, infer->inputs[0].dtype, &shape);
    return ENGINE_OK;
}

static enum engine_status nd_run(const struct op_call *call, struct engine_error *err)
{
    const struct gather_params *params = call->params;
    const struct tensor *from = call->inputs[0];
    const struct tensor *indices = call->inputs[1];
    const int batch = (int)params->batch_dims;
    const int depth = (int)indices->shape.dims[indices->shape.rank - 1];
    const int64_t tuples = shape_product(&indices->shape, batch, indices->shape.rank - 1);
    const int64_t batches = shape_product(&from->shape, 0, batch);
    const int64_t batch_stride = shape_product(&from->shape, batch, from->shape.rank);
    const size_t size = dtype_size(from->dtype);
    const size_t row = (size_t)shape_product(&from->shape, batch + depth, from->shape.rank) * size;
    char *to = call->outputs[0]->data;
    int64_t strides[SHAPE_RANK_MAX];

    shape_strides(&from->shape, strides);
    for (int64_t b = 0; b < batches; b++) {
        for (int64_t t = 0; t < tuples; t++, to += row) {
            int64_t offset = b * batch_stride;

            for (int d = 0; d < depth; d++) {
                const int64_t i = (b * tuples + t) * depth + d;
                const int64_t dim = from->shape.dims[batch + d];
                int64_t index;

                if (!index_at(indices, i, dim, &index))
                    return refuse_index(call, i, dim, err);
                offset += index * strides[batch + d];
            }
            if (row > 0)
                copy_element(to, (const char *)from->data + (size_t)offset * size, row);
        }
    }
    return ENGINE_OK;
}

const struct op_def ops_gather[] = {
    {.name = "Gather", .domain = "", .since = 1, .inputs_min = 2, .inputs_max = 2,
     .outputs_min = 1, .outputs_max = 1, .params_size = sizeof(struct gather_params),
     .init = gather_init, .infer = gather_infer, .run = gather_run},
    {.name = "GatherElements", .domain = "", .since = 11, .inputs_min = 2, .inputs_max = 2,
     .outputs_min = 1, .outputs_max = 1, .params_size = sizeof(struct gather_params),
     .init = gather_init, .infer = elements_infer, .run = elements_run},
    {.name = "GatherND", .domain = "", .since = 11, .inputs_min = 2, .inputs_max = 2,
     .outputs_min = 1, .outputs_max = 1, .params_size = sizeof(struct gather_params),
     .init = gather_init, .infer = nd_infer, .run = nd_run},
    {.name = NULL},
};
