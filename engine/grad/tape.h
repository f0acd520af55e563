/* SPDX-License-Identifier: Apache-2.0
 * engine/grad/tape.h - forward and backward over one model at one set of input shapes.
 *
 * A tape is a plan of a model loaded for training or unoptimised that keeps what the
 * backward pass reads, and the steps of the backward pass: reverse-mode differentiation over a static
 * list of steps (Griewank & Walther, Evaluating Derivatives, ch. 3). Memory of both passes is planned
 * together and taken once. The loss is the caller's: forward() yields the target values, the
 * caller writes the loss's gradients with respect to them, backward() does the rest.
 *
 * Trainable tensors and their gradients are the caller's memory too. Prologue nodes that depend on a
 * trainable tensor (a transposed or scaled weight) are steps of the tape.
 *
 * A tape is used by one thread at a time, with the pool's help. */
#ifndef ENGINE_GRAD_TAPE_H
#define ENGINE_GRAD_TAPE_H

#include "engine/grad/grad.h"
#include "engine/model.h"

struct tape;

struct tape_options {
    int n_trainable;
    const int *trainable;          /* constant slots of the model's graph, DTYPE_F32, none twice */
    int n_targets;
    const int *targets;            /* value ids of the outermost graph (logits, usually the input of a
                                      final Softmax): DTYPE_F32, none twice */
    bool frozen_norm;              /* BatchNormalization keeps its running statistics */
    size_t bytes_max;              /* of the arena; 0: no bound */
};

/* NULL sets `err`: UNSUPPORTED names the operator and node through which no gradient passes though one
 * is needed, and why; OVER_BUDGET has both numbers. `pool` is borrowed, may be NULL. Holds a reference
 * to the model. */
struct tape *tape_create(struct model *model, const struct shape *input_shapes,
                         const struct tape_options *options, struct pool *pool,
                         struct engine_error *err);
void tape_destroy(struct tape *tape);

/* Bytes of the arena: activations that live into the backward pass, gradients, scratch. */
size_t tape_bytes(const struct tape *tape);

/* False when no target depends on that trainable tensor along derivatives: backward() leaves its gradient
 * alone. */
bool tape_reaches(const struct tape *tape, int trainable);

/* States (running mean and variance of each BatchNormalization): constant slots that the forward pass
 * moves on, or with frozen_norm only reads. */
int tape_n_states(const struct tape *tape);
int tape_state_slot(const struct tape *tape, int state);

/* Memory of one step; all as their slots' types and shapes say, 64-byte aligned, caller's. Cheap: call it
 * before every step if buffers alternate. Entries of `grads` and the array `next_states` may be
 * NULL if only forward() follows. */
struct tape_memory {
    const void *const *trainable;  /* by index in options->trainable */
    void *const *grads;            /* likewise: where backward() writes */
    const void *const *states;     /* by state: value before the step */
    void *const *next_states;      /* by state: value after it, or NULL to drop it */
};
void tape_bind(struct tape *tape, const struct tape_memory *memory);

/* `inputs`: one for each model input, types and shapes those of creation; read in place until backward()
 * has returned. */
enum engine_status tape_forward(struct tape *tape, const struct tensor *inputs,
                                const struct grad_context *context, struct engine_error *err);
/* Value of a target after forward(); valid until the next forward(). */
const struct tensor *tape_target(const struct tape *tape, int target);
/* Where the caller writes d loss / d target, all of it, before backward(); NULL if the target depends on
 * nothing that is trained. Not the target's own bytes. backward() may overwrite it. */
struct tensor *tape_target_grad(struct tape *tape, int target);
/* After forward(). With `accumulate`, adds to the gradients in the bound memory. */
enum engine_status tape_backward(struct tape *tape, bool accumulate, struct engine_error *err);

#endif
