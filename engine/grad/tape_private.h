/* SPDX-License-Identifier: Apache-2.0
 * engine/grad/tape_private.h - what is inside a tape, for the files that make and run it.
 *
 * Values have the ids of the plan builder (those of the graph, then those of inlined bodies). A view
 * and what it views form a class; the class's root is the value that a step, the caller or the file
 * made. Bytes and gradients belong to roots.
 *
 * Times: forward step t of n happens at t, the loss at n, the backward pass of step t at 2n - t. */
#ifndef ENGINE_GRAD_TAPE_PRIVATE_H
#define ENGINE_GRAD_TAPE_PRIVATE_H

#include "engine/grad/tape.h"
#include "engine/plan_private.h"

struct tape_step {
    const struct node *node;
    const struct grad_def *grad;   /* NULL if it has none and needs none */
    int node_id;
    bool backward;                 /* has a backward pass */
    const struct tensor **inputs;  /* forward operands by input, NULL for an absent one */
    struct tensor **outputs;
    struct tensor **next_states;   /* by input; NULL unless grad->state_inputs */
    const struct tensor **saved_inputs, **saved_outputs;   /* backward operands: data only if saved */
    const struct tensor **out_grads;
    struct tensor **in_grads;
    bool *accumulate;              /* by input, as planned */
    bool *trainable;               /* by input: in_grads is a trainable tensor's */
    bool *accumulate_all;          /* by input: of a run that adds to the trainable tensors' gradients */
    size_t tape_bytes, forward_scratch_bytes, backward_scratch_bytes;
    void *tape, *forward_scratch, *backward_scratch;
};

/* A tensor whose data the caller gives. */
struct tape_external {
    struct tensor *tensor;
    int index;                     /* of the model input, trainable tensor or state */
};

struct tape_externals {
    int count;
    struct tape_external *items;
};

struct tape {
    struct model *model;
    struct pool *pool;
    struct plan *plan;             /* a shell: its arena holds everything here */
    bool frozen_norm;
    int n_steps;
    struct tape_step *steps;       /* in forward order */
    unsigned char *block;          /* activations, gradients, scratch */
    size_t block_bytes;
    struct tape_externals inputs, trainable, states, next_states, grads;
    int n_states;
    int *state_slots;
    int n_targets;
    struct tensor **targets, **target_grads;
    int n_trainable;
    bool *reached;                 /* by trainable tensor: the targets depend on it */
    struct grad_context context;   /* of the last forward pass */
};

/* While a tape is made. Arrays by value id unless they say otherwise; memory of builder->temporary. */
struct tape_builder {
    struct tape *tape;
    const struct tape_options *options;
    struct plan_builder plan;
    unsigned char *wanted;         /* its data are read on the way to the targets */
    int *root;
    int *trainable;                /* by id of a constant: its index, or -1 */
    int *state;                    /* by id of a constant: its index, or -1 */
    unsigned char *depends;        /* on a trainable tensor, along derivatives */
    unsigned char *reaches;        /* a target, along derivatives */
    unsigned char *active;         /* by root: has a gradient */
    int *first, *last;             /* by root: life of the value */
    int *grad_first, *grad_last;   /* by root: life of the gradient */
    int *grad_class;               /* by root: whose gradient's bytes it shares, itself for its own */
    int *draft_of;                 /* by step: index of its draft */
    struct tensor *values, *blind, *grads;   /* operand tensors, in the tape's arena */
    int n_items;
    struct memory_item *items;
    int *value_item, *grad_item;   /* by root */
    int *step_item;                /* by step: first of tape, forward scratch, backward scratch; 3 each */
};

static inline const struct plan_draft *tape_draft(const struct tape_builder *builder, int step)
{
    return &builder->plan.drafts[builder->draft_of[step]];
}

/* tape_analyse.c: which drafts lead to the targets, classes of views, what has a gradient; steps with
 * their node, grad and backward set. */
enum engine_status tape_analyse(struct tape_builder *builder, struct engine_error *err);
/* tape_layout.c: asks each step what it needs, plans the memory of both passes, binds operands. */
enum engine_status tape_layout(struct tape_builder *builder, struct engine_error *err);

enum engine_status tape_no_memory(struct engine_error *err);

#endif
