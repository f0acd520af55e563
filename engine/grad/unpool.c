/* SPDX-License-Identifier: Apache-2.0
 * Gradients of MaxUnpool and Col2Im: from each place of the image back to what was put there. Of several
 * elements that MaxUnpool put in one place the last one stayed. */
#include "engine/grad/families.h"
#include "engine/ops/unpool_form.h"

#include <string.h>

enum { X, INDICES };

static enum engine_status unpool_prepare(struct grad_prepare *prepare, struct engine_error *err)
{
    size_t elements;

    if (prepare->wanted == 0)
        return ENGINE_OK;
    if (__builtin_add_overflow((size_t)shape_elements(&prepare->inputs[X].shape),
                               (size_t)shape_elements(&prepare->outputs[0].shape), &elements) ||
        __builtin_mul_overflow(elements, sizeof(int64_t), &prepare->backward_scratch))
        return op_unsupported(prepare->node, err, "images are too large to train");
    return ENGINE_OK;
}

/* The operator itself says where each element goes: it is run on their numbers. */
static enum engine_status unpool_backward(const struct grad_call *call, struct engine_error *err)
{
    const struct tensor *dy = call->out_grads[0];
    int64_t count = shape_elements(&call->inputs[X]->shape), places = shape_elements(&dy->shape);
    int64_t *numbers = call->scratch, *source = numbers + count;
    const struct tensor x = {DTYPE_I64, call->inputs[X]->shape, numbers};
    struct tensor y = {DTYPE_I64, dy->shape, source}, *outputs[1] = {&y};
    const struct tensor *inputs[3] = {&x, call->inputs[INDICES],
                                      call->n_inputs > 2 ? call->inputs[2] : NULL};
    const struct op_call numbering = {.node = call->node, .params = call->params,
                                      .n_inputs = call->n_inputs, .n_outputs = 1, .inputs = inputs,
                                      .outputs = outputs};
    struct tensor *dx = call->in_grads[X];
    enum engine_status status;

    for (int64_t i = 0; i < count; i++)
        numbers[i] = i + 1;
    status = call->node->op->run(&numbering, err);
    if (status != ENGINE_OK || dx == NULL)
        return status;
    if (!call->accumulate[X])
        memset(dx->data, 0, tensor_bytes(dx));
    for (int64_t i = 0; i < places; i++)
        if (source[i] > 0)
            ((float *)dx->data)[source[i] - 1] += ((const float *)dy->data)[i];
    return ENGINE_OK;
}

static enum engine_status col2im_backward(const struct grad_call *call, struct engine_error *err)
{
    const struct tensor *dy = call->out_grads[0], *block = call->inputs[2];
    int64_t planes = dy->shape.dims[0] * dy->shape.dims[1], volume = 1;
    int64_t image = shape_product(&dy->shape, 2, dy->shape.rank), blocks;
    const float *from = dy->data;
    float *to;

    (void)err;
    if (call->in_grads[X] == NULL)
        return ENGINE_OK;
    to = call->in_grads[X]->data;
    blocks = call->in_grads[X]->shape.dims[2];
    for (int d = 0; d < dy->shape.rank - 2; d++)
        volume *= tensor_int_at(block, d);
    for (int64_t place = 0; place < volume && planes * blocks > 0; place++)
        for (int64_t number = 0; number < blocks; number++) {
            int64_t offset = unpool_image_offset(call->params, dy, block, place, number);

            for (int64_t c = 0; c < planes; c++) {
                float *item = to + (c * volume + place) * blocks + number;
                float grad = offset >= 0 ? from[c * image + offset] : 0;

                *item = call->accumulate[X] ? *item + grad : grad;
            }
        }
    return ENGINE_OK;
}

const struct grad_def grads_unpool[] = {
    {.domain = "", .name = "MaxUnpool", .inputs = GRAD_BIT(X), .save_inputs = GRAD_BIT(INDICES),
     .prepare = unpool_prepare, .backward = unpool_backward},
    {.domain = "", .name = "Col2Im", .inputs = GRAD_BIT(X), .backward = col2im_backward},
    {0},
};
