/* SPDX-License-Identifier: Apache-2.0
 * server/observe/learning_stats.h - the numbers of one model version that learns. Written by its learner's
 * thread and its prediction log's, read by /metrics; part of struct model_stats. */
#ifndef SERVER_OBSERVE_LEARNING_STATS_H
#define SERVER_OBSERVE_LEARNING_STATS_H

#include "server/observe/histogram.h"

#include <pthread.h>
#include <stdbool.h>

/* X(id, series, type, help): one number each. In parts, as the table of metrics is in alphabetical order
 * and has other series between them. */
#define LEARNING_MAP_A(X) \
    X(ACCURACY, "inferd_learning_accuracy", GAUGE, \
      "Share of right classes over the last 1000 examples, each judged before it was learnt.") \
    X(AUTO_ROLLBACKS, "inferd_learning_auto_rollbacks_total", COUNTER, \
      "Times that what was published has been taken back because the loss of new examples grew.")
#define LEARNING_MAP_D(X) \
    X(DRIFT, "inferd_learning_drift_total", COUNTER, \
      "Times that ADWIN or Page-Hinkley saw the loss of new examples change.") \
    X(EXAMPLES, "inferd_learning_examples_total", COUNTER, "Examples learnt.") \
    X(FEEDBACK_ACCURACY, "inferd_learning_feedback_accuracy", GAUGE, \
      "Share of right classes over the last 1000 labels that came late, as predicted then.") \
    X(FEEDBACK_EXAMPLES, "inferd_learning_feedback_examples_total", COUNTER, \
      "Examples learnt from labels that came late.") \
    X(FEEDBACK_LOSS, "inferd_learning_feedback_loss", GAUGE, \
      "Mean loss over the last 1000 labels that came late, of what was predicted then.") \
    X(GENERATION, "inferd_learning_generation", GAUGE, "The generation that serves.") \
    X(GRADIENT_NORM, "inferd_learning_gradient_norm", GAUGE, \
      "Norm of the newest update's gradient, before clipping.") \
    X(INPUT_DRIFTING, "inferd_learning_input_drifting", GAUGE, \
      "1 while the inputs of live predictions are not distributed as those of the reference.") \
    X(INPUT_PSI, "inferd_learning_input_psi", GAUGE, \
      "Population stability index of the input that has changed most, over the last whole window.") \
    X(KAPPA, "inferd_learning_kappa", GAUGE, \
      "Cohen's kappa over the last 1000 examples, each judged before it was learnt.")
#define LEARNING_MAP_L(X) \
    X(LOG_BYTES, "inferd_learning_log_bytes", GAUGE, \
      "Bytes of the log of predictions that wait for their labels.") \
    X(LOG_LOST, "inferd_learning_log_lost_total", COUNTER, \
      "Predictions that were to be logged, but could not be written.") \
    X(LOG_PREDICTIONS, "inferd_learning_log_predictions", GAUGE, \
      "Predictions in the log, with those whose label has come.") \
    X(LOG_REFUSED, "inferd_learning_log_refused_total", COUNTER, \
      "Predictions that were not logged, as the answer said: too many waited, or writing failed.") \
    X(LOGGED, "inferd_learning_logged_total", COUNTER, "Predictions written to the log.") \
    X(LOSS, "inferd_learning_loss", GAUGE, \
      "Mean loss over the last 1000 examples, each judged before it was learnt.") \
    X(LOSS_DRIFTING, "inferd_learning_loss_drifting", GAUGE, \
      "1 from a change of the loss of new examples until 1000 more have come without another.") \
    X(NEWEST, "inferd_learning_newest_generation", GAUGE, \
      "The newest durable generation; predictions may not see it yet.") \
    X(PROMOTIONS, "inferd_learning_promotions_total", COUNTER, "Candidates that were promoted.") \
    X(QUARANTINES, "inferd_learning_quarantines_total", COUNTER, \
      "Candidates that the promotion gate has held back.") \
    X(READ_ONLY, "inferd_learning_read_only", GAUGE, \
      "1 when updates are refused until a restart or a repair.")
#define LEARNING_MAP_U(X) \
    X(REPLAY_BYTES, "inferd_learning_replay_bytes", GAUGE, \
      "Memory of past examples that are kept to be mixed into updates.") \
    X(REPLAY_EXAMPLES, "inferd_learning_replay_examples", GAUGE, \
      "Past examples that are kept to be mixed into updates.") \
    X(REPLAYED, "inferd_learning_replayed_examples_total", COUNTER, \
      "Past examples that were mixed into updates.") \
    X(SAMPLES_DROPPED, "inferd_learning_samples_dropped_total", COUNTER, \
      "Live predictions that were wanted for a comparison, but found no room to wait.") \
    X(SHADOW_DIFFERENCE, "inferd_learning_shadow_difference", GAUGE, \
      "Mean absolute difference of the candidate's outputs from those of what serves, on live predictions.") \
    X(SHADOW_DISAGREEMENT, "inferd_learning_shadow_disagreement", GAUGE, \
      "Share of live predictions whose largest score the candidate gives to another class.") \
    X(SHADOW_ROWS, "inferd_learning_shadow_rows_total", COUNTER, \
      "Rows of live predictions that a candidate has computed too.") \
    X(SQUARED_ERROR, "inferd_learning_squared_error", GAUGE, \
      "Mean squared error over the last 1000 examples, each judged before it was learnt.") \
    X(UPDATE_NORM, "inferd_learning_update_norm", GAUGE, \
      "Norm of the newest update's change of the weights.") \
    X(UPDATES, "inferd_learning_updates_total", COUNTER, "Updates that were made durable.")
