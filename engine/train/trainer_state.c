/* SPDX-License-Identifier: Apache-2.0
 * A trainer's state as a list of named tensors: for checkpoints, digests, and the model it serves. */
#include "engine/model_private.h"
#include "engine/train/lora.h"
#include "engine/train/trainer_private.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { N_COUNTERS = 2, N_GUARDS = 3, TEXT_MAX = 1024 };

static struct tensor slot_tensor(const struct trainer *trainer, int slot)
{
    struct tensor tensor = *trainer->graph->values[trainer->graph->weight_values[slot]].constant;

    tensor.data = NULL;
    return tensor;
}

static const char *state_name(struct trainer *trainer, int tensor, int state)
{
    char text[TEXT_MAX];

    snprintf(text, sizeof(text), "%s/%s", trainer->names[tensor],
             optimiser_state_name(trainer->options.optimiser.kind, state));
    return arena_strndup(trainer->arena, text, strlen(text));
}

/* Data are filled in by trainer_entry(). */
bool trainer_list_entries(struct trainer *trainer)
{
    const struct selection *selection = &trainer->selection;
    const int states = optimiser_states(trainer->options.optimiser.kind);
    const int n = selection->n_slots;
    struct trainer_entry *entry;

    trainer->n_entries = n * (1 + states) + selection->n_states + N_COUNTERS;
    trainer->entries =
        arena_calloc(trainer->arena, (size_t)trainer->n_entries, sizeof(*trainer->entries));
    entry = trainer->entries;
    if (entry == NULL)
        return false;
    for (int i = 0; i < n; i++)
        *entry++ = (struct trainer_entry){TRAINER_WEIGHT, trainer->names[i],
                                          slot_tensor(trainer, selection->slots[i])};
    for (int i = 0; i < selection->n_states; i++)
        *entry++ = (struct trainer_entry){TRAINER_STATISTIC, trainer->names[n + i],
                                          slot_tensor(trainer, selection->states[i])};
    for (int k = 0; k < states; k++)
        for (int i = 0; i < n; i++) {
            *entry = (struct trainer_entry){TRAINER_OPTIMISER, state_name(trainer, i, k),
                                            slot_tensor(trainer, selection->slots[i])};
            if ((entry++)->name == NULL)
                return false;
        }
    *entry++ = (struct trainer_entry){TRAINER_COUNTER, "inferd/steps", {DTYPE_I64, {1, {1}}, NULL}};
    *entry++ = (struct trainer_entry){
        TRAINER_COUNTER, "inferd/guards", {DTYPE_F64, {1, {N_GUARDS}}, NULL}};
    return true;
}

int trainer_n_entries(const struct trainer *trainer)
{
    return trainer->n_entries;
}

/* Where the entry's bytes lie in these sets. */
static void *entry_data(const struct trainer *trainer, int index, const struct optimiser_blocks *set,
                        float *statistics, const struct trainer_counters *counters)
{
    const int n = trainer->selection.n_slots, n_states = trainer->selection.n_states;
    const int states = optimiser_states(trainer->options.optimiser.kind);

    if (index < n)
        return set->weights + trainer->parameters->tensors[index].offset;
    index -= n;
    if (index < n_states)
        return statistics + trainer->statistics->tensors[index].offset;
    index -= n_states;
    if (index < states * n)
        return set->states[index / n] + trainer->parameters->tensors[index % n].offset;
    index -= states * n;
    return index == 0 ? (void *)&counters->steps : (void *)counters->guards;
}

struct trainer_entry trainer_entry(const struct trainer *trainer, int index)
{
    struct trainer_entry entry = trainer->entries[index];
    bool ahead = trainer->pending;

    entry.tensor.data = entry_data(
        trainer, index, &trainer->sets[ahead ? 1 - trainer->now : trainer->now],
        trainer->statistic_sets[ahead ? trainer->statistics_next : trainer->statistics_now],
        ahead ? &trainer->next_counters : &trainer->counters);
    return entry;
}

static const struct trainer_entry *find_entry(int n_entries, const struct trainer_entry *entries,
                                              const char *name, int hint)
{
    if (hint < n_entries && strcmp(entries[hint].name, name) == 0)
        return &entries[hint];
    for (int i = 0; i < n_entries; i++)
        if (strcmp(entries[i].name, name) == 0)
            return &entries[i];
    return NULL;
}

