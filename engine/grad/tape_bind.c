/* SPDX-License-Identifier: Apache-2.0
 * Three tensors stand for each value: `values` with its data, `blind` without (what a backward pass
 * gets that did not ask for the data), `grads` with its gradient's. */
#include "engine/grad/tape_bind.h"

#include "engine/memory_plan.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

/* What empty tensors point at: NULL would mean "not known". */
static max_align_t nothing;

bool tape_allocate_operands(struct tape_builder *builder)
{
    struct tape *tape = builder->tape;
    struct arena *arena = tape->plan->arena;
    size_t n_ids = (size_t)builder->plan.n_ids + 1;
    const struct graph *graph = builder->plan.graph;
    bool ok;

    builder->values = arena_calloc(arena, n_ids, sizeof(*builder->values));
    builder->blind = arena_calloc(arena, n_ids, sizeof(*builder->blind));
    builder->grads = arena_calloc(arena, n_ids, sizeof(*builder->grads));
    builder->state = arena_alloc(builder->plan.temporary, n_ids * sizeof(int));
    tape->state_slots = arena_calloc(arena, (size_t)graph->n_constant_slots + 1, sizeof(int));
    ok = builder->values != NULL && builder->blind != NULL && builder->grads != NULL &&
         builder->state != NULL && tape->state_slots != NULL;
    for (size_t i = 0; i < n_ids && ok; i++)
        builder->state[i] = -1;
    for (int s = 0; s < tape->n_steps && ok; s++) {
        struct tape_step *step = &tape->steps[s];
        size_t n_inputs = (size_t)step->node->n_inputs + 1;
        size_t n_outputs = (size_t)step->node->n_outputs + 1;

        step->inputs = arena_calloc(arena, n_inputs, sizeof(void *));
        step->next_states = arena_calloc(arena, n_inputs, sizeof(void *));
        step->in_grads = arena_calloc(arena, n_inputs, sizeof(void *));
        step->accumulate = arena_calloc(arena, n_inputs, 1);
        step->trainable = arena_calloc(arena, n_inputs, 1);
        step->accumulate_all = arena_calloc(arena, n_inputs, 1);
        step->outputs = arena_calloc(arena, n_outputs, sizeof(void *));
        step->out_grads = arena_calloc(arena, n_outputs, sizeof(void *));
        ok = step->inputs != NULL && step->next_states != NULL && step->in_grads != NULL &&
             step->accumulate != NULL && step->trainable != NULL && step->accumulate_all != NULL &&
             step->outputs != NULL && step->out_grads != NULL;
    }
    return ok;
}

static void *item_data(const struct tape_builder *builder, int item)
{
    return item >= 0 ? builder->tape->block + builder->items[item].offset : NULL;
}

/* Where the bytes of a value are; NULL if the caller gives them or nobody reads them. */
static void *value_data(const struct tape_builder *builder, int id)
{
    const struct plan_builder *plan = &builder->plan;
    int root = builder->root[id];

    if (builder->value_item[root] >= 0)
        return item_data(builder, builder->value_item[root]);
    if (builder->trainable[root] >= 0 || builder->state[root] >= 0)
        return NULL;
    if (plan->origins[root] == PLACE_WEIGHT)
        return plan->base->slots[plan->graph->values[root].weight_slot].data;
    if (plan->values[id].dtype != DTYPE_NONE && plan->origins[root] != PLACE_INPUT &&
        shape_elements(&plan->values[id].shape) == 0)
        return &nothing;
    return plan->origins[root] == PLACE_FOLDED ? plan->values[root].data : NULL;
}

static void fill_operands(struct tape_builder *builder)
{
    const struct plan_builder *plan = &builder->plan;

    for (int id = 0; id < plan->n_ids; id++) {
        int root = builder->root[id];

        builder->values[id] = plan->values[id];
        builder->values[id].data = value_data(builder, id);
        builder->blind[id] = plan->values[id]; /* what planning knows stays known */
        builder->grads[id] = plan->values[id];
        builder->grads[id].data = item_data(builder, builder->grad_item[builder->grad_class[root]]);
    }
}

static void bind_step(struct tape_builder *builder, int s)
{
    struct tape_step *step = &builder->tape->steps[s];
    const struct plan_draft *draft = tape_draft(builder, s);
    const int *item = &builder->step_item[3 * s];

    for (int i = 0; i < step->node->n_inputs; i++) {
        int id = draft->inputs[i];

        if (id == VALUE_ABSENT)
            continue;
        step->inputs[i] = &builder->values[id];
        if (step->saved_inputs != NULL)
            step->saved_inputs[i] =
                step->saved_inputs[i] != NULL ? &builder->values[id] : &builder->blind[id];
        if (tape_wants(builder, s, i))
            step->in_grads[i] = &builder->grads[id];
        step->accumulate_all[i] = step->accumulate[i] || step->trainable[i];
    }
    for (int o = 0; o < step->node->n_outputs; o++) {
        int id = draft->outputs[o];
        bool made = tape_makes(builder, s, o);

        if (id == VALUE_ABSENT)
            continue;
        if (made)
            step->outputs[o] = &builder->values[id];
        if (step->saved_outputs != NULL && step->saved_outputs[o] == NULL)
            step->saved_outputs[o] = made ? &builder->blind[id] : NULL;
        if (builder->grad_first[id] >= 0)
            step->out_grads[o] = &builder->grads[id];
    }
    step->tape = item_data(builder, item[0]);
    step->forward_scratch = item_data(builder, item[1]);
    step->backward_scratch = item_data(builder, item[2]);
}

