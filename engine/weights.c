/* SPDX-License-Identifier: Apache-2.0
 * Weight generations: constants as the file has them, and what the prologue computes from them. A
 * later generation runs only the prologue nodes that its changed slots reach. */
#include "engine/evaluate.h"
#include "engine/model_private.h"

#include <assert.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

/* One run of (a part of) the prologue. Arrays by value id or by prologue node. */
struct prologue {
    const struct graph *graph;
    struct weights *weights;
    struct arena *temporary;
    size_t bytes, bytes_max; /* alive now: buffers of this generation and intermediates */
    struct tensor *values;
    struct buffer **buffers; /* of computed values, a reference each */
    unsigned char *changed;  /* by value: differs from the generation before */
    unsigned char *wanted;   /* by node: must run */
    int *readers;            /* by value: wanted nodes that still have to read it */
};

static atomic_uint_least64_t last_id;

/* What the data of an empty constant point at: NULL would mean "not known". */
static max_align_t nothing;

static struct weights *weights_alloc(struct model *model)
{
    struct weights *weights = calloc(1, sizeof(*weights));
    size_t slots = (size_t)model->graph->n_weight_slots + 1;

    if (weights == NULL)
        return NULL;
    atomic_init(&weights->refs, 1);
    weights->id = atomic_fetch_add(&last_id, 1) + 1;
    weights->model = model;
    weights->n_slots = model->graph->n_weight_slots;
    weights->slots = calloc(slots, sizeof(*weights->slots));
    weights->buffers = calloc(slots, sizeof(struct buffer *));
    if (weights->slots == NULL || weights->buffers == NULL) {
        weights_destroy(weights);
        return NULL;
    }
    return weights;
}

void weights_destroy(struct weights *weights)
{
    if (weights == NULL)
        return;
    if (weights->buffers != NULL)
        for (int i = 0; i < weights->n_slots; i++)
            buffer_unref(weights->buffers[i]);
    free(weights->buffers);
    free(weights->slots);
    free(weights);
}

static void prologue_finish(struct prologue *prologue)
{
    if (prologue->buffers != NULL)
        for (int i = 0; i < prologue->graph->n_values; i++)
            buffer_unref(prologue->buffers[i]);
    free(prologue->values);
    free(prologue->buffers);
    free(prologue->changed);
    free(prologue->wanted);
    free(prologue->readers);
    arena_destroy(prologue->temporary);
}

static bool prologue_init(struct prologue *prologue, struct weights *weights)
{
    const struct model *model = weights->model;
    size_t n_values = (size_t)model->graph->n_values + 1;

    prologue->graph = model->graph;
    prologue->weights = weights;
    prologue->bytes_max = SIZE_MAX;
    if (model->options.memory_bytes_max > 0) {
        size_t held = arena_bytes(model->arena);

        prologue->bytes_max =
            model->options.memory_bytes_max > held ? model->options.memory_bytes_max - held : 0;
    }
    prologue->temporary =
        arena_create(prologue->bytes_max < SIZE_MAX / 2 ? prologue->bytes_max : SIZE_MAX / 2);
    prologue->values = calloc(n_values, sizeof(*prologue->values));
    prologue->buffers = calloc(n_values, sizeof(struct buffer *));
    prologue->changed = calloc(n_values, 1);
    prologue->readers = calloc(n_values, sizeof(int));
    prologue->wanted = calloc((size_t)model->graph->n_prologue + 1, 1);
    return prologue->temporary != NULL && prologue->values != NULL && prologue->buffers != NULL &&
           prologue->changed != NULL && prologue->readers != NULL && prologue->wanted != NULL;
}

/* Marks what changed slots reach, and what must run so that all of that can be had: intermediates
 * that no slot keeps are made again. */
static void mark_wanted(struct prologue *prologue)
{
    const struct graph *graph = prologue->graph;

    for (int n = 0; n < graph->n_prologue; n++) {
        const struct node *node = &graph->nodes[n];
        unsigned char changed = 0;

        for (int i = 0; i < node->n_inputs; i++)
            if (node->inputs[i] != VALUE_ABSENT)
                changed |= prologue->changed[node->inputs[i]];
        for (int i = 0; i < node->n_outputs; i++) {
            int output = node->outputs[i];

            if (output == VALUE_ABSENT)
                continue;
            prologue->changed[output] |= changed;
            if (prologue->changed[output] && graph->values[output].weight_slot >= 0)
                prologue->wanted[n] = 1;
        }
    }
    for (int n = graph->n_prologue - 1; n >= 0; n--) {
        const struct node *node = &graph->nodes[n];

        for (int i = 0; i < node->n_inputs && prologue->wanted[n]; i++) {
            int input = node->inputs[i];
            const struct value *value;

            if (input == VALUE_ABSENT)
                continue;
            value = &graph->values[input];
            prologue->readers[input]++;
            if (value->producer >= 0 && (prologue->changed[input] || value->weight_slot < 0))
                prologue->wanted[value->producer] = 1;
        }
    }
}

