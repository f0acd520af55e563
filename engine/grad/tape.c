/* SPDX-License-Identifier: Apache-2.0
 * Tapes: making one, and running its two passes. */
#include "engine/grad/tape_private.h"
#include "engine/kernels/cpu.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum engine_status tape_no_memory(struct engine_error *err)
{
    return engine_error_set(err, ENGINE_NO_MEMORY, "out of memory while preparing to train");
}

/* Trainable slots by value id, after a check that they can be trained. */
static enum engine_status number_trainable(struct tape_builder *builder, struct engine_error *err)
{
    const struct graph *graph = builder->plan.graph;
    const struct tape_options *options = builder->options;

    builder->trainable =
        arena_alloc(builder->plan.temporary, ((size_t)graph->n_values + 1) * sizeof(int));
    if (builder->trainable == NULL)
        return tape_no_memory(err);
    for (int i = 0; i < graph->n_values; i++)
        builder->trainable[i] = -1;
    for (int i = 0; i < options->n_trainable; i++) {
        int id = graph->weight_values[options->trainable[i]];

        assert(options->trainable[i] < graph->n_constant_slots && builder->trainable[id] < 0);
        if (builder->plan.base->slots[options->trainable[i]].dtype != DTYPE_F32)
            return engine_error_set(
                err, ENGINE_UNSUPPORTED, "'%.64s' is %s: only float32 tensors can be trained",
                graph->values[id].name,
                dtype_name(builder->plan.base->slots[options->trainable[i]].dtype));
        if (graph->values[id].host)
            return engine_error_set(err, ENGINE_UNSUPPORTED,
                                    "'%.64s' decides shapes: it cannot be trained",
                                    graph->values[id].name);
        builder->trainable[id] = i;
    }
    return ENGINE_OK;
}

/* Prologue nodes that follow from trainable tensors run with every step, and so do those whose
 * outputs they read and no slot keeps. */
static enum engine_status find_live_prologue(struct tape_builder *builder,
                                             struct engine_error *err)
{
    const struct graph *graph = builder->plan.graph;
    struct arena *arena = builder->plan.temporary;
    unsigned char *live = arena_calloc(arena, (size_t)graph->n_prologue + 1, 1);
    unsigned char *changes = arena_calloc(arena, (size_t)graph->n_values + 1, 1);

    if (live == NULL || changes == NULL)
        return tape_no_memory(err);
    for (int n = 0; n < graph->n_prologue; n++) {
        const struct node *node = &graph->nodes[n];

        for (int i = 0; i < node->n_inputs; i++)
            if (node->inputs[i] != VALUE_ABSENT &&
                (builder->trainable[node->inputs[i]] >= 0 || changes[node->inputs[i]]))
                live[n] = 1;
        for (int i = 0; i < node->n_outputs; i++)
            if (node->outputs[i] != VALUE_ABSENT)
                changes[node->outputs[i]] = live[n];
    }
    for (int n = graph->n_prologue - 1; n >= 0; n--)
        for (int i = 0; i < graph->nodes[n].n_inputs && live[n]; i++) {
            int input = graph->nodes[n].inputs[i];

            if (input != VALUE_ABSENT && graph->values[input].producer >= 0 &&
                graph->values[input].weight_slot < 0)
                live[graph->values[input].producer] = 1;
        }
    builder->plan.live = live;
    return ENGINE_OK;
}

static enum engine_status make(struct tape_builder *builder, const struct shape *input_shapes,
                               struct engine_error *err)
{
    struct tape *tape = builder->tape;
    struct model *model = tape->model;
    enum engine_status status;

    status = plan_check_inputs(&model->signature, input_shapes, model->batchable, err);
    if (status != ENGINE_OK)
        return status;
    tape->plan = plan_alloc(model, input_shapes, pool_threads(tape->pool));
    builder->plan.plan = tape->plan;
    builder->plan.temporary = arena_create(SIZE_MAX / 2);
    builder->plan.scratch = arena_create(SIZE_MAX / 2);
    if (tape->plan == NULL || builder->plan.temporary == NULL || builder->plan.scratch == NULL)
        return tape_no_memory(err);
    status = number_trainable(builder, err);
    if (status == ENGINE_OK)
        status = find_live_prologue(builder, err);
    if (status == ENGINE_OK)
        status = plan_infer(&builder->plan, err);
    if (status == ENGINE_OK)
        status = tape_analyse(builder, err);
    return status == ENGINE_OK ? tape_layout(builder, err) : status;
}

