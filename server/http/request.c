/* SPDX-License-Identifier: Apache-2.0
 * libmicrohttpd's callbacks: they turn its calls into one exchange, one call of a handler, and one
 * reply. It calls request_handle() once after the header, once for each piece of the body, once after
 * the body, and once more after a resume. A reply queued at the first of these ends the connection;
 * during the body none can be queued at all. */
#include "config.h"

#include "server/http/http_loop.h"

#include "server/http/exchange_state.h"
#include "server/http/raw_header.h"
#include "server/observe/access_log.h"
#include "server/observe/metrics.h"

#include <assert.h>
#include <string.h>
#include <unistd.h>

/* A refused body up to this size is read away, to keep the connection. */
enum { DISCARD_BYTES_MAX = 256 * 1024 };
/* Of a body that goes to a file; and what its handler may take for so much of it. */
enum { FILE_STRIDE = 1 << 20, FILE_STRIDE_NS = 100 * 1000 * 1000 };

struct fields {
    struct gate_header *headers;
    int n, max;
};

static void count(const struct exchange *exchange, int metric, int64_t amount)
{
    struct metrics *metrics = exchange->loop->server->config.metrics;

    if (metrics != NULL)
        metrics_add(metrics, metric, amount);
}

void *request_begin(void *arg, const char *uri, struct MHD_Connection *mhd)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    struct http_connection *connection = info->socket_context;
    struct http_loop *loop = arg;
    struct exchange *exchange;

    if (connection == NULL)
        return NULL;
    exchange = exchange_create(loop, connection, mhd);
    if (exchange == NULL)
        return NULL;
    exchange->start_ns = uv_hrtime();
    exchange->deadline_ns = exchange->start_ns + loop->server->deadline_ns;
    exchange->uri = uri != NULL ? uri : "";
    exchange->uri_length = strlen(exchange->uri);
    exchange->path = exchange->uri;
    exchange->method = "-";
    connection->exchange = exchange;
    connection_set_state(connection, CONNECTION_RECEIVING);
    count(exchange, METRIC_IN_FLIGHT_REQUESTS, 1);
    return exchange;
}

static enum MHD_Result add_field(void *arg, enum MHD_ValueKind kind, const char *name,
                                 size_t name_length, const char *value, size_t value_length)
{
    struct fields *fields = arg;

    (void)kind;
    if (fields->n < fields->max)
        fields->headers[fields->n] =
            (struct gate_header){name, value != NULL ? value : "", name_length, value_length};
    fields->n++;
    return fields->n <= fields->max ? MHD_YES : MHD_NO;
}

/* Fills the exchange's verdict and path; false sets `problem`, and nothing on the connection can be
 * trusted. */
static bool check_header(struct exchange *exchange, const char *url, const char *method,
                         const char *version, struct problem *problem)
{
    const struct http_server *server = exchange->loop->server;
    struct gate_header headers[GATE_HEADERS_MAX + 1];
    struct fields fields = {headers, 0, server->limits.header_count_max + 1};
    struct gate_request request = {.method = method, .uri = exchange->uri, .version = version,
                                   .uri_length = exchange->uri_length, .headers = headers};

    MHD_get_connection_values_n(exchange->mhd, MHD_HEADER_KIND, add_field, &fields);
    request.n_headers = fields.n < fields.max ? fields.n : fields.max;
    request.header_bytes = exchange->uri_length;
    for (int i = 0; i < request.n_headers; i++)
        request.header_bytes += headers[i].name_length + headers[i].value_length + 4;
    /* The query is cut off by now; its length is known from before. */
    if (server->raw_headers && request.n_headers <= server->limits.header_count_max &&
        !raw_header_check(&request, &request.header_bytes, problem))
        return false;
    (void)url;
    if (!gate_check(&request, &server->limits, &exchange->verdict, problem))
        return false;
    exchange->path = exchange->verdict.path;
    return true;
}

/* Sends what is in the reply fields. */
static enum MHD_Result send_reply(struct exchange *exchange)
{
    struct http_connection *connection = exchange->connection;
    const char *at = exchange->headers.data, *end = at + exchange->headers.length;
    struct MHD_Response *response;
    enum MHD_Result result;

