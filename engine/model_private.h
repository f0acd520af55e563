/* SPDX-License-Identifier: Apache-2.0
 * engine/model_private.h - what model.c, weights.c and the plan files know of each other.
 *
 * References: whoever outside holds weights or a plan holds the model with it, so a model that dies
 * knows that only its own base weights and cached plans are left. */
#ifndef ENGINE_MODEL_PRIVATE_H
#define ENGINE_MODEL_PRIVATE_H

#include "engine/buffer.h"
#include "engine/model.h"
#include "engine/model_file.h"
#include "engine/onnx/onnx_model.h"
#include "engine/plan.h"

#include <pthread.h>
#include <stdatomic.h>

enum { PLANS_MAX_DEFAULT = 64 };

/* What the file declares, taken before any pass replaces values. */
struct model_signature {
    int n_inputs, n_outputs;
    struct model_io *inputs, *outputs;
    int64_t n_parameters;
};

struct weights {
    atomic_int refs;
    uint64_t id;
    struct model *model;
    int n_slots;
    size_t bytes;                  /* of the buffers that this generation made */
    struct tensor *slots;
    struct buffer **buffers;       /* NULL where a slot views a constant of the graph's arena */
};

struct model {
    atomic_int refs;
    struct model_options options;
    struct arena *arena;
    struct graph *graph;
    struct onnx_info info;
    struct model_signature signature;
    struct model_file source;      /* bytes NULL unless options.keep_source */
    struct weights *base;
    bool batchable;                /* dimension 0 of every input may be what it likes */
    pthread_mutex_t lock;          /* of the cache below: newest first */
    struct plan **plans;
    int n_plans;
};

/* Of a graph as it was read. False when the arena is used up. */
bool model_describe(struct arena *arena, const struct graph *graph, struct model_signature *ret);
/* A model around a graph that has been resolved: seals it and computes the base weights. `signature`
 * and `info` (may be NULL) point into `arena`. Takes `arena` and the graph in it over, on failure
 * too. */
struct model *model_create(struct arena *arena, struct graph *graph,
                           const struct model_signature *signature, const struct onnx_info *info,
                           const struct model_options *options, struct engine_error *err);

/* The first generation, with the model's own reference. */
struct weights *weights_create_base(struct model *model, struct engine_error *err);
/* For the model's own reference: does not touch the model. */
void weights_destroy(struct weights *weights);

/* Drops the cache's references; nobody else has any. */
void model_drop_plans(struct model *model);

#endif
