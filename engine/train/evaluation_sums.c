/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/train/evaluation_sums.h"

#include "engine/train/evaluation.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>

bool probability_sums_init(struct probability_sums *sums, int bins)
{
    *sums = (struct probability_sums){.bins = bins};
    sums->confidence = calloc((size_t)bins, sizeof(double));
    sums->hits = calloc((size_t)bins, sizeof(double));
    sums->weights = calloc((size_t)bins, sizeof(double));
    return sums->confidence != NULL && sums->hits != NULL && sums->weights != NULL;
}

void probability_sums_finish(struct probability_sums *sums)
{
    free(sums->confidence);
    free(sums->hits);
    free(sums->weights);
}

double probability_clip(double probability)
{
    return fmin(fmax(probability, DBL_EPSILON), 1 - DBL_EPSILON);
}

void probability_sums_add(struct probability_sums *sums, const double *probabilities, int classes,
                          int target, int answer, double weight)
{
    double sum = 0, brier = 0, confidence = probabilities[answer];
    int bin = (int)ceil(confidence * sums->bins) - 1;

    for (int c = 0; c < classes; c++) {
        double distance = probabilities[c] - (c == target);

        sum += probability_clip(probabilities[c]);
        brier += distance * distance;
    }
    if (classes == 2)
        brier = (probabilities[1] - target) * (probabilities[1] - target);
    bin = bin < 0 ? 0 : bin >= sums->bins ? sums->bins - 1 : bin;
    sums->total += weight;
    sums->log_loss -= weight * log(probability_clip(probabilities[target]) / sum);
    sums->brier += weight * brier;
    sums->weights[bin] += weight;
    sums->confidence[bin] += weight * confidence;
    sums->hits[bin] += target == answer ? weight : 0;
}

void probability_sums_measure(const struct probability_sums *sums,
                              struct evaluation_result *result)
{
    double apart = 0;

    if (!(sums->total > 0))
        return;
    for (int bin = 0; bin < sums->bins; bin++)
        apart += fabs(sums->hits[bin] - sums->confidence[bin]);
    result->values[METRIC_LOG_LOSS] = sums->log_loss / sums->total;
    result->values[METRIC_BRIER] = sums->brier / sums->total;
    result->values[METRIC_CALIBRATION_ERROR] = apart / sums->total;
}

bool value_sums_init(struct value_sums *sums, int outputs)
{
    const size_t n = (size_t)outputs;

    *sums = (struct value_sums){.outputs = outputs};
    sums->squares = calloc(n, sizeof(double));
    sums->distances = calloc(n, sizeof(double));
    sums->mean = calloc(n, sizeof(double));
    sums->spread = calloc(n, sizeof(double));
    return sums->squares != NULL && sums->distances != NULL && sums->mean != NULL &&
           sums->spread != NULL;
}

void value_sums_finish(struct value_sums *sums)
{
    free(sums->squares);
    free(sums->distances);
    free(sums->mean);
    free(sums->spread);
}

void value_sums_add(struct value_sums *sums, const double *answers, const double *targets,
                    double weight)
{
    sums->rows++;
    sums->total += weight;
    for (int i = 0; weight > 0 && i < sums->outputs; i++) {
        double error = targets[i] - answers[i];
        double before = targets[i] - sums->mean[i];

        sums->squares[i] += weight * error * error;
        sums->distances[i] += weight * fabs(error);
        sums->mean[i] += before * (weight / sums->total);
        sums->spread[i] += weight * before * (targets[i] - sums->mean[i]);
    }
}

/* 1 - errors / spread, and what scikit-learn takes for constant targets. */
static double determination(double errors, double spread)
{
    if (errors == 0)
        return 1;
    return spread > 0 ? 1 - errors / spread : 0;
}

void value_sums_measure(const struct value_sums *sums, struct evaluation_result *result)
{
    double mse = 0, rmse = 0, mae = 0, r2 = 0;

    if (!(sums->total > 0))
        return;
    for (int i = 0; i < sums->outputs; i++) {
        mse += sums->squares[i] / sums->total / sums->outputs;
        rmse += sqrt(sums->squares[i] / sums->total) / sums->outputs;
        mae += sums->distances[i] / sums->total / sums->outputs;
        r2 += determination(sums->squares[i], sums->spread[i]) / sums->outputs;
    }
    result->values[METRIC_MSE] = mse;
    result->values[METRIC_RMSE] = rmse;
    result->values[METRIC_MAE] = mae;
    if (sums->rows >= 2)
        result->values[METRIC_R2] = r2;
}
