/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/ops/epilogue.h"

#include "engine/ops/broadcast.h"

#include <string.h>

enum { GRAIN = 16384 };

enum engine_status epilogue_init(const struct op_init *init, struct activation *ret,
                                 struct engine_error *err)
{
    const char *name = node_string(init->node, "activation", "None");

    ret->kind = activation_kind(name);
    ret->alpha = node_float(init->node, "alpha", 0);
    ret->beta = node_float(init->node, "beta", 0);
    if (ret->kind == ACTIVATION_COUNT)
        return op_unsupported(init->node, err, "activation '%.32s'", name);
    return ENGINE_OK;
}

static const struct tensor *given(const struct op_infer *infer, int input)
{
    return infer->n_inputs > input && infer->inputs[input].dtype != DTYPE_NONE ? &infer->inputs[input]
                                                                             : NULL;
}

enum engine_status epilogue_infer(struct op_infer *infer, const struct shape *product,
                                  struct engine_error *err)
{
    const struct tensor *bias = given(infer, EPILOGUE_BIAS);
    const struct tensor *residual = given(infer, EPILOGUE_RESIDUAL);
    struct shape *out = &infer->outputs[0].shape;
    char text[SHAPE_TEXT_MAX], other[SHAPE_TEXT_MAX];
    size_t bytes;

    infer->outputs[0].dtype = DTYPE_F32;
    *out = *product;
    if (bias != NULL && (bias->dtype != DTYPE_F32 ||
                         shape_elements(&bias->shape) != product->dims[product->rank - 1]))
        return op_fail(infer->node, err, "bias of type %s and shape %s does not fit %s",
                       dtype_name(bias->dtype), shape_text(&bias->shape, text, sizeof(text)),
                       shape_text(product, other, sizeof(other)));
    if (residual == NULL)
        return ENGINE_OK;
    if (residual->dtype != DTYPE_F32 || !shape_broadcast(product, &residual->shape, out))
        return op_fail(infer->node, err, "%s of shape %s is to be added to %s",
                       dtype_name(residual->dtype), shape_text(&residual->shape, text, sizeof(text)),
                       shape_text(product, other, sizeof(other)));
    if (!shape_equal(product, &residual->shape) && shape_check(product, sizeof(float), &bytes))
        infer->scratch_bytes += bytes;
    return ENGINE_OK;
}

struct epilogue_call epilogue_start(const struct op_call *call, const struct activation *activation,
                                    const struct shape *product, float *scratch)
{
    const struct tensor *bias = call->n_inputs > EPILOGUE_BIAS ? call->inputs[EPILOGUE_BIAS] : NULL;
    const struct tensor *residual =
        call->n_inputs > EPILOGUE_RESIDUAL ? call->inputs[EPILOGUE_RESIDUAL] : NULL;
    struct epilogue_call ret = {.product = call->outputs[0]->data};

    ret.epilogue.bias = bias != NULL ? bias->data : NULL;
    if (residual != NULL && !shape_equal(product, &residual->shape)) {
        ret.broadcast = true;
        ret.product = scratch;
        return ret;
    }
    ret.epilogue.residual = residual != NULL ? residual->data : NULL;
    ret.epilogue.activation = *activation;
    return ret;
}

static void add_row(int64_t n, const void *const *inputs, const int64_t *steps, void *output,
                    const void *arg)
{
    const float *a = inputs[0], *b = inputs[1];
    float *out = output;

    for (int64_t i = 0; i < n; i++)
        out[i] = a[i * steps[0]] + b[i * steps[1]];
    activation_apply(arg, out, 1, (size_t)n, (size_t)n);
}

void epilogue_finish(const struct op_call *call, const struct activation *activation,
                     const struct shape *product, const struct epilogue_call *epilogue)
{
    struct tensor left = {.dtype = DTYPE_F32, .shape = *product, .data = epilogue->product};
    const struct tensor *inputs[2] = {&left, NULL};

    if (!epilogue->broadcast)
        return;
    inputs[1] = call->inputs[EPILOGUE_RESIDUAL];
    broadcast_run(call->pool, GRAIN, 2, inputs, call->outputs[0], add_row, activation);
}
