/* SPDX-License-Identifier: Apache-2.0
 * server/learning/learn_config.h - "training" in <model>/config.json: whether and how a served model
 * learns. All keys are optional; what is not said follows from the graph (a Softmax or Sigmoid head
 * means cross-entropy on its logits, a plain one the mean squared error) or is the default below. */
#ifndef SERVER_LEARNING_LEARN_CONFIG_H
#define SERVER_LEARNING_LEARN_CONFIG_H

#include "engine/error.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

enum { LEARN_NAME_MAX = 31, LEARN_PATTERN_MAX = 511 };

/* X(kind, field, least, most, default, meaning): kinds BOOL, INT, REAL, NAME, PATTERN. The keys of the file,
 * this struct, the defaults and the documentation are this list. Zero turns a guard or regulariser off.
 * What an update's bits depend on must be in its row, too: LEARN_METHOD_MAP of learn_method.c. */
#define LEARN_CONFIG_MAP(X) \
    X(BOOL, enabled, 0, 1, 1, "false refuses every update") \
    X(NAME, loss, 0, 0, 0, "mse, mae, huber, bce, ce; by the model's head if not said") \
    X(NAME, optimiser, 0, 0, 0, "sgd, momentum, nesterov, adagrad, rmsprop, adam, adamw; sgd if not said") \
    X(REAL, learning_rate, 1e-12, 1000, 0.01, "of an update that says none") \
    X(REAL, learning_rate_max, 1e-12, 1000, 1, "that a request may ask for") \
    X(REAL, momentum, 0, 0.9999, 0.9, "of momentum and nesterov") \
    X(REAL, clip_norm, 0, 1e12, 5, "largest global norm of a gradient") \
    X(REAL, l2, 0, 1, 0, "weight decay in the gradient") \
    X(REAL, decay, 0, 10, 0, "decoupled weight decay") \
    X(REAL, l1, 0, 1000, 0, "proximal: weights become exactly zero") \
    X(PATTERN, learns, 0, 0, 0, "globs of tensors that learn, separated by commas; all if not said") \
    X(PATTERN, frozen, 0, 0, 0, "globs of tensors that do not") \
    X(INT, last_layers, 0, 1000000, 0, "only the last so many layers learn; 0: all") \
    X(INT, examples_max, 1, 1000000, 1024, "examples in one update") \
    X(INT, micro_batch, 0, 1000000, 64, \
      "examples computed at a time, so that predictions can go in between; 0: all of an update") \
    X(REAL, loss_max, 0, 1e30, 0, "an update with a larger loss is refused") \
    X(REAL, loss_spike, 0, 1e30, 0, "... or with so many times the running mean") \
    X(REAL, gradient_max, 0, 1e30, 0, "an update with a larger gradient is refused") \
    X(REAL, gradient_spike, 0, 1e30, 0, "... or with so many times the running mean") \
    X(INT, guard_warmup, 0, 1000000, 32, "updates before running means count") \
    X(INT, seed, 0, 9007199254740991, 0, "of dropout") \
    X(INT, checkpoint_updates, 1, 1000000, 512, "updates between checkpoints") \
    X(INT, keep_updates, 0, 1000000000, 1024, "newest updates that can be gone back to") \
    X(INT, replay_examples, 0, 16777216, 0, \
      "past examples kept, to be mixed into updates against forgetting; 0: none") \
    X(INT, replay_bytes_max, 4096, 9007199254740991, 67108864, "memory for them") \
    X(REAL, replay_ratio, 0, 100, 1, "of them for each example of an update") \
    X(BOOL, replay_balanced, 0, 1, 0, "an equal share of them for each class") \
    X(INT, drift_reference, 0, 10000000, 0, \
      "rows of live predictions that later ones are compared with, and of each comparison; 0: none") \
    X(REAL, drift_psi, 0.001, 1000, 0.25, "population stability index from which inputs have drifted") \
    X(BOOL, layer_norms, 0, 1, 0, "norms of gradient and update by layer in /metrics, 32 layers at most") \
    X(INT, publish_every, 0, 1000000, 1, "updates until predictions see them; 0: after publish_ms") \
    X(INT, publish_ms, 0, 86400000, 0, \
      "milliseconds until predictions see an update, if publish_every does not come first") \
    X(NAME, publish, 0, 0, 0, \
      "each, gate or manual: whether an update serves at once, when it is no worse, or when told to; " \
      "each if not said") \
    X(INT, promotion_examples, 2, 1000000, 100, "gate: new examples before a verdict") \
    X(REAL, promotion_margin, 0, 1e30, 0.01, "gate: mean loss that a candidate may be worse by") \
    X(REAL, promotion_level, 1e-9, 0.5, 0.05, \
      "gate: chance of holding back a candidate that is no worse") \
    X(INT, holdout_every, 0, 1000000, 10, \
      "gate: one example in so many is never learnt, and compared on; 0: none") \
    X(INT, shadow_every, 0, 1000000, 10, \
      "gate, manual: one prediction in so many is computed by the candidate too, to compare; 0: none") \
    X(INT, holdout_examples, 2, 100000, 500, "gate: the newest of them that are compared on") \
    X(INT, log_ttl_s, 1, 315360000, 604800, "seconds that a logged prediction waits for its label") \
    X(INT, log_bytes_max, 1048576, 9007199254740991, 268435456, \
      "of logged predictions; the oldest make room") \
    X(BOOL, auto_rollback, 0, 1, 0, \
      "goes back by itself when the loss of new examples has grown with what was published") \
    X(INT, rollback_updates, 4, 100000, 50, "auto_rollback: updates that are compared with as many before") \
    X(REAL, rollback_factor, 1, 1e6, 2, "auto_rollback: growth of the loss that is too much") \
    X(INT, journal_bytes_max, 1048576, 9007199254740991, 1073741824, \
      "of the journal; more is refused with 507")

#define LEARN_TYPE_BOOL(field) bool field;
#define LEARN_TYPE_INT(field) int64_t field;
#define LEARN_TYPE_REAL(field) double field;
#define LEARN_TYPE_NAME(field) char field[LEARN_NAME_MAX + 1];
#define LEARN_TYPE_PATTERN(field) char field[LEARN_PATTERN_MAX + 1];

/* A plain value: copy it freely. */
struct learn_config {
#define X(kind, field, least, most, initial, meaning) LEARN_TYPE_##kind(field)
    LEARN_CONFIG_MAP(X)
#undef X
};

void learn_config_init(struct learn_config *config);
/* Of the object under "training". False sets `err` (BAD_MODEL), which names the key; `config` is untouched
 * then. */
bool learn_config_parse(const json_t *object, struct learn_config *config,
                        struct engine_error *err);

#endif
