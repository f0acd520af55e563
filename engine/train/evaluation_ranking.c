/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/train/evaluation_ranking.h"

#include <math.h>
#include <stdlib.h>

void ranking_finish(struct ranking *ranking)
{
    free(ranking->scores);
    free(ranking->positive);
    free(ranking->weights);
}

static bool grow(void **array, size_t bytes)
{
    void *grown = realloc(*array, bytes);

    if (grown != NULL)
        *array = grown;
    return grown != NULL;
}

bool ranking_room(struct ranking *ranking, int64_t n)
{
    const size_t width = (size_t)ranking->width;
    const uint64_t most = ranking->bytes_max / (width * (sizeof(double) + 1) + sizeof(double));
    int64_t capacity = ranking->capacity;

    if (ranking->full || (uint64_t)(ranking->n + n) > most) {
        ranking->full = true;
        return true;
    }
    if (ranking->n + n <= capacity)
        return true;
    if (capacity < 1024)
        capacity = 1024;
    while (capacity < ranking->n + n)
        capacity *= 2;
    if ((uint64_t)capacity > most)
        capacity = (int64_t)most;
    if (!grow((void **)&ranking->scores, (size_t)capacity * width * sizeof(double)) ||
        !grow((void **)&ranking->positive, (size_t)capacity * width) ||
        !grow((void **)&ranking->weights, (size_t)capacity * sizeof(double)))
        return false;
    ranking->capacity = capacity;
    return true;
}

double *ranking_row(struct ranking *ranking, double weight, unsigned char **ret_positive)
{
    const int64_t at = ranking->n * ranking->width;

    if (ranking->full)
        return NULL;
    ranking->weights[ranking->n++] = weight;
    *ret_positive = ranking->positive + at;
    return ranking->scores + at;
}

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

bool ranking_means(const struct ranking *ranking, double *ret_roc_auc, double *ret_average_precision)
{
    const int width = ranking->width;
    double auc = 0, precision = 0, own_auc, own_precision;
    struct ranked *ranked;

    *ret_roc_auc = *ret_average_precision = NAN;
    if (ranking->full || ranking->n == 0)
        return true;
    ranked = calloc((size_t)ranking->n, sizeof(*ranked));
    if (ranked == NULL)
        return false;
    for (int c = 0; c < width; c++) {
        for (int64_t i = 0; i < ranking->n; i++)
            ranked[i] = (struct ranked){ranking->scores[i * width + c], ranking->weights[i],
                                        ranking->positive[i * width + c] != 0};
        ranking_measure(ranked, ranking->n, &own_auc, &own_precision);
        auc += own_auc / width;
        precision += own_precision / width;
    }
    free(ranked);
    *ret_roc_auc = auc;
    *ret_average_precision = precision;
    return true;
}
