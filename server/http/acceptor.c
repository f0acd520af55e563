/* SPDX-License-Identifier: Apache-2.0
 * Loop 0 accepts for all and gives each socket to the loop that has fewest connections. */
#include "config.h"

#include "server/http/http_loop.h"

#include "server/observe/log.h"
#include "server/observe/metrics.h"
#include "server/options.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { ACCEPTS_EACH_TIME = 32, PAUSE_MS = 100 };

static void on_acceptable(uv_poll_t *poll, int status, int events);

static void watch(struct http_loop *loop)
{
    for (int i = 0; i < loop->server->n_listeners; i++)
        uv_poll_start(&loop->accepts[i], UV_READABLE, on_acceptable);
}

static void on_pause_over(uv_timer_t *timer)
{
    struct http_loop *loop = timer->data;

    if (loop->accepting)
        watch(loop);
}

/* Out of descriptors: what waits in the backlog waits there. */
static void pause_accepting(struct http_loop *loop)
{
    log_write(loop->server->config.log, LOG_LEVEL_ERROR, "cannot accept connections", "error=%s",
              strerror(errno));
    for (int i = 0; i < loop->server->n_listeners; i++)
        uv_poll_stop(&loop->accepts[i]);
    uv_timer_start(&loop->accept_pause, on_pause_over, PAUSE_MS, 0);
}

static void count(struct http_server *server, int metric)
{
    if (server->config.metrics != NULL)
        metrics_add(server->config.metrics, metric, 1);
}

static struct http_loop *least_loaded(struct http_server *server)
{
    struct http_loop *best = &server->loops[0];

    for (int i = 1; i < server->n_loops; i++)
        if (atomic_load(&server->loops[i].n_assigned) < atomic_load(&best->n_assigned))
            best = &server->loops[i];
    return best;
}

static void hand_over(struct http_loop *to, const struct incoming *incoming)
{
    struct incoming *copy = malloc(sizeof(*copy)), *head;

    if (copy == NULL) {
        close(incoming->fd);
        atomic_fetch_sub(&to->n_assigned, 1);
        http_server_connection_gone(to->server);
        return;
    }
    *copy = *incoming;
    head = atomic_load(&to->incoming);
    do
        copy->next = head;
    while (!atomic_compare_exchange_weak(&to->incoming, &head, copy));
    http_loop_wake(to);
}

static void take(struct http_loop *loop, struct incoming *incoming)
{
    struct http_server *server = loop->server;
    int64_t open = atomic_load(&server->n_connections), max = server->config.options->connections_max;
    struct http_loop *to;

    incoming->over_limit = open >= max;
    count(server, incoming->over_limit ? METRIC_CONNECTIONS_REFUSED : METRIC_CONNECTIONS_ACCEPTED);
    if (open >= max + CONNECTIONS_RESERVED) {
        connection_send_canned(incoming->fd, 503);
        linger_start(&loop->lingers, incoming->fd);
        return;
    }
    to = least_loaded(server);
    atomic_fetch_add(&to->n_assigned, 1);
    atomic_fetch_add(&server->n_connections, 1);
    count(server, METRIC_CONNECTIONS);
    if (to == loop)
        http_loop_adopt(loop, incoming);
    else
        hand_over(to, incoming);
}

/* False when there is nothing more to accept now. */
static bool accept_one(struct http_loop *loop, int fd)
{
    struct incoming incoming = {.length = sizeof(incoming.address)};

    incoming.fd = accept4(fd, (struct sockaddr *)&incoming.address, &incoming.length,
                          SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (incoming.fd >= 0) {
        take(loop, &incoming);
        return true;
    }
    if (errno == EINTR || errno == ECONNABORTED)
        return true;
    if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)
        pause_accepting(loop);
    return false;
}

static void on_acceptable(uv_poll_t *poll, int status, int events)
{
    struct http_loop *loop = poll->data;
    int index = (int)(poll - loop->accepts);

    (void)status;
    (void)events;
    for (int i = 0; i < ACCEPTS_EACH_TIME; i++)
        if (!accept_one(loop, loop->server->listeners[index].fd))
            return;
}

void acceptor_start(struct http_loop *loop)
{
    for (int i = 0; i < loop->server->n_listeners; i++) {
        uv_poll_init(&loop->uv, &loop->accepts[i], loop->server->listeners[i].fd);
        loop->accepts[i].data = loop;
    }
    loop->accepting = true;
    watch(loop);
}

void acceptor_close(struct http_loop *loop, bool serve_backlog)
{
    if (!loop->accepting)
        return;
    loop->accepting = false;
    for (int i = 0; i < loop->server->n_listeners; i++) {
        struct listener *listener = &loop->server->listeners[i];

        uv_poll_stop(&loop->accepts[i]);
        /* A socket of systemd's stays open there: its backlog is our successor's. */
        while (serve_backlog && !listener->is_inherited && accept_one(loop, listener->fd))
            ;
        listener_close(listener);
    }
    uv_timer_stop(&loop->accept_pause);
    atomic_store(&loop->server->listening, false);
    http_server_check_drained(loop->server);
}