    exchange->outcome.sent_bytes = exchange->reply.length;
    /* The exchange lives until libmicrohttpd has sent this. */
    response = exchange->streaming.active
                   ? streaming_response(exchange)
                   : MHD_create_response_from_buffer(exchange->reply.length, exchange->reply.data,
                                                     MHD_RESPMEM_PERSISTENT);
    if (response == NULL)
        return MHD_NO;
    if (exchange->content_type[0] != '\0' &&
        (exchange->outcome.sent_bytes > 0 || exchange->streaming.active))
        MHD_add_response_header(response, "Content-Type", exchange->content_type);
    while (at != NULL && at < end && !exchange->headers.failed) {
        const char *value = at + strlen(at) + 1;

        MHD_add_response_header(response, at, value);
        at = value + strlen(value) + 1;
    }
    if (exchange->outcome.close || connection->over_limit || exchange->loop->drain_begun)
        MHD_add_response_header(response, "Connection", "close");
    connection_set_state(connection, CONNECTION_SENDING);
    result = MHD_queue_response(exchange->mhd, (unsigned int)exchange->outcome.status, response);
    MHD_destroy_response(response);          /* the exchange may be gone, if nothing could be queued */
    return result;
}

/* A reply of our own, before any handler was called. */
static void refuse(struct exchange *exchange, const struct problem *problem)
{
    exchange_reply_problem(exchange, problem);
    exchange->stage = STAGE_HANDLED;
}

/* A sound request that is refused: reads a small body away, so that the connection can live on. */
static enum MHD_Result refuse_and_read(struct exchange *exchange, const struct problem *problem)
{
    const struct gate_verdict *verdict = &exchange->verdict;
    bool short_body = !verdict->chunked && verdict->content_length <= DISCARD_BYTES_MAX &&
                      (!verdict->expects_continue || verdict->content_length == 0);

    refuse(exchange, problem);
    if (short_body) {
        exchange->stage = STAGE_DISCARD;
        return MHD_YES;
    }
    exchange->outcome.close = true;
    return send_reply(exchange);
}

static bool find_route(struct exchange *exchange, struct problem *problem)
{
    const struct http_server *server = exchange->loop->server;
    const char *query = strchr(exchange->path, '?');
    int status;

    assert(query == NULL);           /* libmicrohttpd has put a NUL there */
    status = router_match(server->config.routes, exchange->method, exchange->path, &exchange->match);
    if (status == 404 && strcmp(exchange->path, "*") != 0)
        return problem_set(problem, 404, "unknown_route", "there is nothing at this URL");
    if (status == 200 && exchange->connection->over_limit &&
        (exchange->match.route->scope != SCOPE_OPEN || exchange->match.route->body != BODY_NONE)) {
        problem->retry_after_s = 1;
        return problem_set(problem, 503, "too_many_connections", "too many connections");
    }
    if (status == 405)
        exchange_add_header(exchange, "Allow", exchange->match.allow);
    if (status == 405 && strcmp(exchange->method, "OPTIONS") != 0)
        return problem_set(problem, 405, "method_not_allowed", "method must be one of %s",
                           exchange->match.allow);
    return true;
}

static void body_problem(enum body_status status, struct problem *problem)
{
    switch (status) {
    case BODY_STATUS_TOO_LARGE:
        problem_set(problem, 413, "body_too_large", "body is larger than the limit");
        break;
    case BODY_STATUS_TOO_MANY_PIECES:
        problem_set(problem, 413, "body_too_large", "body comes in too many small chunks");
        break;
    case BODY_STATUS_OVER_BUDGET:
    case BODY_STATUS_NO_MEMORY:
        problem_set(problem, 503, "over_budget", "too much data in flight");
        problem->retry_after_s = 1;
        break;
    case BODY_STATUS_OK:
        break;
    }
}

static bool takes_file(const struct exchange *exchange)
{
    return exchange->match.route != NULL && exchange->match.route->body == BODY_FILE;
}

