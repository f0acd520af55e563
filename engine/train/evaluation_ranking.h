/* SPDX-License-Identifier: Apache-2.0
 * engine/train/evaluation_ranking.h - how well scores order what is positive before what is not.
 * Pure functions; ties are one threshold. */
#ifndef ENGINE_TRAIN_EVALUATION_RANKING_H
#define ENGINE_TRAIN_EVALUATION_RANKING_H

#include <stdbool.h>
#include <stdint.h>

struct ranked {
    double score, weight;
    bool positive;
};

/* Sorts `ranked` by score, the largest first. Then *ret_roc_auc is the area under the receiver
 * operating characteristic by trapezoids (NaN without a positive or without a negative), and
 * *ret_average_precision the sum over thresholds of precision times the gain in recall (0 without a
 * positive). Both NaN for n = 0. */
void ranking_measure(struct ranked *ranked, int64_t n, double *ret_roc_auc,
                     double *ret_average_precision);

#endif
