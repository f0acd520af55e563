/* SPDX-License-Identifier: Apache-2.0
 * engine/ops/join.c - tensors put together and taken apart along an axis: Concat, Split. */
#include "engine/ops/moves.h"
#include "engine/ops/operands.h"

#include <inttypes.h>

struct join_params {
    int64_t axis;
    int64_t num_outputs;           /* Split; 0: not given */
};

static enum engine_status join_init(const struct op_init *init, struct engine_error *err)
{
    struct join_params *params = init->params;

    (void)err;
    params->axis = node_int(init->node, "axis", 0);
    params->num_outputs = node_int(init->node, "num_outputs", 0);
    return ENGINE_OK;
}

static enum engine_status concat_infer(struct op_infer *infer, struct engine_error *err)
{
    const struct join_params *params = infer->params;
    const struct tensor *first = &infer->inputs[0];
    struct shape shape = first->shape;
    char text[2][SHAPE_TEXT_MAX];
    enum engine_status status;
    int axis;

    status = operand_axis(infer, params->axis, shape.rank, &axis, err);
    if (status != ENGINE_OK)
        return status;
    for (int i = 1; i < infer->n_inputs; i++) {
        const struct tensor *input = &infer->inputs[i];
        struct shape rest = input->shape;

        if (input->dtype != first->dtype)
            return op_fail(infer->node, err, "input %d is of type %s, the first of %s", i,
                           dtype_name(input->dtype), dtype_name(first->dtype));
        if (rest.rank == shape.rank)
            rest.dims[axis] = shape.dims[axis];
        if (!shape_equal(&rest, &shape))
            return op_fail(infer->node, err, "input %d has shape %s, which does not join %s along "
                           "axis %d", i, shape_text(&input->shape, text[0], sizeof(text[0])),
                           shape_text(&first->shape, text[1], sizeof(text[1])), axis);
        if (__builtin_add_overflow(shape.dims[axis], input->shape.dims[axis], &shape.dims[axis]))
            return op_fail(infer->node, err, "output is too large");
    }
    infer_output(infer, 0, first->dtype, &shape);
    return ENGINE_OK;
}

struct placed_move part_move(const struct shape *whole, const struct shape *part, int axis,
                             int64_t offset, bool into_whole)
{
    const int64_t inner = shape_product(whole, axis + 1, whole->rank);
    const int64_t whole_row = whole->dims[axis] * inner, part_row = part->dims[axis] * inner;
    struct placed_move placed = {0};

    *(into_whole ? &placed.to : &placed.from) = offset * inner;
    move_push(&placed.move, shape_product(whole, 0, axis), into_whole ? whole_row : part_row,
              into_whole ? part_row : whole_row);
    move_push(&placed.move, part_row, 1, 1);
    return placed;
}

static enum engine_status concat_run(const struct op_call *call, struct engine_error *err)
{
    const struct join_params *params = call->params;
    const struct tensor *to = call->outputs[0];
    int64_t offset = 0;
    int axis = 0;

    (void)err;
    shape_axis(params->axis, to->shape.rank, &axis);
    for (int i = 0; i < call->n_inputs; i++) {
        const struct tensor *part = call->inputs[i];
        struct placed_move placed = part_move(&to->shape, &part->shape, axis, offset, true);

        placed_move_run(&placed, part, to);
        offset += call->inputs[i]->shape.dims[axis];
    }
    return ENGINE_OK;
}

static enum engine_status split_by_sizes(struct op_infer *infer, int axis, struct engine_error *err)
{
    const struct tensor *from = &infer->inputs[0];
    const struct tensor *sizes = &infer->inputs[1];
    struct shape shape = from->shape;
    int64_t sum = 0;

    if (!dtype_is_integer(sizes->dtype) || sizes->shape.rank != 1 ||
        sizes->shape.dims[0] != infer->n_outputs)
        return op_fail(infer->node, err, "split has to be a list of %d integers", infer->n_outputs);
    for (int i = 0; i < infer->n_outputs; i++) {
        shape.dims[axis] = tensor_int_at(sizes, i);
        if (shape.dims[axis] < 0 || __builtin_add_overflow(sum, shape.dims[axis], &sum))
            return op_fail(infer->node, err, "part %d has size %" PRId64, i, shape.dims[axis]);
        infer_output(infer, i, from->dtype, &shape);
    }
    if (sum != from->shape.dims[axis])
        return op_fail(infer->node, err, "parts add up to %" PRId64 ", axis %d has %" PRId64, sum,
                       axis, from->shape.dims[axis]);
    return ENGINE_OK;
}

static enum engine_status split_infer(struct op_infer *infer, struct engine_error *err)
{
    const struct join_params *params = infer->params;
    const struct tensor *from = &infer->inputs[0];
    struct shape shape = from->shape;
    enum engine_status status;
    int64_t part, left;
    int axis;

    status = operand_axis(infer, params->axis, shape.rank, &axis, err);
    if (status != ENGINE_OK)
        return status;
    if (operand_present(infer, 1))
        return split_by_sizes(infer, axis, err);
    if (params->num_outputs != 0 && params->num_outputs != infer->n_outputs)
        return op_fail(infer->node, err, "num_outputs is %" PRId64 ", there are %d",
                       params->num_outputs, infer->n_outputs);
    left = shape.dims[axis];
    part = left / infer->n_outputs + (left % infer->n_outputs != 0);
    for (int i = 0; i < infer->n_outputs; i++) {
        shape.dims[axis] = i == infer->n_outputs - 1 ? left : part;
        left -= shape.dims[axis];
        if (left < 0)
            return op_fail(infer->node, err, "axis %d has %" PRId64 " elements, too few for %d parts",
                           axis, from->shape.dims[axis], infer->n_outputs);
        infer_output(infer, i, from->dtype, &shape);
    }
    return ENGINE_OK;
}

static enum engine_status split_run(const struct op_call *call, struct engine_error *err)
{
    const struct join_params *params = call->params;
    const struct tensor *from = call->inputs[0];
    const struct tensor *sizes = operand_given(call, 1) ? call->inputs[1] : NULL;
    int64_t offset = 0, part;
    int axis = 0;

    (void)err;
    shape_axis(params->axis, from->shape.rank, &axis);
    part = from->shape.dims[axis] / call->n_outputs +
           (from->shape.dims[axis] % call->n_outputs != 0);
    for (int i = 0; i < call->n_outputs; i++) {
        if (call->outputs[i] != NULL) {
            struct placed_move placed = part_move(&from->shape, &call->outputs[i]->shape, axis,
                                                  offset, false);

            placed_move_run(&placed, from, call->outputs[i]);
        }
        offset += sizes != NULL ? tensor_int_at(sizes, i) : part;
    }
    return ENGINE_OK;
}

const struct op_def ops_join[] = {
    {.name = "Concat", .domain = "", .since = 1, .inputs_min = 1, .inputs_max = OP_VARIADIC,
     .outputs_min = 1, .outputs_max = 1, .params_size = sizeof(struct join_params),
     .init = join_init, .infer = concat_infer, .run = concat_run},
    {.name = "Split", .domain = "", .since = 1, .inputs_min = 1, .inputs_max = 2,
     .outputs_min = 1, .outputs_max = OP_VARIADIC, .host_inputs = 1 << 1,
     .params_size = sizeof(struct join_params), .init = join_init, .infer = split_infer,
     .run = split_run},
    {.name = NULL},
};
