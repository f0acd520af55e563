/* SPDX-License-Identifier: Apache-2.0 */
#include "server/observe/histogram.h"

const struct histogram_bounds histogram_durations = {
    .n_bounds = 19,
    .bounds = {10000, 25000, 50000, 100000, 250000, 500000, 1000000, 2500000, 5000000, 10000000,
               25000000, 50000000, 100000000, 250000000, 500000000, 1000000000, 2500000000,
               5000000000, 10000000000},
    .text = {"1e-05", "2.5e-05", "5e-05", "0.0001", "0.00025", "0.0005", "0.001", "0.0025", "0.005",
             "0.01", "0.025", "0.05", "0.1", "0.25", "0.5", "1.0", "2.5", "5.0", "10.0"},
    .unit = 1e9,
};

const struct histogram_bounds histogram_rows = {
    .n_bounds = 11,
    .bounds = {1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024},
    .text = {"1.0", "2.0", "4.0", "8.0", "16.0", "32.0", "64.0", "128.0", "256.0", "512.0",
             "1024.0"},
    .unit = 1.0,
};

void histogram_observe(struct histogram *histogram, const struct histogram_bounds *bounds,
                       uint64_t amount)
{
    int low = 0, high = bounds->n_bounds;

    while (low < high) {
        int middle = (low + high) / 2;

        if (amount <= bounds->bounds[middle])
            high = middle;
        else
            low = middle + 1;
    }
    slice_add(&histogram->buckets[low], 1);
    slice_add(&histogram->sum, amount);
}

void histogram_collect(const struct histogram *histogram, struct histogram_totals *totals)
{
    for (int i = 0; i < HISTOGRAM_BUCKETS_MAX; i++) {
        uint64_t count = slice_get(&histogram->buckets[i]);

        totals->buckets[i] += count;
        totals->count += count;
    }
    totals->sum += slice_get(&histogram->sum);
}
