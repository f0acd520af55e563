/* SPDX-License-Identifier: Apache-2.0
 * First half of making a tape: what runs, and through what gradients flow. A value has a gradient if
 * it depends on a trainable tensor and a target depends on it, both along operators that have a
 * derivative: one walk forward, one backward. */
#include "engine/grad/tape_private.h"

#include <string.h>

static bool is_real(const struct tape_builder *builder, int id)
{
    return id != VALUE_ABSENT && dtype_is_float(builder->plan.values[id].dtype);
}

/* Inputs of a node through which a gradient flows, or would if there were one. */
static uint32_t grad_inputs(const struct grad_def *grad)
{
    if (grad == NULL)
        return GRAD_ALL;
    if (grad->backward != NULL)
        return grad->inputs;
    return (grad->flags & GRAD_STOPS) != 0 ? 0 : GRAD_ALL;
}

static bool allocate(struct tape_builder *builder)
{
    struct arena *arena = builder->plan.temporary;
    size_t n_ids = (size_t)builder->plan.n_ids, n_values = (size_t)builder->plan.graph->n_values;
    int *trainable = arena_alloc(arena, (n_ids + 1) * sizeof(int));

    builder->wanted = arena_calloc(arena, n_ids + 1, 1);
    builder->depends = arena_calloc(arena, n_ids + 1, 1);
    builder->reaches = arena_calloc(arena, n_ids + 1, 1);
    builder->active = arena_calloc(arena, n_ids + 1, 1);
    builder->root = arena_alloc(arena, (n_ids + 1) * sizeof(int));
    builder->draft_of =
        arena_alloc(arena, ((size_t)builder->plan.n_drafts + 1) * sizeof(int));
    if (trainable == NULL || builder->wanted == NULL || builder->depends == NULL ||
        builder->reaches == NULL || builder->active == NULL || builder->root == NULL ||
        builder->draft_of == NULL)
        return false;
    memcpy(trainable, builder->trainable, n_values * sizeof(int));
    for (size_t i = n_values; i < n_ids; i++)
        trainable[i] = -1;
    builder->trainable = trainable;
    for (size_t i = 0; i < n_ids; i++)
        builder->root[i] = (int)i;
    return true;
}

static enum engine_status check_targets(const struct tape_builder *builder,
                                        struct engine_error *err)
{
    const struct plan_builder *plan = &builder->plan;

    for (int i = 0; i < builder->options->n_targets; i++) {
        int id = builder->options->targets[i];

        if (plan->origins[id] == PLACE_DEFERRED) {
            const struct node *node = &plan->graph->nodes[plan->plan->deferred[0]];

            return op_unsupported(node, err, "cannot be trained through: shapes or control flow "
                                             "depend on data from here on");
        }
        if (builder->plan.values[id].dtype != DTYPE_F32)
            return engine_error_set(err, ENGINE_UNSUPPORTED,
                                    "'%.64s' is %s: a loss needs float32 values",
                                    plan->graph->values[id].name,
                                    dtype_name(plan->values[id].dtype));
    }
    return ENGINE_OK;
}

/* Backwards from the targets: what they need. */
static void keep_wanted(struct tape_builder *builder)
{
    for (int i = 0; i < builder->options->n_targets; i++)
        builder->wanted[builder->options->targets[i]] = 1;
    plan_keep_wanted(&builder->plan, builder->wanted);
}

static bool any_input(const struct tape_builder *builder, const struct plan_draft *draft,
                      uint32_t mask, const unsigned char *flags)
{
    for (int i = 0; i < draft->node->n_inputs; i++)
        if ((mask & GRAD_BIT(i)) != 0 && is_real(builder, draft->inputs[i]) &&
            flags[draft->inputs[i]])
            return true;
    return false;
}

static void find_dependence(struct tape_builder *builder)
{
    const struct graph *graph = builder->plan.graph;

    for (int i = 0; i < graph->n_values; i++)
        builder->depends[i] = builder->trainable[i] >= 0;
    for (int d = 0; d < builder->plan.n_drafts; d++) {
        const struct plan_draft *draft = &builder->plan.drafts[d];

        if (!draft->kept)
            continue;
        if (plan_draft_is_view(draft)) {
            builder->root[draft->outputs[0]] = builder->root[draft->inputs[0]];
            builder->depends[draft->outputs[0]] = builder->depends[draft->inputs[0]];
        } else if (any_input(builder, draft, grad_inputs(grad_find(draft->node->op)),
                             builder->depends)) {
            for (int i = 0; i < draft->node->n_outputs; i++)
                if (is_real(builder, draft->outputs[i]))
                    builder->depends[draft->outputs[i]] = 1;
        }
    }
}

