/* SPDX-License-Identifier: Apache-2.0 */
#include "server/serving/model_entry.h"

#include "server/serving/batcher.h"
#include "server/tensor_bridge.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The entry that users see, and what only this file touches. */
struct owned_entry {
    struct model_entry entry;            /* first, so that one pointer serves both */
    _Atomic int references;
    pthread_mutex_t lock;                /* of the two below, which change together */
    struct weights *weights;
    int64_t generation;
    struct tensor_spec *specs;           /* inputs, then outputs */
    char *name, *version;
};

static void entry_destroy(struct owned_entry *owned)
{
    weights_unref(owned->weights);
    model_unref(owned->entry.model);
    model_queue_destroy(owned->entry.queue);
    if (owned->entry.file_fd >= 0)
        close(owned->entry.file_fd);
    tap_finish(&owned->entry.tap);
    pthread_mutex_destroy(&owned->lock);
    free(owned->specs);
    free(owned->name);
    free(owned->version);
    free(owned);
}

/* Where requests are joined, dimension 0 is free whatever the file says. */
static void free_rows(struct tensor_spec *spec)
{
    if (spec->rank > 0)
        spec->dims[0] = -1;
}

static bool fill_specs(struct owned_entry *owned, struct engine_error *err)
{
    struct model_entry *entry = &owned->entry;
    int n_inputs = model_n_inputs(entry->model), n_outputs = model_n_outputs(entry->model);
    int count = n_inputs + n_outputs;

    owned->specs = calloc((size_t)count + 1, sizeof(*owned->specs));
    if (owned->specs == NULL) {
        engine_error_set(err, ENGINE_NO_MEMORY, "no memory for %d inputs and outputs", count);
        return false;
    }
    for (int i = 0; i < count; i++) {
        const struct model_io *io = i < n_inputs ? model_input(entry->model, i)
                                                 : model_output(entry->model, i - n_inputs);

        if (!tensor_spec_from_io(io, &owned->specs[i], err)) {
            engine_error_prefix(err, "%s", i < n_inputs ? "input" : "output");
            return false;
        }
    }
    entry->inputs = owned->specs;
    entry->outputs = owned->specs + n_inputs;
    entry->n_inputs = n_inputs;
    entry->n_outputs = n_outputs;
    return true;
}

static bool fill_batching(struct owned_entry *owned, const struct model_entry_params *params,
                          struct engine_error *err)
{
    struct model_entry *entry = &owned->entry;

    entry->batchable = params->batch_size_max > 1 && entry->n_inputs > 0 &&
                       model_probe_batchable(entry->model);
    entry->batch_size_max = entry->batchable ? params->batch_size_max : 1;
    entry->queue_delay_us = entry->batchable ? params->queue_delay_us : 0;
    for (int i = 0; entry->batchable && i < entry->n_inputs + entry->n_outputs; i++)
        free_rows(&owned->specs[i]);
    entry->queue =
        model_queue_create(entry->batch_size_max, (uint64_t)entry->queue_delay_us * 1000);
    if (entry->queue == NULL)
        engine_error_set(err, ENGINE_NO_MEMORY, "no memory for the queue");
    return entry->queue != NULL;
}

struct model_entry *model_entry_create(const struct model_entry_params *params,
                                       struct engine_error *err)
{
    struct owned_entry *owned = calloc(1, sizeof(*owned));

    if (owned == NULL) {
        engine_error_set(err, ENGINE_NO_MEMORY, "no memory for an entry");
        model_unref(params->model);
        if (params->file_fd >= 0)
            close(params->file_fd);
        return NULL;
    }
    pthread_mutex_init(&owned->lock, NULL);
    owned->references = 1;
    owned->entry.file_fd = params->file_fd;
    owned->entry.file_stamp = params->file_stamp;
    owned->entry.model = params->model;
    owned->entry.stats = params->stats;
    owned->generation = params->generation;
    owned->entry.name = owned->name = strdup(params->name);
    owned->entry.version = owned->version = strdup(params->version);
    if (owned->name == NULL || owned->version == NULL || !tap_init(&owned->entry.tap)) {
        engine_error_set(err, ENGINE_NO_MEMORY, "no memory for an entry");
        entry_destroy(owned);
        return NULL;
    }
    if (!fill_specs(owned, err) || !fill_batching(owned, params, err)) {
        entry_destroy(owned);
        return NULL;
    }
    owned->weights = model_base_weights(params->model);
    return &owned->entry;
}

struct model_entry *model_entry_ref(struct model_entry *entry)
{
    atomic_fetch_add_explicit(&((struct owned_entry *)entry)->references, 1, memory_order_relaxed);
    return entry;
}

void model_entry_unref(struct model_entry *entry)
{
    struct owned_entry *owned = (struct owned_entry *)entry;

    if (entry != NULL &&
        atomic_fetch_sub_explicit(&owned->references, 1, memory_order_acq_rel) == 1)
        entry_destroy(owned);
}

struct weights *model_entry_weights(struct model_entry *entry, int64_t *ret_generation)
{
    struct owned_entry *owned = (struct owned_entry *)entry;
    struct weights *weights;

    pthread_mutex_lock(&owned->lock);
    *ret_generation = owned->generation;
    weights = weights_ref(owned->weights);
    pthread_mutex_unlock(&owned->lock);
    return weights;
}

void model_entry_publish(struct model_entry *entry, struct weights *weights, int64_t generation)
{
    struct owned_entry *owned = (struct owned_entry *)entry;
    struct weights *old;

    pthread_mutex_lock(&owned->lock);
    old = owned->weights;
    owned->weights = weights;
    owned->generation = generation;
    pthread_mutex_unlock(&owned->lock);
    weights_unref(old);
}
