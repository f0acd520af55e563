/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "server/lifecycle.h"

#include "server/options.h"

#include <signal.h>
#include <stdlib.h>
#include <sysexits.h>
#include <unistd.h>

enum { STARTUP_BEAT_MS = 5000, WATCHDOG_BEATS = 4 };

static void count_models(struct daemon *daemon, int *ret_ready, int *ret_failed)
{
    struct registry_list list;

    *ret_ready = *ret_failed = 0;
    if (!registry_list(daemon->registry, NULL, &list))
        return;
    for (int i = 0; i < list.n_rows; i++) {
        *ret_ready += list.rows[i].state == MODEL_READY;
        *ret_failed += list.rows[i].state == MODEL_UNAVAILABLE;
    }
    registry_list_finish(&list);
}

static void scan_done(void *arg, const struct problem *problem)
{
    struct daemon *daemon = arg;

    if (problem->status != 0)
        log_write(daemon->log, LOG_LEVEL_ERROR, "cannot read the model repository", "error=%s",
                  problem->text);
    atomic_store(&daemon->scanned, true);
    uv_async_send(&daemon->event);
}

static void scan(struct daemon *daemon)
{
    registry_scan(daemon->registry, (struct registry_done){scan_done, daemon});
}

void lifecycle_drained(void *arg)
{
    struct daemon *daemon = arg;

    atomic_store(&daemon->drained, true);
    uv_async_send(&daemon->event);
}

static void on_poll(uv_timer_t *timer)
{
    scan(timer->data);
}

/* Each scan arms the timer for the next, so that slow ones do not pile up. */
static void arm_poll(struct daemon *daemon)
{
    if (daemon->options->poll_interval_ms > 0)
        uv_timer_start(&daemon->poll, on_poll, (uint64_t)daemon->options->poll_interval_ms, 0);
}

/* The first scan is over: says so, to people and to systemd. */
static void become_ready(struct daemon *daemon)
{
    const struct listener *listener;
    int ready, failed;
    double ms = (double)(uv_hrtime() - daemon->started_ns) / 1e6;

    daemon->phase = PHASE_SERVING;
    uv_timer_stop(&daemon->startup);
    count_models(daemon, &ready, &failed);
    atomic_store(&daemon->services.accepting, 1);
    for (int i = 0; (listener = http_server_listener(daemon->http, i)) != NULL; i++) {
        log_write(daemon->log, LOG_LEVEL_INFO, "listening", "address=%s models=%d failed=%d ms=%.1f",
                  listener->name, ready, failed, ms);
        if (!listener->is_loopback)
            log_write(daemon->log, LOG_LEVEL_WARNING,
                      "anyone who can reach this address may use it: there is no authentication",
                      "address=%s", listener->name);
    }
    notify_send(&daemon->notify, "READY=1\nSTATUS=serving, %d models ready, %d failed", ready, failed);
}

static void on_drain_timeout(uv_timer_t *timer)
{
    struct daemon *daemon = timer->data;

    log_write(daemon->log, LOG_LEVEL_WARNING, "requests were still in flight after drain-timeout-s",
              "connections=%lld", (long long)http_server_connections(daemon->http));
    _exit(EXIT_SUCCESS);
}

static void drain(struct daemon *daemon)
{
    daemon->phase = PHASE_DRAINING;
    atomic_store(&daemon->services.accepting, 0);
    uv_timer_stop(&daemon->poll);
    uv_timer_stop(&daemon->startup);
    notify_send(&daemon->notify, "STOPPING=1\nSTATUS=finishing requests in flight");
    log_write(daemon->log, LOG_LEVEL_INFO, "stopping", "connections=%lld",
              (long long)http_server_connections(daemon->http));
    uv_timer_start(&daemon->drain, on_drain_timeout,
                   (uint64_t)daemon->options->drain_timeout_s * 1000, 0);
    http_server_drain(daemon->http);
}

static void on_scanned(struct daemon *daemon)
{
    int ready, failed;

    if (daemon->phase == PHASE_DRAINING)
        return;
    arm_poll(daemon);
    if (daemon->phase == PHASE_STARTING) {
        count_models(daemon, &ready, &failed);
        if (daemon->options->model != NULL && ready == 0) {
            daemon->exit_code = EX_DATAERR;            /* the log has said why */
            drain(daemon);
            return;
        }
        become_ready(daemon);
        return;
    }
    if (daemon->reloading) {
        daemon->reloading = false;
        count_models(daemon, &ready, &failed);
        log_write(daemon->log, LOG_LEVEL_INFO, "reloaded", "models=%d failed=%d", ready, failed);
        notify_send(&daemon->notify, "READY=1\nSTATUS=serving, %d models ready, %d failed", ready,
                    failed);
    }
}

static void on_event(uv_async_t *event)
{
    struct daemon *daemon = event->data;

    if (atomic_exchange(&daemon->scanned, false))
        on_scanned(daemon);
    if (atomic_exchange(&daemon->drained, false))
        uv_stop(&daemon->loop);
}

