/* SPDX-License-Identifier: Apache-2.0
 * server/lifecycle.h - the daemon's phases: starting, serving, draining; and what moves it from one
 * to the next: signals, timers, and news from other threads. Main thread. */
#ifndef SERVER_LIFECYCLE_H
#define SERVER_LIFECYCLE_H

#include "server/daemon.h"
#include "server/http/http_server.h"
#include "server/notify.h"
#include "server/observe/log.h"
#include "server/serving/registry.h"
#include "server/learning/learning.h"
#include "server/serving/scheduler.h"
#include "server/services.h"
#include "server/state_dir.h"

#include <stdatomic.h>
#include <uv.h>

enum phase { PHASE_STARTING, PHASE_SERVING, PHASE_DRAINING };

struct daemon {
    const struct options *options;
    const struct daemon_input *input;
    struct log *log;
    struct metrics *metrics;
    struct registry *registry;
    struct scheduler *scheduler;
    struct pace *pace;
    struct learning *learning;
    struct dataset_store *datasets;
    struct jobs *jobs;
    struct evaluations *evaluations;
    struct http_server *http;
    struct services services;
    struct notify notify;
    struct state_dir state_dir;
    uint64_t started_ns;

    uv_loop_t loop;
    uv_signal_t signals[3];
    uv_timer_t poll, watchdog, drain, startup;
    uv_async_t event;
    enum phase phase;
    bool reloading;
    int exit_code;
    int64_t seen_finished;        /* by the scheduler, when the watchdog last saw it move */
    uint64_t seen_finished_ns;

    /* Set by other threads before they send `event`. */
    atomic_bool scanned, drained;
};

/* Makes the loop and its handles; before http_server_create(). False when out of resources. */
bool lifecycle_init(struct daemon *daemon);
/* http_server_config.drained; from a network thread. */
void lifecycle_drained(void *arg);
/* Starts the first scan and serves until the daemon is told to stop and has drained. */
void lifecycle_run(struct daemon *daemon);
void lifecycle_finish(struct daemon *daemon);

#endif
