/* SPDX-License-Identifier: Apache-2.0
 * engine/train/loss.h - how far values are from their targets, and the gradient of that, in one
 * pass.
 *
 * Cross-entropies take logits, never probabilities: their gradient is then p - y and does not
 * vanish for a confident error. The largest logit is subtracted before any exponential. Each loss
 * is the mean over the batch as PyTorch's reduction='mean' has it: over elements, for class ids
 * over the weights of the labels that count. A batch may be cut into slices: the caller sums their
 * loss_divisor()s first and gives the sum to each loss_run().
 *
 * Sums are kept in double and cut by shape alone: the same bits whatever the pool. No state. */
#ifndef ENGINE_TRAIN_LOSS_H
#define ENGINE_TRAIN_LOSS_H

#include "engine/error.h"
#include "engine/pool.h"
#include "engine/tensor.h"

#include <stdbool.h>

/* X(name, text) */
#define LOSS_MAP(X)                                                                                \
    X(MSE, "mse")     /* mean (x - t)^2 */                                                         \
    X(MAE, "mae")     /* mean |x - t| */                                                           \
    X(HUBER, "huber") /* (x - t)^2 / 2 up to delta, linear beyond (Huber 1964) */                  \
    X(BCE, "bce")     /* binary cross-entropy of sigmoid(x) */                                     \
    X(CE, "ce")       /* cross-entropy of softmax(x) */

#define X(name, text) LOSS_##name,
enum loss_kind { LOSS_MAP(X) LOSS_KINDS };
#undef X

struct loss_form {
    enum loss_kind kind;
    const char *name; /* of the target, for error texts */
    double weight;    /* of this output in the sum over outputs; > 0 */
    int class_axis;   /* CE: dimension of the values that counts classes */
    double delta;     /* HUBER: > 0 */
    double smoothing; /* CE: label smoothing, [0, 1) */
    bool ignores;     /* CE: labels equal to ignore_index do not count */
    int64_t ignore_index;
    const float *class_weights; /* CE: one for each class. BCE: of positive labels, one for all or
                                   one for each element of the last dimension. NULL: all 1 */
    int64_t n_class_weights;
};

/* Weight 1, delta 1, class axis 1, all else off. */
struct loss_form loss_form_default(enum loss_kind kind);
const char *loss_name(enum loss_kind kind);
/* False if there is no loss of that name. */
bool loss_find(const char *name, enum loss_kind *ret_kind);

/* Refuses, naming form->name and the first offending place: numbers of the form out of range,
 * shapes that do not fit, labels out of range, targets that are not finite or (for cross-entropies)
 * no probabilities. `values` is the shape of the logits. Targets:
 * - CE: class ids of any integer type, shaped like the values without class_axis (or with 1 there);
 *   or rows of probabilities shaped like the values, float or double; or one-hot rows of integers.
 * - else: any number type or bool, shaped like the values but for dimensions of 1. */
enum engine_status loss_check(const struct loss_form *form, const struct shape *values,
                              const struct tensor *targets, struct engine_error *err);

/* What the sum of losses is divided by for these (checked) targets alone; 0 if none counts. */
double loss_divisor(const struct loss_form *form, const struct shape *values,
                    const struct tensor *targets);

/* form->weight times the sum of losses divided by `divisor` (0: nothing counts, the loss is 0), and
 * in `grad` (shaped like values, not their bytes; NULL: not wanted) its gradient. DTYPE_F32 values,
 * checked targets. What is not finite in the values shows in the result. */
double loss_run(const struct loss_form *form, const struct tensor *values,
                const struct tensor *targets, double divisor, struct tensor *grad,
                struct pool *pool);

#endif
