/* SPDX-License-Identifier: Apache-2.0
 * Second half of making a tape: what each step keeps, when each value and gradient lives, and where.
 * Whoever writes a gradient first overwrites, later ones add: nothing is cleared, nothing summed
 * afterwards. */
#include "engine/grad/tape_private.h"

#include "engine/grad/tape_bind.h"
#include "engine/memory_plan.h"

#include <limits.h>
#include <string.h>

static bool allocate(struct tape_builder *builder)
{
    struct arena *arena = builder->plan.temporary;
    size_t n_ids = (size_t)builder->plan.n_ids + 1, n_steps = (size_t)builder->tape->n_steps + 1;

    builder->first = arena_alloc(arena, n_ids * sizeof(int));
    builder->last = arena_alloc(arena, n_ids * sizeof(int));
    builder->grad_first = arena_alloc(arena, n_ids * sizeof(int));
    builder->grad_last = arena_alloc(arena, n_ids * sizeof(int));
    builder->grad_class = arena_alloc(arena, n_ids * sizeof(int));
    builder->value_item = arena_alloc(arena, n_ids * sizeof(int));
    builder->grad_item = arena_alloc(arena, n_ids * sizeof(int));
    builder->step_item = arena_alloc(arena, 3 * n_steps * sizeof(int));
    if (builder->first == NULL || builder->last == NULL || builder->grad_first == NULL ||
        builder->grad_last == NULL || builder->grad_class == NULL || builder->value_item == NULL ||
        builder->grad_item == NULL || builder->step_item == NULL)
        return false;
    for (size_t i = 0; i < n_ids; i++) {
        builder->first[i] = builder->last[i] = -1;
        builder->grad_first[i] = builder->grad_last[i] = -1;
        builder->value_item[i] = builder->grad_item[i] = -1;
        builder->grad_class[i] = (int)i;
    }
    for (size_t i = 0; i < 3 * n_steps; i++)
        builder->step_item[i] = -1;
    return true;
}

bool tape_wants(const struct tape_builder *builder, int step, int input)
{
    const struct tape_step *s = &builder->tape->steps[step];
    int id = tape_draft(builder, step)->inputs[input];

    return s->backward && id != VALUE_ABSENT && (s->grad->inputs & GRAD_BIT(input)) != 0 &&
           builder->plan.values[id].dtype == DTYPE_F32 && builder->active[builder->root[id]];
}

static void extend(int *last, int time)
{
    if (*last < time)
        *last = time;
}

static const struct tensor *gather(struct tape_builder *builder, const int *ids, int count)
{
    struct tensor *tensors =
        arena_calloc(builder->plan.scratch, (size_t)count, sizeof(*tensors));

    for (int i = 0; i < count && tensors != NULL; i++)
        if (ids[i] != VALUE_ABSENT)
            tensors[i] = builder->plan.values[ids[i]];
    return tensors;
}

/* Registers what the step moves on, or would: constants that nobody trains and no earlier step moves
 * on. */
static void find_states(struct tape_builder *builder, int index)
{
    struct tape *tape = builder->tape;
    const struct tape_step *step = &tape->steps[index];
    const struct graph *graph = builder->plan.graph;

    for (int i = 0; i < step->node->n_inputs; i++) {
        int id = tape_draft(builder, index)->inputs[i], root;

        if (id == VALUE_ABSENT || (step->grad->state_inputs & GRAD_BIT(i)) == 0)
            continue;
        root = builder->root[id];
        if (root >= graph->n_values || builder->plan.origins[root] != PLACE_WEIGHT ||
            graph->values[root].weight_slot >= graph->n_constant_slots ||
            builder->trainable[root] >= 0 || builder->state[root] >= 0 ||
            builder->plan.values[root].dtype != DTYPE_F32)
            continue;
        builder->state[root] = tape->n_states;
        tape->state_slots[tape->n_states++] = graph->values[root].weight_slot;
    }
}

/* Sizes of a step, and the lives of what its backward pass reads. */
static enum engine_status prepare(struct tape_builder *builder, int index,
                                  struct engine_error *err)
{
    struct tape *tape = builder->tape;
    struct tape_step *step = &tape->steps[index];
    const struct plan_draft *draft = tape_draft(builder, index);
    int backward_time = 2 * tape->n_steps - index;
    struct grad_prepare p = {.node = step->node, .params = step->node->params,
                             .n_inputs = step->node->n_inputs, .n_outputs = step->node->n_outputs,
                             .frozen_norm = tape->frozen_norm, .threads = tape->plan->threads,
                             .arena = builder->plan.scratch,
                             .forward_scratch = step->forward_scratch_bytes};
    enum engine_status status = ENGINE_OK;

