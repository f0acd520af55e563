/* SPDX-License-Identifier: Apache-2.0
 * A run on a CPU takes a fixed part and a part for each row, and repeats well; a line through
 * recent runs is a good forecast (as BentoML's dispatcher and Clockwork's profiles use it). */
#include "server/serving/batcher.h"

#include <math.h>

/* Each run leaves this much of what was known: a memory of about fifty runs. */
static const double memory = 0.98;

void cost_model_learn(struct cost_model *cost, int64_t rows, uint64_t ns)
{
    double n = (double)rows, t = (double)ns;

    cost->rows_max = fmax(cost->rows_max * memory, n);
    cost->weight = cost->weight * memory + 1;
    cost->rows = cost->rows * memory + n;
    cost->rows_squared = cost->rows_squared * memory + n * n;
    cost->ns = cost->ns * memory + t;
    cost->rows_ns = cost->rows_ns * memory + n * t;
}

double cost_model_estimate(const struct cost_model *cost, int64_t rows)
{
    double mean_rows, mean_ns, spread, slope;

    if (cost->weight <= 0)
        return 0;
    mean_rows = cost->rows / cost->weight;
    mean_ns = cost->ns / cost->weight;
    spread = cost->rows_squared / cost->weight - mean_rows * mean_rows;
    /* Runs of one size only tell nothing of others: assume the fixed part is all. */
    if (spread < 1e-3 * mean_rows * mean_rows)
        return mean_ns;
    slope = (cost->rows_ns / cost->weight - mean_rows * mean_ns) / spread;
    slope = fmin(fmax(slope, 0), mean_ns / mean_rows);
    return mean_ns + slope * ((double)rows - mean_rows);
}

double cost_model_upper(const struct cost_model *cost, int64_t rows)
{
    double estimate = cost_model_estimate(cost, rows);

    if (estimate <= 0 || (double)rows <= 2 * cost->rows_max)
        return estimate;
    return fmax(estimate, cost->ns / cost->rows * (double)rows);
}
