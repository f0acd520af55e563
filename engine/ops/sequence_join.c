/* SPDX-License-Identifier: Apache-2.0
 * engine/ops/sequence_join.c - between a tensor and a sequence of its parts: SplitToSequence,
 * ConcatFromSequence. */
#include "engine/dynamic.h"
#include "engine/kernels/move.h"
#include "engine/ops/operands.h"

#include <inttypes.h>

struct sequence_join_params {
    int64_t axis;
    bool keep_dims;                /* SplitToSequence without sizes: parts keep the axis */
    bool new_axis;                 /* ConcatFromSequence stacks */
};

static enum engine_status join_init(const struct op_init *init, struct engine_error *err)
{
    struct sequence_join_params *params = init->params;

    (void)err;
    params->axis = node_int(init->node, "axis", 0);
    params->keep_dims = node_int(init->node, "keepdims", 1) != 0;
    params->new_axis = node_int(init->node, "new_axis", 0) != 0;
    return ENGINE_OK;
}

/* Moves rows between `whole`, seen as [outer][dim][inner], and a part of `part_dim` that begins at
 * `offset`. */
static void copy_part(char *whole, char *part, size_t size, int64_t outer, int64_t dim,
                      int64_t inner, int64_t offset, int64_t part_dim, bool into_whole)
{
    char *at = whole + (size_t)(offset * inner) * size;
    struct move move = {0};

    if (outer == 0 || part_dim * inner == 0)
        return;
    move_push(&move, outer, (into_whole ? dim : part_dim) * inner,
              (into_whole ? part_dim : dim) * inner);
    move_push(&move, part_dim * inner, 1, 1);
    move_run(&move, size, into_whole ? at : part, into_whole ? part : at);
}

/* Size of part `i` of `dim` elements: by a list, by one size for all, or 1. The last is shorter. */
static int64_t part_size(const struct tensor *split, int64_t i, int64_t dim)
{
    int64_t size = 1;

    if (split != NULL && split->shape.rank == 1)
        return tensor_int_at(split, i);
    if (split != NULL)
        size = tensor_int_at(split, 0);
    return i >= dim / size ? dim % size : size;
}

static enum engine_status split_infer(struct op_infer *infer, struct engine_error *err)
{
    const struct sequence_join_params *params = infer->params;
    const struct tensor *from = &infer->inputs[0];
    const struct tensor *split = operand_present(infer, 1) ? &infer->inputs[1] : NULL;
    struct shape shape = {.rank = 1};
    int64_t sum = 0, part;
    int axis;
    enum engine_status status = operand_axis(infer, params->axis, from->shape.rank, &axis, err);

    if (status != ENGINE_OK)
        return status;
    shape.dims[0] = from->shape.dims[axis];
    if (split != NULL && (!dtype_is_integer(split->dtype) || split->shape.rank > 1))
        return op_fail(infer->node, err, "split has to be an integer or a list of them");
    if (split != NULL && split->shape.rank == 0) {
        part = tensor_int_at(split, 0);
        if (part < 1)
            return op_fail(infer->node, err, "split is %" PRId64, part);
        shape.dims[0] = shape.dims[0] / part + (shape.dims[0] % part != 0);
    } else if (split != NULL) {
        shape.dims[0] = split->shape.dims[0];
        for (int64_t i = 0; i < shape.dims[0]; i++) {
            part = tensor_int_at(split, i);
            if (part < 0 || __builtin_add_overflow(sum, part, &sum))
                return op_fail(infer->node, err, "part %" PRId64 " has size %" PRId64, i, part);
        }
        if (sum != from->shape.dims[axis])
            return op_fail(infer->node, err, "parts add up to %" PRId64 ", axis %d has %" PRId64,
                           sum, axis, from->shape.dims[axis]);
    }
    infer_output(infer, 0, DTYPE_SEQUENCE, &shape);
    return ENGINE_OK;
}

static enum engine_status split_run(const struct op_call *call, struct engine_error *err)
{
    const struct sequence_join_params *params = call->params;
    const struct tensor *from = call->inputs[0];
    const struct tensor *split = operand_given(call, 1) ? call->inputs[1] : NULL;
    struct tensor *parts = call->outputs[0]->data;
    const int64_t count = call->outputs[0]->shape.dims[0];
    int64_t outer, inner, offset = 0;
    int axis = 0;

