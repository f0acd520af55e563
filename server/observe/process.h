/* SPDX-License-Identifier: Apache-2.0
 * server/observe/process.h - what the kernel says of this process, for the process_* series. */
#ifndef SERVER_OBSERVE_PROCESS_H
#define SERVER_OBSERVE_PROCESS_H

#include <stdint.h>

/* A field that could not be read is -1. */
struct process_usage {
    double cpu_seconds;                  /* user and system */
    double start_seconds;                /* Unix time */
    int64_t resident_bytes, virtual_bytes;
    int64_t open_fds, max_fds;
    int64_t threads;
};

/* Reads /proc/self; takes some 50 us. Any thread. */
void process_usage_read(struct process_usage *ret_usage);

#endif