    if (step->grad == NULL)
        return ENGINE_OK;
    for (int i = 0; i < p.n_inputs; i++)
        if (tape_wants(builder, index, i))
            p.wanted |= GRAD_BIT(i);
    p.inputs = gather(builder, draft->inputs, p.n_inputs);
    p.outputs = gather(builder, draft->outputs, p.n_outputs);
    if (p.inputs == NULL || p.outputs == NULL)
        return tape_no_memory(err);
    p.save_inputs = step->backward ? step->grad->save_inputs : 0;
    p.save_outputs = step->backward ? step->grad->save_outputs : 0;
    if (step->grad->prepare != NULL)
        status = step->grad->prepare(&p, err);
    if (status != ENGINE_OK)
        return status;
    step->tape_bytes = p.tape_bytes;
    step->forward_scratch_bytes = p.forward_scratch;
    step->backward_scratch_bytes = step->backward ? p.backward_scratch : 0;
    if (step->grad->state_inputs != 0)
        find_states(builder, index);
    step->saved_inputs = arena_calloc(tape->plan->arena, (size_t)p.n_inputs + 1, sizeof(void *));
    step->saved_outputs = arena_calloc(tape->plan->arena, (size_t)p.n_outputs + 1, sizeof(void *));
    if (step->saved_inputs == NULL || step->saved_outputs == NULL)
        return tape_no_memory(err);
    /* Until tape_bind_steps(): any pointer for "saved". */
    for (int i = 0; i < p.n_inputs && step->backward; i++)
        if (draft->inputs[i] != VALUE_ABSENT && (p.save_inputs & GRAD_BIT(i)) != 0) {
            step->saved_inputs[i] = &builder->values[draft->inputs[i]];
            extend(&builder->last[builder->root[draft->inputs[i]]], backward_time);
        }
    for (int i = 0; i < p.n_outputs && step->backward; i++)
        if (draft->outputs[i] != VALUE_ABSENT && (p.save_outputs & GRAD_BIT(i)) != 0) {
            step->saved_outputs[i] = &builder->values[draft->outputs[i]];
            extend(&builder->last[draft->outputs[i]], backward_time);
        }
    return ENGINE_OK;
}

bool tape_makes(const struct tape_builder *builder, int step, int output)
{
    const struct tape_step *s = &builder->tape->steps[step];
    int id = tape_draft(builder, step)->outputs[output];

    return id != VALUE_ABSENT && (builder->wanted[id] || output < s->node->op->outputs_min ||
                                  (s->saved_outputs != NULL && s->saved_outputs[output] != NULL));
}

/* Lives of the values in the forward pass. Those of the targets reach through the backward pass, so
 * that metrics may be taken after it. */
static void find_value_lives(struct tape_builder *builder)
{
    struct tape *tape = builder->tape;

    for (int s = 0; s < tape->n_steps; s++) {
        const struct plan_draft *draft = tape_draft(builder, s);

        for (int i = 0; i < tape->steps[s].node->n_inputs; i++)
            if (draft->inputs[i] != VALUE_ABSENT)
                extend(&builder->last[builder->root[draft->inputs[i]]], s);
        for (int i = 0; i < tape->steps[s].node->n_outputs; i++)
            if (tape_makes(builder, s, i)) {
                builder->first[draft->outputs[i]] = s;
                extend(&builder->last[draft->outputs[i]], s);
            }
    }
    for (int i = 0; i < builder->options->n_targets; i++)
        extend(&builder->last[builder->root[builder->options->targets[i]]], 2 * tape->n_steps);
}

/* Output 0's gradient may become input 0's in place: both live in the arena, nobody has written the
 * input's before, and no other input shares it. */
static bool may_overwrite(const struct tape_builder *builder, int step, int in_root, int out_root)
{
    const struct tape_step *s = &builder->tape->steps[step];
    const struct plan_draft *draft = tape_draft(builder, step);

    if ((s->grad->flags & GRAD_INPLACE) == 0 || in_root == out_root ||
        !builder->active[out_root] || builder->grad_first[out_root] < 0 ||
        builder->trainable[in_root] >= 0 ||
        tensor_bytes(&builder->plan.values[in_root]) !=
            tensor_bytes(&builder->plan.values[out_root]))
        return false;
    for (int i = 1; i < s->node->n_inputs; i++)
        if (tape_wants(builder, step, i) && builder->root[draft->inputs[i]] == in_root)
            return false;
    return true;
}

