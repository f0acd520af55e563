/* SPDX-License-Identifier: Apache-2.0
 * server/http/listener.h - the sockets that clients connect to: opened here, or passed by systemd.
 * Main thread, before any network thread runs. */
#ifndef SERVER_HTTP_LISTENER_H
#define SERVER_HTTP_LISTENER_H

#include "proto/problem.h"

#include <stdbool.h>
#include <sys/socket.h>

enum { LISTENERS_MAX = 16, LISTENER_NAME_BYTES = 144 };

struct listener {
    int fd;                              /* non-blocking, close-on-exec */
    bool is_inherited;                   /* systemd's; it keeps its own copy open */
    bool is_loopback;                    /* or a unix socket: not reachable from elsewhere */
    char name[LISTENER_NAME_BYTES];      /* "127.0.0.1:8080", with the port that was taken */
    char unlink_path[108];               /* a unix socket that we made; or "" */
};

/* "127.0.0.1:8080", "[::1]:8080", "localhost:8080", "*:8080", "unix:/path", "unix:@abstract". Port 0
 * takes a free one. A dead unix socket in the way is removed. False sets `problem`. */
bool listener_open(struct listener *listener, const char *address, int socket_mode,
                   struct problem *problem);
/* The sockets of sd_listen_fds(3), from $LISTEN_PID and $LISTEN_FDS; removes both from the
 * environment. Returns how many, 0 if there are none, -1 with `problem` set. */
int listener_from_systemd(struct listener *listeners, int max, struct problem *problem);
void listener_close(struct listener *listener);

/* "127.0.0.1:40822" or "unix" into `name`. */
void socket_name(const struct sockaddr *address, char *name, size_t size);
/* Who is at the other end of an accepted socket: the same, but "unix:1000" with the user id that the kernel
 * vouches for. */
void socket_peer(int fd, const struct sockaddr *address, char *name, size_t size);

#endif
