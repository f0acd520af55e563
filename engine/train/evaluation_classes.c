/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/train/evaluation_classes.h"

#include "engine/train/evaluation.h"

#include <stdlib.h>

bool class_counts_init(struct class_counts *counts, int classes, bool with_confusion)
{
    const size_t n = (size_t)classes;

    *counts = (struct class_counts){.classes = classes};
    counts->hits = calloc(n, sizeof(double));
    counts->answered = calloc(n, sizeof(double));
    counts->targets = calloc(n, sizeof(double));
    if (with_confusion)
        counts->confusion = calloc(n * n, sizeof(double));
    return counts->hits != NULL && counts->answered != NULL && counts->targets != NULL &&
           (!with_confusion || counts->confusion != NULL);
}

void class_counts_finish(struct class_counts *counts)
{
    free(counts->hits);
    free(counts->answered);
    free(counts->targets);
    free(counts->confusion);
}

void class_counts_add(struct class_counts *counts, int target, int answer, double weight)
{
    counts->total += weight;
    counts->targets[target] += weight;
    counts->answered[answer] += weight;
    if (target == answer)
        counts->hits[target] += weight;
    if (counts->confusion != NULL)
        counts->confusion[(size_t)target * (size_t)counts->classes + (size_t)answer] += weight;
}

double class_ratio(double part, double whole)
{
    return whole > 0 ? part / whole : 0;
}

void class_counts_scores(const struct class_counts *counts, int class_id, double *ret_precision,
                         double *ret_recall, double *ret_f1)
{
    double hits = counts->hits[class_id];
    double answered = counts->answered[class_id], targets = counts->targets[class_id];

    *ret_precision = class_ratio(hits, answered);
    *ret_recall = class_ratio(hits, targets);
    *ret_f1 = class_ratio(2 * hits, answered + targets);
}

void class_counts_measure(const struct class_counts *counts, struct evaluation_result *result)
{
    double *values = result->values, hits = 0, precision, recall, f1;
    double sums[4] = {0};
    int present = 0;

    if (!(counts->total > 0))
        return;
    for (int c = 0; c < counts->classes; c++) {
        hits += counts->hits[c];
        if (!(counts->targets[c] > 0) && !(counts->answered[c] > 0))
            continue;
        class_counts_scores(counts, c, &precision, &recall, &f1);
        present++;
        sums[0] += precision;
        sums[1] += recall;
        sums[2] += f1;
        sums[3] += f1 * counts->targets[c];
    }
    /* Every row has one target and one answer: the micro forms are one number. */
    values[METRIC_ACCURACY] = hits / counts->total;
    values[METRIC_PRECISION_MICRO] = values[METRIC_ACCURACY];
    values[METRIC_RECALL_MICRO] = values[METRIC_ACCURACY];
    values[METRIC_F1_MICRO] = values[METRIC_ACCURACY];
    values[METRIC_PRECISION_MACRO] = sums[0] / present;
    values[METRIC_RECALL_MACRO] = sums[1] / present;
    values[METRIC_F1_MACRO] = sums[2] / present;
    values[METRIC_F1_WEIGHTED] = sums[3] / counts->total;
    if (counts->classes == 2)
        class_counts_scores(counts, 1, &values[METRIC_PRECISION], &values[METRIC_RECALL],
                            &values[METRIC_F1]);
}
