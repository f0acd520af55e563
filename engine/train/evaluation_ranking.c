/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/train/evaluation_ranking.h"

#include <math.h>
#include <stdlib.h>

static int by_score(const void *left, const void *right)
{
    double a = ((const struct ranked *)left)->score, b = ((const struct ranked *)right)->score;

    return (a < b) - (a > b);
}

void ranking_measure(struct ranked *ranked, int64_t n, double *ret_roc_auc,
                     double *ret_average_precision)
{
    double positives = 0, negatives = 0, area = 0, precision = 0;
    double true_positives = 0, false_positives = 0;
    int64_t i, end;

    *ret_roc_auc = NAN;
    *ret_average_precision = NAN;
    if (n == 0)
        return;
    qsort(ranked, (size_t)n, sizeof(ranked[0]), by_score);
    for (i = 0; i < n; i++)
        *(ranked[i].positive ? &positives : &negatives) += ranked[i].weight;
    for (i = 0; i < n; i = end) {
        double gained = 0, lost = 0;

        for (end = i; end < n && ranked[end].score == ranked[i].score; end++)
            *(ranked[end].positive ? &gained : &lost) += ranked[end].weight;
        area += lost * (true_positives + gained / 2);
        true_positives += gained;
        false_positives += lost;
        if (true_positives > 0)
            precision += gained * (true_positives / (true_positives + false_positives));
    }
    if (positives > 0 && negatives > 0)
        *ret_roc_auc = area / (positives * negatives);
    *ret_average_precision = positives > 0 ? precision / positives : 0;
}
