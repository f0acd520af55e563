/* SPDX-License-Identifier: Apache-2.0
 * Gradients of Concat and Split: each part gets its part. */
#include "engine/grad/back.h"
#include "engine/grad/families.h"

static enum engine_status concat_backward(const struct grad_call *call, struct engine_error *err)
{
    const struct tensor *dy = call->out_grads[0];
    int64_t offset = 0;
    int axis = 0;

    (void)err;
    shape_axis(node_int(call->node, "axis", 0), dy->shape.rank, &axis);
    for (int i = 0; i < call->n_inputs; i++) {
        const struct shape *part = &call->inputs[i]->shape;

        if (call->in_grads[i] != NULL) {
            const struct placed_move placed = part_move(&dy->shape, part, axis, offset, true);

            move_back(&placed, dy, call->in_grads[i], call->accumulate[i]);
        }
        offset += part->dims[axis];
    }
    return ENGINE_OK;
}

/* Elements of part i along the axis. */
static int64_t part_size(const struct grad_call *call, int i, int64_t whole)
{
    const int64_t parts = call->n_outputs, size = whole / parts + (whole % parts != 0);

    if (call->n_inputs > 1 && call->inputs[1] != NULL)
        return tensor_int_at(call->inputs[1], i);
    return i + 1 < parts ? size : whole - i * size;
}

/* The parts make up the whole. One that nobody needs leaves zeros. */
static enum engine_status split_backward(const struct grad_call *call, struct engine_error *err)
{
    const struct tensor *to = call->in_grads[0];
    int64_t offset = 0;
    bool missing = false;
    int axis = 0;

    (void)err;
    shape_axis(node_int(call->node, "axis", 0), to->shape.rank, &axis);
    for (int i = 0; i < call->n_outputs; i++)
        missing = missing || call->out_grads[i] == NULL;
    if (missing && !call->accumulate[0])
        clear(to);
    for (int i = 0; i < call->n_outputs; i++) {
        const struct tensor *dy = call->out_grads[i];

        if (dy != NULL && shape_elements(&dy->shape) > 0) {
            const struct placed_move placed = part_move(&to->shape, &dy->shape, axis, offset, true);

            if (call->accumulate[0])
                move_add_f32(&placed.move, (float *)to->data + placed.to, dy->data);
            else
                placed_move_run(&placed, dy, to);
        }
        offset += part_size(call, i, to->shape.dims[axis]);
    }
    return ENGINE_OK;
}

const struct grad_def grads_join[] = {
    {.domain = "", .name = "Concat", .inputs = GRAD_ALL, .backward = concat_backward},
    {.domain = "", .name = "Split", .inputs = 1, .backward = split_backward},
    {0},
};
