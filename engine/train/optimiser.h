/* SPDX-License-Identifier: Apache-2.0
 * engine/train/optimiser.h - gradient methods over blocks of parameters
 * (engine/train/parameters.h), equal to PyTorch's formulas, with clipping by the global norm and
 * regularisers.
 *
 * No step makes a number that is not finite: the caller refuses gradients and weights beyond
 * OPTIMISER_LARGEST before it, and within the bounds that optimiser_check() sets, no product, sum
 * or quotient of a step can then overflow. So a step can be taken in place. No state; any thread.
 */
#ifndef ENGINE_TRAIN_OPTIMISER_H
#define ENGINE_TRAIN_OPTIMISER_H

#include "engine/train/parameters.h"

/* X(name, text, states: blocks beside the parameters) */
#define OPTIMISER_MAP(X)                                                                           \
    X(SGD, "sgd", 0)                                                                               \
    X(MOMENTUM, "momentum", 1)                                                                     \
    X(NESTEROV, "nesterov", 1)                                                                     \
    X(ADAGRAD, "adagrad", 1)                                                                       \
    X(RMSPROP, "rmsprop", 1)                                                                       \
    X(ADAM, "adam", 2)   /* l2 is coupled: part of the gradient */                                 \
    X(ADAMW, "adamw", 2) /* Adam whose usual regulariser is decay (Loshchilov and Hutter 2017) */

#define X(name, text, states) OPTIMISER_##name,
enum optimiser_kind { OPTIMISER_MAP(X) OPTIMISER_KINDS };
#undef X

enum { OPTIMISER_STATES_MAX = 2 };
#define OPTIMISER_LARGEST 1e12

struct optimiser_form {
    enum optimiser_kind kind;
    double momentum;     /* MOMENTUM, NESTEROV: [0, 0.9999] */
    double beta1, beta2; /* ADAM, ADAMW: [0, 1); RMSPROP: beta2 */
    double epsilon;      /* [1e-16, 1] */
    double l2;           /* coupled: times the weight, added to the gradient: [0, 1] */
    double decay;        /* decoupled: the weight shrinks by rate * decay: [0, 10] */
    double l1;           /* by a proximal step after each update, which makes weights exactly
                            zero: they shrink by rate * l1 towards it: [0, 1000] */
    double clip_norm;    /* the gradient's global norm is at most this; 0: off */
};

/* PyTorch's defaults for the kind. */
struct optimiser_form optimiser_form_default(enum optimiser_kind kind);
const char *optimiser_name(enum optimiser_kind kind);
bool optimiser_find(const char *name, enum optimiser_kind *ret_kind);
int optimiser_states(enum optimiser_kind kind);
/* "momentum", "first_moment": for checkpoints. */
const char *optimiser_state_name(enum optimiser_kind kind, int state);
/* BAD_INPUT names what is out of its range. */
enum engine_status optimiser_check(const struct optimiser_form *form, struct engine_error *err);
/* BAD_INPUT unless 0 <= rate <= 1000. */
enum engine_status optimiser_check_rate(double rate, struct engine_error *err);

/* One set of blocks: the parameters and the optimiser's states. */
struct optimiser_blocks {
    float *weights;
    float *states[OPTIMISER_STATES_MAX];
};

struct optimiser_step {
    const struct optimiser_form *form;
    const struct parameters *parameters;
    double rate;
    int64_t step;         /* 1 for the first: Adam corrects its moments by it */
    double gradient_norm; /* of `gradients`, for clipping */
    const float *gradients;
    const struct optimiser_blocks *now;
    const struct optimiser_blocks *next; /* may be `now` */
    double *partial;                     /* room for parameters->n_chunks */
};

struct optimiser_result {
    double update_norm; /* of next - now */
    uint32_t most;      /* as parameters_most() of the next weights */
    bool clipped;
};

/* `ret_norms` (NULL: not wanted): norm of each tensor's update. */
struct optimiser_result optimiser_run(const struct optimiser_step *step, double *ret_norms,
                                      struct pool *pool);

#endif
