/* SPDX-License-Identifier: Apache-2.0
 * engine/evaluate.h - one node's inference and one node's run with all their checks: what the
 * planner, the prologue and the dynamic executor share. No state of its own: any thread. */
#ifndef ENGINE_EVALUATE_H
#define ENGINE_EVALUATE_H

#include "engine/arena.h"
#include "engine/graph.h"
#include "engine/op.h"

/* What inference found out besides output types and shapes. */
struct inference {
    size_t scratch_bytes;
    bool dynamic;                  /* run must have a struct dynamic */
    int64_t flops;                 /* of one run; 0 where unknown */
};

/* True when each input whose value infer needs is absent or has data. */
bool evaluate_host_ready(const struct node *node, const struct tensor *inputs);

/* Fills `outputs` (node->n_outputs, data NULL) and checks their shapes; an output that only run can
 * tell keeps dtype NONE. `inputs` has node->n_inputs, absent ones with dtype NONE; host values must be
 * ready. `temporary` serves infer and may be reset afterwards. */
enum engine_status evaluate_infer(const struct node *node, const struct tensor *inputs, int threads,
                                  struct arena *temporary, struct tensor *outputs,
                                  struct inference *ret_inference, struct engine_error *err);

/* How a node is run outside of a plan. */
struct evaluation {
    struct arena *temporary;       /* for scratch and pointers; may be reset afterwards */
    struct pool *pool;
    struct dynamic *dynamic;
};

/* Runs the op. Outputs have their data, unless dtype NONE leaves all to run. An OP_VIEW op is not
 * run: output 0 becomes a view of input 0. */
enum engine_status evaluate_run(const struct evaluation *evaluation, const struct node *node,
                                struct tensor *inputs, struct tensor *outputs, size_t scratch_bytes,
                                struct engine_error *err);

#endif
