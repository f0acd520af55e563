/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "server/http/streaming.h"

#include "server/http/exchange_state.h"
#include "server/http/http_loop.h"

#include <stdatomic.h>
#include <string.h>

/* Bytes that libmicrohttpd takes at a time. */
enum { BLOCK_BYTES = 16 * 1024 };

void exchange_reply_stream(struct exchange *exchange, const char *content_type,
                           const struct exchange_source *source)
{
    struct http_server *server = exchange->loop->server;
    struct problem problem = {0};

    if (atomic_fetch_add(&server->n_streams, 1) >= STREAMS_MAX) {
        atomic_fetch_sub(&server->n_streams, 1);
        source->closed(source->arg);
        problem.retry_after_s = 1;
        problem_set(&problem, 503, "too_many_streams", "%d streams are open already", STREAMS_MAX);
        exchange_reply_problem(exchange, &problem);
        return;
    }
    exchange->streaming = (struct streaming){.active = true, .source = *source};
    exchange_add_header(exchange, "Cache-Control", "no-store");
    exchange_reply(exchange, 200, content_type, NULL);
}

/* libmicrohttpd's callback: all that was given before is on its way. */
static ssize_t give(void *arg, uint64_t at, char *to, size_t most)
{
    struct exchange *exchange = arg;
    struct streaming *streaming = &exchange->streaming;
    struct text *piece = &exchange->reply;
    size_t left;

    (void)at;
    exchange->loop->activity++;
    if (streaming->taken == piece->length && !streaming->ended) {
        piece->length = streaming->taken = 0;
        streaming->ended = exchange->loop->drain_begun ||
                           !streaming->source.read(streaming->source.arg, piece) || piece->failed;
    }
    left = piece->failed ? 0 : piece->length - streaming->taken;
    if (left == 0 && streaming->ended)
        return MHD_CONTENT_READER_END_OF_STREAM;
    if (left == 0) {
        /* Nothing to send: no deadline either. */
        streaming->suspended = true;
        connection_set_state(exchange->connection, CONNECTION_STREAMING);
        MHD_suspend_connection(exchange->mhd);
        return 0;
    }
    if (left > most)
        left = most;
    memcpy(to, piece->data + streaming->taken, left);
    streaming->taken += left;
    exchange->outcome.sent_bytes += left;
    connection_set_state(exchange->connection, CONNECTION_SENDING);
    return (ssize_t)left;
}

struct MHD_Response *streaming_response(struct exchange *exchange)
{
    return MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, BLOCK_BYTES, give, exchange, NULL);
}

void streaming_finish(struct exchange *exchange)
{
    if (!exchange->streaming.active)
        return;
    exchange->streaming.active = false;
    exchange->streaming.source.closed(exchange->streaming.source.arg);
    atomic_fetch_sub(&exchange->loop->server->n_streams, 1);
}

static void resume(struct exchange *exchange)
{
    if (!exchange->streaming.suspended)
        return;
    exchange->streaming.suspended = false;
    connection_set_state(exchange->connection, CONNECTION_SENDING);
    MHD_resume_connection(exchange->mhd);
}

void streaming_sweep(struct http_connection *connection)
{
    struct streaming *streaming = &connection->exchange->streaming;

    if (streaming->suspended && streaming->source.ready(streaming->source.arg))
        resume(connection->exchange);
}

void streaming_end(struct http_connection *connection, bool cut)
{
    struct exchange *exchange = connection->exchange;

    exchange->streaming.ended = true;
    resume(exchange);
    if (cut)
        connection_shutdown(connection, true);
}

void streaming_resume_all(struct http_loop *loop)
{
    for (struct http_connection *at = loop->connections; at != NULL; at = at->next)
        if (at->exchange != NULL && at->exchange->streaming.active)
            streaming_end(at, false);
}
