/* SPDX-License-Identifier: Apache-2.0 */
#include "server/http/exchange.h"

#include "server/http/exchange_state.h"
#include "server/http/http_loop.h"

#include <assert.h>
#include <ctype.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

/* An exchange, its body and its reply are the largest blocks that each request takes; so the network thread
 * keeps some, with their memory. */
enum { KEPT_MAX = 64, KEEP_REPLY_BYTES_MAX = 16 * 1024 };

static struct exchange *take_kept(struct http_loop *loop)
{
    struct exchange *exchange = loop->kept;

    if (exchange != NULL) {
        loop->kept = exchange->next_finished;
        loop->n_kept--;
        return exchange;
    }
    exchange = malloc(sizeof(*exchange));
    if (exchange != NULL) {
        memset(&exchange->body, 0, sizeof(exchange->body));
        text_init(&exchange->spare);
        text_init(&exchange->headers);
    }
    return exchange;
}

struct exchange *exchange_create(struct http_loop *loop, struct http_connection *connection,
                                 struct MHD_Connection *mhd)
{
    struct exchange *exchange = take_kept(loop);

    if (exchange == NULL)
        return NULL;
    memset(exchange, 0, offsetof(struct exchange, match));
    exchange->match.n_params = 0;
    exchange->match.route = NULL;
    memset(&exchange->outcome, 0, sizeof(exchange->outcome));
    exchange->content_type = "";
    exchange->model[0] = exchange->version[0] = '\0';
    atomic_init(&exchange->state, EXCHANGE_RUNNING);
    atomic_init(&exchange->references, 1);
    exchange->loop = loop;
    exchange->connection = connection;
    exchange->mhd = mhd;
    text_init(&exchange->reply);
    return exchange;
}

static void exchange_free(struct exchange *exchange)
{
    upload_finish(&exchange->upload);
    body_finish(&exchange->body);
    text_free(&exchange->reply);
    text_free(&exchange->spare);
    text_free(&exchange->headers);
    free(exchange);
}

static void keep(struct http_loop *loop, struct exchange *exchange)
{
    upload_finish(&exchange->upload);
    body_recycle(&exchange->body);
    if (exchange->spare.data == NULL && exchange->reply.capacity <= KEEP_REPLY_BYTES_MAX) {
        exchange->spare = exchange->reply;
        text_init(&exchange->reply);
    }
    text_free(&exchange->reply);
    exchange->spare.length = exchange->headers.length = 0;
    if (exchange->spare.failed || exchange->headers.failed) {
        exchange_free(exchange);
        return;
    }
    exchange->next_finished = loop->kept;
    loop->kept = exchange;
    loop->n_kept++;
}

void exchange_unref(struct exchange *exchange)
{
    if (exchange == NULL ||
        atomic_fetch_sub_explicit(&exchange->references, 1, memory_order_acq_rel) > 1)
        return;
    if (http_loop_is_mine(exchange->loop) && exchange->loop->n_kept < KEPT_MAX)
        keep(exchange->loop, exchange);
    else
        exchange_free(exchange);
}

void exchange_free_kept(struct http_loop *loop)
{
    while (loop->kept != NULL) {
        struct exchange *exchange = loop->kept;

        loop->kept = exchange->next_finished;
        exchange_free(exchange);
    }
    loop->n_kept = 0;
}

bool exchange_begin_upload(struct exchange *exchange, int dir_fd, uint64_t bytes_max,
                           struct problem *problem)
{
    return upload_create(&exchange->upload, dir_fd, bytes_max, problem);
}

void exchange_take_upload(struct exchange *exchange, struct upload *ret_upload)
{
    *ret_upload = exchange->upload;
    exchange->upload = (struct upload){.bytes = ret_upload->bytes};
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

/* As much as fits. */
static void copy_text(char *to, size_t size, const char *from)
{
    size_t length = from != NULL ? strnlen(from, size - 1) : 0;

    memcpy(to, from != NULL ? from : "", length);
    to[length] = '\0';
}

void exchange_note_model(struct exchange *exchange, const char *model, const char *version)
{
    copy_text(exchange->model, sizeof(exchange->model), model);
    copy_text(exchange->version, sizeof(exchange->version), version);
}

void exchange_note_phases(struct exchange *exchange, uint64_t queue_us, uint64_t compute_us,
                          int batch_size)
{
    exchange->outcome.queue_us = queue_us;
    exchange->outcome.compute_us = compute_us;
    exchange->outcome.batch_size = batch_size;
}

void exchange_note_update(struct exchange *exchange, const struct access_update *update)
{
    exchange->outcome.update = *update;
}

const char *exchange_peer(const struct exchange *exchange)
{
    return exchange->connection->peer;
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

void exchange_take_text(struct exchange *exchange, struct text *ret_text)
{
    *ret_text = exchange->spare;
    text_init(&exchange->spare);
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
    exchange->outcome.status = status;
    exchange->content_type = content_type != NULL ? content_type : "";
    if (body != NULL) {
        exchange->reply = *body;
        text_init(body);
    }
    replied(exchange);
}

void exchange_reply_problem(struct exchange *exchange, const struct problem *problem)
{
    char seconds[16];

    exchange->outcome.status = problem->status;
    exchange->outcome.reason = problem->reason;
    exchange_take_text(exchange, &exchange->reply);
    text_puts(&exchange->reply, "{\"error\":");
    text_json_string(&exchange->reply, problem->text, strlen(problem->text));
    text_puts(&exchange->reply, "}");
    if (exchange->reply.failed)
        text_free(&exchange->reply);
    exchange->content_type = "application/json";
    if (problem->retry_after_s > 0) {
        snprintf(seconds, sizeof(seconds), "%d", problem->retry_after_s);
        exchange_add_header(exchange, "Retry-After", seconds);
    }
    replied(exchange);
}
