/* SPDX-License-Identifier: Apache-2.0
 * libmicrohttpd's turn inside libuv. What 0.9.75 asks of us, each rule learnt from its source or by
 * test:
 * - MHD_resume_connection() wakes nothing in external mode: MHD_run() must follow it, once for all;
 * - MHD_run() leaves connections on its ready list: MHD_get_timeout() says so and must be asked after
 *   every run;
 * - suspend and resume on this thread only, resume only what is suspended;
 * - no connection may be suspended when the daemon is stopped. */
#include "config.h"

#include "server/http/http_loop.h"

#include "server/http/exchange_state.h"
#include "server/observe/log.h"
#include "server/options.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    POOL_BYTES_MIN = 16 * 1024,   /* for each connection; zeroed for each request, so not larger */
    ACCESS_LINES_BYTES = 32 * 1024,
    FRUITLESS_MAX = 64,           /* runs without a callback: far more than any response needs */
    READS_MAX = 4,                /* runs before what they brought is computed */
    ROUNDS_MAX = 8                /* before libuv looks at its other descriptors again */
};

static void on_idle(uv_idle_t *idle);
static void on_pause_over(uv_timer_t *timer);

static _Thread_local struct http_loop *loop_of_thread;

/* One run of libmicrohttpd. False if it called none of our callbacks: it had nothing to do. */
static bool run_mhd(struct http_loop *loop)
{
    unsigned int before = loop->activity;

    loop->now_ns = uv_hrtime();
    MHD_run(loop->mhd);
    loop->fruitless = loop->activity == before ? loop->fruitless + 1 : 0;
    return loop->fruitless == 0;
}

/* Reads as long as requests come, so that what is there is computed together; then lets it be computed. */
static void read_and_compute(struct http_loop *loop)
{
    int held;
    bool any = false;

    for (int i = 0; i < READS_MAX; i++) {
        held = loop->n_held;
        any |= run_mhd(loop);
        if (loop->n_held <= held)
            break;
    }
    if (any && loop->server->config.turn_ended != NULL)
        loop->server->config.turn_ended(loop->server->config.turn_arg);
}

/* Everything ends here: socket events, replies, and what libmicrohttpd left for another run. It asks
 * for another without end when a chunk's size line fills its buffer, and while exchanges are held: once
 * its runs bear no fruit it gets one each millisecond. The first ends when connections_sweep() ends
 * that connection, the other when what is held is suspended. (An uv_timer of 0 ms would starve all
 * else in libuv 1.44: a timer set in a timer's callback runs in the same round.) */
static void turn(struct http_loop *loop)
{
    MHD_UNSIGNED_LONG_LONG wait_ms;

    for (int i = 0; i < ROUNDS_MAX; i++) {
        read_and_compute(loop);
        if (!parking_take_finished(loop))
            break;
    }
    uv_idle_stop(&loop->mhd_again);
    if (MHD_get_timeout(loop->mhd, &wait_ms) != MHD_YES)
        return;
    if (loop->fruitless < (loop->n_held > 0 ? 1 : FRUITLESS_MAX))
        uv_idle_start(&loop->mhd_again, on_idle);
    else
        uv_timer_start(&loop->mhd_pause, on_pause_over, 1, 0);
}

static void on_idle(uv_idle_t *idle)
{
    turn(idle->data);
}

static void on_pause_over(uv_timer_t *timer)
{
    struct http_loop *loop = timer->data;

    loop->now_ns = uv_hrtime();
    parking_suspend_old(loop);
    turn(loop);
}

static void on_mhd_events(uv_poll_t *poll, int status, int events)
{
    (void)status;
    (void)events;
    turn(poll->data);
}

/* Writes what the access log has gathered, just before the loop waits. */
static void on_flush(uv_prepare_t *prepare)
{
    struct http_loop *loop = prepare->data;

    if (loop->access_lines.length == 0)
        return;
    log_write_text(loop->server->config.log, &loop->access_lines);
    loop->access_lines.length = 0;
    if (loop->access_lines.failed || loop->access_lines.capacity > ACCESS_LINES_BYTES)
        text_free(&loop->access_lines);
}

static void on_sweep(uv_timer_t *timer)
{
    struct http_loop *loop = timer->data;

    connections_sweep(loop);
    turn(loop);
    if (loop->connections == NULL)
        uv_timer_stop(timer);
}

void http_loop_adopt(struct http_loop *loop, const struct incoming *incoming)
{
    loop->adding = incoming;
    loop->now_ns = uv_hrtime();
    if (MHD_add_connection(loop->mhd, incoming->fd, (const struct sockaddr *)&incoming->address,
                           incoming->length) != MHD_YES && loop->adding != NULL) {
        atomic_fetch_sub(&loop->n_assigned, 1);    /* closed, and connection_notify() not called */
        http_server_connection_gone(loop->server);
    }
    loop->adding = NULL;
    if (loop->connections != NULL && !uv_is_active((uv_handle_t *)&loop->sweep_timer))
        uv_timer_start(&loop->sweep_timer, on_sweep, loop->server->sweep_ms,
                       loop->server->sweep_ms);
    turn(loop);
}

static void take_incoming(struct http_loop *loop)
{
    struct incoming *incoming = atomic_exchange(&loop->incoming, NULL);

    while (incoming != NULL) {
        struct incoming *next = incoming->next;

        http_loop_adopt(loop, incoming);
        free(incoming);
        incoming = next;
    }
}

