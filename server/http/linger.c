/* SPDX-License-Identifier: Apache-2.0 */
#include "server/http/linger.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

enum { READS_MAX = 16 };          /* for each wake-up, to be fair to others */

void lingers_init(struct lingers *lingers, uv_loop_t *loop)
{
    lingers->loop = loop;
    lingers->active = 0;
    uv_timer_init(loop, &lingers->timer);
    for (int i = 0; i < LINGERS_MAX; i++) {
        lingers->slots[i].fd = -1;
        lingers->slots[i].closing = false;
        lingers->slots[i].owner = lingers;
    }
}

static void on_closed(uv_handle_t *handle)
{
    struct linger_slot *linger = handle->data;

    close(linger->fd);
    linger->fd = -1;
    linger->closing = false;
}

static void let_go(struct linger_slot *linger)
{
    if (linger->fd < 0 || linger->closing)
        return;
    linger->closing = true;
    uv_close((uv_handle_t *)&linger->poll, on_closed);
    if (--linger->owner->active == 0)
        uv_timer_stop(&linger->owner->timer);
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
    struct linger_slot *linger = poll->data;
    struct lingers *owner = linger->owner;

    (void)events;
    for (int i = 0; status == 0 && i < READS_MAX; i++) {
        ssize_t got = recv(linger->fd, owner->sink, sizeof(owner->sink), MSG_DONTWAIT);

        if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR)) {
            let_go(linger);
            return;
        }
        if (got < 0)
            return;
    }
    if (status != 0)
        let_go(linger);
}

static void on_timer(uv_timer_t *timer)
{
    struct lingers *lingers = timer->data;

    for (int i = 0; i < LINGERS_MAX; i++)
        if (lingers->slots[i].fd >= 0 && uv_now(lingers->loop) >= lingers->slots[i].deadline_ms)
            let_go(&lingers->slots[i]);
}

void linger_start(struct lingers *lingers, int fd)
{
    shutdown(fd, SHUT_WR);
    for (int i = 0; i < LINGERS_MAX; i++) {
        struct linger_slot *linger = &lingers->slots[i];

        if (linger->fd >= 0)
            continue;
        if (uv_poll_init(lingers->loop, &linger->poll, fd) != 0)
            break;
        linger->fd = fd;
        linger->poll.data = linger;
        linger->deadline_ms = uv_now(lingers->loop) + LINGER_MS;
        uv_poll_start(&linger->poll, UV_READABLE | UV_DISCONNECT, on_readable);
        if (lingers->active++ == 0) {
            lingers->timer.data = lingers;
            uv_timer_start(&lingers->timer, on_timer, LINGER_MS / 4, LINGER_MS / 4);
        }
        return;
    }
    close(fd);
}

void lingers_finish(struct lingers *lingers)
{
    for (int i = 0; i < LINGERS_MAX; i++)
        let_go(&lingers->slots[i]);
    uv_close((uv_handle_t *)&lingers->timer, NULL);
}