/* The header is complete. */
static enum MHD_Result handle_header(struct exchange *exchange, const char *url, const char *method,
                                     const char *version)
{
    struct problem problem = {0};
    enum body_status status;

    exchange->method = method;
    exchange->stage = STAGE_BODY;
    if (!check_header(exchange, url, method, version, &problem)) {
        exchange->outcome.close = true;
        refuse(exchange, &problem);
        return send_reply(exchange);
    }
    if (!find_route(exchange, &problem) ||
        (exchange->match.route != NULL &&
         !gate_check_body(&exchange->verdict, exchange->match.route->body,
                          &exchange->loop->server->limits, &problem)))
        return refuse_and_read(exchange, &problem);
    if (takes_file(exchange)) {
        const struct http_server *server = exchange->loop->server;

        if (!server->config.begin_upload(exchange, server->config.services, &problem))
            return refuse_and_read(exchange, &problem);
        return MHD_YES;
    }
    status = body_init(&exchange->body, &exchange->loop->server->budget,
                       (size_t)exchange->verdict.content_length,
                       (size_t)exchange->loop->server->limits.body_bytes_max);
    if (status == BODY_STATUS_OK)
        return MHD_YES;
    body_problem(status, &problem);
    return refuse_and_read(exchange, &problem);
}

/* What is long has more time: the request timeout starts anew with each FILE_STRIDE bytes. */
static void add_to_file(struct exchange *exchange, const char *data, size_t length,
                        struct problem *problem)
{
    uint64_t before = exchange->upload.bytes / FILE_STRIDE;

    if (upload_add(&exchange->upload, data, length, problem) &&
        exchange->upload.bytes / FILE_STRIDE > before)
        connection_set_state(exchange->connection, CONNECTION_RECEIVING);
}

/* A piece of the body. When it cannot be kept, the answer goes to the socket directly. */
static enum MHD_Result handle_piece(struct exchange *exchange, const char *data, size_t *length)
{
    enum body_status status = BODY_STATUS_OK;
    struct problem problem = {0};

    if (exchange->stage == STAGE_BODY && exchange->upload.open)
        add_to_file(exchange, data, *length, &problem);
    else if (exchange->stage == STAGE_BODY)
        status = body_add(&exchange->body, data, *length);
    count(exchange, METRIC_RECEIVED_BODY_BYTES, (int64_t)*length);
    *length = 0;
    if (status == BODY_STATUS_OK && problem.status == 0)
        return MHD_YES;
    body_problem(status, &problem);
    exchange->outcome.status = problem.status;
    exchange->outcome.reason = problem.reason;
    exchange->outcome.close = true;
    connection_send_canned(exchange->connection->fd, problem.status);
    return MHD_NO;
}

/* The body is complete: calls the handler, once. */
static enum MHD_Result handle_complete(struct exchange *exchange)
{
    const struct http_server *server = exchange->loop->server;
    int state = EXCHANGE_RUNNING;

    exchange->stage = STAGE_HANDLED;
    if (exchange->upload.open)                       /* to look through it takes time as well */
        exchange->deadline_ns = uv_hrtime() + server->deadline_ns +
                                exchange->upload.bytes / FILE_STRIDE * FILE_STRIDE_NS;
    if (exchange->match.route == NULL)               /* OPTIONS */
        exchange_reply(exchange, 204, NULL, NULL);
    else
        exchange->match.route->handle(exchange, server->config.services);
    if (atomic_compare_exchange_strong(&exchange->state, &state, EXCHANGE_PARKED)) {
        assert(exchange->deferred);                  /* else the handler forgot to reply */
        connection_set_state(exchange->connection, CONNECTION_PARKED);
        parking_enter(exchange);
        return MHD_YES;
    }
    return send_reply(exchange);
}

/* Nobody answered in time. The reply fields are the late replier's, so this one is made apart. */
static enum MHD_Result send_expired(struct exchange *exchange)
{
    static const char body[] = "{\"error\":\"deadline passed before the answer was ready\"}";
    struct MHD_Response *response =
        MHD_create_response_from_buffer(strlen(body), (void *)body, MHD_RESPMEM_PERSISTENT);
    enum MHD_Result result;

    if (response == NULL)
        return MHD_NO;
    MHD_add_response_header(response, "Content-Type", "application/json");
    if (exchange->loop->drain_begun)
        MHD_add_response_header(response, "Connection", "close");
    connection_set_state(exchange->connection, CONNECTION_SENDING);
    result = MHD_queue_response(exchange->mhd, 504, response);
    MHD_destroy_response(response);
    return result;
}

enum MHD_Result request_answer(struct exchange *exchange)
{
    return atomic_load(&exchange->state) == EXCHANGE_EXPIRED ? send_expired(exchange)
                                                             : send_reply(exchange);
}