static enum engine_status check_entry(const struct trainer_entry *wanted,
                                      const struct trainer_entry *given, struct engine_error *err)
{
    char has[SHAPE_TEXT_MAX], wants[SHAPE_TEXT_MAX];
    int64_t count = shape_elements(&wanted->tensor.shape);

    if (given == NULL)
        return engine_error_set(err, ENGINE_BAD_INPUT, "the saved state has no '%.128s'",
                                wanted->name);
    if (given->tensor.dtype != wanted->tensor.dtype ||
        !shape_equal(&given->tensor.shape, &wanted->tensor.shape))
        return engine_error_set(err, ENGINE_BAD_INPUT, "the saved '%.128s' is %s%s; expected %s%s",
                                wanted->name, dtype_name(given->tensor.dtype),
                                shape_text(&given->tensor.shape, has, sizeof(has)),
                                dtype_name(wanted->tensor.dtype),
                                shape_text(&wanted->tensor.shape, wants, sizeof(wants)));
    for (int64_t i = 0; i < count; i++)
        if (!isfinite(tensor_double_at(&given->tensor, i)))
            return engine_error_set(err, ENGINE_BAD_INPUT,
                                    "the saved '%.128s' is not finite at position %lld",
                                    wanted->name, (long long)i);
    if (given->tensor.dtype == DTYPE_I64 && tensor_int_at(&given->tensor, 0) < 0)
        return engine_error_set(err, ENGINE_BAD_INPUT, "the saved '%.128s' is negative",
                                wanted->name);
    return ENGINE_OK;
}

enum engine_status trainer_restore(struct trainer *trainer, int n_entries,
                                   const struct trainer_entry *entries, struct engine_error *err)
{
    assert(!trainer->pending);
    for (int i = 0; i < trainer->n_entries; i++) {
        enum engine_status status =
            check_entry(&trainer->entries[i],
                        find_entry(n_entries, entries, trainer->entries[i].name, i), err);

        if (status != ENGINE_OK)
            return status;
    }
    for (int i = 0; i < n_entries; i++)
        if (find_entry(trainer->n_entries, trainer->entries, entries[i].name, i) == NULL)
            return engine_error_set(err, ENGINE_BAD_INPUT,
                                    "the saved state has a '%.128s' that this training has not",
                                    entries[i].name);
    for (int i = 0; i < trainer->n_entries; i++) {
        const struct tensor *saved =
            &find_entry(n_entries, entries, trainer->entries[i].name, i)->tensor;

        memcpy(entry_data(trainer, i, &trainer->sets[trainer->now],
                          trainer->statistic_sets[trainer->statistics_now], &trainer->counters),
               saved->data, tensor_bytes(saved));
    }
    trainer->most = parameters_most(trainer->parameters, trainer->sets[trainer->now].weights);
    return ENGINE_OK;
}

static int find_slot(const struct graph *graph, const char *name, const struct tensor *like)
{
    for (int s = 0; s < graph->n_constant_slots; s++) {
        const struct value *value = &graph->values[graph->weight_values[s]];

        if (strcmp(value->name, name) == 0 && !value->host && value->constant->dtype == like->dtype &&
            shape_equal(&value->constant->shape, &like->shape))
            return s;
    }
    return -1;
}

enum engine_status trainer_take(struct trainer *trainer, const struct weights *from,
                                struct engine_error *err)
{
    const int n = trainer->selection.n_slots + trainer->selection.n_states;
    struct trainer_entry *entries = calloc((size_t)trainer->n_entries + 1, sizeof(*entries));
    enum engine_status status = entries != NULL ? ENGINE_OK : trainer_no_memory(err);

    for (int i = 0; i < trainer->n_entries && status == ENGINE_OK; i++) {
        int slot = -1;

        entries[i] = trainer_entry(trainer, i);
        if (i >= n)
            continue;
        slot = find_slot(from->model->graph, entries[i].name, &entries[i].tensor);
        if (slot < 0)
            status = engine_error_set(err, ENGINE_BAD_INPUT,
                                      "the model to take from has no tensor '%.128s' of this shape",
                                      entries[i].name);
        else
            entries[i].tensor.data = weights_slot(from, slot)->data;
    }
    if (status == ENGINE_OK)
        status = trainer_restore(trainer, trainer->n_entries, entries, err);
    free(entries);
    return status;
}

