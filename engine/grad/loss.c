/* SPDX-License-Identifier: Apache-2.0
 * Gradients of NegativeLogLikelihoodLoss and SoftmaxCrossEntropyLoss with respect to the scores [N, C,
 * d1 ...]. A class's weight is divided by all of them for a mean; an ignored class gets nothing. */
#include "engine/grad/families.h"
#include "engine/kernels/softmax.h"

#include <string.h>

/* One node's operands; an example is an element of the classes. */
struct loss {
    const struct tensor *classes, *weights;    /* weights: NULL, all 1 */
    const float *dy;
    bool each, mean;               /* a loss for each example; their weighted mean */
    bool ignores;
    int64_t ignored, n_classes, inner, examples;
};

static struct loss loss_of(const struct grad_call *call)
{
    const struct shape *x = &call->inputs[0]->shape;
    const char *reduction = node_string(call->node, "reduction", "mean");

    return (struct loss){
        .classes = call->inputs[1], .weights = call->n_inputs > 2 ? call->inputs[2] : NULL,
        .dy = call->out_grads[0] != NULL ? call->out_grads[0]->data : NULL,
        .each = strcmp(reduction, "none") == 0, .mean = strcmp(reduction, "mean") == 0,
        .ignores = node_attribute(call->node, "ignore_index") != NULL,
        .ignored = node_int(call->node, "ignore_index", 0), .n_classes = x->dims[1],
        .inner = shape_product(x, 2, x->rank), .examples = shape_elements(&call->inputs[1]->shape)};
}

/* 0 for a class that is ignored. */
static double weight_of(const struct loss *loss, int64_t example)
{
    int64_t class = tensor_int_at(loss->classes, example);

    if (loss->ignores && class == loss->ignored)
        return 0;
    return loss->weights != NULL ? (double)((const float *)loss->weights->data)[class] : 1;
}

/* What an example's negative log-likelihood is multiplied by, times the gradient of the loss. */
static float factor_of(const struct loss *loss, int64_t example, double sum)
{
    double weight = weight_of(loss, example);

    if (weight == 0 || loss->dy == NULL)
        return 0;
    return (float)(weight * (double)loss->dy[loss->each ? example : 0] / (loss->mean ? sum : 1));
}

static double weight_sum(const struct loss *loss)
{
    double sum = 0;

    for (int64_t i = 0; i < loss->examples && loss->mean; i++)
        sum += weight_of(loss, i);
    return sum;
}

static void put(const struct grad_call *call, int64_t at, float gradient)
{
    float *to = (float *)call->in_grads[0]->data + at;

    *to = call->accumulate[0] ? *to + gradient : gradient;
}

static enum engine_status likelihood_backward(const struct grad_call *call, struct engine_error *err)
{
    const struct loss loss = loss_of(call);
    const double sum = weight_sum(&loss);

    (void)err;
    for (int64_t i = 0; i < loss.examples; i++) {
        const float factor = factor_of(&loss, i, sum);
        const int64_t class = tensor_int_at(loss.classes, i);

        for (int64_t c = 0; c < loss.n_classes; c++)
            put(call, (i / loss.inner * loss.n_classes + c) * loss.inner + i % loss.inner,
                c == class ? -factor : 0.0f);
    }
    return ENGINE_OK;
}

/* factor (softmax - one-hot), and through output 1, the log-softmax: its gradient less the softmax times
 * that gradient's sum. */
static enum engine_status entropy_backward(const struct grad_call *call, struct engine_error *err)
{
    const struct loss loss = loss_of(call);
    const struct tensor *x = call->inputs[0];
    const struct tensor *logs = call->n_outputs > 1 ? call->out_grads[1] : NULL;
    const double sum = weight_sum(&loss);
    float *softmax = call->scratch;

    (void)err;
    if (shape_elements(&x->shape) == 0)
        return ENGINE_OK;
    softmax_f32(SOFTMAX, x->shape.dims[0], loss.n_classes, loss.inner, x->data, softmax);
    for (int64_t i = 0; i < loss.examples; i++) {
        const float factor = factor_of(&loss, i, sum);
        const int64_t class = tensor_int_at(loss.classes, i);
        const int64_t base = i / loss.inner * loss.n_classes * loss.inner + i % loss.inner;
        double total = 0;

        for (int64_t c = 0; c < loss.n_classes && logs != NULL; c++)
            total += (double)((const float *)logs->data)[base + c * loss.inner];
        for (int64_t c = 0; c < loss.n_classes; c++) {
            const int64_t at = base + c * loss.inner;
            const float p = softmax[at], log = logs != NULL ? ((const float *)logs->data)[at] : 0.0f;

            put(call, at, factor * (c == class ? p - 1.0f : p) + (log - p * (float)total));
        }
    }
    return ENGINE_OK;
}

static enum engine_status entropy_prepare(struct grad_prepare *prepare, struct engine_error *err)
{
    (void)err;
    prepare->backward_scratch = tensor_bytes(&prepare->inputs[0]);
    return ENGINE_OK;
}

const struct grad_def grads_loss[] = {
    {.domain = "", .name = "NegativeLogLikelihoodLoss", .inputs = 1, .save_inputs = 6,
     .backward = likelihood_backward},
    {.domain = "", .name = "SoftmaxCrossEntropyLoss", .inputs = 1, .save_inputs = 7,
     .prepare = entropy_prepare, .backward = entropy_backward},
    {0},
};
