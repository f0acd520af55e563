/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/train/evaluation_labels.h"

#include "engine/train/evaluation.h"
#include "engine/train/evaluation_classes.h"
#include "engine/train/evaluation_sums.h"

#include <math.h>
#include <stdlib.h>

bool label_sums_init(struct label_sums *sums, int labels)
{
    const size_t n = (size_t)labels;

    *sums = (struct label_sums){.labels = labels};
    sums->hits = calloc(n, sizeof(double));
    sums->answered = calloc(n, sizeof(double));
    sums->targets = calloc(n, sizeof(double));
    return sums->hits != NULL && sums->answered != NULL && sums->targets != NULL;
}

void label_sums_finish(struct label_sums *sums)
{
    free(sums->hits);
    free(sums->answered);
    free(sums->targets);
}

void label_sums_add(struct label_sums *sums, const double *probabilities, const double *targets,
                    double weight)
{
    int wrong = 0;

    for (int i = 0; i < sums->labels; i++) {
        const double p = probabilities[i];
        const bool answer = p > 0.5, target = targets[i] > 0.5;
        const double no = probability_clip(1 - p), yes = probability_clip(p);

        wrong += answer != target;
        sums->hits[i] += answer && target ? weight : 0;
        sums->answered[i] += answer ? weight : 0;
        sums->targets[i] += target ? weight : 0;
        sums->log_loss -= weight * log((target ? yes : no) / (no + yes)) / sums->labels;
        sums->brier += weight * (p - target) * (p - target) / sums->labels;
    }
    sums->wrong += weight * wrong / sums->labels;
    sums->exact += wrong == 0 ? weight : 0;
    sums->total += weight;
}

void label_sums_measure(const struct label_sums *sums, struct evaluation_result *result)
{
    double *values = result->values, hits = 0, answered = 0, targets = 0, macro[3] = {0}, weighted = 0;

    if (!(sums->total > 0))
        return;
    for (int i = 0; i < sums->labels; i++) {
        const double own[3] = {class_ratio(sums->hits[i], sums->answered[i]),
                               class_ratio(sums->hits[i], sums->targets[i]),
                               class_ratio(2 * sums->hits[i], sums->answered[i] + sums->targets[i])};

        for (int k = 0; k < 3; k++)
            macro[k] += own[k] / sums->labels;
        weighted += own[2] * sums->targets[i];
        hits += sums->hits[i];
        answered += sums->answered[i];
        targets += sums->targets[i];
    }
    values[METRIC_ACCURACY] = sums->exact / sums->total;
    values[METRIC_HAMMING_LOSS] = sums->wrong / sums->total;
    values[METRIC_PRECISION_MACRO] = macro[0];
    values[METRIC_RECALL_MACRO] = macro[1];
    values[METRIC_F1_MACRO] = macro[2];
    values[METRIC_PRECISION_MICRO] = class_ratio(hits, answered);
    values[METRIC_RECALL_MICRO] = class_ratio(hits, targets);
    values[METRIC_F1_MICRO] = class_ratio(2 * hits, answered + targets);
    values[METRIC_F1_WEIGHTED] = class_ratio(weighted, targets);
    values[METRIC_LOG_LOSS] = sums->log_loss / sums->total;
    values[METRIC_BRIER] = sums->brier / sums->total;
}