static void on_wake(uv_async_t *wake)
{
    struct http_loop *loop = wake->data;

    loop->now_ns = uv_hrtime();
    atomic_store(&loop->tick_ns, loop->now_ns);
    take_incoming(loop);
    if (parking_take_finished(loop))
        turn(loop);
    if (atomic_load(&loop->server->draining) && !loop->drain_begun) {
        loop->drain_begun = true;
        acceptor_close(loop, true);
        connections_drain(loop);
        turn(loop);
    }
    if (atomic_load(&loop->stop))
        uv_stop(&loop->uv);
}

void http_loop_wake(struct http_loop *loop)
{
    uv_async_send(&loop->wake);
}

bool http_loop_is_mine(const struct http_loop *loop)
{
    return loop == loop_of_thread;
}

/* The URL's parts stay as they came: the router decodes each parameter once. */
static size_t keep_escaped(void *arg, struct MHD_Connection *mhd, char *text)
{
    (void)arg;
    (void)mhd;
    return strlen(text);
}

static bool start_mhd(struct http_loop *loop, struct problem *problem)
{
    int64_t limit = loop->server->config.options->connections_max + 4 * CONNECTIONS_RESERVED;
    size_t pool_bytes = 2 * loop->server->limits.header_bytes_max;
    const union MHD_DaemonInfo *info;

    loop->mhd = MHD_start_daemon(
        MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_NO_LISTEN_SOCKET, 0, NULL, NULL,
        request_handle, loop, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
        pool_bytes > POOL_BYTES_MIN ? pool_bytes : (size_t)POOL_BYTES_MIN,
        MHD_OPTION_CONNECTION_LIMIT, (unsigned int)limit,
        MHD_OPTION_URI_LOG_CALLBACK, request_begin, loop, MHD_OPTION_UNESCAPE_CALLBACK,
        keep_escaped, NULL, MHD_OPTION_NOTIFY_COMPLETED, request_completed, loop,
        MHD_OPTION_NOTIFY_CONNECTION, connection_notify, loop, MHD_OPTION_END);
    info = loop->mhd != NULL ? MHD_get_daemon_info(loop->mhd, MHD_DAEMON_INFO_EPOLL_FD) : NULL;
    if (info == NULL)
        return problem_set(problem, 500, "start", "libmicrohttpd does not start");
    if (uv_poll_init(&loop->uv, &loop->mhd_events, info->epoll_fd) != 0)
        return problem_set(problem, 500, "start", "cannot watch libmicrohttpd");
    loop->mhd_events.data = loop;
    uv_poll_start(&loop->mhd_events, UV_READABLE, on_mhd_events);
    return true;
}

bool http_loop_init(struct http_loop *loop, struct http_server *server, int index,
                    struct problem *problem)
{
    if (uv_loop_init(&loop->uv) != 0)
        return problem_set(problem, 500, "start", "no event loop");
    loop->server = server;
    loop->index = index;
    uv_idle_init(&loop->uv, &loop->mhd_again);
    uv_timer_init(&loop->uv, &loop->mhd_pause);
    uv_timer_init(&loop->uv, &loop->sweep_timer);
    uv_timer_init(&loop->uv, &loop->accept_pause);
    uv_prepare_init(&loop->uv, &loop->flush);
    lingers_init(&loop->lingers, &loop->uv);
    if (uv_async_init(&loop->uv, &loop->wake, on_wake) != 0)
        return problem_set(problem, 500, "start", "no wake-up descriptor");
    loop->mhd_again.data = loop->mhd_pause.data = loop;
    loop->sweep_timer.data = loop->accept_pause.data = loop;
    loop->flush.data = loop->wake.data = loop;
    uv_prepare_start(&loop->flush, on_flush);
    atomic_store(&loop->tick_ns, uv_hrtime());
    return start_mhd(loop, problem);
}

static void run_thread(void *arg)
{
    struct http_loop *loop = arg;

    loop_of_thread = loop;
    uv_run(&loop->uv, UV_RUN_DEFAULT);
}

bool http_loop_start(struct http_loop *loop, struct problem *problem)
{
    if (loop->index == 0)
        acceptor_start(loop);
    loop->thread_started = uv_thread_create(&loop->thread, run_thread, loop) == 0;
    if (!loop->thread_started)
        return problem_set(problem, 500, "start", "cannot start a network thread");
    return true;
}

static void close_handle(uv_handle_t *handle, void *arg)
{
    (void)arg;
    if (!uv_is_closing(handle))
        uv_close(handle, NULL);
}

/* On the joining thread: the loop's own has ended. */
void http_loop_finish(struct http_loop *loop)
{
    if (loop->server == NULL)
        return;
    if (loop->thread_started) {
        atomic_store(&loop->stop, true);
        uv_async_send(&loop->wake);
        uv_thread_join(&loop->thread);
    }
    acceptor_close(loop, false);
    take_incoming(loop);
    if (loop->mhd != NULL) {
        parking_take_finished(loop);
        streaming_resume_all(loop);
        for (int i = 0; i < 4; i++)
            MHD_run(loop->mhd);          /* the answers that are ready go out */
        uv_poll_stop(&loop->mhd_events);
        MHD_stop_daemon(loop->mhd);
    }
    exchange_free_kept(loop);
    on_flush(&loop->flush);
    lingers_finish(&loop->lingers);
    uv_walk(&loop->uv, close_handle, NULL);
    uv_run(&loop->uv, UV_RUN_DEFAULT);
    uv_loop_close(&loop->uv);
    text_free(&loop->access_lines);
}
