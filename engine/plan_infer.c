/* SPDX-License-Identifier: Apache-2.0
 * First half of planning: every node is inferred once. What depends on shapes alone is computed here
 * and now, so that chains like Shape, Gather, Concat, Reshape leave no step behind. */
#include "engine/evaluate.h"
#include "engine/plan_private.h"

/* A value that no shape depends on is folded only if it is small: each plan has its own copy. */
enum { FOLD_BYTES_MAX = 1 << 20 };

static enum engine_status no_memory(struct engine_error *err)
{
    return engine_error_set(err, ENGINE_NO_MEMORY, "out of memory while planning");
}

/* Types and shapes of weights, and the data of those that no training changes: what shapes depend on
 * and what is not floating point. */
static void seed_weights(struct plan_builder *builder)
{
    const struct graph *graph = builder->graph;

    for (int slot = 0; slot < graph->n_weight_slots; slot++) {
        int id = graph->weight_values[slot];

        builder->values[id] = builder->base->slots[slot];
        builder->origins[id] = PLACE_WEIGHT;
        if (!graph->values[id].host && dtype_is_float(builder->values[id].dtype))
            builder->values[id].data = NULL;
    }
}

static void seed_inputs(struct plan_builder *builder)
{
    const struct graph *graph = builder->graph;

    for (int i = 0; i < graph->n_inputs; i++) {
        int id = graph->inputs[i];

        builder->values[id].dtype = graph->values[id].dtype;
        builder->values[id].shape = builder->plan->input_shapes[i];
        builder->origins[id] = PLACE_INPUT;
    }
}

static bool is_foldable(const struct plan_builder *builder, const struct node *node,
                        const struct tensor *inputs, const struct tensor *outputs)
{
    size_t bytes = 0;
    bool host = false;

    if ((node->op->flags & OP_RANDOM) != 0)
        return false;
    for (int i = 0; i < node->n_inputs && (node->op->flags & OP_SHAPE_ONLY) == 0; i++)
        if (inputs[i].dtype != DTYPE_NONE && inputs[i].data == NULL)
            return false;
    for (int i = 0; i < node->n_outputs; i++) {
        if (node->outputs[i] == VALUE_ABSENT)
            continue;
        bytes += tensor_bytes(&outputs[i]);
        host = host || builder->graph->values[node->outputs[i]].host;
    }
    return host || bytes <= FOLD_BYTES_MAX;
}

static enum engine_status fold(struct plan_builder *builder, const struct node *node,
                               struct tensor *inputs, struct tensor *outputs, size_t scratch_bytes,
                               struct engine_error *err)
{
    struct evaluation evaluation = {.temporary = builder->temporary};
    size_t budget = builder->plan->model->options.plan_bytes_max;
    enum engine_status status;

    for (int i = 0; i < node->n_outputs; i++) {
        size_t bytes;

        if (node->outputs[i] == VALUE_ABSENT || ((node->op->flags & OP_VIEW) != 0 && i == 0))
            continue;
        bytes = tensor_bytes(&outputs[i]);
        builder->folded_bytes += bytes;
        if (budget > 0 && builder->folded_bytes > budget)
            return engine_error_set(err, ENGINE_OVER_BUDGET,
                                    "%.64s (node '%.64s'): folded constants need %zu bytes, the budget "
                                    "of a run is %zu",
                                    node->op_type, node->name, builder->folded_bytes, budget);
        outputs[i].data = arena_alloc(builder->plan->arena, bytes);
        if (outputs[i].data == NULL)
            return no_memory(err);
    }
    status = evaluate_run(&evaluation, node, inputs, outputs, scratch_bytes, err);
    for (int i = 0; i < node->n_outputs && status == ENGINE_OK; i++)
        if (node->outputs[i] != VALUE_ABSENT)
            builder->origins[node->outputs[i]] = PLACE_FOLDED;
    return status;
}

