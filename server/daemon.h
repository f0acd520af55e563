/* SPDX-License-Identifier: Apache-2.0
 * server/daemon.h - the process: builds its parts in order, waits for signals, drains, takes the
 * parts down in reverse. Main thread. */
#ifndef SERVER_DAEMON_H
#define SERVER_DAEMON_H

#include "server/options.h"

/* What a configuration is read from again on SIGHUP. */
struct daemon_input {
    int argc;
    char *const *argv;
    char *const *environment;
};

/* Serves until it is told to stop; returns the exit code (sysexits.h). `options` must outlive it. */
int daemon_run(const struct options *options, const struct daemon_input *input);

#endif
