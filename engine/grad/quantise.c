/* SPDX-License-Identifier: Apache-2.0
 * Quantised operators. Their numbers are integers, which no gradient passes; what a dequantised tensor
 * depends on smoothly is its scale: y = (x - zero) scale. */
#include "engine/grad/families.h"
#include "engine/ops/quantise_form.h"

enum { X, SCALE, ZERO };

static enum engine_status scale_prepare(struct grad_prepare *prepare, struct engine_error *err)
{
    (void)err;
    if (prepare->wanted != 0 &&
        __builtin_mul_overflow((size_t)shape_elements(&prepare->inputs[SCALE].shape), sizeof(double),
                               &prepare->backward_scratch))
        return op_unsupported(prepare->node, err, "too many scales to train");
    return ENGINE_OK;
}

static enum engine_status scale_backward(const struct grad_call *call, struct engine_error *err)
{
    const struct tensor *x = call->inputs[X], *scale = call->inputs[SCALE];
    const struct tensor *zero = call->n_inputs > ZERO ? call->inputs[ZERO] : NULL;
    const float *dy = call->out_grads[0]->data;
    struct quantise_grid grid = quantise_grid_of(call->params, &x->shape, &scale->shape);
    int64_t count = shape_elements(&scale->shape), elements = shape_elements(&x->shape);
    double *sums = call->scratch;
    float *to;

    (void)err;
    if (call->in_grads[SCALE] == NULL)
        return ENGINE_OK;
    to = call->in_grads[SCALE]->data;
    for (int64_t i = 0; i < count; i++)
        sums[i] = call->accumulate[SCALE] ? (double)to[i] : 0;
    for (int64_t i = 0; i < elements; i++) {
        int64_t which = quantise_scale_at(&grid, i);
        double offset = zero != NULL ? tensor_double_at(zero, which) : 0;

        sums[which] += (double)dy[i] * (tensor_double_at(x, i) - offset);
    }
    for (int64_t i = 0; i < count; i++)
        to[i] = (float)sums[i];
    return ENGINE_OK;
}

#define INTEGERS(NAME) \
    {.domain = "", .name = NAME, .flags = GRAD_STOPS, \
     .why_not = "its output is integers: train the model before it is quantised"}

const struct grad_def grads_quantise[] = {
    INTEGERS("QuantizeLinear"),
    {.domain = "", .name = "DequantizeLinear", .inputs = GRAD_BIT(SCALE),
     .save_inputs = GRAD_BIT(X) | GRAD_BIT(ZERO), .prepare = scale_prepare,
     .backward = scale_backward},
    INTEGERS("DynamicQuantizeLinear"),
    INTEGERS("ConvInteger"),
    INTEGERS("MatMulInteger"),
    INTEGERS("QLinearConv"),
    INTEGERS("QLinearMatMul"),
    {0},
};
