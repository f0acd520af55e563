/* SPDX-License-Identifier: Apache-2.0
 * Gradient of OneHot: its two values get the sums over the places where they stand. */
#include "engine/grad/families.h"

static enum engine_status one_hot_backward(const struct grad_call *call, struct engine_error *err)
{
    const struct tensor *indices = call->inputs[0], *dy = call->out_grads[0];
    const int64_t count = shape_elements(&indices->shape), elements = shape_elements(&dy->shape);
    const float *gradient = dy->data;
    float *to = call->in_grads[2]->data;
    double all = 0, on = 0;
    int64_t depth, inner;
    int axis = 0;

    (void)err;
    shape_axis(node_int(call->node, "axis", -1), dy->shape.rank, &axis);
    depth = dy->shape.dims[axis];
    inner = shape_product(&dy->shape, axis + 1, dy->shape.rank);
    for (int64_t i = 0; i < elements; i++)
        all += (double)gradient[i];
    for (int64_t i = 0; i < count; i++) {
        int64_t index = tensor_int_at(indices, i);

        index = index < 0 ? index + depth : index;
        if (index >= 0 && index < depth)
            on += (double)gradient[(i / inner * depth + index) * inner + i % inner];
    }
    to[0] = call->accumulate[2] ? to[0] + (float)(all - on) : (float)(all - on);
    to[1] = call->accumulate[2] ? to[1] + (float)on : (float)on;
    return ENGINE_OK;
}

const struct grad_def grads_generate[] = {
    {.domain = "", .name = "OneHot", .inputs = 1 << 2, .save_inputs = 1, .backward = one_hot_backward},
    {0},
};
