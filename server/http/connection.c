/* SPDX-License-Identifier: Apache-2.0
 * Connections and their time limits. libmicrohttpd's own timeout counts idle time only, so a client
 * that sends one byte now and then is never cut off, and a suspended connection has none: here each
 * state of a connection has an absolute deadline, looked at every few hundred milliseconds. */
#include "config.h"

#include "server/http/http_loop.h"

#include "server/http/exchange_state.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

/* A client that closed its sending side may still read: it counts as gone only after so long. */
#define HALF_CLOSED_NS (1000 * UINT64_C(1000000))
#define UNSEEN_FIN_NS (50 * UINT64_C(1000000))
#define DRAIN_IDLE_NS (500 * UINT64_C(1000000))
#define OVER_LIMIT_NS (2000 * UINT64_C(1000000))

enum { POLL_AT_ONCE = 256, STUCK_SWEEPS = 3 };

static void link_connection(struct http_loop *loop, struct http_connection *connection)
{
    connection->next = loop->connections;
    if (loop->connections != NULL)
        loop->connections->previous = connection;
    loop->connections = connection;
}

static void unlink_connection(struct http_loop *loop, struct http_connection *connection)
{
    if (connection->next != NULL)
        connection->next->previous = connection->previous;
    if (connection->previous != NULL)
        connection->previous->next = connection->next;
    else
        loop->connections = connection->next;
}

static void open_connection(struct http_loop *loop, struct MHD_Connection *mhd, void **context)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CONNECTION_FD);
    struct http_connection *connection = calloc(1, sizeof(*connection));

    *context = connection;
    if (connection != NULL) {
        connection->loop = loop;
        connection->mhd = mhd;
        connection->fd = info->connect_fd;
        connection->over_limit = loop->adding->over_limit;
        socket_peer(connection->fd, (const struct sockaddr *)&loop->adding->address,
                    connection->peer, sizeof(connection->peer));
        link_connection(loop, connection);
        connection_set_state(connection, CONNECTION_IDLE);
        /* The first request is due sooner than those that follow. */
        if (!loop->drain_begun)
            connection->deadline_ns = uv_hrtime() + (connection->over_limit
                                                         ? OVER_LIMIT_NS
                                                         : loop->server->request_timeout_ns);
    }
    loop->adding = NULL;
}

static void close_connection(struct http_loop *loop, struct http_connection *connection)
{
    if (connection != NULL)
        unlink_connection(loop, connection);
    free(connection);
    atomic_fetch_sub(&loop->n_assigned, 1);
    http_server_connection_gone(loop->server);
}

void connection_notify(void *arg, struct MHD_Connection *mhd, void **socket_context,
                       enum MHD_ConnectionNotificationCode code)
{
    struct http_loop *loop = arg;

    loop->activity++;
    if (code == MHD_CONNECTION_NOTIFY_STARTED)
        open_connection(loop, mhd, socket_context);
    else
        close_connection(loop, *socket_context);
}

void connection_set_state(struct http_connection *connection, enum connection_state state)
{
    const struct http_server *server = connection->loop->server;
    uint64_t now = connection->loop->now_ns;

    if (connection->state == CONNECTION_CLOSING)
        return;
    connection->state = state;
    connection->state_ns = now;
    switch (state) {
    case CONNECTION_IDLE:
        connection->deadline_ns =
            now + (connection->loop->drain_begun ? DRAIN_IDLE_NS : server->idle_timeout_ns);
        break;
    case CONNECTION_RECEIVING:
        connection->deadline_ns = now + server->request_timeout_ns;
        break;
    case CONNECTION_PARKED:
        connection->deadline_ns = connection->exchange->deadline_ns;
        break;
    case CONNECTION_SENDING:
        connection->deadline_ns = now + server->response_timeout_ns;
        break;
    case CONNECTION_STREAMING:
        connection->deadline_ns = UINT64_MAX;
        break;
    case CONNECTION_CLOSING:
        break;
    }
}

void connection_shutdown(struct http_connection *connection, bool reset)
{
    struct linger discard = {.l_onoff = 1, .l_linger = 0};

    /* What the client does not read must not stay in the kernel. */
    if (reset)
        setsockopt(connection->fd, SOL_SOCKET, SO_LINGER, &discard, sizeof(discard));
    shutdown(connection->fd, SHUT_RDWR);
    connection->state = CONNECTION_CLOSING;
}

void connection_send_canned(int fd, int status)
{
    static const struct {
        int status;
        const char *line, *text;
    } answers[] = {
        {400, "400 Bad Request", "chunked body is malformed"},
        {408, "408 Request Timeout", "the request did not arrive in time"},
        {413, "413 Content Too Large", "body is larger than the limit"},
        {500, "500 Internal Server Error", "the body could not be stored"},
        {507, "507 Insufficient Storage", "the disk is full"},
        {503, "503 Service Unavailable\r\nRetry-After: 1", "too many connections or too much data"},
    };
    char answer[512];
    int length;

    for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
        if (answers[i].status != status)
            continue;
        length = snprintf(answer, sizeof(answer),
                          "HTTP/1.1 %s\r\nContent-Type: application/json\r\nConnection: close\r\n"
                          "Content-Length: %zu\r\n\r\n{\"error\":\"%s\"}",
                          answers[i].line, strlen(answers[i].text) + strlen("{\"error\":\"\"}"),
                          answers[i].text);
        (void)!send(fd, answer, (size_t)length, MSG_DONTWAIT | MSG_NOSIGNAL);
    }
}

