/* SPDX-License-Identifier: Apache-2.0
 * engine/train/evaluation.h - how good answers are: scores and targets go in batch by batch, numbers
 * come out at the end. Everything is computed in double and as scikit-learn defines it (ties, weights
 * and empty classes as well); what is undefined is NaN, where scikit-learn refuses or warns.
 *
 * Memory does not grow with the examples but for ROC AUC and average precision, which need every
 * score: up to `ranking_bytes_max`, beyond which those two are NaN. One thread at a time. */
#ifndef ENGINE_TRAIN_EVALUATION_H
#define ENGINE_TRAIN_EVALUATION_H

#include "engine/error.h"
#include "engine/tensor.h"

#include <stdbool.h>
#include <stdint.h>

enum evaluation_task {
    EVALUATION_BINARY,  /* one score for each row: of class 1; targets 0 and 1 */
    EVALUATION_CLASSES, /* `outputs` scores for each row; targets are class ids */
    EVALUATION_LABELS,  /* `outputs` scores for each row, each of a label that it may have; targets 0 and 1 */
    EVALUATION_VALUES,  /* regression: `outputs` values for each row, and as many targets */
};

/* X(name, text, larger is better)
 * precision, recall and f1 are those of class 1 and exist for two classes; _macro is the mean over
 * the classes that occur in targets or answers, _micro counts all rows together, _weighted weighs
 * classes by their targets. A ratio without a denominator counts 0.
 * roc_auc, average_precision (the area under the precision-recall curve as a step function): of
 * class 1 for two classes, else the mean of one against the rest. roc_auc is NaN unless each class
 * has targets and is not alone.
 * log_loss: probabilities are kept 2.2e-16 away from 0 and 1 and made to sum to 1.
 * brier: the mean of (p - y)^2 for two classes; for more, Brier's own sum over all classes (1950).
 * calibration_error: of the winning class, over bins of equal width (Guo et al. 2017).
 * Of labels: accuracy counts rows all of whose labels are right, hamming_loss labels that are not; _macro and
 * roc_auc are means over labels, _micro counts all labels together; log_loss and brier are means over rows
 * and labels.
 * mse, rmse, mae, r2: of each output, and then the mean over outputs. r2 is NaN for fewer than 2 rows, 1 for
 * exact answers to constant targets, else 0 for constant targets. */
#define EVALUATION_METRIC_MAP(X) \
    X(ACCURACY, "accuracy", true) \
    X(TOP_K_ACCURACY, "top_k_accuracy", true) \
    X(PRECISION, "precision", true) \
    X(RECALL, "recall", true) \
    X(F1, "f1", true) \
    X(PRECISION_MACRO, "precision_macro", true) \
    X(RECALL_MACRO, "recall_macro", true) \
    X(F1_MACRO, "f1_macro", true) \
    X(PRECISION_MICRO, "precision_micro", true) \
    X(RECALL_MICRO, "recall_micro", true) \
    X(F1_MICRO, "f1_micro", true) \
    X(F1_WEIGHTED, "f1_weighted", true) \
    X(ROC_AUC, "roc_auc", true) \
    X(AVERAGE_PRECISION, "average_precision", true) \
    X(HAMMING_LOSS, "hamming_loss", false) \
    X(LOG_LOSS, "log_loss", false) \
    X(BRIER, "brier", false) \
    X(CALIBRATION_ERROR, "calibration_error", false) \
    X(MSE, "mse", false) \
    X(RMSE, "rmse", false) \
    X(MAE, "mae", false) \
    X(R2, "r2", true)

#define X(name, text, larger) METRIC_##name,
enum evaluation_metric { EVALUATION_METRIC_MAP(X) METRIC_COUNT };
#undef X

struct evaluation_options {
    enum evaluation_task task;
    int outputs;              /* classes (at least 2), labels, or values; 1 for EVALUATION_BINARY */
    bool logits;              /* scores go through softmax (sigmoid for one, and for labels) first */
    int top_k;                /* 0: no top_k_accuracy */
    bool ignores;             /* rows whose target is `ignored` do not count; not for labels */
    int64_t ignored;
    size_t ranking_bytes_max; /* 0: no ROC AUC, no average precision */
    int calibration_bins;     /* 0: 15 */
};

enum { EVALUATION_OUTPUTS_MAX = 1 << 20, EVALUATION_CONFUSION_MAX = 1024 };

struct evaluation;

/* NULL with `err` on failure. */
struct evaluation *evaluation_create(const struct evaluation_options *options,
                                     struct engine_error *err);
/* Takes NULL. */
void evaluation_destroy(struct evaluation *evaluation);

/* Adds `n` rows. `scores`: n * outputs numbers of any float type. `targets`: n class ids of any
 * integer type, bool or float with whole numbers (so a column of labels can be used as it was
 * read); for EVALUATION_LABELS and EVALUATION_VALUES n * outputs numbers. `weights`: n finite
 * numbers of at least 0, or NULL for 1. BAD_INPUT names the first row with a score that is not
 * finite (probabilities: not from 0 to 1), a target out of range or a bad weight, and then nothing
 * was added. */
enum engine_status evaluation_add(struct evaluation *evaluation, const struct tensor *scores,
                                  const struct tensor *targets, const double *weights, int64_t n,
                                  struct engine_error *err);

/* All of them; NaN where one has no meaning for the task or the data. */
struct evaluation_result {
    int64_t rows; /* that counted */
    double values[METRIC_COUNT];
};
enum engine_status evaluation_measure(const struct evaluation *evaluation,
                                      struct evaluation_result *ret, struct engine_error *err);

/* The sum of weights of rows with target `row` and answer `column`, at [row * outputs + column].
 * NULL for regression and for more than EVALUATION_CONFUSION_MAX classes. Lives with `evaluation`. */
const double *evaluation_confusion(const struct evaluation *evaluation, int *ret_classes);
/* Of one class against the rest. Classes only. */
void evaluation_class_scores(const struct evaluation *evaluation, int class_id,
                             double *ret_precision, double *ret_recall, double *ret_f1,
                             double *ret_support);

/* "f1_macro"; and back, -1 if there is none. */
const char *evaluation_metric_name(enum evaluation_metric metric);
int evaluation_metric_find(const char *name);
bool evaluation_metric_larger_is_better(enum evaluation_metric metric);

#endif
