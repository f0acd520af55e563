/* SPDX-License-Identifier: Apache-2.0
 * ai.onnx.preview.training: Adagrad, Momentum, Adam. Inputs are the learning rate R, the step count
 * T, then all parameters, all gradients and all states; outputs all parameters, then all states. */
#include "engine/kernels/optimiser.h"

#include "engine/kernels/convert.h"
#include "engine/ops/elementwise.h"
#include "engine/ops/operands.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

enum method { ADAGRAD, MOMENTUM, ADAM };

struct optimiser_params {
    enum method method;
    int states;                    /* tensors of state for each parameter */
    double decay_factor;           /* Adagrad: the rate falls as 1 / (1 + T * this) */
    struct optimiser form;
};

static enum engine_status optimiser_init(const struct op_init *init, struct engine_error *err)
{
    struct optimiser_params *params = init->params;
    const struct node *node = init->node;
    const char *mode = node_string(node, "mode", "standard");
    struct optimiser *form = &params->form;

    params->method = strcmp(node->op_type, "Adagrad") == 0    ? ADAGRAD
                     : strcmp(node->op_type, "Momentum") == 0 ? MOMENTUM
                                                              : ADAM;
    params->states = params->method == ADAM ? 2 : 1;
    params->decay_factor = (double)node_float(node, "decay_factor", 0.0f);
    form->alpha = (double)node_float(node, "alpha", 0.9f);
    form->beta = (double)node_float(node, "beta", 0.999f);
    form->epsilon = (double)node_float(node, "epsilon", 1e-6f);
    form->decay = (double)node_float(node, "norm_coefficient", 0.0f);
    form->decay_after = (double)node_float(node, "norm_coefficient_post", 0.0f);
    form->nesterov = strcmp(mode, "nesterov") == 0;
    if (!form->nesterov && strcmp(mode, "standard") != 0)
        return op_unsupported(node, err, "mode '%.32s'", mode);
    return ENGINE_OK;
}

static enum engine_status optimiser_infer(struct op_infer *infer, struct engine_error *err)
{
    const struct optimiser_params *params = infer->params;
    int kinds = params->states + 2, n = (infer->n_inputs - 2) / kinds;

    if (infer->n_inputs != 2 + n * kinds || infer->n_outputs != n * (params->states + 1))
        return op_fail(infer->node, err, "%d inputs and %d outputs do not make whole parameters",
                       infer->n_inputs, infer->n_outputs);
    for (int i = 0; i < 2; i++)
        if (shape_elements(&infer->inputs[i].shape) != 1 ||
            compute_dtype(infer->inputs[i].dtype) == DTYPE_NONE)
            return op_fail(infer->node, err, "%s is not one number", i == 0 ? "R" : "T");
    for (int i = 0; i < n; i++) {
        const struct tensor *x = &infer->inputs[2 + i];

        if (x->dtype != DTYPE_F32 && x->dtype != DTYPE_F64)
            return op_fail(infer->node, err, "parameter %d is %s", i, dtype_name(x->dtype));
        for (int kind = 1; kind < kinds; kind++) {
            const struct tensor *other = &infer->inputs[2 + kind * n + i];

            if (other->dtype != x->dtype || !shape_equal(&other->shape, &x->shape))
                return op_fail(infer->node, err, "input %d is not like parameter %d",
                               2 + kind * n + i, i);
        }
        for (int kind = 0; kind <= params->states; kind++)
            infer_output(infer, kind * n + i, x->dtype, &x->shape);
        if (tensor_bytes(x) > infer->scratch_bytes)    /* for outputs that nobody wants */
            infer->scratch_bytes = tensor_bytes(x);
    }
    return ENGINE_OK;
}

/* The method's numbers at step T. */
static struct optimiser at_step(const struct op_call *call)
{
    const struct optimiser_params *params = call->params;
    struct optimiser form = params->form;
    double step = (double)tensor_int_at(call->inputs[1], 0);

    form.rate = tensor_double_at(call->inputs[0], 0);
    if (params->method == ADAGRAD)
        form.rate /= 1.0 + step * params->decay_factor;
    if (params->method == MOMENTUM && step <= 0.0)
        form.beta = 1.0;
    if (params->method == ADAM && step > 0.0)
        form.rate *= sqrt(1.0 - pow(form.beta, step)) / (1.0 - pow(form.alpha, step));
    return form;
}

static void step_f32(enum method method, const struct optimiser *form, int64_t count, int n,
                     const struct tensor *const *in, void *const *out)
{
    const float *x = in[0]->data, *g = in[n]->data, *v = in[2 * n]->data;

    if (method == ADAGRAD)
        adagrad_f32(form, count, x, g, v, out[0], out[1]);
    else if (method == MOMENTUM)
        momentum_f32(form, count, x, g, v, out[0], out[1]);
    else
        adam_f32(form, count, x, g, v, in[3 * n]->data, out[0], out[1], out[2]);
}

static void step_f64(enum method method, const struct optimiser *form, int64_t count, int n,
                     const struct tensor *const *in, void *const *out)
{
    const double *x = in[0]->data, *g = in[n]->data, *v = in[2 * n]->data;

    if (method == ADAGRAD)
        adagrad_f64(form, count, x, g, v, out[0], out[1]);
    else if (method == MOMENTUM)
        momentum_f64(form, count, x, g, v, out[0], out[1]);
    else
        adam_f64(form, count, x, g, v, in[3 * n]->data, out[0], out[1], out[2]);
}

static enum engine_status optimiser_run(const struct op_call *call, struct engine_error *err)
{
    const struct optimiser_params *params = call->params;
    struct optimiser form = at_step(call);
    int n = (call->n_inputs - 2) / (params->states + 2);

    (void)err;
    for (int i = 0; i < n; i++) {
        const struct tensor *x = call->inputs[2 + i];
        int64_t count = shape_elements(&x->shape);
        void *out[3] = {NULL};

        for (int kind = 0; kind <= params->states; kind++) {
            const struct tensor *output = call->outputs[kind * n + i];

            out[kind] = output != NULL ? output->data : call->scratch;
        }
        (x->dtype == DTYPE_F32 ? step_f32 : step_f64)(params->method, &form, count, n,
                                                      call->inputs + 2 + i, out);
    }
    return ENGINE_OK;
}

#define OPTIMISER(op_name, inputs, outputs) \
    {.name = op_name, .domain = "ai.onnx.preview.training", .since = 1, .inputs_min = inputs, \
     .inputs_max = OP_VARIADIC, .outputs_min = outputs, .outputs_max = OP_VARIADIC, \
     .params_size = sizeof(struct optimiser_params), .init = optimiser_init, \
     .infer = optimiser_infer, .run = optimiser_run}

const struct op_def ops_optimiser[] = {
    OPTIMISER("Adagrad", 5, 2),
    OPTIMISER("Momentum", 5, 2),
    OPTIMISER("Adam", 6, 3),
    {0},
};
