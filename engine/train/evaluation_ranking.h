/* SPDX-License-Identifier: Apache-2.0
 * engine/train/evaluation_ranking.h - how well scores order what is positive before what is not: every
 * score is kept, up to a bound. Ties are one threshold. */
#ifndef ENGINE_TRAIN_EVALUATION_RANKING_H
#define ENGINE_TRAIN_EVALUATION_RANKING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Rows of scores, `width` each, with whether each is of a positive. */
struct ranking {
    double *scores;
    unsigned char *positive;
    double *weights; /* by row */
    int64_t n, capacity;
    int width;
    bool full;       /* there were more than `bytes_max` allows: nothing is kept any more */
    size_t bytes_max;
};

void ranking_finish(struct ranking *ranking);
/* Makes room for `n` more rows; false when out of memory. */
bool ranking_room(struct ranking *ranking, int64_t n);
/* The next row, to be filled in; NULL if none is kept. */
double *ranking_row(struct ranking *ranking, double weight, unsigned char **ret_positive);
/* Means over the columns. NaN where nothing was kept. False when out of memory. */
bool ranking_means(const struct ranking *ranking, double *ret_roc_auc, double *ret_average_precision);

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
