/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "server/state_dir.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

static enum state_dir_result fail(struct state_dir *dir, const char *path, struct problem *problem)
{
    problem_set(problem, 500, "state_dir", "state-dir: cannot use '%.200s': %s", path,
                strerror(errno));
    state_dir_close(dir);
    return STATE_DIR_FAILED;
}

enum state_dir_result state_dir_open(struct state_dir *dir, const char *path,
                                     struct problem *problem)
{
    char pid[32] = "";
    int length;

    dir->fd = dir->lock_fd = -1;
    if (path == NULL)
        return STATE_DIR_OK;
    if (mkdir(path, 0700) != 0 && errno != EEXIST)
        return fail(dir, path, problem);
    dir->fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dir->fd < 0)
        return fail(dir, path, problem);
    dir->lock_fd = openat(dir->fd, "lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (dir->lock_fd < 0)
        return fail(dir, path, problem);
    if (flock(dir->lock_fd, LOCK_EX | LOCK_NB) != 0) {
        if (errno != EWOULDBLOCK)
            return fail(dir, path, problem);
        if (pread(dir->lock_fd, pid, sizeof(pid) - 1, 0) <= 0)
            pid[0] = '\0';
        problem_set(problem, 503, "state_dir",
                    "state-dir: '%.200s' belongs to another inferd that is running (pid %.*s)", path,
                    (int)strcspn(pid, "\n"), pid);
        state_dir_close(dir);
        return STATE_DIR_BUSY;
    }
    length = snprintf(pid, sizeof(pid), "%ld\n", (long)getpid());
    if (ftruncate(dir->lock_fd, 0) != 0 || pwrite(dir->lock_fd, pid, (size_t)length, 0) != length)
        return fail(dir, path, problem);
    return STATE_DIR_OK;
}

void state_dir_close(struct state_dir *dir)
{
    if (dir->lock_fd >= 0)
        close(dir->lock_fd);
    if (dir->fd >= 0)
        close(dir->fd);
    dir->fd = dir->lock_fd = -1;
}