static void add_external(struct tape_externals *list, struct tensor *tensor, int index)
{
    list->items[list->count].tensor = tensor;
    list->items[list->count++].index = index;
}

/* Next states are tensors of their own: the step reads the old value and writes the new one. Frozen, it
 * writes none. */
static bool add_next_states(struct tape_builder *builder)
{
    struct tape *tape = builder->tape;
    bool *given = arena_calloc(builder->plan.temporary, (size_t)tape->n_states + 1, 1);

    if (given == NULL)
        return false;
    for (int s = 0; s < tape->n_steps && tape->n_states > 0 && !tape->frozen_norm; s++) {
        struct tape_step *step = &tape->steps[s];

        for (int i = 0; i < step->node->n_inputs && step->grad != NULL; i++) {
            int id = tape_draft(builder, s)->inputs[i], state;
            struct tensor *next;

            if (id == VALUE_ABSENT || (step->grad->state_inputs & GRAD_BIT(i)) == 0)
                continue;
            state = builder->state[builder->root[id]];
            if (state < 0 || given[state])
                continue;
            next = arena_alloc(tape->plan->arena, sizeof(*next));
            if (next == NULL)
                return false;
            given[state] = true;
            *next = builder->plan.values[id];
            next->data = NULL;
            step->next_states[i] = next;
            add_external(&tape->next_states, next, state);
        }
    }
    return true;
}

static bool add_externals(struct tape_builder *builder)
{
    struct tape *tape = builder->tape;
    const struct plan_builder *plan = &builder->plan;
    const struct graph *graph = plan->graph;
    struct tape_externals *lists[] = {&tape->inputs, &tape->trainable, &tape->states,
                                      &tape->next_states, &tape->grads};
    int *number = arena_calloc(plan->temporary, (size_t)plan->n_ids + 1, sizeof(int));

    for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
        lists[i]->items = arena_calloc(tape->plan->arena, (size_t)plan->n_ids + 1,
                                       sizeof(*lists[i]->items));
        if (lists[i]->items == NULL || number == NULL)
            return false;
    }
    for (int i = 0; i < graph->n_inputs; i++)
        number[graph->inputs[i]] = i;
    for (int id = 0; id < plan->n_ids; id++) {
        int root = builder->root[id];

        if (builder->trainable[root] >= 0) {
            add_external(&tape->trainable, &builder->values[id], builder->trainable[root]);
            if (builder->grad_first[root] >= 0)
                add_external(&tape->grads, &builder->grads[id], builder->trainable[root]);
        } else if (builder->state[root] >= 0) {
            add_external(&tape->states, &builder->values[id], builder->state[root]);
        } else if (plan->origins[root] == PLACE_INPUT) {
            add_external(&tape->inputs, &builder->values[id], number[root]);
        }
    }
    return add_next_states(builder);
}

static bool bind_ends(struct tape_builder *builder)
{
    struct tape *tape = builder->tape;
    const struct tape_options *options = builder->options;
    struct arena *arena = tape->plan->arena;

    tape->n_targets = options->n_targets;
    tape->targets = arena_calloc(arena, (size_t)options->n_targets + 1, sizeof(void *));
    tape->target_grads = arena_calloc(arena, (size_t)options->n_targets + 1, sizeof(void *));
    tape->n_trainable = options->n_trainable;
    tape->reached = arena_calloc(arena, (size_t)options->n_trainable + 1, 1);
    if (tape->targets == NULL || tape->target_grads == NULL || tape->reached == NULL)
        return false;
    for (int i = 0; i < options->n_targets; i++) {
        int id = options->targets[i];

        tape->targets[i] = &builder->values[id];
        tape->target_grads[i] = builder->active[builder->root[id]] ? &builder->grads[id] : NULL;
    }
    for (int i = 0; i < options->n_trainable; i++) {
        int id = builder->plan.graph->weight_values[options->trainable[i]];

        tape->reached[i] = builder->grad_first[id] >= 0;
    }
    return true;
}

enum engine_status tape_bind_steps(struct tape_builder *builder, struct engine_error *err)
{
    struct tape *tape = builder->tape;
    size_t bytes = (tape->block_bytes + MEMORY_ALIGNMENT) & ~(size_t)(MEMORY_ALIGNMENT - 1);

    tape->block = aligned_alloc(MEMORY_ALIGNMENT, bytes);
    if (tape->block == NULL)
        return engine_error_set(err, ENGINE_NO_MEMORY, "no memory for %zu bytes of a training step",
                                bytes);
    fill_operands(builder);
    for (int s = 0; s < tape->n_steps; s++)
        bind_step(builder, s);
    return add_externals(builder) && bind_ends(builder) ? ENGINE_OK : tape_no_memory(err);
}
