/* SPDX-License-Identifier: Apache-2.0
 * server/options.h - every setting of the daemon, from one table: command line, environment
 * (INFERD_NAME) and configuration file. `inferd --help`, the man page and docs are made from it. */
#ifndef SERVER_OPTIONS_H
#define SERVER_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { OPTIONS_LISTEN_MAX = 8 };

struct options {
    const char *model;                   /* positional: one .onnx file, served as "model" */
    const char *model_repository;        /* directory of <model>/<version>/model.onnx */
    const char *state_dir;               /* NULL: none is kept */
    const char *listen[OPTIONS_LISTEN_MAX];   /* "127.0.0.1:8080", "[::1]:8080", "unix:/run/x.sock" */
    int n_listen;
    const char *config;                  /* file of "name = value" lines */
    const char *log_level;               /* error, warning, info, debug */
    const char *log_format;              /* text, json */
    bool access_log;
    int64_t workers;                     /* 0: one for each core */
    int64_t network_threads;
    int64_t batch_size_max;
    int64_t queue_delay_us;              /* wait for a batch to fill; 0: never */
    int64_t queue_rows_max;              /* for each model */
    int64_t inline_us_max;               /* run on the network thread below this cost; 0: never */
    int64_t body_bytes_max;
    int64_t body_bytes_total_max;        /* all requests in flight */
    int64_t model_bytes_max;
    int64_t plan_bytes_max;
    int64_t connections_max;
    int64_t header_bytes_max;
    int64_t request_timeout_ms;          /* header and body must be in by then */
    int64_t deadline_ms;                 /* default deadline of a prediction */
    int64_t idle_timeout_s;              /* keep-alive */
    int64_t drain_timeout_s;
    int64_t poll_interval_ms;            /* repository polling; 0: only on SIGHUP and API */
    void *memory;                        /* owner of the strings */
};

#endif
