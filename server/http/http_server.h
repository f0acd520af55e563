/* SPDX-License-Identifier: Apache-2.0
 * server/http/http_server.h - the daemon's HTTP side: listeners, and N network threads that share
 * their connections. Called by the main thread, except where said. */
#ifndef SERVER_HTTP_HTTP_SERVER_H
#define SERVER_HTTP_HTTP_SERVER_H

#include "proto/problem.h"
#include "server/http/listener.h"
#include "server/http/router.h"

#include <stdbool.h>
#include <stdint.h>

struct http_server;
struct log;
struct metrics;
struct options;
struct services;

struct http_server_config {
    const struct options *options;
    struct services *services;           /* handed to handlers */
    struct log *log;                     /* NULL: nothing is logged */
    struct metrics *metrics;             /* NULL: nothing is counted */
    const struct route *routes;
    const struct listener *listeners;    /* taken over: closed by the server */
    int n_listeners;
    /* For routes with BODY_FILE: calls exchange_begin_upload() before any of the body is read, or sets
     * `problem`. */
    bool (*begin_upload)(struct exchange *exchange, struct services *services,
                         struct problem *problem);
    /* A network thread has handled all that had arrived; may be NULL. From that thread. */
    void (*turn_ended)(void *turn_arg);
    void *turn_arg;
    /* After http_server_drain(): the last connection is gone. From a network thread. */
    void (*drained)(void *arg);
    void *arg;
};

/* Starts the threads and serves at once. NULL sets `problem`; the listeners are closed then too. */
struct http_server *http_server_create(const struct http_server_config *config,
                                       struct problem *problem);
/* Stops listening and closes each connection once its request, if it has one, is answered; then calls
 * config->drained, once. */
void http_server_drain(struct http_server *server);
/* Joins the threads; closes whatever is left. No deferred exchange may be without its reply. */
void http_server_destroy(struct http_server *server);

const struct listener *http_server_listener(const struct http_server *server, int index);
int64_t http_server_connections(const struct http_server *server);
void http_server_set_access_log(struct http_server *server, bool enabled);
/* Asks every network thread for a sign of life; http_server_oldest_tick_ns() is when the slowest one
 * last gave one, on CLOCK_MONOTONIC. */
void http_server_ping(struct http_server *server);
uint64_t http_server_oldest_tick_ns(const struct http_server *server);

#endif