/* The deadline of its state has passed. */
static void time_out(struct http_connection *connection)
{
    struct exchange *exchange = connection->exchange;
    int parked = EXCHANGE_PARKED;

    switch (connection->state) {
    case CONNECTION_IDLE:
        connection_shutdown(connection, false);
        break;
    case CONNECTION_RECEIVING:
        exchange->outcome.status = 408;
        exchange->outcome.reason = "timeout";
        connection_send_canned(connection->fd, 408);
        connection_shutdown(connection, false);
        break;
    case CONNECTION_PARKED:
        if (atomic_compare_exchange_strong(&exchange->state, &parked, EXCHANGE_EXPIRED))
            parking_leave(exchange);                   /* request_answer() says 504 */
        break;
    case CONNECTION_SENDING:
        connection_shutdown(connection, true);
        break;
    case CONNECTION_STREAMING:
    case CONNECTION_CLOSING:
        break;
    }
}

/* The client has closed its side at least: what does that mean in this state? */
static void see_hangup(struct http_connection *connection, int events, uint64_t now)
{
    uint64_t age_ns = now - connection->state_ns;
    char byte;

    if (connection->state == CONNECTION_PARKED) {
        if ((events & (POLLERR | POLLHUP)) != 0 || age_ns > HALF_CLOSED_NS)
            atomic_store_explicit(&connection->exchange->abandoned, true, memory_order_relaxed);
        return;
    }
    if (connection->state == CONNECTION_STREAMING) {
        streaming_end(connection, true);
        return;
    }
    /* libmicrohttpd takes a short read for the end of what there is, and so never sees a FIN that
     * came with the last bytes. */
    if (age_ns > UNSEEN_FIN_NS && recv(connection->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0)
        connection_shutdown(connection, false);
}

/* Whose client has hung up without libmicrohttpd noticing? It does not look at suspended connections
 * at all. */
static void look_for_hangups(struct http_loop *loop, uint64_t now)
{
    struct http_connection *connection = loop->connections, *who[POLL_AT_ONCE];
    struct pollfd sockets[POLL_AT_ONCE];

    while (connection != NULL) {
        int n = 0;

        for (; connection != NULL && n < POLL_AT_ONCE; connection = connection->next)
            if (connection->state <= CONNECTION_PARKED ||
                connection->state == CONNECTION_STREAMING) {
                sockets[n] = (struct pollfd){.fd = connection->fd, .events = POLLRDHUP};
                who[n++] = connection;
            }
        if (n == 0 || poll(sockets, (nfds_t)n, 0) <= 0)
            continue;
        for (int i = 0; i < n; i++)
            if (sockets[i].revents != 0)
                see_hangup(who[i], sockets[i].revents, now);
    }
}

/* libmicrohttpd 0.9.75 waits for ever for the end of a chunk's size line that is longer than its
 * buffer. It shows by bytes that are there and are not read. */
static void look_for_stuck(struct http_connection *connection)
{
    struct exchange *exchange = connection->exchange;
    int unread = 0;

    if (exchange->body.length != connection->swept_bytes ||
        ioctl(connection->fd, FIONREAD, &unread) != 0 || unread == 0) {
        connection->swept_bytes = exchange->body.length;
        connection->stuck_sweeps = 0;
        return;
    }
    if (++connection->stuck_sweeps < STUCK_SWEEPS)
        return;
    exchange->outcome.status = 400;
    exchange->outcome.reason = "bad_framing";
    exchange->outcome.close = true;
    connection_send_canned(connection->fd, 400);
    connection_shutdown(connection, false);
}

void connections_sweep(struct http_loop *loop)
{
    struct http_connection *connection;
    uint64_t now = loop->now_ns = uv_hrtime();

    atomic_store(&loop->tick_ns, now);
    look_for_hangups(loop, now);
    for (connection = loop->connections; connection != NULL; connection = connection->next) {
        if (connection->state == CONNECTION_RECEIVING && connection->exchange->verdict.chunked)
            look_for_stuck(connection);
        if (connection->state == CONNECTION_STREAMING)
            streaming_sweep(connection);
        if (now >= connection->deadline_ns)
            time_out(connection);
    }
}

void connections_drain(struct http_loop *loop)
{
    struct http_connection *connection;
    char byte;

    for (connection = loop->connections; connection != NULL; connection = connection->next) {
        if (connection->exchange != NULL && connection->exchange->streaming.active)
            streaming_end(connection, false);
        if (connection->state != CONNECTION_IDLE)
            continue;
        connection_set_state(connection, CONNECTION_IDLE);     /* for its shorter deadline */
        if (recv(connection->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) <= 0)
            connection_shutdown(connection, false);
    }
}