static enum engine_status allocate_output(struct prologue *prologue, const struct node *node,
                                          int index, struct tensor *output,
                                          struct engine_error *err)
{
    int id = node->outputs[index];
    size_t bytes = tensor_bytes(output);
    struct buffer *buffer;

    if (bytes > prologue->bytes_max - prologue->bytes)
        return engine_error_set(
            err, ENGINE_OVER_BUDGET,
            "%.64s (node '%.64s'): weights would need %zu bytes, %zu are left in the "
            "model's budget of %zu",
            node->op_type, node->name, bytes, prologue->bytes_max - prologue->bytes,
            prologue->weights->model->options.memory_bytes_max);
    buffer = buffer_create(bytes);
    if (buffer == NULL)
        return engine_error_set(err, ENGINE_NO_MEMORY,
                                "%.64s (node '%.64s'): no memory for %zu bytes of weights",
                                node->op_type, node->name, bytes);
    prologue->bytes += bytes;
    prologue->buffers[id] = buffer;
    output->data = buffer->data;
    return ENGINE_OK;
}

static void release_value(struct prologue *prologue, int id)
{
    struct buffer *buffer = prologue->buffers[id];

    if (buffer == NULL)
        return;
    if (atomic_load(&buffer->refs) == 1)
        prologue->bytes -= buffer->bytes;
    buffer_unref(buffer);
    prologue->buffers[id] = NULL;
}

/* A slot's own reference to what was computed for it. */
static void store_slot(struct prologue *prologue, int id)
{
    int slot = prologue->graph->values[id].weight_slot;

    if (slot < 0)
        return;
    buffer_unref(prologue->weights->buffers[slot]);
    prologue->weights->buffers[slot] = buffer_ref(prologue->buffers[id]);
    prologue->weights->slots[slot] = prologue->values[id];
}

static struct tensor value_tensor(const struct prologue *prologue, int id)
{
    int slot = prologue->graph->values[id].weight_slot;

    if (prologue->values[id].dtype == DTYPE_NONE && slot >= 0)
        return prologue->weights->slots[slot];
    return prologue->values[id];
}

static enum engine_status compute(struct prologue *prologue, const struct node *node,
                                  struct tensor *inputs, struct tensor *outputs,
                                  struct engine_error *err)
{
    struct evaluation evaluation = {.temporary = prologue->temporary};
    struct inference inference;
    bool view = (node->op->flags & OP_VIEW) != 0;
    enum engine_status status;

    for (int i = 0; i < node->n_inputs; i++)
        inputs[i] = node->inputs[i] != VALUE_ABSENT ? value_tensor(prologue, node->inputs[i])
                                                    : (struct tensor){.dtype = DTYPE_NONE};
    status = evaluate_infer(node, inputs, 1, prologue->temporary, outputs, &inference, err);
    if (status == ENGINE_OK && inference.dynamic)
        status = op_unsupported(node, err, "cannot run on constants");
    for (int i = 0; i < node->n_outputs && status == ENGINE_OK; i++) {
        if (node->outputs[i] == VALUE_ABSENT)
            continue;
        if (view && i == 0) {
            const int input = node->inputs[0];
            const int slot = prologue->graph->values[input].weight_slot;

            prologue->buffers[node->outputs[0]] = buffer_ref(
                prologue->buffers[input] != NULL || slot < 0 ? prologue->buffers[input]
                                                             : prologue->weights->buffers[slot]);
        } else {
            status = allocate_output(prologue, node, i, &outputs[i], err);
        }
    }
    if (status == ENGINE_OK)
        status = evaluate_run(&evaluation, node, inputs, outputs, inference.scratch_bytes, err);
    return status;
}

static enum engine_status run_node(struct prologue *prologue, const struct node *node,
                                   struct engine_error *err)
{
    struct arena *arena = prologue->temporary;
    size_t mark = arena_mark(arena);
    struct tensor *inputs = arena_calloc(arena, (size_t)node->n_inputs, sizeof(*inputs));
    struct tensor *outputs = arena_calloc(arena, (size_t)node->n_outputs, sizeof(*outputs));
    enum engine_status status;

    if (inputs == NULL || outputs == NULL)
        return engine_error_set(err, ENGINE_NO_MEMORY, "out of memory while computing weights");
    status = compute(prologue, node, inputs, outputs, err);
    if (status != ENGINE_OK)
        return status;
    for (int i = 0; i < node->n_outputs; i++) {
        int id = node->outputs[i];

        if (id == VALUE_ABSENT)
            continue;
        prologue->values[id] = outputs[i];
        store_slot(prologue, id);
        if (prologue->readers[id] == 0)
            release_value(prologue, id);
    }
    for (int i = 0; i < node->n_inputs; i++)
        if (node->inputs[i] != VALUE_ABSENT && --prologue->readers[node->inputs[i]] == 0)
            release_value(prologue, node->inputs[i]);
    arena_reset(arena, mark);
    return ENGINE_OK;
}

