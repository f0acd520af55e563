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

/* The process-wide numbers. X(id, name, type, fixed label or "", help); sorted by name. */
#define METRIC_MAP(X) \
    X(CONNECTIONS, "inferd_connections", GAUGE, "", "Open client connections.") \
    X(CONNECTIONS_ACCEPTED, "inferd_connections_accepted_total", COUNTER, "", \
      "Client connections accepted.") \
    X(CONNECTIONS_REFUSED, "inferd_connections_refused_total", COUNTER, "", \
      "Client connections closed at once because a limit was reached.") \
    X(HTTP_2XX, "inferd_http_responses_total", COUNTER, "code=\"2xx\"", \
      "HTTP responses by class of status.") \
    X(HTTP_3XX, "inferd_http_responses_total", COUNTER, "code=\"3xx\"", "") \
    X(HTTP_4XX, "inferd_http_responses_total", COUNTER, "code=\"4xx\"", "") \
    X(HTTP_5XX, "inferd_http_responses_total", COUNTER, "code=\"5xx\"", "") \
    X(IN_FLIGHT_BODY_BYTES, "inferd_in_flight_body_bytes", GAUGE, "", \
      "Request body bytes held for requests that are not answered yet.") \
    X(IN_FLIGHT_REQUESTS, "inferd_in_flight_requests", GAUGE, "", \
      "HTTP requests that are not answered yet.") \
    X(INLINE_RUNS, "inferd_inline_runs_total", COUNTER, "", \
      "Predictions computed on the network thread because no worker was worth waking.") \
    X(MODELS_LOADED, "inferd_models_loaded", GAUGE, "", "Model versions ready to serve.") \
    X(RECEIVED_BODY_BYTES, "inferd_received_body_bytes_total", COUNTER, "", \
      "Request body bytes received.") \
    X(REPOSITORY_SCANS, "inferd_repository_scans_total", COUNTER, "", \
      "Times the model repository was looked at.") \
    X(SENT_BODY_BYTES, "inferd_sent_body_bytes_total", COUNTER, "", "Response body bytes sent.") \
    X(WORKERS, "inferd_workers", GAUGE, "", "Worker threads.") \
    X(WORKERS_BUSY, "inferd_workers_busy", GAUGE, "", "Worker threads that are computing.")

#define X(id, name, type, label, help) METRIC_##id,
enum metric { METRIC_MAP(X) METRIC_COUNT };
#undef X

/* NULL when out of memory. */
struct metrics *metrics_create(void);
void metrics_destroy(struct metrics *metrics);

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
/* Walks all: pass NULL first; NULL after the last. Order is that of first mention. */
const struct model_stats *metrics_next_model(const struct metrics *metrics,
                                             const struct model_stats *stats);

/* Appends the exposition: text format 0.0.4, or OpenMetrics 1.0 with its "# EOF". */
void metrics_write(const struct metrics *metrics, bool openmetrics, struct text *text);
#define METRICS_CONTENT_TYPE "text/plain; version=0.0.4; charset=utf-8"
#define METRICS_CONTENT_TYPE_OPENMETRICS "application/openmetrics-text; version=1.0.0; charset=utf-8"

#endif
