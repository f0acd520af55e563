/* SPDX-License-Identifier: Apache-2.0
 * Gradient of Einsum: an einsum of the output's gradient and the other operands, whose result has the labels
 * of the one that it is for. Where that one named a label twice, only its diagonal has a gradient; where
 * it was broadcast, the label is summed. */
#include "engine/grad/back.h"
#include "engine/grad/families.h"
#include "engine/ops/einsum_product.h"

#include <string.h>

/* The einsum for one input's gradient, and the move that takes its result to where it belongs. */
struct back {
    struct einsum_form form;
    const struct shape *shapes[EINSUM_INPUTS_MAX];
    const struct tensor *tensors[EINSUM_INPUTS_MAX];
    struct move move;
    int64_t elements;              /* of the result */
    bool direct;                   /* it lies like the input: no move */
};

static enum engine_status read_form(const struct node *node, int n_inputs,
                                    const struct tensor *const *inputs, struct einsum_form *ret,
                                    struct engine_error *err)
{
    const struct shape *shapes[EINSUM_INPUTS_MAX];

    for (int i = 0; i < n_inputs && i < EINSUM_INPUTS_MAX; i++)
        shapes[i] = &inputs[i]->shape;
    return einsum_read(node, node_string(node, "equation", ""), n_inputs, shapes, ret, err);
}

static int place_of(const struct einsum_term *term, int label)
{
    for (int d = 0; d < term->rank; d++)
        if (term->labels[d] == label)
            return d;
    return -1;
}

/* Labels of the result and where its elements go in the input's gradient. */
static void make_result(struct back *back, const struct einsum_term *own, const struct shape *shape)
{
    int64_t own_strides[SHAPE_RANK_MAX], strides[SHAPE_RANK_MAX] = {0}, stride = 1;
    struct einsum_term *result = &back->form.output;

    shape_strides(shape, own_strides);
    result->rank = 0;
    for (int d = 0; d < own->rank; d++) {
        int label = own->labels[d], place = place_of(result, label);

        if (shape->dims[d] == 1 && back->form.sizes[label] != 1)
            continue;              /* broadcast */
        if (place < 0)
            place = result->rank++;
        result->labels[place] = label;
        strides[place] += own_strides[d];
    }
    back->elements = 1;
    back->direct = true;
    for (int d = 0; d < result->rank; d++)
        back->elements *= back->form.sizes[result->labels[d]];
    stride = back->elements;
    for (int d = 0; d < result->rank; d++) {
        int64_t size = back->form.sizes[result->labels[d]];

        stride = size > 0 ? stride / size : 0;
        move_push(&back->move, size, strides[d], stride);
        back->direct = back->direct && strides[d] == stride;
    }
}

/* `dy` stands where the input `own` stood. */
static void make_back(const struct einsum_form *form, const struct tensor *const *inputs,
                      const struct tensor *dy, int own, struct back *back)
{
    *back = (struct back){.form = *form};
    for (int i = 0; i < form->n_inputs; i++)
        back->tensors[i] = inputs[i];
    back->tensors[own] = dy;
    back->form.inputs[own] = form->output;
    for (int i = 0; i < form->n_inputs; i++)
        back->shapes[i] = &back->tensors[i]->shape;
    make_result(back, &form->inputs[own], &inputs[own]->shape);
}

static enum engine_status einsum_backward(const struct grad_call *call, struct engine_error *err)
{
    struct einsum_form form;
    enum engine_status status = read_form(call->node, call->n_inputs, call->inputs, &form, err);

    for (int i = 0; i < call->n_inputs && status == ENGINE_OK; i++) {
        const struct tensor *to = call->in_grads[i];
        float *result = call->scratch;
        struct back back;

        if (to == NULL)
            continue;
        make_back(&form, call->inputs, call->out_grads[0], i, &back);
        if (back.direct && !call->accumulate[i]) {
            einsum_product(&back.form, DTYPE_F32, back.tensors, to->data, call->scratch);
            continue;
        }
        einsum_product(&back.form, DTYPE_F32, back.tensors, result, result + (back.elements + 15) / 16 * 16);
        if (!call->accumulate[i])
            clear(to);
        move_add_f32(&back.move, to->data, result);
    }
    return status;
}

/* The operands of all gradients that are wanted, and scratch for the largest. */
static enum engine_status einsum_prepare(struct grad_prepare *prepare, struct engine_error *err)
{
    const struct tensor *inputs[EINSUM_INPUTS_MAX];
    struct einsum_form form;
    enum engine_status status;

    for (int i = 0; i < prepare->n_inputs && i < EINSUM_INPUTS_MAX; i++)
        inputs[i] = &prepare->inputs[i];
    status = read_form(prepare->node, prepare->n_inputs, inputs, &form, err);
    if (status != ENGINE_OK)
        return status;
    prepare->save_inputs = 0;
    for (int i = 0; i < prepare->n_inputs; i++) {
        struct back back;
        size_t bytes;

        if ((prepare->wanted & GRAD_BIT(i)) == 0)
            continue;
        prepare->save_inputs |= GRAD_ALL & ~GRAD_BIT(i);
        make_back(&form, inputs, &prepare->outputs[0], i, &back);
        if (!einsum_scratch(&back.form, back.shapes, sizeof(float), &bytes))
            return engine_error_set(err, ENGINE_OVER_BUDGET,
                                    "the gradient of Einsum (node '%.64s') is too large",
                                    prepare->node->name);
        bytes += (size_t)(back.elements + 16) * sizeof(float);
        if (prepare->backward_scratch < bytes)
            prepare->backward_scratch = bytes;
    }
    return ENGINE_OK;
}

const struct grad_def grads_einsum[] = {
    {.domain = "", .name = "Einsum", .inputs = GRAD_ALL, .save_inputs = GRAD_ALL,
     .prepare = einsum_prepare, .backward = einsum_backward},
    {0},
};
