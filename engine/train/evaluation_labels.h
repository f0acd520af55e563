/* SPDX-License-Identifier: Apache-2.0
 * engine/train/evaluation_labels.h - metrics of rows that may have any number of labels: each label is
 * a yes or no of its own. */
#ifndef ENGINE_TRAIN_EVALUATION_LABELS_H
#define ENGINE_TRAIN_EVALUATION_LABELS_H

#include <stdbool.h>
#include <stdint.h>

struct evaluation_result;

/* Sums of weights, by label. */
struct label_sums {
    int labels;
    double *hits;      /* answered and right */
    double *answered;
    double *targets;
    double exact;      /* rows all of whose labels are right */
    double wrong;      /* labels that are not */
    double log_loss, brier, total;
};

/* False when out of memory. */
bool label_sums_init(struct label_sums *sums, int labels);
void label_sums_finish(struct label_sums *sums);
/* One row: a probability and a target, 0 or 1, for each label. A label is answered above 1/2. */
void label_sums_add(struct label_sums *sums, const double *probabilities, const double *targets,
                    double weight);
void label_sums_measure(const struct label_sums *sums, struct evaluation_result *result);

#endif
