/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/evaluate.h"

bool evaluate_host_ready(const struct node *node, const struct tensor *inputs)
{
    for (int i = 0; i < node->n_inputs && i < 32; i++)
        if ((node->op->host_inputs >> i & 1) != 0 && inputs[i].dtype != DTYPE_NONE &&
            inputs[i].data == NULL)
            return false;
    return true;
}

static enum engine_status check_dtype(const struct node *node, const struct tensor *inputs,
                                      struct engine_error *err)
{
    enum dtype dtype = node->n_inputs > 0 ? inputs[0].dtype : DTYPE_NONE;

    for (int i = 0; i < node->n_inputs && (node->op->flags & (OP_DYNAMIC | OP_CONTAINERS)) == 0;
         i++)
        if (inputs[i].dtype == DTYPE_SEQUENCE || inputs[i].dtype == DTYPE_OPTIONAL)
            return op_fail(node, err, "input %d is a sequence or optional", i);
    if (node->op->dtypes == 0 || dtype == DTYPE_NONE)
        return ENGINE_OK;
    if (dtype < 64 && (node->op->dtypes & DTYPE_BIT(dtype)) != 0)
        return ENGINE_OK;
    return op_unsupported(node, err, "does not take elements of type %s", dtype_name(dtype));
}

static enum engine_status check_output(const struct node *node, int index,
                                       const struct tensor *output, bool dynamic,
                                       struct engine_error *err)
{
    char text[SHAPE_TEXT_MAX];

    if (node->outputs[index] == VALUE_ABSENT)
        return ENGINE_OK;
    if (output->dtype == DTYPE_NONE) {
        if (dynamic)
            return ENGINE_OK;
        return op_unsupported(node, err, "output %d has no type", index);
    }
    if (output->shape.rank < 0 || output->shape.rank > SHAPE_RANK_MAX)
        return op_fail(node, err, "output %d has rank %d, at most %d is supported", index,
                       output->shape.rank, SHAPE_RANK_MAX);
    if (!shape_check(&output->shape, dtype_size(output->dtype), NULL))
        return op_fail(node, err, "output %d would have shape %s, which is negative or too large",
                       index, shape_text(&output->shape, text, sizeof(text)));
    return ENGINE_OK;
}

enum engine_status evaluate_infer(const struct node *node, const struct tensor *inputs, int threads,
                                  struct arena *temporary, struct tensor *outputs,
                                  struct inference *ret_inference, struct engine_error *err)
{
    struct op_infer infer = {.node = node,
                             .params = node->params,
                             .n_inputs = node->n_inputs,
                             .n_outputs = node->n_outputs,
                             .inputs = inputs,
                             .outputs = outputs,
                             .threads = threads,
                             .arena = temporary};
    enum engine_status status = check_dtype(node, inputs, err);

    for (int i = 0; i < node->n_outputs; i++)
        outputs[i] = (struct tensor){.dtype = DTYPE_NONE};
    infer.dynamic = (node->op->flags & OP_DYNAMIC) != 0;
    if (status == ENGINE_OK && node->op->infer != NULL)
        status = node->op->infer(&infer, err);
    for (int i = 0; i < node->n_outputs && status == ENGINE_OK; i++) {
        outputs[i].data = NULL;
        status = check_output(node, i, &outputs[i], infer.dynamic, err);
    }
    ret_inference->scratch_bytes = infer.scratch_bytes;
    ret_inference->dynamic = infer.dynamic;
    ret_inference->flops = infer.flops;
    return status;
}

enum engine_status evaluate_run(const struct evaluation *evaluation, const struct node *node,
                                struct tensor *inputs, struct tensor *outputs, size_t scratch_bytes,
                                struct engine_error *err)
{
    struct arena *arena = evaluation->temporary;
    struct op_call call = {.node = node,
                           .params = node->params,
                           .n_inputs = node->n_inputs,
                           .n_outputs = node->n_outputs,
                           .pool = evaluation->pool,
                           .dynamic = evaluation->dynamic};
    const struct tensor **in;
    struct tensor **out;

    if ((node->op->flags & OP_VIEW) != 0) {
        outputs[0].data = inputs[0].data;
        return ENGINE_OK;
    }
    in = arena_calloc(arena, (size_t)node->n_inputs, sizeof(*in));
    out = arena_calloc(arena, (size_t)node->n_outputs, sizeof(*out));
    if (scratch_bytes > 0)
        call.scratch = arena_alloc(arena, scratch_bytes);
    if (in == NULL || out == NULL || (scratch_bytes > 0 && call.scratch == NULL))
        return engine_error_set(
            err, ENGINE_OVER_BUDGET,
            "%.64s (node '%.64s'): needs %zu bytes of scratch memory, more than is left",
            node->op_type, node->name, scratch_bytes);
    for (int i = 0; i < node->n_inputs; i++)
        in[i] = inputs[i].dtype != DTYPE_NONE ? &inputs[i] : NULL;
    for (int i = 0; i < node->n_outputs; i++)
        out[i] = node->outputs[i] != VALUE_ABSENT ? &outputs[i] : NULL;
    call.inputs = in;
    call.outputs = out;
    return node->op->run(&call, err);
}
