/* SPDX-License-Identifier: Apache-2.0 */
#include "server/http/exchange.h"

#include "server/http/exchange_state.h"

#include <assert.h>
#include <ctype.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

struct exchange *exchange_create(struct http_loop *loop, struct http_connection *connection,
                                 struct MHD_Connection *mhd)
{
    struct exchange *exchange = malloc(sizeof(*exchange));

    if (exchange == NULL)
        return NULL;
    /* All but the parameters, which the router fills: they are most of it. */
    memset(exchange, 0, offsetof(struct exchange, match));
    exchange->match.n_params = 0;
    exchange->match.route = NULL;
    memset(&exchange->body, 0, sizeof(*exchange) - offsetof(struct exchange, body));
    atomic_init(&exchange->state, EXCHANGE_RUNNING);
    atomic_init(&exchange->references, 1);
    exchange->loop = loop;
    exchange->connection = connection;
    exchange->mhd = mhd;
    text_init(&exchange->reply);
    text_init(&exchange->headers);
    return exchange;
}

void exchange_unref(struct exchange *exchange)
{
    if (exchange == NULL ||
        atomic_fetch_sub_explicit(&exchange->references, 1, memory_order_acq_rel) > 1)
        return;
    body_finish(&exchange->body);
    text_free(&exchange->reply);
    text_free(&exchange->headers);
    free(exchange);
}

const char *exchange_method(const struct exchange *exchange)
{
    return exchange->method;
}

const char *exchange_param(const struct exchange *exchange, const char *name)
{
    size_t length = strlen(name);

    for (int i = 0; i < exchange->match.n_params; i++)
        if (exchange->match.params[i].name_length == length &&
            memcmp(exchange->match.params[i].name, name, length) == 0)
            return exchange->match.params[i].text;
    return NULL;
}

const char *exchange_header(const struct exchange *exchange, const char *name)
{
    return MHD_lookup_connection_value(exchange->mhd, MHD_HEADER_KIND, name);
}

static int hex_value(char c)
{
    return c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10;
}

const char *exchange_query(const struct exchange *exchange, const char *name)
{
    const char *from = MHD_lookup_connection_value(exchange->mhd, MHD_GET_ARGUMENT_KIND, name);
    char *text = ((struct exchange *)exchange)->query;
    size_t used = 0;

    if (from == NULL)
        return NULL;
    for (; *from != '\0' && used + 1 < EXCHANGE_QUERY_BYTES; from++) {
        if (*from == '%' && isxdigit((unsigned char)from[1]) && isxdigit((unsigned char)from[2])) {
            text[used++] = (char)(hex_value(from[1]) * 16 + hex_value(from[2]));
            from += 2;
        } else {
            text[used++] = *from;
        }
    }
    text[used] = '\0';
    return text;
}

const void *exchange_body(const struct exchange *exchange, size_t *ret_bytes)
{
    *ret_bytes = exchange->body.length;
    return exchange->body.data != NULL ? exchange->body.data : "";
}

uint64_t exchange_start_ns(const struct exchange *exchange)
{
    return exchange->start_ns;
}

uint64_t exchange_deadline_ns(const struct exchange *exchange)
{
    return exchange->deadline_ns;
}

void exchange_note_model(struct exchange *exchange, const char *model, const char *version)
{
    snprintf(exchange->model, sizeof(exchange->model), "%s", model != NULL ? model : "");
    snprintf(exchange->version, sizeof(exchange->version), "%s", version != NULL ? version : "");
}

void exchange_note_phases(struct exchange *exchange, uint64_t queue_us, uint64_t compute_us,
                          int batch_size)
{
    exchange->queue_us = queue_us;
    exchange->compute_us = compute_us;
    exchange->batch_size = batch_size;
}

void exchange_defer(struct exchange *exchange)
{
    assert(!exchange->deferred);
    exchange->deferred = true;
    atomic_fetch_add_explicit(&exchange->references, 1, memory_order_relaxed);
}

bool exchange_is_abandoned(const struct exchange *exchange)
{
    return atomic_load_explicit((_Atomic bool *)&exchange->abandoned, memory_order_relaxed) ||
           uv_hrtime() > exchange->deadline_ns;
}

void exchange_add_header(struct exchange *exchange, const char *name, const char *value)
{
    text_append(&exchange->headers, name, strlen(name) + 1);
    text_append(&exchange->headers, value, strlen(value) + 1);
}

/* The reply fields are filled: lets the network thread have them. */
static void replied(struct exchange *exchange)
{
    struct http_loop *loop = exchange->loop;
    int state = EXCHANGE_RUNNING;
    bool deferred = exchange->deferred;

    if (!atomic_compare_exchange_strong(&exchange->state, &state, EXCHANGE_REPLIED)) {
        assert(state != EXCHANGE_REPLIED);
        if (state == EXCHANGE_PARKED &&
            atomic_compare_exchange_strong(&exchange->state, &state, EXCHANGE_REPLIED))
            parking_finished(loop, exchange);
    }
    if (deferred)
        exchange_unref(exchange);
}

void exchange_reply(struct exchange *exchange, int status, const char *content_type,
                    struct text *body)
{
    if (body != NULL && body->failed) {
        struct problem problem = {0};

        text_free(body);
        problem_set(&problem, 503, "no_memory", "out of memory");
        problem.retry_after_s = 1;
        exchange_reply_problem(exchange, &problem);
        return;
    }
    exchange->status = status;
    snprintf(exchange->content_type, sizeof(exchange->content_type), "%s",
             content_type != NULL ? content_type : "");
    if (body != NULL) {
        exchange->reply = *body;
        text_init(body);
    }
    replied(exchange);
}

void exchange_reply_problem(struct exchange *exchange, const struct problem *problem)
{
    char seconds[16];

    exchange->status = problem->status;
    exchange->reason = problem->reason;
    text_puts(&exchange->reply, "{\"error\":");
    text_json_string(&exchange->reply, problem->text, strlen(problem->text));
    text_puts(&exchange->reply, "}");
    if (exchange->reply.failed)
        text_free(&exchange->reply);
    snprintf(exchange->content_type, sizeof(exchange->content_type), "application/json");
    if (problem->retry_after_s > 0) {
        snprintf(seconds, sizeof(seconds), "%d", problem->retry_after_s);
        exchange_add_header(exchange, "Retry-After", seconds);
    }
    replied(exchange);
}