    shape_axis(params->axis, from->shape.rank, &axis);
    outer = shape_product(&from->shape, 0, axis);
    inner = shape_product(&from->shape, axis + 1, from->shape.rank);
    for (int64_t i = 0; i < count; i++) {
        const int64_t size = part_size(split, i, from->shape.dims[axis]);
        enum engine_status status;

        parts[i] = *from;
        parts[i].shape.dims[axis] = size;
        if (split == NULL && !params->keep_dims) {
            for (int d = axis + 1; d < from->shape.rank; d++)
                parts[i].shape.dims[d - 1] = from->shape.dims[d];
            parts[i].shape.rank--;
        }
        status = dynamic_alloc_tensor(call->dynamic, &parts[i], err);
        if (status != ENGINE_OK)
            return status;
        copy_part(from->data, parts[i].data, dtype_size(from->dtype), outer,
                  from->shape.dims[axis], inner, offset, size, false);
        offset += size;
    }
    return ENGINE_OK;
}

static enum engine_status concat_infer(struct op_infer *infer, struct engine_error *err)
{
    const struct sequence_join_params *params = infer->params;
    const struct tensor *sequence = &infer->inputs[0];
    const struct tensor *elements = sequence->data;
    struct shape shape, rest;
    char text[2][SHAPE_TEXT_MAX];
    enum engine_status status;
    int axis;

    if (sequence->dtype != DTYPE_SEQUENCE || sequence->shape.dims[0] == 0)
        return op_fail(infer->node, err, "input has to be a sequence that is not empty");
    shape = elements[0].shape;
    status = operand_axis(infer, params->axis, shape.rank + params->new_axis, &axis, err);
    if (status != ENGINE_OK)
        return status;
    for (int64_t i = 1; i < sequence->shape.dims[0]; i++) {
        rest = elements[i].shape;
        if (!params->new_axis && rest.rank == shape.rank) {
            rest.dims[axis] = shape.dims[axis];
            if (__builtin_add_overflow(shape.dims[axis], elements[i].shape.dims[axis],
                                       &shape.dims[axis]))
                return op_fail(infer->node, err, "output is too large");
            rest.dims[axis] = shape.dims[axis];
        }
        if (!shape_equal(&rest, &shape) || elements[i].dtype != elements[0].dtype)
            return op_fail(infer->node, err, "element %" PRId64 " (%s%s) does not join %s%s", i,
                           dtype_name(elements[i].dtype),
                           shape_text(&elements[i].shape, text[0], sizeof(text[0])),
                           dtype_name(elements[0].dtype),
                           shape_text(&elements[0].shape, text[1], sizeof(text[1])));
    }
    if (params->new_axis) {
        if (shape.rank == SHAPE_RANK_MAX)
            return op_unsupported(infer->node, err, "output rank is above %d", SHAPE_RANK_MAX);
        for (int d = shape.rank++; d > axis; d--)
            shape.dims[d] = shape.dims[d - 1];
        shape.dims[axis] = sequence->shape.dims[0];
    }
    infer_output(infer, 0, elements[0].dtype, &shape);
    return ENGINE_OK;
}

static enum engine_status concat_run(const struct op_call *call, struct engine_error *err)
{
    const struct sequence_join_params *params = call->params;
    const struct tensor *elements = call->inputs[0]->data;
    struct tensor *to = call->outputs[0];
    int64_t outer, inner, offset = 0;
    int axis = 0;

    (void)err;
    shape_axis(params->axis, to->shape.rank, &axis);
    outer = shape_product(&to->shape, 0, axis);
    inner = shape_product(&to->shape, axis + 1, to->shape.rank);
    for (int64_t i = 0; i < call->inputs[0]->shape.dims[0]; i++) {
        const int64_t size = params->new_axis ? 1 : elements[i].shape.dims[axis];

        copy_part(to->data, elements[i].data, dtype_size(to->dtype), outer, to->shape.dims[axis],
                  inner, offset, size, true);
        offset += size;
    }
    return ENGINE_OK;
}

const struct op_def ops_sequence_join[] = {
    {.name = "SplitToSequence", .domain = "", .since = 11, .inputs_min = 1, .inputs_max = 2,
     .outputs_min = 1, .outputs_max = 1, .flags = OP_DYNAMIC, .host_inputs = 1 << 1,
     .params_size = sizeof(struct sequence_join_params), .init = join_init, .infer = split_infer,
     .run = split_run},
    {.name = "ConcatFromSequence", .domain = "", .since = 11, .inputs_min = 1, .inputs_max = 1,
     .outputs_min = 1, .outputs_max = 1, .flags = OP_DYNAMIC, .host_inputs = 1 << 0,
     .params_size = sizeof(struct sequence_join_params), .init = join_init,
     .infer = concat_infer, .run = concat_run},
    {.name = NULL},
};