/* Takes over what can change in a running daemon; names what cannot. */
static void apply(struct daemon *daemon, const struct options *fresh)
{
    const char *name;
    enum log_level level;
    size_t index = 0;
    bool live;

    while ((name = options_difference(daemon->options, fresh, &index, &live)) != NULL)
        if (!live)
            log_write(daemon->log, LOG_LEVEL_WARNING, "setting needs a restart", "name=%s", name);
    if (log_level_parse(fresh->log_level, &level))
        log_set_level(daemon->log, level);
    http_server_set_access_log(daemon->http, fresh->access_log);
}

static void reload(struct daemon *daemon)
{
    struct options fresh;
    struct options_error err = {0};

    if (daemon->phase != PHASE_SERVING)
        return;
    notify_reloading(&daemon->notify);
    if (options_parse(&fresh, daemon->input->argc, daemon->input->argv, daemon->input->environment,
                      &err) == OPTIONS_RUN)
        apply(daemon, &fresh);
    else
        log_write(daemon->log, LOG_LEVEL_ERROR, "configuration kept as it was", "error=%s", err.text);
    options_finish(&fresh);
    daemon->reloading = true;
    scan(daemon);
}

static void on_signal(uv_signal_t *handle, int number)
{
    struct daemon *daemon = handle->data;

    if (number == SIGHUP) {
        reload(daemon);
    } else if (daemon->phase == PHASE_DRAINING) {
        log_write(daemon->log, LOG_LEVEL_WARNING, "stopping at once", NULL);
        _exit(EXIT_SUCCESS);
    } else {
        drain(daemon);
    }
}

/* A start that takes long is not a start that hangs. */
static void on_startup_beat(uv_timer_t *timer)
{
    struct daemon *daemon = timer->data;

    notify_send(&daemon->notify, "EXTEND_TIMEOUT_USEC=%d\nSTATUS=loading models",
                4 * STARTUP_BEAT_MS * 1000);
}

/* Fed while this loop runs, every network loop answers, and the workers, if they have work, finish
 * some of it. */
static void on_watchdog(uv_timer_t *timer)
{
    struct daemon *daemon = timer->data;
    uint64_t now = uv_hrtime(), limit_ns = daemon->notify.watchdog_us * 1000;
    int64_t finished = scheduler_finished(daemon->scheduler);

    if (finished != daemon->seen_finished || scheduler_pending(daemon->scheduler) == 0) {
        daemon->seen_finished = finished;
        daemon->seen_finished_ns = now;
    }
    if (now - http_server_oldest_tick_ns(daemon->http) < limit_ns / 2 &&
        now - daemon->seen_finished_ns < limit_ns)
        notify_feed_watchdog(&daemon->notify);
    else
        log_write(daemon->log, LOG_LEVEL_ERROR, "not feeding the watchdog: a thread does not move",
                  "network_ms=%llu workers_ms=%llu",
                  (unsigned long long)(now - http_server_oldest_tick_ns(daemon->http)) / 1000000,
                  (unsigned long long)(now - daemon->seen_finished_ns) / 1000000);
    http_server_ping(daemon->http);
}

bool lifecycle_init(struct daemon *daemon)
{
    if (uv_loop_init(&daemon->loop) != 0)
        return false;
    uv_timer_init(&daemon->loop, &daemon->poll);
    uv_timer_init(&daemon->loop, &daemon->watchdog);
    uv_timer_init(&daemon->loop, &daemon->drain);
    uv_timer_init(&daemon->loop, &daemon->startup);
    daemon->poll.data = daemon->watchdog.data = daemon->drain.data = daemon->startup.data = daemon;
    daemon->event.data = daemon;
    return uv_async_init(&daemon->loop, &daemon->event, on_event) == 0;
}

void lifecycle_run(struct daemon *daemon)
{
    static const int numbers[] = {SIGTERM, SIGINT, SIGHUP};
    uint64_t beat_ms = daemon->notify.watchdog_us / 1000 / WATCHDOG_BEATS;

    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        uv_signal_init(&daemon->loop, &daemon->signals[i]);
        daemon->signals[i].data = daemon;
        uv_signal_start(&daemon->signals[i], on_signal, numbers[i]);
    }
    if (daemon->notify.watchdog_us > 0) {
        daemon->seen_finished_ns = uv_hrtime();
        uv_timer_start(&daemon->watchdog, on_watchdog, 0, beat_ms > 0 ? beat_ms : 1);
    }
    uv_timer_start(&daemon->startup, on_startup_beat, STARTUP_BEAT_MS, STARTUP_BEAT_MS);
    scan(daemon);
    uv_run(&daemon->loop, UV_RUN_DEFAULT);
}

static void close_handle(uv_handle_t *handle, void *arg)
{
    (void)arg;
    if (!uv_is_closing(handle))
        uv_close(handle, NULL);
}

void lifecycle_finish(struct daemon *daemon)
{
    uv_walk(&daemon->loop, close_handle, NULL);
    uv_run(&daemon->loop, UV_RUN_DEFAULT);
    uv_loop_close(&daemon->loop);
}
