/* SPDX-License-Identifier: Apache-2.0
 * server/notify.h - tells systemd how the daemon is: the protocol of sd_notify(3), by hand. Without
 * $NOTIFY_SOCKET every call does nothing. Main thread. */
#ifndef SERVER_NOTIFY_H
#define SERVER_NOTIFY_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/un.h>

struct notify {
    int fd;                      /* -1: nobody listens */
    struct sockaddr_un address;
    socklen_t length;
    uint64_t watchdog_us;        /* feed it at least this often; 0: there is none */
};

/* Reads $NOTIFY_SOCKET ("/path" or "@abstract"), $WATCHDOG_USEC and $WATCHDOG_PID, and removes them
 * from the environment. */
void notify_init(struct notify *notify);
/* Lines of NAME=value: "READY=1\nSTATUS=...". Waits a second at most for a receiver that is slow. */
void notify_send(const struct notify *notify, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* WATCHDOG=1; never waits. */
void notify_feed_watchdog(const struct notify *notify);
/* RELOADING=1 with the time that systemd wants beside it. READY=1 ends it. */
void notify_reloading(const struct notify *notify);
void notify_finish(struct notify *notify);

#endif
