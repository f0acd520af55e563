/* SPDX-License-Identifier: Apache-2.0
 * engine/dynamic_private.h - the dynamic executor as its callers inside the engine see it. */
#ifndef ENGINE_DYNAMIC_PRIVATE_H
#define ENGINE_DYNAMIC_PRIVATE_H

#include "engine/arena.h"
#include "engine/dynamic.h"
#include "engine/plan_private.h"

struct dynamic {
    struct arena *arena;           /* of the run; outputs stay in it */
    struct arena *temporary;       /* used like a stack: scratch, tables of values */
    size_t bytes_max;              /* of each arena, for texts */
    struct pool *pool;
    int64_t iterations;            /* of all loops of this run */
    size_t loop_bytes;             /* that loops hold besides, now */
};

/* Loops in one run may go round this often altogether: an endless loop ends in an error. */
enum { DYNAMIC_ITERATIONS_MAX = 1000000 };

/* Runs the deferred nodes of `plan`, whose steps have been run on `tensors`, and fills the outputs that
 * they make; those live in the arena, which the caller resets before and keeps after. */
enum engine_status dynamic_run_deferred(struct dynamic *dynamic, const struct plan *plan,
                                        const struct tensor *tensors, struct tensor *outputs,
                                        struct engine_error *err);

/* One more iteration of a loop; OVER_BUDGET past the limit. */
enum engine_status dynamic_count_iteration(struct dynamic *dynamic, const struct node *node,
                                           struct engine_error *err);

#endif
