/* SPDX-License-Identifier: Apache-2.0 */
#include "server/notify.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static uint64_t watchdog_interval(void)
{
    const char *usec = getenv("WATCHDOG_USEC"), *pid = getenv("WATCHDOG_PID");
    long long value = usec != NULL ? strtoll(usec, NULL, 10) : 0;

    if (pid != NULL && strtol(pid, NULL, 10) != (long)getpid())
        return 0;
    return value > 0 ? (uint64_t)value : 0;
}

void notify_init(struct notify *notify)
{
    const char *path = getenv("NOTIFY_SOCKET");
    size_t length = path != NULL ? strlen(path) : 0;
    struct timeval patience = {.tv_sec = 1};

    memset(notify, 0, sizeof(*notify));
    notify->fd = -1;
    notify->watchdog_us = watchdog_interval();
    if (length > 1 && length < sizeof(notify->address.sun_path) &&
        (path[0] == '/' || path[0] == '@')) {
        notify->address.sun_family = AF_UNIX;
        memcpy(notify->address.sun_path, path, length);
        notify->length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length + 1);
        if (path[0] == '@') {
            notify->address.sun_path[0] = '\0';
            notify->length--;
        }
        notify->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        setsockopt(notify->fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
    }
    unsetenv("NOTIFY_SOCKET");
    unsetenv("WATCHDOG_USEC");
    unsetenv("WATCHDOG_PID");
}

static void send_text(const struct notify *notify, const char *text, size_t length, int flags)
{
    if (notify->fd >= 0)
        (void)!sendto(notify->fd, text, length, flags | MSG_NOSIGNAL,
                      (const struct sockaddr *)&notify->address, notify->length);
}

void notify_feed_watchdog(const struct notify *notify)
{
    static const char text[] = "WATCHDOG=1";

    send_text(notify, text, sizeof(text) - 1, MSG_DONTWAIT);
}

void notify_send(const struct notify *notify, const char *format, ...)
{
    char text[1024];
    va_list args;
    int length;

    va_start(args, format);
    length = vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    if (length <= 0)
        return;
    if ((size_t)length >= sizeof(text))
        length = (int)sizeof(text) - 1;
    send_text(notify, text, (size_t)length, 0);
}

void notify_reloading(const struct notify *notify)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    notify_send(notify, "RELOADING=1\nMONOTONIC_USEC=%llu\nSTATUS=reloading",
                (unsigned long long)now.tv_sec * 1000000 + (unsigned long long)now.tv_nsec / 1000);
}

void notify_finish(struct notify *notify)
{
    if (notify->fd >= 0)
        close(notify->fd);
    notify->fd = -1;
}
