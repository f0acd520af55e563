/* SPDX-License-Identifier: Apache-2.0
 * server/http/linger.h - closes a connection whose client is still sending, without losing the answer.
 *
 * Closing a socket with unread bytes makes the kernel send RST, and the client may drop an answer
 * that it had not read yet. So a refused upload's socket is held for a moment: its bytes are read and
 * thrown away until the client closes, two seconds pass, or too many linger. Network thread. */
#ifndef SERVER_HTTP_LINGER_H
#define SERVER_HTTP_LINGER_H

#include <stdbool.h>
#include <uv.h>

enum { LINGERS_MAX = 64, LINGER_MS = 2000 };

struct linger_slot {
    uv_poll_t poll;
    struct lingers *owner;
    int fd;                       /* -1: free */
    bool closing;
    uint64_t deadline_ms;
};

struct lingers {
    uv_loop_t *loop;
    uv_timer_t timer;
    struct linger_slot slots[LINGERS_MAX];
    int active;
    char sink[16384];
};

void lingers_init(struct lingers *lingers, uv_loop_t *loop);
/* Takes over `fd`: the write side is shut, the rest is read away; closed at once when all slots are
 * taken. */
void linger_start(struct lingers *lingers, int fd);
/* Closes all; the loop must run once more for libuv to let the handles go. */
void lingers_finish(struct lingers *lingers);

#endif
