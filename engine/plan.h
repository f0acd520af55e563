/* SPDX-License-Identifier: Apache-2.0
 * engine/plan.h - a model compiled for one set of input shapes: steps in order, output shapes, and
 * where each intermediate lives in the arena. Never changes after creation, so any thread may run
 * it. Independent of weight generations. */
#ifndef ENGINE_PLAN_H
#define ENGINE_PLAN_H

#include "engine/model.h"

struct plan;

/* The model's plan for these shapes from its cache, or a new one. `input_shapes` has one for each
 * model input. `threads` is that of the pool that will run it. NULL sets `err`: BAD_INPUT names the
 * input and what was expected; OVER_BUDGET has both numbers. Any thread. */
struct plan *model_plan(struct model *model, const struct shape *input_shapes, int threads,
                        struct engine_error *err);
struct plan *plan_ref(struct plan *plan);
void plan_unref(struct plan *plan);
struct model *plan_model(const struct plan *plan);

/* True when some shapes depend on data or the graph has sequences or control flow: those nodes are run
 * one by one after the others, their outputs are known only then, and a run allocates. */
bool plan_is_dynamic(const struct plan *plan);
/* Activations and scratch of what is planned. */
size_t plan_arena_bytes(const struct plan *plan);
int plan_n_steps(const struct plan *plan);
/* Static plans only. */
const struct shape *plan_output_shape(const struct plan *plan, int output);
/* Multiply-adds of one run times two, for the bench; 0 where unknown. */
int64_t plan_flops(const struct plan *plan);

#endif
