/* SPDX-License-Identifier: Apache-2.0
 * engine/grad/grad.h - the contract between an operator's gradient and the tape.
 *
 * Beside each op_def stands at most one grad_def of the same domain and name. It says which values of
 * the forward pass the backward pass reads, so that the tape can keep those and no others, and computes
 * vector-Jacobian products: from the gradients of a node's outputs those of its inputs. A test walks
 * the operator table and demands of each operator a backward pass or a reason why there is none.
 *
 * Operators with OP_VIEW need no backward pass: the tape lets the gradient of a view share the bytes
 * of the gradient of what it views. Type: everything a gradient flows through is DTYPE_F32. */
#ifndef ENGINE_GRAD_GRAD_H
#define ENGINE_GRAD_GRAD_H

#include "engine/op.h"

/* What one training step tells the operators that behave differently while training. */
struct grad_context {
    uint64_t seed;                 /* of the training run */
    uint64_t step;                 /* number of the step: random numbers are a function of seed, step,
                                      node and element alone */
    bool deterministic_inference;  /* true: Dropout passes everything, BatchNormalization uses its
                                      running statistics: gradients of the model as it is served */
};

/* Bit i of a mask stands for operand i; bit 31 for operand 31 and all beyond. */
#define GRAD_BIT(i) (UINT32_C(1) << ((i) < 31 ? (i) : 31))
#define GRAD_ALL UINT32_MAX

/* Once for each tape: what the two passes of one node need. */
struct grad_prepare {
    const struct node *node;
    const void *params;
    int n_inputs, n_outputs;
    const struct tensor *inputs;   /* dtype and shape; data non-NULL where the value is known while
                                      planning (host inputs are). An absent one has DTYPE_NONE */
    const struct tensor *outputs;
    uint32_t wanted;               /* inputs whose gradients will be asked for */
    bool frozen_norm;              /* BatchNormalization uses and keeps its running statistics */
    int threads;
    struct arena *arena;           /* temporary memory */
    /* To be changed where the defaults do not fit: */
    uint32_t save_inputs, save_outputs;   /* preset from grad_def: may be narrowed */
    size_t tape_bytes;             /* 0 before: what forward leaves for backward (needs grad->forward) */
    size_t forward_scratch;        /* preset to that of op->infer */
    size_t backward_scratch;       /* 0 before */
};

/* A forward pass of its own, for operators that must leave something on the tape (gates of an LSTM,
 * positions of a maximum) or that do otherwise while training (Dropout, BatchNormalization). */
struct grad_forward {
    struct op_call call;           /* as op->run gets it; scratch has forward_scratch bytes */
    const struct grad_context *context;
    int node_id;                   /* for random numbers: the same on every run of the same model */
    bool frozen_norm;
    void *tape;                    /* tape_bytes, 64-byte aligned, kept for backward */
    struct tensor *const *next_states;   /* by input: for each bit of grad->state_inputs where to write
                                            the state's next value; NULL, or data NULL: nowhere */
};

struct grad_call {
    const struct node *node;
    const void *params;
    int n_inputs, n_outputs;
    const struct tensor *const *inputs;    /* NULL for an absent one; data only if saved (or known while
                                              planning), NULL otherwise */
    const struct tensor *const *outputs;   /* likewise; NULL for one that the forward pass left out */
    const struct tensor *const *out_grads; /* NULL: the loss does not depend on that output: zero */
    /* Where to write, NULL if not wanted. Shape and type are the input's. accumulate[i]: add to what is
     * there instead of overwriting it. One buffer may serve several inputs (Mul(x, x)): the second
     * has accumulate set then, so finish element k of input i before element k of input j > i. */
    struct tensor *const *in_grads;
    const bool *accumulate;
    const struct grad_context *context;
    int node_id;
    bool frozen_norm;
    void *tape;
    void *scratch;                 /* backward_scratch bytes, 64-byte aligned, or NULL */
    struct pool *pool;             /* NULL: one thread. Work is cut by shape alone, never by the number
                                      of threads: the same bits whatever the pool */
};

enum grad_flags {
    GRAD_STOPS = 1 << 0,           /* no backward: the derivative is zero wherever it exists, or the
                                      output is no real number. Training goes on without it */
    GRAD_INPLACE = 1 << 1          /* in_grads[0] may be the bytes of out_grads[0] (never with
                                      accumulate): element k is written after all reads of element k,
                                      and other in_grads are written before it or allow for it */
};

struct grad_def {
    const char *domain, *name;     /* of the op_def */
    const char *why_not;           /* why there is no backward; with GRAD_STOPS a note, otherwise what a
                                      user is told whose model needs it */
    uint32_t flags;
    uint32_t inputs;               /* that can have a gradient (given they are DTYPE_F32) */
    uint32_t save_inputs, save_outputs;
    uint32_t state_inputs;         /* constants that the forward pass moves on (running statistics) */
    enum engine_status (*prepare)(struct grad_prepare *prepare, struct engine_error *err); /* or NULL */
    enum engine_status (*forward)(const struct grad_forward *forward, struct engine_error *err); /* or NULL:
                                      op->run */
    enum engine_status (*backward)(const struct grad_call *call, struct engine_error *err);
};

/* NULL if nobody wrote one; a view has none and needs none. */
const struct grad_def *grad_find(const struct op_def *op);

#endif
