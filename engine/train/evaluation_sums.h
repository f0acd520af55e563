/* SPDX-License-Identifier: Apache-2.0
 * engine/train/evaluation_sums.h - metrics that are sums over rows: of probabilities, and of the
 * distances between values. */
#ifndef ENGINE_TRAIN_EVALUATION_SUMS_H
#define ENGINE_TRAIN_EVALUATION_SUMS_H

#include <stdbool.h>
#include <stdint.h>

struct evaluation_result;

/* Kept as far from 0 and 1 as log_loss demands. */
double probability_clip(double probability);

struct probability_sums {
    int bins;
    double *confidence, *hits, *weights; /* by bin */
    double log_loss, brier, total;
};

/* False when out of memory. */
bool probability_sums_init(struct probability_sums *sums, int bins);
void probability_sums_finish(struct probability_sums *sums);
/* One row: probabilities of all classes (two for a binary task). */
void probability_sums_add(struct probability_sums *sums, const double *probabilities, int classes,
                          int target, int answer, double weight);
void probability_sums_measure(const struct probability_sums *sums,
                              struct evaluation_result *result);

/* Of each output. */
struct value_sums {
    int outputs;
    double *squares, *distances; /* of errors */
    double *mean, *spread;       /* of targets: Welford's running mean and sum of squared deviations */
    double total;
    int64_t rows;
};

/* False when out of memory. */
bool value_sums_init(struct value_sums *sums, int outputs);
void value_sums_finish(struct value_sums *sums);
void value_sums_add(struct value_sums *sums, const double *answers, const double *targets,
                    double weight);
void value_sums_measure(const struct value_sums *sums, struct evaluation_result *result);

#endif
