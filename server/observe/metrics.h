/* SPDX-License-Identifier: Apache-2.0
 * server/observe/metrics.h - every counter of the daemon, and its text form for Prometheus.
 *
 * One table (metrics_table.c) names each series: type, unit, help, labels. Counting takes no lock:
 * each thread adds to its own slice, a scrape sums the slices. Any thread may call anything here. */
#ifndef SERVER_OBSERVE_METRICS_H
#define SERVER_OBSERVE_METRICS_H

#include "proto/text.h"
#include "server/observe/statistics.h"

#include <stdbool.h>
#include <stdint.h>

struct metrics;

/* The process-wide numbers. X(id, name, fixed label or ""); sorted by name, those of one family
 * side by side. Type, unit and help are in metrics_table.c. */
#define METRIC_MAP(X) \
    X(CONNECTIONS, "inferd_connections", "") \
    X(CONNECTIONS_ACCEPTED, "inferd_connections_accepted_total", "") \
    X(CONNECTIONS_REFUSED, "inferd_connections_refused_total", "") \
    X(HTTP_2XX, "inferd_http_responses_total", "code=\"2xx\"") \
    X(HTTP_3XX, "inferd_http_responses_total", "code=\"3xx\"") \
    X(HTTP_4XX, "inferd_http_responses_total", "code=\"4xx\"") \
    X(HTTP_5XX, "inferd_http_responses_total", "code=\"5xx\"") \
    X(IN_FLIGHT_BODY_BYTES, "inferd_in_flight_body_bytes", "") \
    X(IN_FLIGHT_REQUESTS, "inferd_in_flight_requests", "") \
    X(INLINE_RUNS, "inferd_inline_runs_total", "") \
    X(JOBS_QUEUED, "inferd_jobs", "state=\"queued\"") \
    X(JOBS_RUNNING, "inferd_jobs", "state=\"running\"") \
    X(JOBS_DONE, "inferd_jobs", "state=\"done\"") \
    X(JOBS_HELD, "inferd_jobs", "state=\"held\"") \
    X(JOBS_FAILED, "inferd_jobs", "state=\"failed\"") \
    X(JOBS_CANCELLED, "inferd_jobs", "state=\"cancelled\"") \
    X(MODELS_LOADED, "inferd_models_loaded", "") \
    X(RECEIVED_BODY_BYTES, "inferd_received_body_bytes_total", "") \
    X(REPOSITORY_SCANS, "inferd_repository_scans_total", "") \
    X(SENT_BODY_BYTES, "inferd_sent_body_bytes_total", "") \
    X(WIDE_RUNS, "inferd_wide_runs_total", "") \
    X(WORKERS, "inferd_workers", "") \
    X(WORKERS_BUSY, "inferd_workers_busy", "")

#define X(id, name, label) METRIC_##id,
enum metric { METRIC_MAP(X) METRIC_NUMBERS };
#undef X

/* NULL when out of memory. */
struct metrics *metrics_create(void);
void metrics_destroy(struct metrics *metrics);

/* What inferd_build_info says of the compute library; before any scrape. Copied. */
void metrics_describe_engine(struct metrics *metrics, const char *isa, const char *blas);

/* Counters take positive amounts; gauges take both. */
void metrics_add(struct metrics *metrics, enum metric metric, int64_t amount);
/* The sum over all threads at about this moment. */
int64_t metrics_get(const struct metrics *metrics, enum metric metric);
/* One HTTP response with this status. */
void metrics_http_response(struct metrics *metrics, int status);
/* One refused or failed request: inferd_request_errors_total{reason}. `reason` is a constant, as in
 * struct problem; NULL counts as "other". */
void metrics_request_error(struct metrics *metrics, const char *reason);
uint64_t metrics_request_errors(const struct metrics *metrics, const char *reason);

/* The numbers of one model version; made at its first mention and kept until metrics_destroy(), so
 * that counters never go back. NULL when out of memory. */
struct model_stats *metrics_model(struct metrics *metrics, const char *name, const char *version);
/* Visits all, in the order of first mention. */
void metrics_each_model(const struct metrics *metrics,
                        void (*visit)(void *arg, const struct model_stats *stats), void *arg);

/* Appends the exposition: text format 0.0.4, or OpenMetrics 1.0 with its "# EOF". */
void metrics_write(const struct metrics *metrics, bool openmetrics, struct text *text);
#define METRICS_CONTENT_TYPE "text/plain; version=0.0.4; charset=utf-8"
#define METRICS_CONTENT_TYPE_OPENMETRICS "application/openmetrics-text; version=1.0.0; charset=utf-8"

#endif
