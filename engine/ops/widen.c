/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/ops/widen.h"

#include "engine/kernels/convert.h"

#include <assert.h>

static bool is_narrow(enum dtype dtype)
{
    enum dtype compute = compute_dtype(dtype);

    return compute != DTYPE_NONE && compute != dtype;
}

/* Bytes of the tensor once widened, rounded up so that what follows is aligned. An absurd shape,
 * which the executor has yet to refuse, counts as none. */
static size_t widened_bytes(const struct tensor *tensor)
{
    size_t bytes;

    if (!shape_check(&tensor->shape, dtype_size(compute_dtype(tensor->dtype)), &bytes))
        return 0;
    return (bytes + 63) / 64 * 64;
}

/* Scratch is [converted outputs][converted inputs][the operator's own], so that the place of each
 * follows from the call alone; the operator's own begins where the converted ones end. */
static size_t converted_bytes(int n, const struct tensor *const *tensors)
{
    size_t bytes = 0;

    for (int i = 0; i < n; i++)
        if (tensors[i] != NULL && is_narrow(tensors[i]->dtype))
            bytes += widened_bytes(tensors[i]);
    return bytes;
}

void widen_infer(struct op_infer *infer)
{
    for (int i = 0; i < infer->n_inputs; i++)
        if (is_narrow(infer->inputs[i].dtype))
            infer->scratch_bytes += widened_bytes(&infer->inputs[i]);
    for (int i = 0; i < infer->n_outputs; i++)
        if (is_narrow(infer->outputs[i].dtype))
            infer->scratch_bytes += widened_bytes(&infer->outputs[i]);
}

/* A wide twin of `tensor` in the memory at *memory, which moves on. */
static struct tensor twin(const struct tensor *tensor, char **memory)
{
    struct tensor wide = {.dtype = compute_dtype(tensor->dtype), .shape = tensor->shape,
                          .data = *memory};

    *memory += widened_bytes(tensor);
    return wide;
}

enum engine_status widen_run(const struct op_call *call,
                             enum engine_status (*run)(const struct op_call *call,
                                                       struct engine_error *err),
                             struct engine_error *err)
{
    struct tensor wide_inputs[WIDEN_OPERANDS_MAX], wide_outputs[WIDEN_OPERANDS_MAX];
    const struct tensor *inputs[WIDEN_OPERANDS_MAX];
    struct tensor *outputs[WIDEN_OPERANDS_MAX];
    struct op_call wide = *call;
    char *memory = call->scratch;
    enum engine_status status;

    assert(call->n_inputs <= WIDEN_OPERANDS_MAX && call->n_outputs <= WIDEN_OPERANDS_MAX);
    if (converted_bytes(call->n_inputs, call->inputs) == 0 &&
        converted_bytes(call->n_outputs, (const struct tensor *const *)call->outputs) == 0)
        return run(call, err);
    for (int i = 0; i < call->n_outputs; i++) {
        outputs[i] = call->outputs[i];
        if (outputs[i] == NULL || !is_narrow(outputs[i]->dtype))
            continue;
        wide_outputs[i] = twin(outputs[i], &memory);
        outputs[i] = &wide_outputs[i];
    }
    for (int i = 0; i < call->n_inputs; i++) {
        inputs[i] = call->inputs[i];
        if (inputs[i] == NULL || !is_narrow(inputs[i]->dtype))
            continue;
        wide_inputs[i] = twin(inputs[i], &memory);
        load_as(wide_inputs[i].dtype, inputs[i]->dtype, shape_elements(&inputs[i]->shape),
                inputs[i]->data, wide_inputs[i].data);
        inputs[i] = &wide_inputs[i];
    }
    wide.inputs = inputs;
    wide.outputs = outputs;
    wide.scratch = memory;
    status = run(&wide, err);
    for (int i = 0; i < call->n_outputs; i++)
        if (call->outputs[i] != NULL && outputs[i] != call->outputs[i])
            store_as(outputs[i]->dtype, call->outputs[i]->dtype,
                     shape_elements(&outputs[i]->shape), outputs[i]->data, call->outputs[i]->data);
    return status;
}