/* One tensor alone may pass the budget: better said here, with the node's name, than at the end. */
static enum engine_status check_size(const struct plan_builder *builder, const struct node *node,
                                     const struct tensor *outputs, struct engine_error *err)
{
    size_t budget = builder->plan->model->options.plan_bytes_max;

    for (int i = 0; i < node->n_outputs && budget > 0; i++)
        if (node->outputs[i] != VALUE_ABSENT && tensor_bytes(&outputs[i]) > budget)
            return engine_error_set(err, ENGINE_OVER_BUDGET,
                                    "%.64s (node '%.64s'): output %d needs %zu bytes, the budget of a "
                                    "run is %zu",
                                    node->op_type, node->name, i, tensor_bytes(&outputs[i]), budget);
    return ENGINE_OK;
}

static enum engine_status infer_node(struct plan_builder *builder, int index, struct tensor *inputs,
                                     struct tensor *outputs, struct engine_error *err)
{
    const struct node *node = &builder->graph->nodes[index];
    struct inference inference;
    enum engine_status status;

    for (int i = 0; i < node->n_inputs; i++)
        inputs[i] = node->inputs[i] != VALUE_ABSENT ? builder->values[node->inputs[i]]
                                                    : (struct tensor){.dtype = DTYPE_NONE};
    if ((node->op->flags & OP_DYNAMIC) != 0 || !evaluate_host_ready(node, inputs)) {
        builder->plan->dynamic = true;
        return ENGINE_OK;
    }
    status = evaluate_infer(node, inputs, builder->plan->threads, builder->temporary, outputs,
                            &inference, err);
    if (status == ENGINE_OK && inference.dynamic) {
        builder->plan->dynamic = true;
        return ENGINE_OK;
    }
    if (status == ENGINE_OK)
        status = check_size(builder, node, outputs, err);
    if (status != ENGINE_OK)
        return status;
    if (is_foldable(builder, node, inputs, outputs)) {
        status = fold(builder, node, inputs, outputs, inference.scratch_bytes, err);
    } else {
        builder->drafts[builder->n_drafts++] =
            (struct plan_draft){.node = index, .scratch_bytes = inference.scratch_bytes};
        builder->plan->flops += inference.flops;
        for (int i = 0; i < node->n_outputs; i++)
            if (node->outputs[i] != VALUE_ABSENT)
                builder->origins[node->outputs[i]] = PLACE_ARENA;
    }
    for (int i = 0; i < node->n_outputs; i++)
        if (node->outputs[i] != VALUE_ABSENT)
            builder->values[node->outputs[i]] = outputs[i];
    return status;
}

enum engine_status plan_infer(struct plan_builder *builder, struct engine_error *err)
{
    const struct graph *graph = builder->graph;
    struct arena *temporary = builder->temporary;
    enum engine_status status = ENGINE_OK;

    builder->values = arena_calloc(temporary, (size_t)graph->n_values, sizeof(*builder->values));
    builder->origins = arena_calloc(temporary, (size_t)graph->n_values, 1);
    builder->drafts = arena_calloc(temporary, (size_t)graph->n_nodes, sizeof(*builder->drafts));
    if (builder->values == NULL || builder->origins == NULL || builder->drafts == NULL)
        return no_memory(err);
    seed_weights(builder);
    seed_inputs(builder);
    for (int n = graph->n_prologue; n < graph->n_nodes && status == ENGINE_OK; n++) {
        const struct node *node = &graph->nodes[n];
        size_t mark = arena_mark(temporary);
        struct tensor *inputs = arena_calloc(temporary, (size_t)node->n_inputs, sizeof(*inputs));
        struct tensor *outputs = arena_calloc(temporary, (size_t)node->n_outputs, sizeof(*outputs));

        if (inputs == NULL || outputs == NULL)
            return no_memory(err);
        status = infer_node(builder, n, inputs, outputs, err);
        if (builder->plan->dynamic)
            return status;
        arena_reset(temporary, mark);
    }
    return status;
}
