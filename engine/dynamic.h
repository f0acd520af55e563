/* SPDX-License-Identifier: Apache-2.0
 * engine/dynamic.h - the executor for what a static plan cannot hold: data-dependent shapes, control
 * flow, strings, sequences. It walks the graph node by node, infers each from actual values and
 * takes memory from an arena that is given back after the run. What OP_DYNAMIC operators may call.
 *
 * It never runs a node in place and never reuses a value's memory within a run (an iteration of a
 * Loop), so an operator may keep views of its inputs inside its outputs: SequenceConstruct copies
 * struct tensor, string operators copy struct bytes, not what they point at. The outputs of an
 * OP_DYNAMIC operator have their data allocated after infer like any other's (for sequences an array
 * of struct tensor, for strings one of struct bytes); run fills them. */
#ifndef ENGINE_DYNAMIC_H
#define ENGINE_DYNAMIC_H

#include "engine/op.h"

struct dynamic;

/* Memory that lives until the end of the run (of the body's iteration inside a Loop, whose results
 * are copied out). NULL sets OVER_BUDGET in `err`. */
void *dynamic_alloc(struct dynamic *dynamic, size_t bytes, struct engine_error *err);
/* Fills `tensor` (dtype, shape set) with memory for its data. */
enum engine_status dynamic_alloc_tensor(struct dynamic *dynamic, struct tensor *tensor,
                                        struct engine_error *err);
/* A deep copy into the run's memory (strings and sequences included). */
enum engine_status dynamic_copy(struct dynamic *dynamic, const struct tensor *from,
                                struct tensor *to, struct engine_error *err);
/* Runs a body of the calling node. `inputs` are for body->inputs; captures are found through
 * call->inputs. `outputs` (body->n_outputs) are filled with views of the run's memory. */
enum engine_status dynamic_run_body(const struct op_call *call, const struct graph *body,
                                    const struct tensor *inputs, struct tensor *outputs,
                                    struct engine_error *err);

#endif
