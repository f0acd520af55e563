/* SPDX-License-Identifier: Apache-2.0
 * server/http/exchange.h - one HTTP request and its one reply.
 *
 * A handler runs on the exchange's network thread with the whole body at hand. It either replies
 * before it returns, or calls exchange_defer() and lets any thread reply later, exactly once. The
 * exchange is gone after the reply. */
#ifndef SERVER_HTTP_EXCHANGE_H
#define SERVER_HTTP_EXCHANGE_H

#include "proto/problem.h"
#include "proto/text.h"

#include <stdbool.h>
#include <stdint.h>

struct access_update;
struct exchange;
struct upload;

const char *exchange_method(const struct exchange *exchange);
/* A {param} of the route's template, decoded once; NULL if the template has none of that name. */
const char *exchange_param(const struct exchange *exchange, const char *name);
/* NULL if absent. Name is case-insensitive. */
const char *exchange_header(const struct exchange *exchange, const char *name);
const char *exchange_query(const struct exchange *exchange, const char *name);
const void *exchange_body(const struct exchange *exchange, size_t *ret_bytes);
/* For a route's begin(): the body goes to a new file in the directory, which outlives the exchange. */
bool exchange_begin_upload(struct exchange *exchange, int dir_fd, uint64_t bytes_max,
                           struct problem *problem);
/* For its handler: takes over the file that holds the whole body. */
void exchange_take_upload(struct exchange *exchange, struct upload *ret_upload);
/* CLOCK_MONOTONIC when the request line had arrived, and by when it must be answered. */
uint64_t exchange_start_ns(const struct exchange *exchange);
uint64_t exchange_deadline_ns(const struct exchange *exchange);
/* Who asks: "127.0.0.1:40822", or "unix:1000" with the user id. Until the handler has returned. */
const char *exchange_peer(const struct exchange *exchange);
/* For the access log: set by handlers, copied. */
void exchange_note_model(struct exchange *exchange, const char *model, const char *version);
/* Microseconds of a phase, for the access log. */
void exchange_note_phases(struct exchange *exchange, uint64_t queue_us, uint64_t compute_us,
                          int batch_size);
/* What an update came to; by the replier, before it replies. */
void exchange_note_update(struct exchange *exchange, const struct access_update *update);

/* The reply comes later, from any thread. Until then the connection is suspended. */
void exchange_defer(struct exchange *exchange);
/* After exchange_defer(): true once the client has gone or the deadline has passed; work on it may
 * be dropped, but a reply must still be made. Any thread. */
bool exchange_is_abandoned(const struct exchange *exchange);

/* Adds a header to the reply to come; both strings are copied. */
void exchange_add_header(struct exchange *exchange, const char *name, const char *value);
/* For the replier: an empty text to write the body into, with memory that was used before. */
void exchange_take_text(struct exchange *exchange, struct text *ret_text);
/* Takes over body's memory (body is empty afterwards). An empty body gives no Content-Type, which is a
 * constant. */
void exchange_reply(struct exchange *exchange, int status, const char *content_type,
                    struct text *body);
/* {"error": text} with the problem's status and Retry-After. */
void exchange_reply_problem(struct exchange *exchange, const struct problem *problem);

/* A body that comes bit by bit, as long as it lasts. Its functions are called on the exchange's network
 * thread; they return at once. */
struct exchange_source {
    void *arg;
    /* True if read() has something to give, or the end. Asked several times a second. */
    bool (*ready)(void *arg);
    /* Appends what there is, 64 KiB or so at most; false: this was the last. */
    bool (*read)(void *arg, struct text *text);
    /* Once, when nobody reads any more; also if the reply is never sent. */
    void (*closed)(void *arg);
};
/* 200 with such a body, in chunks. Takes the source over, on failure too. Before the handler
 * returns, not after exchange_defer(). What the client has not read within the response timeout
 * ends the connection; so does the daemon's drain. Refused with 503 when too many are open. */
void exchange_reply_stream(struct exchange *exchange, const char *content_type,
                           const struct exchange_source *source);

#endif
