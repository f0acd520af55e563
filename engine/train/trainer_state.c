/* SPDX-License-Identifier: Apache-2.0
 * A trainer's state as a list of named tensors: for checkpoints, digests, and the model it serves. */
#include "engine/model_private.h"
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

struct weights *trainer_publish(struct trainer *trainer, struct weights *from,
                                struct engine_error *err)
{
    const struct graph *graph = from->model->graph;
    const int n = trainer->selection.n_slots + trainer->selection.n_states;
    int *slots = malloc(((size_t)n + 1) * sizeof(*slots));
    const void **data = malloc(((size_t)n + 1) * sizeof(*data));
    struct weights *weights = NULL;
    bool found = slots != NULL && data != NULL;

    if (!found)
        trainer_no_memory(err);
    for (int i = 0; i < n && found; i++) {
        struct trainer_entry entry = trainer_entry(trainer, i);

        data[i] = entry.tensor.data;
        slots[i] = find_slot(graph, entry.name, &entry.tensor);
        found = slots[i] >= 0;
        if (!found)
            engine_error_set(err, ENGINE_BAD_INPUT,
                             "the model to publish to has no tensor '%.128s' of this shape",
                             entry.name);
    }
    if (found)
        weights = weights_replace(from, n, slots, data, err);
    free(slots);
    free(data);
    return weights;
}
