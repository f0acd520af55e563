/* SPDX-License-Identifier: Apache-2.0
 * server/observe/metrics_table.h - the families of the exposition in order, and how each is written.
 * A new process-wide number is a line of METRIC_MAP (metrics.h) and one here; the test walks both. */
#ifndef SERVER_OBSERVE_METRICS_TABLE_H
#define SERVER_OBSERVE_METRICS_TABLE_H

#include "server/observe/metrics.h"

enum metric_type { METRIC_TYPE_COUNTER, METRIC_TYPE_GAUGE, METRIC_TYPE_HISTOGRAM };

struct metric_family;
struct process_usage;

/* One scrape under way. */
struct exposition {
    const struct metrics *metrics;
    const struct process_usage *process;
    struct text *text;
};

struct metric_family {
    const char *name;                    /* with its unit, and "_total" if a counter */
    enum metric_type type;
    const char *unit;                    /* "seconds", "bytes", "rows" or "" */
    const char *labels;                  /* for docs: "model, version" */
    const char *help;
    void (*write)(const struct exposition *exposition, const struct metric_family *family);
    int first;                           /* process-wide ones: index into METRIC_MAP */
};

/* Sorted by name; closed by a NULL name. */
extern const struct metric_family metric_families[];

enum { METRIC_REASONS_MAX = 96 };

/* What metrics.c holds for the table's writers. */
const char *metrics_isa(const struct metrics *metrics);
const char *metrics_blas(const struct metrics *metrics);
/* Slot `index` of the error counts: NULL when free or out of range. */
const char *metrics_reason(const struct metrics *metrics, int index, uint64_t *ret_count);

#endif
