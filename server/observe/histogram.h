/* SPDX-License-Identifier: Apache-2.0
 * server/observe/histogram.h - counts of observations by fixed bounds; one slice of one. The bounds
 * are the same for all histograms of a kind, so replicas can be summed. */
#ifndef SERVER_OBSERVE_HISTOGRAM_H
#define SERVER_OBSERVE_HISTOGRAM_H

#include "server/observe/slice.h"

#include <stdint.h>

enum { HISTOGRAM_BUCKETS_MAX = 20 };

/* Upper bounds, inclusive and ascending; what is above the last one is counted in a bucket of its
 * own. `text` is each bound as Prometheus spells it, in the unit of the exposition. */
struct histogram_bounds {
    int n_bounds;
    uint64_t bounds[HISTOGRAM_BUCKETS_MAX - 1];
    const char *text[HISTOGRAM_BUCKETS_MAX - 1];
    double unit;                         /* what a sum is divided by: 1e9 for ns shown as seconds */
};

/* 10 us to 10 s. */
extern const struct histogram_bounds histogram_durations;
/* 1 to 1024 rows. */
extern const struct histogram_bounds histogram_rows;

/* Zeroed is empty. Any thread may add. */
struct histogram {
    _Atomic uint64_t buckets[HISTOGRAM_BUCKETS_MAX];
    _Atomic uint64_t sum;
};

struct histogram_totals {
    uint64_t buckets[HISTOGRAM_BUCKETS_MAX];
    uint64_t sum, count;
};

void histogram_observe(struct histogram *histogram, const struct histogram_bounds *bounds,
                       uint64_t amount);
/* Adds one slice to the totals. */
void histogram_collect(const struct histogram *histogram, struct histogram_totals *totals);

#endif
