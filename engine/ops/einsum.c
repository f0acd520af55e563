/* SPDX-License-Identifier: Apache-2.0
 * Einsum: see engine/ops/einsum_form.h for its equation, engine/ops/einsum_product.c for how it computes. */
#include "engine/ops/einsum_product.h"
#include "engine/ops/elementwise.h"
#include "engine/ops/operands.h"
#include "engine/ops/widen.h"

struct einsum_params {
    const char *equation;
};

static enum engine_status einsum_run_wide(const struct op_call *call, struct engine_error *err)
{
    const struct einsum_params *params = call->params;
    const struct shape *shapes[EINSUM_INPUTS_MAX];
    struct einsum_form form;
    enum engine_status status;

    for (int i = 0; i < call->n_inputs && i < EINSUM_INPUTS_MAX; i++)
        shapes[i] = &call->inputs[i]->shape;
    status = einsum_read(call->node, params->equation, call->n_inputs, shapes, &form, err);
    if (status == ENGINE_OK)
        einsum_product(&form, call->inputs[0]->dtype, call->inputs, call->outputs[0]->data,
                       call->scratch);
    return status;
}

static enum engine_status einsum_run(const struct op_call *call, struct engine_error *err)
{
    return widen_run(call, einsum_run_wide, err);
}

static enum engine_status einsum_init(const struct op_init *init, struct engine_error *err)
{
    struct einsum_params *params = init->params;

    params->equation = node_string(init->node, "equation", NULL);
    if (params->equation == NULL)
        return op_fail(init->node, err, "there is no equation");
    return ENGINE_OK;
}

static enum engine_status einsum_infer(struct op_infer *infer, struct engine_error *err)
{
    const struct einsum_params *params = infer->params;
    const struct shape *shapes[EINSUM_INPUTS_MAX];
    enum dtype dtype = infer->inputs[0].dtype;
    struct einsum_form form;
    struct shape y = {0};
    enum engine_status status;

    for (int i = 0; i < infer->n_inputs && i < EINSUM_INPUTS_MAX; i++) {
        shapes[i] = &infer->inputs[i].shape;
        if (infer->inputs[i].dtype != dtype)
            return op_fail(infer->node, err, "input %d is %s, the first is %s", i,
                           dtype_name(infer->inputs[i].dtype), dtype_name(dtype));
    }
    status = einsum_read(infer->node, params->equation, infer->n_inputs, shapes, &form, err);
    if (status != ENGINE_OK)
        return status;
    y.rank = form.output.rank;
    for (int d = 0; d < y.rank; d++)
        y.dims[d] = form.sizes[form.output.labels[d]];
    infer_output(infer, 0, dtype, &y);
    if (!einsum_scratch(&form, shapes, sizeof(uint64_t), &infer->scratch_bytes))
        return engine_error_set(err, ENGINE_OVER_BUDGET, "Einsum (node '%.64s') is too large",
                                infer->node->name);
    widen_infer(infer);
    return ENGINE_OK;
}

const struct op_def ops_einsum[] = {
    {.name = "Einsum", .domain = "", .since = 12, .inputs_min = 1, .inputs_max = EINSUM_INPUTS_MAX,
     .outputs_min = 1, .outputs_max = 1, .dtypes = DTYPES_NUMBER,
     .params_size = sizeof(struct einsum_params), .init = einsum_init, .infer = einsum_infer,
     .run = einsum_run},
    {0},
};
