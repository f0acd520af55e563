/* SPDX-License-Identifier: Apache-2.0
 * engine/ops/slice.c - Slice: a box with steps. */
#include "engine/ops/moves.h"
#include "engine/ops/operands.h"

#include <inttypes.h>

/* One dimension of the box. */
struct cut {
    int64_t start, step, count;
};

/* Clamps as ONNX says (NumPy differs for a start before the front with a negative step: empty there,
 * the first element here). The arithmetic cannot overflow for any start, end and step. */
static void cut_dimension(int64_t dim, int64_t start, int64_t end, int64_t step, struct cut *ret)
{
    const int64_t low = step > 0 ? 0 : -1;
    const int64_t high = step > 0 ? dim : dim - 1;

    start = start < 0 ? start + dim : start;
    end = end < 0 ? end + dim : end;
    start = start < 0 ? 0 : start;
    start = start > high ? high : start;
    end = end < low ? low : end > high ? high : end;
    *ret = (struct cut){start, step, 0};
    if (step > 0 && end > start)
        ret->count = (end - start - 1) / step + 1;
    else if (step < 0 && start > end)
        ret->count = (int64_t)((uint64_t)(start - end - 1) / (0 - (uint64_t)step)) + 1;
}

/* The lists beside the data: starts, ends, axes or NULL, steps or NULL. */
struct slice_lists {
    const struct tensor *starts, *ends, *axes, *steps;
};

static void slice_cuts(const struct slice_lists *lists, const struct shape *from,
                       struct cut cuts[SHAPE_RANK_MAX])
{
    const int64_t count = shape_elements(&lists->starts->shape);

    for (int d = 0; d < from->rank; d++)
        cuts[d] = (struct cut){0, 1, from->dims[d]};
    for (int64_t i = 0; i < count; i++) {
        int axis = (int)i;

        if (lists->axes != NULL)
            shape_axis(tensor_int_at(lists->axes, i), from->rank, &axis);
        cut_dimension(from->dims[axis], tensor_int_at(lists->starts, i),
                      tensor_int_at(lists->ends, i),
                      lists->steps == NULL ? 1 : tensor_int_at(lists->steps, i), &cuts[axis]);
    }
}

static enum engine_status slice_infer(struct op_infer *infer, struct engine_error *err)
{
    const struct tensor *inputs = infer->inputs;
    struct slice_lists lists = {&inputs[1], &inputs[2], NULL, NULL};
    struct shape shape = inputs[0].shape;
    int64_t items[SHAPE_RANK_MAX];
    int axes[SHAPE_RANK_MAX];
    struct cut cuts[SHAPE_RANK_MAX];
    int starts, count;
    enum engine_status status = operand_ints(infer, 1, "starts", items, &starts, err);

    if (status == ENGINE_OK)
        status = operand_ints(infer, 2, "ends", items, &count, err);
    if (status == ENGINE_OK && (count != starts || starts > shape.rank))
        status = op_fail(infer->node, err, "%d starts, %d ends, rank %d", starts, count, shape.rank);
    if (status == ENGINE_OK && operand_present(infer, 3)) {
        lists.axes = &inputs[3];
        status = operand_axes(infer, 3, shape.rank, axes, &count, err);
        if (status == ENGINE_OK && count != starts)
            status = op_fail(infer->node, err, "%d starts, %d axes", starts, count);
    }
    if (status == ENGINE_OK && operand_present(infer, 4)) {
        lists.steps = &inputs[4];
        status = operand_ints(infer, 4, "steps", items, &count, err);
        if (status == ENGINE_OK && count != starts)
            status = op_fail(infer->node, err, "%d starts, %d steps", starts, count);
        for (int i = 0; i < count && status == ENGINE_OK; i++)
            if (items[i] == 0)
                status = op_fail(infer->node, err, "step %d is zero", i);
    }
    if (status != ENGINE_OK)
        return status;
    slice_cuts(&lists, &inputs[0].shape, cuts);
    for (int d = 0; d < shape.rank; d++)
        shape.dims[d] = cuts[d].count;
    infer_output(infer, 0, inputs[0].dtype, &shape);
    return ENGINE_OK;
}

struct placed_move slice_move(const void *params, int n_inputs, const struct tensor *const *inputs,
                              const struct tensor *output)
{
    const struct shape *from = &inputs[0]->shape, *to = &output->shape;
    const struct slice_lists lists = {inputs[1], inputs[2], n_inputs > 3 ? inputs[3] : NULL,
                                      n_inputs > 4 ? inputs[4] : NULL};
    int64_t from_strides[SHAPE_RANK_MAX], to_strides[SHAPE_RANK_MAX];
    struct cut cuts[SHAPE_RANK_MAX];
    struct placed_move placed = {0};

    (void)params;
    slice_cuts(&lists, from, cuts);
    shape_strides(from, from_strides);
    shape_strides(to, to_strides);
    for (int d = 0; d < to->rank; d++) {
        placed.from += cuts[d].start * from_strides[d];
        /* A single element needs no step, which may be huge. */
        move_push(&placed.move, cuts[d].count, to_strides[d],
                  cuts[d].count == 1 ? 0 : cuts[d].step * from_strides[d]);
    }
    return placed;
}

static enum engine_status slice_run(const struct op_call *call, struct engine_error *err)
{
    struct placed_move placed;

    (void)err;
    if (shape_elements(&call->outputs[0]->shape) == 0)
        return ENGINE_OK;
    placed = slice_move(NULL, call->n_inputs, call->inputs, call->outputs[0]);
    placed_move_run(&placed, call->inputs[0], call->outputs[0]);
    return ENGINE_OK;
}

const struct op_def ops_slice[] = {
    {.name = "Slice", .domain = "", .since = 1, .inputs_min = 3, .inputs_max = 5,
     .outputs_min = 1, .outputs_max = 1, .host_inputs = 1 << 1 | 1 << 2 | 1 << 3 | 1 << 4,
     .infer = slice_infer, .run = slice_run},
    {.name = NULL},
};
