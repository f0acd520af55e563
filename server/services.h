/* SPDX-License-Identifier: Apache-2.0
 * server/services.h - what handlers may use. Built by daemon.c in order, read-only afterwards. */
#ifndef SERVER_SERVICES_H
#define SERVER_SERVICES_H

struct options;
struct log;
struct metrics;
struct registry;
struct scheduler;
struct http_server;
struct learning;
struct pace;
struct dataset_store;
struct jobs;
struct evaluations;

struct services {
    const struct options *options;
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
    /* True from the end of start-up until SIGTERM. Any thread. */
    _Atomic int accepting;
};

#endif
