/* SPDX-License-Identifier: Apache-2.0
 * engine/grad/grad.h - the contract between an operator's gradient and the tape (engine/train/tape.h).
 *
 * A tape is a static plan of a model as it was read (not optimised), run forward with everything
 * kept that the way back reads, then backward in reverse order. Each operator whose mathematics has
 * a gradient has one definition here, beside its op_def; each other one says why not. A test walks
 * the operator table and demands one of the two. Gradients are of one scalar, the loss. */
#ifndef ENGINE_GRAD_GRAD_H
#define ENGINE_GRAD_GRAD_H

#include "engine/op.h"

/* Asked once, when a tape is made: memory beyond that of the plan. */
struct grad_sizes {
    const struct node *node;
    const void *params;            /* as op->init left them */
    int n_inputs, n_outputs;
    const struct tensor *inputs;   /* types and shapes; data where known while planning */
    const struct tensor *outputs;
    int threads;                   /* of the pool that will run it */
    size_t tape_bytes;             /* fill: kept from forward to backward (gates, masks, statistics) */
    size_t forward_scratch_bytes;  /* fill, if `forward` is set: in place of the plan's */
    size_t backward_scratch_bytes; /* fill */
};

/* What a training run lets an operator know. */
struct grad_context {
    uint64_t seed, step;           /* random numbers are a function of these, the node and the index */
    bool frozen_norm;              /* batch norms use and keep their running statistics */
};

/* The way there, for operators that do more (or otherwise) in training than op->run does: Dropout,
 * BatchNormalization, the recurrent ones. */
struct grad_forward {
    const struct op_call *call;
    void *tape;                    /* tape_bytes, 64-byte aligned */
    int node_id;                   /* for random numbers: the same in every run of a model */
    const struct grad_context *context;
};

/* The way back. Inputs and outputs have data only where save_inputs and save_outputs ask for it. */
struct grad_call {
    const struct node *node;
    const void *params;
    int n_inputs, n_outputs;
    const struct tensor *const *inputs;      /* NULL for an absent one */
    const struct tensor *const *outputs;
    const struct tensor *const *out_grads;   /* NULL: zero, nobody downstream reads that output */
    struct tensor *const *in_grads;          /* to make, shaped as the input; NULL: nobody asks */
    const bool *accumulate;                  /* in_grads[i] += instead of = (a later use has written) */
    const void *tape;
    void *scratch;                 /* backward_scratch_bytes, 64-byte aligned */
    struct pool *pool;             /* NULL: one thread. The result does not depend on it. */
    int node_id;
    const struct grad_context *context;
};

struct grad_def {
    const char *domain, *name;     /* of the op_def */
    const char *why_not;           /* no gradient, and why; all below is empty then */
    uint32_t save_inputs;          /* bit i: backward reads the DATA of input i */
    uint32_t save_outputs;         /* likewise of output i */
    uint32_t no_grad_inputs;       /* bit i: input i never gets a gradient (indices, shapes, masks) */
    void (*sizes)(struct grad_sizes *sizes);                       /* NULL: all zero */
    /* NULL: op->run */
    enum engine_status (*forward)(const struct grad_forward *forward, struct engine_error *err);
    void (*backward)(const struct grad_call *call);                /* cannot fail: all is checked by then */
};

/* Families as in engine/ops/families.h, closed by an entry whose name is NULL; engine/grad/table.c lists
 * them. NULL when an operator has no entry (a bug that a test finds). */
const struct grad_def *grad_find(const struct op_def *op);

#endif