static bool any_active_output(const struct tape_builder *builder, const struct plan_draft *draft)
{
    for (int i = 0; i < plan_draft_n_outputs(draft); i++)
        if (draft->outputs[i] != VALUE_ABSENT && builder->depends[draft->outputs[i]] &&
            builder->reaches[draft->outputs[i]])
            return true;
    return false;
}

static void find_reach(struct tape_builder *builder)
{
    for (int i = 0; i < builder->options->n_targets; i++)
        builder->reaches[builder->options->targets[i]] = 1;
    for (int d = builder->plan.n_drafts - 1; d >= 0; d--) {
        const struct plan_draft *draft = &builder->plan.drafts[d];
        uint32_t mask;

        if (!draft->kept || !any_active_output(builder, draft))
            continue;
        if (plan_draft_is_view(draft)) {
            builder->reaches[draft->inputs[0]] = 1;
            continue;
        }
        mask = grad_inputs(grad_find(draft->node->op));
        for (int i = 0; i < draft->node->n_inputs; i++)
            if ((mask & GRAD_BIT(i)) != 0 && is_real(builder, draft->inputs[i]))
                builder->reaches[draft->inputs[i]] = 1;
    }
    for (int id = 0; id < builder->plan.n_ids; id++)
        if (builder->depends[id] && builder->reaches[id])
            builder->active[builder->root[id]] = 1;
}

static enum engine_status refuse(const struct node *node, const struct grad_def *grad,
                                 struct engine_error *err)
{
    if (grad == NULL || grad->why_not == NULL)
        return op_unsupported(node, err, "no gradient is known for this operator: what it "
                                         "depends on cannot be trained");
    return op_unsupported(node, err, "cannot be trained through: %s", grad->why_not);
}

/* Gradients are float32: one that a value of another float type needs would be lost on the way. */
static enum engine_status check_types(const struct tape_builder *builder,
                                      const struct plan_draft *draft, struct engine_error *err)
{
    for (int i = 0; i < draft->node->n_outputs; i++) {
        int id = draft->outputs[i];

        if (id != VALUE_ABSENT && builder->depends[id] && builder->reaches[id] &&
            builder->plan.values[id].dtype != DTYPE_F32)
            return op_unsupported(draft->node, err,
                                  "cannot be trained through: its result is %s, and gradients are "
                                  "float32; save the model in float32",
                                  dtype_name(builder->plan.values[id].dtype));
    }
    return ENGINE_OK;
}

/* The same on every run of a model: the node's index, or, in a body, a number beyond. */
static int node_id(const struct tape_builder *builder, const struct plan_draft *draft, int index)
{
    const struct graph *graph = builder->plan.graph;

    if (draft->node >= graph->nodes && draft->node < graph->nodes + graph->n_nodes)
        return (int)(draft->node - graph->nodes);
    return graph->n_nodes + index;
}

static enum engine_status make_steps(struct tape_builder *builder, struct engine_error *err)
{
    struct tape *tape = builder->tape;

    tape->steps = arena_calloc(tape->plan->arena, (size_t)builder->plan.n_drafts + 1,
                               sizeof(*tape->steps));
    if (tape->steps == NULL)
        return tape_no_memory(err);
    for (int d = 0; d < builder->plan.n_drafts; d++) {
        const struct plan_draft *draft = &builder->plan.drafts[d];
        struct tape_step *step = &tape->steps[tape->n_steps];

        if (!draft->kept || plan_draft_is_view(draft))
            continue;
        builder->draft_of[tape->n_steps++] = d;
        step->node = draft->node;
        step->grad = grad_find(draft->node->op);
        step->node_id = node_id(builder, draft, d);
        step->forward_scratch_bytes = draft->scratch_bytes;
        step->backward = any_active_output(builder, draft) &&
                         any_input(builder, draft, grad_inputs(step->grad), builder->depends);
        if (step->backward && (step->grad == NULL || step->grad->backward == NULL))
            return refuse(draft->node, step->grad, err);
        if (step->backward && check_types(builder, draft, err) != ENGINE_OK)
            return ENGINE_UNSUPPORTED;
    }
    return ENGINE_OK;
}

enum engine_status tape_analyse(struct tape_builder *builder, struct engine_error *err)
{
    enum engine_status status;

    if (!allocate(builder))
        return tape_no_memory(err);
    status = check_targets(builder, err);
    if (status != ENGINE_OK)
        return status;
    keep_wanted(builder);
    find_dependence(builder);
    find_reach(builder);
    return make_steps(builder, err);
}
