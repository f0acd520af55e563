/* SPDX-License-Identifier: Apache-2.0
 * engine/ops/select.c - elements that data choose: NonZero, Compress, ReverseSequence. The sizes of
 * the first two depend on data, so infer needs the values. */
#include "engine/ops/operands.h"

#include <inttypes.h>
#include <string.h>

/* -0.0 is zero and NaN is not; an empty string is. */
static bool is_nonzero(const struct tensor *tensor, int64_t i)
{
    switch (tensor->dtype) {
    case DTYPE_STRING: return ((const struct bytes *)tensor->data)[i].length > 0;
    case DTYPE_F32: return ((const float *)tensor->data)[i] != 0;
    case DTYPE_F64: return ((const double *)tensor->data)[i] != 0;
    case DTYPE_F16: case DTYPE_BF16:
        return (((const uint16_t *)tensor->data)[i] & 0x7fff) != 0;
    default: return tensor_int_at(tensor, i) != 0;
    }
}

static enum engine_status nonzero_infer(struct op_infer *infer, struct engine_error *err)
{
    const struct tensor *from = &infer->inputs[0];
    const int64_t count = shape_elements(&from->shape);
    struct shape shape = {.rank = 2};

    (void)err;
    shape.dims[0] = from->shape.rank == 0 ? 1 : from->shape.rank;
    for (int64_t i = 0; i < count; i++)
        shape.dims[1] += is_nonzero(from, i);
    infer_output(infer, 0, DTYPE_I64, &shape);
    return ENGINE_OK;
}

static enum engine_status nonzero_run(const struct op_call *call, struct engine_error *err)
{
    const struct tensor *from = call->inputs[0];
    const int64_t count = shape_elements(&from->shape);
    const int64_t found = call->outputs[0]->shape.dims[1];
    int64_t *to = call->outputs[0]->data;
    int64_t next = 0;

    (void)err;
    for (int64_t i = 0; i < count && next < found; i++) {
        int64_t rest = i;

        if (!is_nonzero(from, i))
            continue;
        for (int d = from->shape.rank - 1; d >= 0; d--) {
            to[d * found + next] = rest % from->shape.dims[d];
            rest /= from->shape.dims[d];
        }
        if (from->shape.rank == 0)
            to[next] = 0;
        next++;
    }
    return ENGINE_OK;
}

struct compress_params {
    bool flat;                     /* no axis: the input as a list */
    int64_t axis;
};

static enum engine_status compress_init(const struct op_init *init, struct engine_error *err)
{
    struct compress_params *params = init->params;

    (void)err;
    params->flat = node_attribute(init->node, "axis") == NULL;
    params->axis = node_int(init->node, "axis", 0);
    return ENGINE_OK;
}

static enum engine_status compress_infer(struct op_infer *infer, struct engine_error *err)
{
    const struct compress_params *params = infer->params;
    const struct tensor *condition = &infer->inputs[1];
    struct shape shape = infer->inputs[0].shape;
    enum engine_status status;
    int64_t kept = 0;
    int axis = 0;

    if (params->flat) {
        shape.dims[0] = shape_elements(&shape);
        shape.rank = 1;
    } else {
        status = operand_axis(infer, params->axis, shape.rank, &axis, err);
        if (status != ENGINE_OK)
            return status;
    }
    if (condition->dtype != DTYPE_BOOL || condition->shape.rank != 1)
        return op_fail(infer->node, err, "condition has to be a list of bool");
    for (int64_t i = 0; i < condition->shape.dims[0]; i++) {
        const bool keep = ((const uint8_t *)condition->data)[i] != 0;

        if (keep && i >= shape.dims[axis])
            return op_fail(infer->node, err, "condition selects element %" PRId64 " of %" PRId64, i,
                           shape.dims[axis]);
        kept += keep;
    }
    shape.dims[axis] = kept;
    infer_output(infer, 0, infer->inputs[0].dtype, &shape);
    return ENGINE_OK;
}

static enum engine_status compress_run(const struct op_call *call, struct engine_error *err)
{
    const struct compress_params *params = call->params;
    const struct shape *from = &call->inputs[0]->shape;
    const uint8_t *condition = call->inputs[1]->data;
    const int64_t conditions = call->inputs[1]->shape.dims[0];
    const char *source = call->inputs[0]->data;
    char *to = call->outputs[0]->data;
    int64_t outer = 1, dim = shape_elements(from);
    size_t row = dtype_size(call->inputs[0]->dtype);
    int axis;

