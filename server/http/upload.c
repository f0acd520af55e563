/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "server/http/upload.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static bool fail(struct problem *problem)
{
    const bool full = errno == ENOSPC || errno == EDQUOT;

    return problem_set(problem, full ? 507 : 500, full ? "disk_full" : "io",
                       "the body could not be stored: %s", strerror(errno));
}

bool upload_create(struct upload *upload, int dir_fd, uint64_t bytes_max, struct problem *problem)
{
    static _Atomic unsigned int count;

    *upload = (struct upload){.dir_fd = dir_fd, .bytes_max = bytes_max};
    snprintf(upload->name, sizeof(upload->name), UPLOAD_PREFIX "%u", atomic_fetch_add(&count, 1));
    upload->fd = openat(dir_fd, upload->name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW,
                        0600);
    upload->open = upload->fd >= 0;
    return upload->open || fail(problem);
}

bool upload_add(struct upload *upload, const void *data, size_t length, struct problem *problem)
{
    const char *from = data;
    ssize_t n;

    if (length > upload->bytes_max - upload->bytes)
        return problem_set(problem, 413, "body_too_large", "body is larger than the limit of %llu",
                           (unsigned long long)upload->bytes_max);
    while (length > 0) {
        n = pwrite(upload->fd, from, length, (off_t)upload->bytes);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return fail(problem);
        from += n;
        length -= (size_t)n;
        upload->bytes += (uint64_t)n;
    }
    return true;
}

void upload_finish(struct upload *upload)
{
    if (!upload->open)
        return;
    unlinkat(upload->dir_fd, upload->name, 0);
    close(upload->fd);
    *upload = (struct upload){0};
}