/* Computes the prologue slots that prologue.changed reaches. */
static enum engine_status run_prologue(struct prologue *prologue, struct engine_error *err)
{
    enum engine_status status = ENGINE_OK;

    mark_wanted(prologue);
    for (int n = 0; n < prologue->graph->n_prologue && status == ENGINE_OK; n++)
        if (prologue->wanted[n])
            status = run_node(prologue, &prologue->graph->nodes[n], err);
    return status;
}

struct weights *weights_create_base(struct model *model, struct engine_error *err)
{
    const struct graph *graph = model->graph;
    struct weights *weights = weights_alloc(model);
    struct prologue prologue = {0};
    enum engine_status status = ENGINE_NO_MEMORY;

    if (weights != NULL && prologue_init(&prologue, weights)) {
        for (int i = 0; i < graph->n_constant_slots; i++) {
            weights->slots[i] = *graph->values[graph->weight_values[i]].constant;
            if (weights->slots[i].data == NULL)
                weights->slots[i].data = &nothing;
        }
        memset(prologue.changed, 1, (size_t)graph->n_values);
        status = run_prologue(&prologue, err);
        weights->bytes = prologue.bytes;
    } else {
        engine_error_set(err, ENGINE_NO_MEMORY, "out of memory while computing weights");
    }
    if (weights != NULL && prologue.graph != NULL)
        prologue_finish(&prologue);
    if (status != ENGINE_OK) {
        weights_destroy(weights);
        return NULL;
    }
    return weights;
}

/* Copies of the changed constants. */
static enum engine_status replace_constants(struct prologue *prologue, int count, const int *slots,
                                            const void *const *data, struct engine_error *err)
{
    struct weights *weights = prologue->weights;

    for (int i = 0; i < count; i++) {
        int id = prologue->graph->weight_values[slots[i]];
        size_t bytes = tensor_bytes(&weights->slots[slots[i]]);
        struct buffer *buffer;

        assert(slots[i] < prologue->graph->n_constant_slots && !prologue->graph->values[id].host);
        if (bytes > prologue->bytes_max - prologue->bytes)
            return engine_error_set(err, ENGINE_OVER_BUDGET,
                                    "a weight generation would need %zu bytes more, %zu are left",
                                    bytes, prologue->bytes_max - prologue->bytes);
        buffer = buffer_create(bytes);
        if (buffer == NULL)
            return engine_error_set(err, ENGINE_NO_MEMORY, "no memory for %zu bytes of weights",
                                    bytes);
        memcpy(buffer->data, data[i], bytes);
        prologue->bytes += bytes;
        buffer_unref(weights->buffers[slots[i]]);
        weights->buffers[slots[i]] = buffer;
        weights->slots[slots[i]].data = buffer->data;
        prologue->changed[id] = 1;
    }
    return ENGINE_OK;
}

struct weights *weights_replace(struct weights *from, int count, const int *slots,
                                const void *const *data, struct engine_error *err)
{
    struct weights *weights = weights_alloc(from->model);
    struct prologue prologue = {0};
    enum engine_status status = ENGINE_NO_MEMORY;

    if (weights != NULL && prologue_init(&prologue, weights)) {
        for (int i = 0; i < weights->n_slots; i++) {
            weights->slots[i] = from->slots[i];
            weights->buffers[i] = buffer_ref(from->buffers[i]);
        }
        status = replace_constants(&prologue, count, slots, data, err);
        if (status == ENGINE_OK)
            status = run_prologue(&prologue, err);
        weights->bytes = prologue.bytes;
    } else {
        engine_error_set(err, ENGINE_NO_MEMORY, "out of memory while computing weights");
    }
    if (weights != NULL && prologue.graph != NULL)
        prologue_finish(&prologue);
    if (status != ENGINE_OK) {
        weights_destroy(weights);
        return NULL;
    }
    model_ref(weights->model);
    return weights;
}

struct weights *model_base_weights(struct model *model)
{
    return weights_ref(model->base);
}

struct weights *weights_ref(struct weights *weights)
{
    if (weights != NULL) {
        model_ref(weights->model);
        atomic_fetch_add_explicit(&weights->refs, 1, memory_order_relaxed);
    }
    return weights;
}

void weights_unref(struct weights *weights)
{
    struct model *model;

    if (weights == NULL)
        return;
    model = weights->model;
    if (atomic_fetch_sub_explicit(&weights->refs, 1, memory_order_acq_rel) == 1)
        weights_destroy(weights);
    model_unref(model);
}

uint64_t weights_id(const struct weights *weights)
{
    return weights->id;
}

const struct tensor *weights_slot(const struct weights *weights, int slot)
{
    return &weights->slots[slot];
}
