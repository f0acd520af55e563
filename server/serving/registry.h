/* SPDX-License-Identifier: Apache-2.0
 * server/serving/registry.h - name and version to a loaded model; loads, unloads and replaces
 * without disturbing anyone. Entries are reference-counted: whoever found one may finish with it. */
#ifndef SERVER_SERVING_REGISTRY_H
#define SERVER_SERVING_REGISTRY_H

#include "engine/engine.h"
#include "proto/problem.h"
#include "proto/wire_tensor.h"

struct registry;
struct model_stats;                      /* server/observe/statistics.h */

struct model_entry {
    const char *name, *version;
    struct model *model;
    bool batchable;
    int batch_size_max;                  /* 1 when not batchable */
    const struct tensor_spec *inputs, *outputs;
    int n_inputs, n_outputs;
    struct model_stats *stats;
};

/* The version asked for, or (NULL or "") the newest that is ready. NULL sets `problem`: 404 for an
 * unknown model or version, 503 while loading, 503 with the reason when loading failed. The caller
 * gives it back with model_entry_unref(). Any thread. */
struct model_entry *registry_find(struct registry *registry, const char *name, const char *version,
                                  struct problem *problem);
void model_entry_unref(struct model_entry *entry);
/* The generation to use for one whole batch; give back with weights_unref(). Any thread. */
struct weights *model_entry_weights(struct model_entry *entry);

#endif