struct tape *tape_create(struct model *model, const struct shape *input_shapes,
                         const struct tape_options *options, struct pool *pool,
                         struct engine_error *err)
{
    struct tape *tape = calloc(1, sizeof(*tape));
    struct tape_builder builder = {.tape = tape, .options = options};
    enum engine_status status;

    if (tape == NULL) {
        tape_no_memory(err);
        return NULL;
    }
    tape->model = model_ref(model);
    tape->pool = pool;
    tape->frozen_norm = options->frozen_norm;
    builder.plan.graph = model->graph;
    builder.plan.base = model->base;
    status = make(&builder, input_shapes, err);
    arena_destroy(builder.plan.temporary);
    arena_destroy(builder.plan.scratch);
    if (status == ENGINE_OK)
        return tape;
    tape_destroy(tape);
    return NULL;
}

void tape_destroy(struct tape *tape)
{
    if (tape == NULL)
        return;
    free(tape->block);
    plan_destroy(tape->plan);
    model_unref(tape->model);
    free(tape);
}

size_t tape_bytes(const struct tape *tape)
{
    return tape->block_bytes;
}

bool tape_reaches(const struct tape *tape, int trainable)
{
    return tape->reached[trainable];
}

int tape_n_states(const struct tape *tape)
{
    return tape->n_states;
}

int tape_state_slot(const struct tape *tape, int state)
{
    return tape->state_slots[state];
}

static void bind(const struct tape_externals *list, const void *const *data)
{
    for (int i = 0; i < list->count; i++)
        list->items[i].tensor->data = data != NULL ? (void *)data[list->items[i].index] : NULL;
}

void tape_bind(struct tape *tape, const struct tape_memory *memory)
{
    bind(&tape->trainable, memory->trainable);
    bind(&tape->grads, (const void *const *)memory->grads);
    bind(&tape->states, memory->states);
    bind(&tape->next_states, (const void *const *)memory->next_states);
}

/* A state that is not to be kept is not written. */
static enum engine_status run_forward(struct tape *tape, struct tape_step *step,
                                      struct engine_error *err)
{
    struct grad_forward forward = {
        .call = {.node = step->node, .params = step->node->params,
                 .n_inputs = step->node->n_inputs, .n_outputs = step->node->n_outputs,
                 .inputs = step->inputs, .outputs = step->outputs,
                 .scratch = step->forward_scratch, .pool = tape->pool},
        .context = &tape->context, .node_id = step->node_id, .frozen_norm = tape->frozen_norm,
        .tape = step->tape, .next_states = step->next_states};

    if (step->grad != NULL && step->grad->forward != NULL)
        return step->grad->forward(&forward, err);
    return step->node->op->run(&forward.call, err);
}

enum engine_status tape_forward(struct tape *tape, const struct tensor *inputs,
                                const struct grad_context *context, struct engine_error *err)
{
    enum engine_status status = ENGINE_OK;

    cpu_flush_denormals();
    tape->context = *context;
    for (int i = 0; i < tape->inputs.count; i++)
        tape->inputs.items[i].tensor->data = inputs[tape->inputs.items[i].index].data;
    for (int s = 0; s < tape->n_steps && status == ENGINE_OK; s++)
        status = run_forward(tape, &tape->steps[s], err);
    return status;
}

const struct tensor *tape_target(const struct tape *tape, int target)
{
    return tape->targets[target];
}

struct tensor *tape_target_grad(struct tape *tape, int target)
{
    return tape->target_grads[target];
}

enum engine_status tape_backward(struct tape *tape, bool accumulate, struct engine_error *err)
{
    enum engine_status status = ENGINE_OK;

    cpu_flush_denormals();
    for (int s = tape->n_steps - 1; s >= 0 && status == ENGINE_OK; s--) {
        const struct tape_step *step = &tape->steps[s];
        struct grad_call call = {
            .node = step->node, .params = step->node->params,
            .n_inputs = step->node->n_inputs, .n_outputs = step->node->n_outputs,
            .inputs = step->saved_inputs, .outputs = step->saved_outputs,
            .out_grads = step->out_grads, .in_grads = step->in_grads,
            .accumulate = accumulate ? step->accumulate_all : step->accumulate,
            .context = &tape->context, .node_id = step->node_id, .frozen_norm = tape->frozen_norm,
            .tape = step->tape, .scratch = step->backward_scratch, .pool = tape->pool};

        if (step->backward)
            status = step->grad->backward(&call, err);
    }
    return status;
}