enum MHD_Result request_handle(void *arg, struct MHD_Connection *mhd, const char *url,
                               const char *method, const char *version, const char *upload_data,
                               size_t *upload_data_size, void **context)
{
    struct exchange *exchange = *context;
    struct http_loop *loop = arg;

    (void)mhd;
    if (exchange != NULL && exchange->parking == PARKING_HELD)
        return MHD_YES;                              /* asked in every run, until there is a reply */
    loop->activity++;
    if (exchange == NULL)
        return MHD_NO;                               /* out of memory: close */
    if (exchange->stage == STAGE_HEADER)
        return handle_header(exchange, url, method, version);
    if (*upload_data_size > 0)
        return handle_piece(exchange, upload_data, upload_data_size);
    if (exchange->stage == STAGE_BODY)
        return handle_complete(exchange);
    return request_answer(exchange);
}

static void log_access(struct exchange *exchange, int status)
{
    const struct http_server *server = exchange->loop->server;
    /* Else these fields are the late replier's. */
    bool replied = atomic_load(&exchange->state) == EXCHANGE_REPLIED;
    struct access_record record = {
        .method = exchange->method, .path = exchange->path, .status = status,
        .bytes_in = exchange->body.length + exchange->upload.bytes, .bytes_out = exchange->outcome.sent_bytes,
        .duration_us = (uv_hrtime() - exchange->start_ns) / 1000,
        .queue_us = replied ? exchange->outcome.queue_us : 0,
        .compute_us = replied ? exchange->outcome.compute_us : 0,
        .batch_size = replied ? exchange->outcome.batch_size : 0,
        .model = exchange->model, .version = exchange->version,
        .peer = exchange->connection->peer,
        .update = replied && exchange->outcome.update.kind != NULL ? &exchange->outcome.update : NULL,
        .request_id = exchange->stage != STAGE_HEADER ? exchange_header(exchange, "X-Request-Id")
                                                      : NULL,
    };

    access_log_append(server->config.log, &exchange->loop->access_lines, &record);
}

/* 499: the client went before it was answered; 400: libmicrohttpd refused the request by itself. */
static int final_status(const struct exchange *exchange, enum MHD_RequestTerminationCode code)
{
    int state = atomic_load(&exchange->state);

    if (state == EXCHANGE_EXPIRED || state == EXCHANGE_GONE)
        return state == EXCHANGE_EXPIRED ? 504 : 499;
    if (exchange->outcome.status != 0)
        return exchange->outcome.status;
    return code == MHD_REQUEST_TERMINATED_CLIENT_ABORT || code == MHD_REQUEST_TERMINATED_READ_ERROR
               ? 499
               : 400;
}

static const char *final_reason(const struct exchange *exchange, int status)
{
    if (status == 504 && atomic_load(&exchange->state) == EXCHANGE_EXPIRED)
        return "deadline";
    if (status == 499)
        return "client_gone";
    return exchange->outcome.status == 0 ? "bad_request" : exchange->outcome.reason;
}

void request_completed(void *arg, struct MHD_Connection *mhd, void **context,
                       enum MHD_RequestTerminationCode code)
{
    struct exchange *exchange = *context;
    struct http_loop *loop = arg;
    struct metrics *metrics = loop->server->config.metrics;
    struct http_connection *connection;
    bool over;
    int status;

    (void)mhd;
    loop->activity++;
    if (exchange == NULL)
        return;
    *context = NULL;
    streaming_finish(exchange);
    over = parking_lose(exchange);
    connection = exchange->connection;
    status = final_status(exchange, code);
    if (metrics != NULL) {
        metrics_add(metrics, METRIC_IN_FLIGHT_REQUESTS, -1);
        metrics_add(metrics, METRIC_SENT_BODY_BYTES, (int64_t)exchange->outcome.sent_bytes);
        metrics_http_response(metrics, status);
        if (status >= 400)
            metrics_request_error(metrics, final_reason(exchange, status));
    }
    if (atomic_load_explicit(&loop->server->access_log, memory_order_relaxed))
        log_access(exchange, status);
    if (exchange->outcome.close)
        linger_start(&loop->lingers, dup(connection->fd));
    connection->exchange = NULL;
    connection_set_state(connection, CONNECTION_IDLE);
    if (over)
        exchange_unref(exchange);
}