    (void)err;
    if (!params->flat && shape_axis(params->axis, from->rank, &axis)) {
        outer = shape_product(from, 0, axis);
        dim = from->dims[axis];
        row *= (size_t)shape_product(from, axis + 1, from->rank);
    }
    if (row == 0)
        return ENGINE_OK;
    for (int64_t o = 0; o < outer; o++) {
        for (int64_t i = 0; i < conditions && i < dim; i++) {
            if (condition[i] == 0)
                continue;
            memcpy(to, source + (size_t)(o * dim + i) * row, row);
            to += row;
        }
    }
    return ENGINE_OK;
}

struct reverse_params {
    int batch_axis, time_axis;
};

static enum engine_status reverse_init(const struct op_init *init, struct engine_error *err)
{
    struct reverse_params *params = init->params;
    const int64_t batch = node_int(init->node, "batch_axis", 1);
    const int64_t time = node_int(init->node, "time_axis", 0);

    if (batch < 0 || batch > 1 || time != 1 - batch)
        return op_fail(init->node, err, "batch_axis %" PRId64 ", time_axis %" PRId64
                       ": expected 0 and 1 in either order", batch, time);
    params->batch_axis = (int)batch;
    params->time_axis = (int)time;
    return ENGINE_OK;
}

static enum engine_status reverse_infer(struct op_infer *infer, struct engine_error *err)
{
    const struct reverse_params *params = infer->params;
    const struct shape *shape = &infer->inputs[0].shape;
    const struct tensor *lengths = &infer->inputs[1];

    if (shape->rank < 2)
        return op_fail(infer->node, err, "input has rank %d, expected 2 or more", shape->rank);
    if (lengths->dtype != DTYPE_I64 || lengths->shape.rank != 1 ||
        lengths->shape.dims[0] != shape->dims[params->batch_axis])
        return op_fail(infer->node, err, "sequence_lens has to be a list of %" PRId64 " int64",
                       shape->dims[params->batch_axis]);
    infer_output(infer, 0, infer->inputs[0].dtype, shape);
    return ENGINE_OK;
}

static enum engine_status reverse_run(const struct op_call *call, struct engine_error *err)
{
    const struct reverse_params *params = call->params;
    const struct shape *shape = &call->inputs[0]->shape;
    const int64_t *lengths = call->inputs[1]->data;
    const int64_t batches = shape->dims[params->batch_axis], times = shape->dims[params->time_axis];
    const int64_t batch_stride = params->batch_axis == 0 ? times : 1;
    const int64_t time_stride = params->time_axis == 0 ? batches : 1;
    const size_t row = (size_t)shape_product(shape, 2, shape->rank) *
                       dtype_size(call->inputs[0]->dtype);

    for (int64_t b = 0; b < batches; b++) {
        if (lengths[b] < 0 || lengths[b] > times)
            return op_fail(call->node, err, "sequence length %" PRId64 " (element %" PRId64
                           ") is out of range for %" PRId64 " steps", lengths[b], b, times);
        for (int64_t t = 0; t < times && row > 0; t++) {
            const int64_t source = t < lengths[b] ? lengths[b] - 1 - t : t;

            memcpy((char *)call->outputs[0]->data +
                       (size_t)(b * batch_stride + t * time_stride) * row,
                   (const char *)call->inputs[0]->data +
                       (size_t)(b * batch_stride + source * time_stride) * row,
                   row);
        }
    }
    return ENGINE_OK;
}

const struct op_def ops_select[] = {
    {.name = "NonZero", .domain = "", .since = 9, .inputs_min = 1, .inputs_max = 1,
     .outputs_min = 1, .outputs_max = 1, .host_inputs = 1 << 0, .infer = nonzero_infer,
     .run = nonzero_run},
    {.name = "Compress", .domain = "", .since = 9, .inputs_min = 2, .inputs_max = 2,
     .outputs_min = 1, .outputs_max = 1, .host_inputs = 1 << 1,
     .params_size = sizeof(struct compress_params), .init = compress_init,
     .infer = compress_infer, .run = compress_run},
    {.name = "ReverseSequence", .domain = "", .since = 10, .inputs_min = 2, .inputs_max = 2,
     .outputs_min = 1, .outputs_max = 1, .params_size = sizeof(struct reverse_params),
     .init = reverse_init, .infer = reverse_infer, .run = reverse_run},
    {.name = NULL},
};
