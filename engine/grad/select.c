/* SPDX-License-Identifier: Apache-2.0
 * Gradients of operators by which data choose elements: Compress, ReverseSequence, TopK. What was chosen
 * gives its gradient back. */
#include "engine/grad/back.h"
#include "engine/grad/families.h"

#include <string.h>

static void add_row(float *to, const float *from, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        to[i] += from[i];
}

static enum engine_status compress_backward(const struct grad_call *call, struct engine_error *err)
{
    const struct tensor *to = call->in_grads[0];
    const uint8_t *condition = call->inputs[1]->data;
    const int64_t conditions = call->inputs[1]->shape.dims[0];
    const float *from = call->out_grads[0]->data;
    int64_t outer = 1, dim = shape_elements(&to->shape), row = 1;
    int axis;

    (void)err;
    if (node_attribute(call->node, "axis") != NULL &&
        shape_axis(node_int(call->node, "axis", 0), to->shape.rank, &axis)) {
        outer = shape_product(&to->shape, 0, axis);
        dim = to->shape.dims[axis];
        row = shape_product(&to->shape, axis + 1, to->shape.rank);
    }
    if (!call->accumulate[0])
        clear(to);
    for (int64_t o = 0; o < outer; o++) {
        for (int64_t i = 0; i < conditions && i < dim; i++) {
            if (condition[i] == 0)
                continue;
            add_row((float *)to->data + (o * dim + i) * row, from, row);
            from += row;
        }
    }
    return ENGINE_OK;
}

/* Reversing is its own reverse. */
static enum engine_status reverse_backward(const struct grad_call *call, struct engine_error *err)
{
    const struct tensor *to = call->in_grads[0], *dy = call->out_grads[0];
    const struct shape *shape = &to->shape;
    const int batch_axis = (int)node_int(call->node, "batch_axis", 1), time_axis = 1 - batch_axis;
    const int64_t batches = shape->dims[batch_axis], times = shape->dims[time_axis];
    const int64_t batch_stride = batch_axis == 0 ? times : 1, time_stride = time_axis == 0 ? batches : 1;
    const int64_t row = shape_product(shape, 2, shape->rank);
    const int64_t *lengths = call->inputs[1]->data;

    (void)err;
    if (!call->accumulate[0])
        clear(to);
    for (int64_t b = 0; b < batches; b++) {
        for (int64_t t = 0; t < times; t++) {
            const int64_t other = t < lengths[b] ? lengths[b] - 1 - t : t;

            add_row((float *)to->data + (b * batch_stride + other * time_stride) * row,
                    (const float *)dy->data + (b * batch_stride + t * time_stride) * row, row);
        }
    }
    return ENGINE_OK;
}

static enum engine_status topk_backward(const struct grad_call *call, struct engine_error *err)
{
    const struct tensor *to = call->in_grads[0], *dy = call->out_grads[0];
    const int64_t *places = call->outputs[1]->data;
    int64_t outer, n, inner, k;
    int axis = 0;

    (void)err;
    shape_axis(node_int(call->node, "axis", -1), to->shape.rank, &axis);
    outer = shape_product(&to->shape, 0, axis);
    n = to->shape.dims[axis];
    inner = shape_product(&to->shape, axis + 1, to->shape.rank);
    k = dy->shape.dims[axis];
    if (!call->accumulate[0])
        clear(to);
    for (int64_t i = 0; i < outer * k * inner; i++)
        ((float *)to->data)[(i / (k * inner) * n + places[i]) * inner + i % inner] +=
            ((const float *)dy->data)[i];
    return ENGINE_OK;
}

const struct grad_def grads_select[] = {
    {.domain = "", .name = "Compress", .inputs = 1, .backward = compress_backward},
    {.domain = "", .name = "NonZero", .flags = GRAD_STOPS, .why_not = "its output is no real number"},
    {.domain = "", .name = "ReverseSequence", .inputs = 1, .save_inputs = 2,
     .backward = reverse_backward},
    {.domain = "", .name = "TopK", .inputs = 1, .save_outputs = 2, .backward = topk_backward},
    {0},
};
