/* SPDX-License-Identifier: Apache-2.0
 * engine/ops/expand.c - elements repeated: Expand, Tile. */
#include "engine/ops/moves.h"
#include "engine/ops/operands.h"

#include <inttypes.h>

static enum engine_status expand_infer(struct op_infer *infer, struct engine_error *err)
{
    const struct shape *from = &infer->inputs[0].shape;
    char text[2][SHAPE_TEXT_MAX];
    struct shape shape = {0};
    enum engine_status status = operand_ints(infer, 1, "shape", shape.dims, &shape.rank, err);

    if (status != ENGINE_OK)
        return status;
    for (int d = 0; d < shape.rank; d++)
        if (shape.dims[d] < 0)
            return op_fail(infer->node, err, "dimension %d of the shape is %" PRId64, d,
                           shape.dims[d]);
    if (!shape_broadcast(from, &shape, &shape))
        return op_fail(infer->node, err, "%s does not broadcast to %s",
                       shape_text(from, text[0], sizeof(text[0])),
                       shape_text(&shape, text[1], sizeof(text[1])));
    infer_output(infer, 0, infer->inputs[0].dtype, &shape);
    return ENGINE_OK;
}

struct placed_move expand_move(const void *params, int n_inputs, const struct tensor *const *inputs,
                               const struct tensor *output)
{
    const struct shape *from = &inputs[0]->shape, *to = &output->shape;
    const int lead = to->rank - from->rank;
    int64_t from_strides[SHAPE_RANK_MAX], to_strides[SHAPE_RANK_MAX];
    struct placed_move placed = {0};

    (void)params;
    (void)n_inputs;
    shape_strides(from, from_strides);
    shape_strides(to, to_strides);
    for (int d = 0; d < to->rank; d++)
        move_push(&placed.move, to->dims[d], to_strides[d],
                  d < lead || from->dims[d - lead] == 1 ? 0 : from_strides[d - lead]);
    return placed;
}

static enum engine_status expand_run(const struct op_call *call, struct engine_error *err)
{
    struct placed_move placed = expand_move(NULL, call->n_inputs, call->inputs, call->outputs[0]);

    (void)err;
    placed_move_run(&placed, call->inputs[0], call->outputs[0]);
    return ENGINE_OK;
}

static enum engine_status tile_infer(struct op_infer *infer, struct engine_error *err)
{
    struct shape shape = infer->inputs[0].shape;
    int64_t repeats[SHAPE_RANK_MAX];
    int count;
    enum engine_status status = operand_ints(infer, 1, "repeats", repeats, &count, err);

    if (status != ENGINE_OK)
        return status;
    if (count != shape.rank)
        return op_fail(infer->node, err, "%d repeats for rank %d", count, shape.rank);
    for (int d = 0; d < count; d++)
        if (repeats[d] < 0 || __builtin_mul_overflow(shape.dims[d], repeats[d], &shape.dims[d]))
            return op_fail(infer->node, err, "repeat %d is %" PRId64, d, repeats[d]);
    infer_output(infer, 0, infer->inputs[0].dtype, &shape);
    return ENGINE_OK;
}

struct placed_move tile_move(const void *params, int n_inputs, const struct tensor *const *inputs,
                             const struct tensor *output)
{
    const struct shape *from = &inputs[0]->shape, *to = &output->shape;
    int64_t from_strides[SHAPE_RANK_MAX], to_strides[SHAPE_RANK_MAX];
    struct placed_move placed = {0};

    (void)params;
    (void)n_inputs;
    shape_strides(from, from_strides);
    shape_strides(to, to_strides);
    for (int d = 0; d < to->rank; d++) {
        move_push(&placed.move, from->dims[d] == 0 ? 0 : to->dims[d] / from->dims[d],
                  to_strides[d] * from->dims[d], 0);
        move_push(&placed.move, from->dims[d], to_strides[d], from_strides[d]);
    }
    return placed;
}

static enum engine_status tile_run(const struct op_call *call, struct engine_error *err)
{
    struct placed_move placed = tile_move(NULL, call->n_inputs, call->inputs, call->outputs[0]);

    (void)err;
    placed_move_run(&placed, call->inputs[0], call->outputs[0]);
    return ENGINE_OK;
}

const struct op_def ops_expand[] = {
    {.name = "Expand", .domain = "", .since = 8, .inputs_min = 2, .inputs_max = 2,
     .outputs_min = 1, .outputs_max = 1, .host_inputs = 1 << 1, .infer = expand_infer,
     .run = expand_run},
    {.name = "Tile", .domain = "", .since = 6, .inputs_min = 2, .inputs_max = 2,
     .outputs_min = 1, .outputs_max = 1, .host_inputs = 1 << 1, .infer = tile_infer,
     .run = tile_run},
    {.name = NULL},
};
