/* SPDX-License-Identifier: Apache-2.0
 * engine/plan_private.h - what is inside a plan, for the files that make it and the runner. */
#ifndef ENGINE_PLAN_PRIVATE_H
#define ENGINE_PLAN_PRIVATE_H

#include "engine/arena.h"
#include "engine/model_private.h"
#include "engine/op.h"
#include "engine/plan.h"

enum plan_place {
    PLACE_NONE,                    /* its data are never read: only type and shape count */
    PLACE_ARENA,                   /* `offset` bytes into the runner's block */
    PLACE_INPUT,                   /* the caller's input `index` */
    PLACE_WEIGHT,                  /* slot `index` of the generation */
    PLACE_FOLDED,                  /* computed while planning: tensor.data, owned by the plan */
    PLACE_DEFERRED                 /* made by a deferred node: not even its type is known */
};

struct plan_tensor {
    enum plan_place place;
    int index;
    size_t offset;
    struct tensor tensor;          /* data only if PLACE_FOLDED */
};

struct plan_step {
    const struct node *node;
    int first_operand;             /* in plan->operands: inputs, then outputs; -1: absent */
    int n_inputs, n_outputs;
    size_t scratch_bytes, scratch_offset;
};

/* An output that would be a view of an input, a weight or a folded value is copied to the arena, so
 * that it lives as long as the others. */
struct plan_copy {
    int from, to;                  /* plan tensors */
};

/* A value that deferred nodes read and the plan makes or is given. */
struct plan_seed {
    int value;                     /* id in the graph */
    int tensor;                    /* plan tensor */
};

struct plan {
    atomic_int refs;
    uint64_t id;                   /* unlike for any two plans of one process */
    struct model *model;
    struct arena *arena;           /* everything below */
    int threads;
    struct shape *input_shapes;
    int n_deferred;                /* nodes that need data to be planned, and all that follow from */
    int *deferred;                 /* them: run after the steps, by the dynamic executor */
    int n_seeds;
    struct plan_seed *seeds;
    int n_tensors, n_steps, n_copies;
    struct plan_tensor *tensors;
    struct plan_step *steps;
    int n_operands;
    int *operands;
    struct plan_copy *copies;
    int *outputs;                  /* plan tensor of each model output; -1: a deferred node makes it */
    size_t arena_bytes;
    int64_t flops;
};

/* While a plan is made. Values have ids: those of the graph, then those of the bodies of each If whose
 * condition is known, which are planned in its place. Arrays are by that id, in `temporary`. */
struct plan_builder {
    struct plan *plan;
    const struct graph *graph;
    const struct weights *base;
    const unsigned char *live;     /* by prologue node: planned as well, for a tape; NULL: none */
    struct arena *temporary;       /* until the plan is made */
    struct arena *scratch;         /* of one node's inference */
    int n_ids, cap_ids;
    struct tensor *values;         /* types and shapes; data of what is known already */
    unsigned char *origins;        /* enum plan_place; PLACE_ARENA for what steps make */
    size_t folded_bytes;
    bool abandoned;                /* a branch cannot be planned: its If is deferred */
    int n_drafts, cap_drafts;
    struct plan_draft *drafts;     /* what remains to be run, in order */
};

/* A node to be run; or, `node` being NULL, outputs[0] as another name of inputs[0]. */
struct plan_draft {
    const struct node *node;
    const int *inputs, *outputs;   /* ids as above */
    bool kept;
    size_t scratch_bytes;
};

/* plan_draft.c. A draft that gives its input another shape, or name, and needs no run. */
bool plan_draft_is_view(const struct plan_draft *draft);
int plan_draft_n_outputs(const struct plan_draft *draft);
/* How many of its inputs it reads the data of. */
int plan_draft_n_reads(const struct plan_draft *draft);
/* Backwards from the values whose entries in `wanted` (by id) are set: keeps the drafts that lead to them,
 * and sets those of all that these read. */
void plan_keep_wanted(struct plan_builder *builder, unsigned char *wanted);

/* plan_infer.c: types and shapes of all values, folding what is known and deferring what cannot be
 * known without data. */
enum engine_status plan_infer(struct plan_builder *builder, struct engine_error *err);
/* plan_layout.c: steps, places and memory from what plan_infer() left. */
enum engine_status plan_layout(struct plan_builder *builder, struct engine_error *err);
/* plan_check.c: input shapes against the declared ones. `rows_free`: dimension 0 may be anything. */
enum engine_status plan_check_inputs(const struct model_signature *signature,
                                     const struct shape *shapes, bool rows_free,
                                     struct engine_error *err);
/* plan.c: a plan of its own, outside of the cache, with one reference and none of the model. */
struct plan *plan_create(struct model *model, const struct shape *input_shapes, int threads,
                         bool rows_free, struct engine_error *err);
/* An empty one with the inputs' shapes, outside of the cache. NULL when out of memory. */
struct plan *plan_alloc(struct model *model, const struct shape *input_shapes, int threads);
void plan_destroy(struct plan *plan);

#endif
