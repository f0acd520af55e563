/* SPDX-License-Identifier: Apache-2.0
 * server/options.h - every setting of the daemon, from one table (server/options_table.c): command
 * line, environment (INFERD_NAME) and configuration file. `inferd --help`, the man page and docs
 * are made from it. Filled once by the main thread, read-only afterwards. */
#ifndef SERVER_OPTIONS_H
#define SERVER_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

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
    bool json_nan_tokens;
    int64_t socket_mode;                 /* permissions of a unix socket */
    int64_t workers;                     /* 0: one for each core */
    int64_t training_cpu;                /* percent of one core, for all training; 0: no limit */
    int64_t network_threads;
    int64_t batch_size_max;
    int64_t queue_delay_us;              /* wait for a batch to fill; 0: never */
    int64_t queue_rows_max;              /* for each model */
    int64_t inline_us_max;               /* run on the network thread below this cost; 0: never */
    int64_t body_bytes_max;
    int64_t body_bytes_total_max;        /* all requests in flight */
    int64_t dataset_bytes_max;
    int64_t dataset_bytes_total_max;     /* of all that are stored */
    int64_t jobs_running_max;
    int64_t jobs_queued_max;
    int64_t jobs_kept_max;               /* of those that are over */
    int64_t jobs_kept_s;
    int64_t model_bytes_max;
    int64_t plan_bytes_max;
    int64_t connections_max;
    int64_t header_bytes_max;
    int64_t header_count_max;
    int64_t request_timeout_ms;          /* header and body must be in by then */
    int64_t response_timeout_ms;         /* the client must have read the response by then */
    int64_t deadline_ms;                 /* default deadline of a prediction */
    int64_t idle_timeout_s;              /* keep-alive */
    int64_t drain_timeout_s;
    int64_t poll_interval_ms;            /* repository polling; 0: only on SIGHUP and API */
    void *memory;                        /* owner of the strings */
};

enum options_action {
    OPTIONS_RUN,
    OPTIONS_HELP,
    OPTIONS_VERSION,
    OPTIONS_MAN,                         /* --help-man: the options section of the man page */
    OPTIONS_BAD,                         /* `err` says what and what was expected: exit EX_USAGE */
    OPTIONS_UNREADABLE                   /* the configuration file cannot be read: EX_NOINPUT */
};

struct options_error {
    char text[512];
};

/* Defaults, then the configuration file, then the environment, then the command line: the later
 * wins, and a list is replaced as a whole. argv[0] is skipped; `environment` is a NULL-ended list of
 * NAME=value. options_finish() is due after any result. */
enum options_action options_parse(struct options *options, int argc, char *const argv[],
                                  char *const environment[], struct options_error *err);
void options_finish(struct options *options);

/* The defaults alone: for tests and tools that need a struct options. */
void options_defaults(struct options *options);

/* The name of the first option (in table order, from *index on; *index moves past it) whose value
 * differs between the two; NULL when there is none left. *ret_live says whether a running daemon
 * can take the new value over. */
const char *options_difference(const struct options *a, const struct options *b, size_t *index,
                               bool *ret_live);

/* Name, unit, default, range and help of each option, for people and for man(7). */
void options_print_help(FILE *file);
void options_print_man(FILE *file);

/* options->network_threads, or what 0 means on this machine: at least 1. */
int options_network_threads(const struct options *options);

#endif
