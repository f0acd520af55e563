/* SPDX-License-Identifier: Apache-2.0 */
#include "server/http/http_server.h"

#include "server/http/http_loop.h"
#include "server/http/raw_header.h"
#include "server/observe/metrics.h"
#include "server/options.h"

#include <stdlib.h>
#include <string.h>

#define MS_NS UINT64_C(1000000)

enum { SWEEP_MS_MIN = 5, SWEEP_MS_MAX = 250 };

static void count_body_bytes(void *arg, int64_t amount)
{
    metrics_add(arg, METRIC_IN_FLIGHT_BODY_BYTES, amount);
}

/* Often enough to keep the shortest time limit within a quarter. */
static uint64_t sweep_interval(const struct options *options)
{
    int64_t shortest = options->request_timeout_ms;

    if (shortest > options->response_timeout_ms)
        shortest = options->response_timeout_ms;
    if (shortest > options->deadline_ms)
        shortest = options->deadline_ms;
    shortest /= 4;
    return (uint64_t)(shortest < SWEEP_MS_MIN   ? SWEEP_MS_MIN
                      : shortest > SWEEP_MS_MAX ? SWEEP_MS_MAX
                                                : shortest);
}

static void set_limits(struct http_server *server)
{
    const struct options *options = server->config.options;

    server->limits.header_bytes_max = (size_t)options->header_bytes_max;
    server->limits.header_count_max = (int)options->header_count_max;
    server->limits.body_bytes_max = (uint64_t)options->body_bytes_max;
    server->limits.file_bytes_max = (uint64_t)options->dataset_bytes_max;
    server->budget.max = options->body_bytes_total_max;
    if (server->config.metrics != NULL) {
        server->budget.changed = count_body_bytes;
        server->budget.arg = server->config.metrics;
    }
    server->request_timeout_ns = (uint64_t)options->request_timeout_ms * MS_NS;
    server->response_timeout_ns = (uint64_t)options->response_timeout_ms * MS_NS;
    server->deadline_ns = (uint64_t)options->deadline_ms * MS_NS;
    server->idle_timeout_ns = (uint64_t)options->idle_timeout_s * 1000 * MS_NS;
    server->sweep_ms = sweep_interval(options);
    server->raw_headers = raw_header_is_known(MHD_get_version());
    atomic_store(&server->access_log, options->access_log && server->config.log != NULL);
}

static void close_listeners(const struct http_server_config *config)
{
    for (int i = 0; i < config->n_listeners; i++) {
        struct listener listener = config->listeners[i];

        listener_close(&listener);
    }
}

struct http_server *http_server_create(const struct http_server_config *config,
                                       struct problem *problem)
{
    struct http_server *server = calloc(1, sizeof(*server));

    if (server != NULL)
        server->loops = calloc((size_t)options_network_threads(config->options), sizeof(*server->loops));
    if (server == NULL || server->loops == NULL || config->n_listeners > LISTENERS_MAX) {
        problem_set(problem, 500, "start", "out of memory");
        close_listeners(config);
        free(server);
        return NULL;
    }
    server->config = *config;
    server->n_listeners = config->n_listeners;
    memcpy(server->listeners, config->listeners,
           (size_t)config->n_listeners * sizeof(*config->listeners));
    set_limits(server);
    atomic_store(&server->listening, true);
    server->n_loops = options_network_threads(config->options);
    for (int i = 0; i < server->n_loops; i++)
        if (!http_loop_init(&server->loops[i], server, i, problem)) {
            http_server_destroy(server);
            return NULL;
        }
    for (int i = server->n_loops - 1; i >= 0; i--) /* the one that accepts comes last */
        if (!http_loop_start(&server->loops[i], problem)) {
            http_server_destroy(server);
            return NULL;
        }
    return server;
}

void http_server_check_drained(struct http_server *server)
{
    if (atomic_load(&server->draining) && !atomic_load(&server->listening) &&
        atomic_load(&server->n_connections) == 0 && !atomic_exchange(&server->drained, true) &&
        server->config.drained != NULL)
        server->config.drained(server->config.arg);
}

void http_server_connection_gone(struct http_server *server)
{
    if (server->config.metrics != NULL)
        metrics_add(server->config.metrics, METRIC_CONNECTIONS, -1);
    if (atomic_fetch_sub(&server->n_connections, 1) == 1)
        http_server_check_drained(server);
}

void http_server_drain(struct http_server *server)
{
    atomic_store(&server->draining, true);
    for (int i = 0; i < server->n_loops; i++)
        http_loop_wake(&server->loops[i]);
}

void http_server_destroy(struct http_server *server)
{
    if (server == NULL)
        return;
    for (int i = 0; i < server->n_loops; i++)
        http_loop_finish(&server->loops[i]);
    for (int i = 0; i < server->n_listeners; i++)
        listener_close(&server->listeners[i]);
    free(server->loops);
    free(server);
}

const struct listener *http_server_listener(const struct http_server *server, int index)
{
    return index < server->n_listeners ? &server->listeners[index] : NULL;
}

int64_t http_server_connections(const struct http_server *server)
{
    return atomic_load((_Atomic int64_t *)&server->n_connections);
}

void http_server_set_access_log(struct http_server *server, bool enabled)
{
    atomic_store(&server->access_log, enabled && server->config.log != NULL);
}

void http_server_ping(struct http_server *server)
{
    for (int i = 0; i < server->n_loops; i++)
        http_loop_wake(&server->loops[i]);
}

uint64_t http_server_oldest_tick_ns(const struct http_server *server)
{
    uint64_t oldest = UINT64_MAX;

    for (int i = 0; i < server->n_loops; i++) {
        uint64_t tick = atomic_load((_Atomic uint64_t *)&server->loops[i].tick_ns);

        if (tick < oldest)
            oldest = tick;
    }
    return oldest;
}