/* Who writes each gradient first, and until when it is needed. */
static void find_grad_lives(struct tape_builder *builder)
{
    struct tape *tape = builder->tape;

    for (int i = 0; i < builder->options->n_targets; i++) {
        int root = builder->root[builder->options->targets[i]];

        if (builder->active[root])
            builder->grad_first[root] = builder->grad_last[root] = tape->n_steps;
    }
    for (int s = tape->n_steps - 1; s >= 0; s--) {
        const struct plan_draft *draft = tape_draft(builder, s);
        struct tape_step *step = &tape->steps[s];
        int time = 2 * tape->n_steps - s;

        for (int o = 0; o < step->node->n_outputs && step->backward; o++)
            if (draft->outputs[o] != VALUE_ABSENT && builder->grad_first[draft->outputs[o]] >= 0)
                extend(&builder->grad_last[builder->grad_class[draft->outputs[o]]], time);
        for (int i = 0; i < step->node->n_inputs; i++) {
            int root;

            if (!tape_wants(builder, s, i))
                continue;
            root = builder->root[draft->inputs[i]];
            step->accumulate[i] = builder->grad_first[root] >= 0;
            step->trainable[i] = builder->trainable[root] >= 0;
            if (step->accumulate[i])
                continue;
            if (i == 0 && draft->outputs[0] != VALUE_ABSENT &&
                may_overwrite(builder, s, root, draft->outputs[0]))
                builder->grad_class[root] = builder->grad_class[draft->outputs[0]];
            builder->grad_first[root] = builder->grad_last[root] = time;
        }
    }
}

static void add_item(struct tape_builder *builder, int *ret_index, size_t bytes, int first,
                     int last)
{
    *ret_index = builder->n_items;
    builder->items[builder->n_items++] =
        (struct memory_item){.bytes = bytes > 0 ? bytes : 1, .first = first, .last = last};
}

static void add_step_items(struct tape_builder *builder, int s)
{
    struct tape *tape = builder->tape;
    struct tape_step *step = &tape->steps[s];
    int backward_time = 2 * tape->n_steps - s, *item = &builder->step_item[3 * s];

    if (step->tape_bytes > 0)
        add_item(builder, &item[0], step->tape_bytes, s, step->backward ? backward_time : s);
    if (step->forward_scratch_bytes > 0)
        add_item(builder, &item[1], step->forward_scratch_bytes, s, s);
    if (step->backward_scratch_bytes > 0)
        add_item(builder, &item[2], step->backward_scratch_bytes, backward_time, backward_time);
}

static enum engine_status plan_memory(struct tape_builder *builder, struct engine_error *err)
{
    struct tape *tape = builder->tape;
    size_t budget = builder->options->bytes_max;
    size_t count = 2 * (size_t)builder->plan.n_ids + 3 * (size_t)tape->n_steps;

    builder->items = count < INT_MAX ? arena_calloc(builder->plan.temporary, count + 1,
                                                    sizeof(*builder->items))
                                     : NULL;
    if (builder->items == NULL)
        return tape_no_memory(err);
    for (int id = 0; id < builder->plan.n_ids; id++) {
        size_t bytes = tensor_bytes(&builder->plan.values[id]);

        if (builder->first[id] >= 0)
            add_item(builder, &builder->value_item[id], bytes, builder->first[id],
                     builder->last[id]);
        if (builder->grad_first[id] >= 0 && builder->grad_class[id] == id &&
            builder->trainable[id] < 0)
            add_item(builder, &builder->grad_item[id], bytes, builder->grad_first[id],
                     builder->grad_last[id]);
    }
    for (int s = 0; s < tape->n_steps; s++)
        add_step_items(builder, s);
    if (!memory_plan(builder->items, builder->n_items, &tape->block_bytes))
        return engine_error_set(err, ENGINE_OVER_BUDGET,
                                "a training step needs more memory than can be addressed");
    if (budget > 0 && tape->block_bytes > budget)
        return engine_error_set(err, ENGINE_OVER_BUDGET,
                                "a training step needs %zu bytes for activations and gradients, "
                                "the budget is %zu",
                                tape->block_bytes, budget);
    return ENGINE_OK;
}

enum engine_status tape_layout(struct tape_builder *builder, struct engine_error *err)
{
    enum engine_status status;

    if (!allocate(builder) || !tape_allocate_operands(builder))
        return tape_no_memory(err);
    for (int s = 0; s < builder->tape->n_steps; s++) {
        size_t mark = arena_mark(builder->plan.scratch);

        status = prepare(builder, s, err);
        if (status != ENGINE_OK)
            return status;
        arena_reset(builder->plan.scratch, mark);
    }
    find_value_lives(builder);
    find_grad_lives(builder);
    status = plan_memory(builder, err);
    return status == ENGINE_OK ? tape_bind_steps(builder, err) : status;
}