#define LEARNING_MAP(X) \
    LEARNING_MAP_A(X) LEARNING_MAP_D(X) LEARNING_MAP_L(X) LEARNING_MAP_U(X)

/* Why an update was refused: the reasons of its answer. */
#define LEARNING_REFUSAL_MAP(X) \
    X(BAD_EXAMPLE, "bad_example") X(CANNOT_REAPPLY, "cannot_reapply") \
    X(CANNOT_REBUILD, "cannot_rebuild") X(CLIENT_GONE, "client_gone") X(CLOSING, "closing") \
    X(DAMAGED, "damaged") X(DEADLINE, "deadline") X(DIVERGED, "diverged") \
    X(GENERATION_MOVED, "generation_moved") X(KEY_CONFLICT, "key_conflict") \
    X(LABEL_CONFLICT, "label_conflict") X(LEARNING_DISABLED, "learning_disabled") \
    X(NO_MEMORY, "no_memory") X(NOT_A_CANDIDATE, "not_a_candidate") \
    X(NOT_TRAINABLE, "not_trainable") X(NOTHING_TO_PROMOTE, "nothing_to_promote") \
    X(QUEUE_FULL, "queue_full") X(RATE_TOO_LARGE, "rate_too_large") \
    X(STORAGE_FAILED, "storage_failed") X(STORAGE_FULL, "storage_full") \
    X(TOO_MANY_EXAMPLES, "too_many_examples") X(TRAINED_ON, "trained_on") \
    X(UNKNOWN_EXAMPLE, "unknown_example") X(UNKNOWN_GENERATION, "unknown_generation") \
    X(UNKNOWN_LABEL, "unknown_label") X(UNKNOWN_PREDICTION, "unknown_prediction") \
    X(WRONG_TARGETS, "wrong_targets") \
    X(OTHER, "other")

#define X(id, name, type, help) LEARNING_##id,
enum learning_number { LEARNING_MAP(X) LEARNING_COUNT };
#undef X
#define X(id, text) LEARNING_REFUSAL_##id,
enum learning_refusal { LEARNING_REFUSAL_MAP(X) LEARNING_REFUSAL_COUNT };
#undef X

enum { LEARNING_LAYERS_MAX = 32, LEARNING_LAYER_BYTES = 96, LEARNING_NOTE_BYTES = 200 };

/* Norms by layer; the names never change. */
struct learning_layers {
    struct learning_layers *older;       /* those of an earlier load, which somebody may be reading */
    int n_layers;
    char names[LEARNING_LAYERS_MAX][LEARNING_LAYER_BYTES];
    _Atomic double gradients[LEARNING_LAYERS_MAX], updates[LEARNING_LAYERS_MAX];
};

/* Zeroed: it does not learn, and has no series. */
struct learning_stats {
    _Atomic(struct learning_layers *) layers;   /* NULL: not wanted */
    /* Words for people: why it is read only, which input has changed. */
    pthread_mutex_t note_lock;
    char reason[LEARNING_NOTE_BYTES], worst_input[LEARNING_NOTE_BYTES];
    _Atomic bool active;
    _Atomic double numbers[LEARNING_COUNT];
    _Atomic uint64_t refused[LEARNING_REFUSAL_COUNT];
    struct histogram commits;            /* ns */
};

struct learning_totals {
    bool active;
    double numbers[LEARNING_COUNT];
    uint64_t refused[LEARNING_REFUSAL_COUNT];
    struct histogram_totals commits;
    const struct learning_layers *layers;
    char reason[LEARNING_NOTE_BYTES], worst_input[LEARNING_NOTE_BYTES];
};

/* Of zeroed memory. */
void learning_stats_init(struct learning_stats *stats);
void learning_stats_finish(struct learning_stats *stats);
/* Copied; cut if need be. Any thread. */
void learning_stats_note(struct learning_stats *stats, const char *reason, const char *worst_input);
/* Takes it over, unless there are such layers already; returns those that count. */
struct learning_layers *learning_stats_layers(struct learning_stats *stats,
                                              struct learning_layers *layers);
/* One thread at a time for each number. */
void learning_stats_set(struct learning_stats *stats, enum learning_number which, double number);
void learning_stats_add(struct learning_stats *stats, enum learning_number which, double amount);
void learning_stats_refused(struct learning_stats *stats, const char *reason);
void learning_stats_committed(struct learning_stats *stats, uint64_t ns);
void learning_stats_collect(const struct learning_stats *stats, struct learning_totals *ret_totals);
const char *learning_refusal_name(enum learning_refusal refusal);

#endif