/* What one tensor of the trainer becomes in the served model: its slot there, and the data. */
struct publishing {
    const struct trainer *trainer;
    const struct graph *graph;     /* of the model to publish to */
    int n;
    int *slots;
    const void **data;
    void **made;                   /* matrices with their adapters, for free() */
};

/* A matrix with its adapter, once for the pair. */
static enum engine_status merge_adapter(struct publishing *publishing, const struct lora_slots *found,
                                        struct engine_error *err)
{
    const struct trainer *trainer = publishing->trainer;
    const struct graph *graph = trainer->graph;
    const struct value *matrix = &graph->values[graph->weight_values[found->matrix]];
    const struct shape *shape = &matrix->constant->shape;
    const void *factors[2] = {weights_slot(trainer->model->base, found->a)->data,
                              weights_slot(trainer->model->base, found->b)->data};
    float *sum = malloc(tensor_bytes(matrix->constant) + 1);
    int n = publishing->n++;

    if (sum == NULL) {
        publishing->n--;
        return trainer_no_memory(err);
    }
    publishing->made[n] = sum;
    publishing->data[n] = sum;
    publishing->slots[n] = find_slot(publishing->graph, matrix->name, matrix->constant);
    for (int i = 0; i < trainer->selection.n_slots; i++)
        for (int k = 0; k < 2; k++)
            if (trainer->selection.slots[i] == (k == 0 ? found->a : found->b))
                factors[k] = trainer_entry(trainer, i).tensor.data;
    lora_merge(matrix->constant->data, factors[0], factors[1], found->scale, shape->dims[0],
               weights_slot(trainer->model->base, found->b)->shape.dims[0], shape->dims[1], sum);
    return ENGINE_OK;
}

static enum engine_status add_published(struct publishing *publishing, int index,
                                        struct engine_error *err)
{
    struct trainer_entry entry = trainer_entry(publishing->trainer, index);
    const struct graph *graph = publishing->trainer->graph;
    enum engine_status status = ENGINE_OK;
    struct lora_slots found;
    int n = publishing->n;

    if (!lora_find(graph, entry.name, &found)) {
        publishing->data[n] = entry.tensor.data;
        publishing->slots[n] = find_slot(publishing->graph, entry.name, &entry.tensor);
        publishing->n++;
    } else {
        const struct value *matrix = &graph->values[graph->weight_values[found.matrix]];
        int slot = find_slot(publishing->graph, matrix->name, matrix->constant);

        for (int i = 0; i < n; i++)
            if (publishing->slots[i] == slot && slot >= 0)
                return ENGINE_OK;
        status = merge_adapter(publishing, &found, err);
    }
    if (status == ENGINE_OK && publishing->n > n && publishing->slots[n] < 0)
        status = engine_error_set(err, ENGINE_BAD_INPUT,
                                  "the model to publish to has no tensor '%.128s' of this shape",
                                  entry.name);
    return status;
}

struct weights *trainer_publish(struct trainer *trainer, struct weights *from,
                                struct engine_error *err)
{
    const int n = trainer->selection.n_slots + trainer->selection.n_states;
    struct publishing publishing = {
        .trainer = trainer,
        .graph = from->model->graph,
        .slots = malloc(((size_t)n + 1) * sizeof(int)),
        .data = malloc(((size_t)n + 1) * sizeof(void *)),
        .made = calloc((size_t)n + 1, sizeof(void *)),
    };
    struct weights *weights = NULL;
    enum engine_status status = ENGINE_OK;

    if (publishing.slots == NULL || publishing.data == NULL || publishing.made == NULL)
        status = trainer_no_memory(err);
    for (int i = 0; i < n && status == ENGINE_OK; i++)
        status = add_published(&publishing, i, err);
    if (status == ENGINE_OK)
        weights = weights_replace(from, publishing.n, publishing.slots, publishing.data, err);
    for (int i = 0; i < n && publishing.made != NULL; i++)
        free(publishing.made[i]);
    free(publishing.made);
    free(publishing.slots);
    free(publishing.data);
    return weights;
}
