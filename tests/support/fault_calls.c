/* SPDX-License-Identifier: Apache-2.0
 * The calls themselves; the model of the disk is fault_disk.c's. */
#include "config.h"

#include "tests/support/fault_calls.h"

#include "tests/support/fault_disk.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define X(name, text) text,
const char *const fault_kind_names[FAULT_KINDS] = {FAULT_KIND_MAP(X)};
#undef X

enum { FDS_MAX = 1024 };

/* What a call may suffer. */
enum {
    SPACE = 1,      /* ENOSPC */
    SLEEPS = 2,     /* EINTR */
    BULK = 4,       /* half of it */
    SYNCS = 8,
};

static struct {
    bool active, struck, relented;
    struct fault_plan plan;
    long seen;
    const char *root;
    int nodes[FDS_MAX];     /* by file descriptor; -1: not ours */
} faults;

void fault_calls_begin(const char *root, const char *image, const struct fault_plan *plan)
{
    memset(&faults, 0, sizeof(faults));
    for (int i = 0; i < FDS_MAX; i++)
        faults.nodes[i] = -1;
    faults.root = root;
    faults.plan = *plan;
    fault_disk_adopt(root, image);
    faults.active = true;
}

void fault_calls_relent(void)
{
    faults.relented = true;
}

long fault_calls_seen(void)
{
    return faults.seen;
}

bool fault_calls_struck(void)
{
    return faults.struck;
}

void fault_calls_cut(void)
{
    faults.active = false;
    fault_disk_image(faults.plan.seed);
    kill(getpid(), SIGKILL);
    _exit(1);
}

static int node_of(int fd)
{
    return faults.active && fd >= 0 && fd < FDS_MAX ? faults.nodes[fd] : -1;
}

/* What a call must suffer for the kind to count it; 0: every call. */
static const int counted[FAULT_KINDS] = {
    [FAULT_ENOSPC] = SPACE,
    [FAULT_EINTR] = SLEEPS,
    [FAULT_SHORT] = BULK,
    [FAULT_SYNC_LOSS] = SYNCS,
};

/* Counts a call; true if it fails now, with errno set. BULK calls do half if `ret_half` says so. */
static bool strike(int suffers, bool *ret_half)
{
    static const int errors[FAULT_KINDS] = {[FAULT_EIO] = EIO, [FAULT_ENOSPC] = ENOSPC,
                                            [FAULT_EINTR] = EINTR, [FAULT_SYNC_LOSS] = EIO};
    const struct fault_plan *plan = &faults.plan;
    int wanted = counted[plan->kind];

    if (faults.relented || (wanted != 0 && (suffers & wanted) == 0))
        return false;
    faults.seen++;
    if (plan->on ? faults.seen < plan->at : faults.seen != plan->at)
        return false;
    faults.struck = plan->kind != FAULT_NONE;
    if (plan->kind == FAULT_KILL)
        kill(getpid(), SIGKILL);
    if (plan->kind == FAULT_POWER)
        fault_calls_cut();
    if (plan->kind == FAULT_SHORT)
        *ret_half = true;
    errno = errors[plan->kind];
    return errno != 0;
}

static void track(int fd, int node)
{
    if (fd >= 0 && fd < FDS_MAX)
        faults.nodes[fd] = node;
}

/* ---- names ---- */

/* Where a path leads in the model: the directory's node and the last name; false if not ours. */
static bool place_of(int dirfd, const char *path, int *ret_parent, const char **ret_name)
{
    size_t length;
    const char *slash;

    if (!faults.active)
        return false;
    if (path[0] != '/') {
        *ret_parent = node_of(dirfd);
        *ret_name = path;
        return *ret_parent >= 0 && strchr(path, '/') == NULL;
    }
    length = strlen(faults.root);
    if (strncmp(path, faults.root, length) != 0 || (path[length] != '/' && path[length] != '\0'))
        return false;
    *ret_parent = FAULT_DISK_ROOT;
    path += length;
    while (*path == '/')
        path++;
    while ((slash = strchr(path, '/')) != NULL) {
        *ret_parent = fault_disk_child(*ret_parent, path, (size_t)(slash - path));
        if (*ret_parent < 0)
            return false;
        for (path = slash; *path == '/'; path++)
            continue;
    }
    *ret_name = path;
    return true;
}

static int do_open(int dirfd, const char *path, int flags, mode_t mode)
{
    const char *name = NULL;
    int parent, fd, node;
    bool ours = place_of(dirfd, path, &parent, &name);

    if (ours && strike((flags & O_CREAT) != 0 ? SPACE | SLEEPS : SLEEPS, NULL))
        return -1;
    fd = (int)syscall(SYS_openat, dirfd, path, flags, mode);
    if (!ours || fd < 0)
        return fd;
    node = name[0] == '\0' || strcmp(name, ".") == 0
               ? parent
               : fault_disk_child(parent, name, strlen(name));
    if (node < 0)
        node = fault_disk_make(parent, name, false);
    if ((flags & O_TRUNC) != 0)
        fault_disk_truncate(node, 0);
    track(fd, node);
    return fd;
}

#define OPEN_BODY(dirfd) \
    mode_t mode = 0; \
    if ((flags & (O_CREAT | O_TMPFILE)) != 0) { \
        va_list arguments; \
        va_start(arguments, flags); \
        mode = va_arg(arguments, mode_t); \
        va_end(arguments); \
    } \
    return do_open(dirfd, path, flags, mode)

int open(const char *path, int flags, ...)
{
    OPEN_BODY(AT_FDCWD);
}

int open64(const char *path, int flags, ...)
{
    OPEN_BODY(AT_FDCWD);
}

int openat(int dirfd, const char *path, int flags, ...)
{
    OPEN_BODY(dirfd);
}

int openat64(int dirfd, const char *path, int flags, ...)
{
    OPEN_BODY(dirfd);
}

int close(int fd)
{
    bool failed = node_of(fd) >= 0 && strike(0, NULL);

    /* As Linux does: closed, whatever it says. */
    track(fd, -1);
    if (syscall(SYS_close, fd) != 0)
        return -1;
    if (failed)
        errno = EIO;
    return failed ? -1 : 0;
}

static int do_unlink(int dirfd, const char *path, int flags)
{
    const char *name;
    int parent;
    bool ours = place_of(dirfd, path, &parent, &name);

    if (ours && strike(0, NULL))
        return -1;
    if (syscall(SYS_unlinkat, dirfd, path, flags) != 0)
        return -1;
    if (ours)
        fault_disk_unlink(parent, name);
    return 0;
}

int unlink(const char *path)
{
    return do_unlink(AT_FDCWD, path, 0);
}

int unlinkat(int dirfd, const char *path, int flags)
{
    return do_unlink(dirfd, path, flags);
}

static int do_rename(int from_fd, const char *from, int to_fd, const char *to)
{
    const char *from_name, *to_name;
    int from_parent, to_parent;
    bool ours = place_of(from_fd, from, &from_parent, &from_name) &&
                place_of(to_fd, to, &to_parent, &to_name);

    if (ours && strike(SPACE, NULL))
        return -1;
    if (syscall(SYS_renameat2, from_fd, from, to_fd, to, 0) != 0)
        return -1;
    if (ours)
        fault_disk_rename(from_parent, from_name, to_parent, to_name);
    return 0;
}

int rename(const char *from, const char *to)
{
    return do_rename(AT_FDCWD, from, AT_FDCWD, to);
}

int renameat(int from_fd, const char *from, int to_fd, const char *to)
{
    return do_rename(from_fd, from, to_fd, to);
}

static int do_mkdir(int dirfd, const char *path, mode_t mode)
{
    const char *name;
    int parent;
    bool ours = place_of(dirfd, path, &parent, &name);

    if (ours && strike(SPACE, NULL))
        return -1;
    if (syscall(SYS_mkdirat, dirfd, path, mode) != 0)
        return -1;
    if (ours)
        fault_disk_make(parent, name, true);
    return 0;
}

int mkdir(const char *path, mode_t mode)
{
    return do_mkdir(AT_FDCWD, path, mode);
}

int mkdirat(int dirfd, const char *path, mode_t mode)
{
    return do_mkdir(dirfd, path, mode);
}

/* ---- data ---- */

static ssize_t do_pread(int fd, void *data, size_t bytes, off_t at)
{
    bool half = false;

    if (node_of(fd) >= 0 && strike(bytes > 1 ? SLEEPS | BULK : SLEEPS, &half))
        return -1;
    return syscall(SYS_pread64, fd, data, half ? bytes / 2 : bytes, at);
}

ssize_t pread(int fd, void *data, size_t bytes, off_t at)
{
    return do_pread(fd, data, bytes, at);
}

ssize_t pread64(int fd, void *data, size_t bytes, off64_t at)
{
    return do_pread(fd, data, bytes, at);
}

ssize_t __pread_chk(int fd, void *data, size_t bytes, off_t at, size_t room);
ssize_t __pread64_chk(int fd, void *data, size_t bytes, off64_t at, size_t room);

ssize_t __pread_chk(int fd, void *data, size_t bytes, off_t at, size_t room)
{
    (void)room;
    return do_pread(fd, data, bytes, at);
}

ssize_t __pread64_chk(int fd, void *data, size_t bytes, off64_t at, size_t room)
{
    (void)room;
    return do_pread(fd, data, bytes, at);
}

ssize_t read(int fd, void *data, size_t bytes)
{
    bool half = false;

    if (node_of(fd) >= 0 && strike(bytes > 1 ? SLEEPS | BULK : SLEEPS, &half))
        return -1;
    return syscall(SYS_read, fd, data, half ? bytes / 2 : bytes);
}

static ssize_t do_pwrite(int fd, const void *data, size_t bytes, off_t at)
{
    int node = node_of(fd);
    bool half = false;
    ssize_t n;

    if (node >= 0 && strike(bytes > 1 ? SPACE | SLEEPS | BULK : SPACE | SLEEPS, &half))
        return -1;
    n = syscall(SYS_pwrite64, fd, data, half ? bytes / 2 : bytes, at);
    if (node >= 0 && n > 0)
        fault_disk_write(node, data, (size_t)n, at);
    return n;
}

ssize_t pwrite(int fd, const void *data, size_t bytes, off_t at)
{
    return do_pwrite(fd, data, bytes, at);
}

ssize_t pwrite64(int fd, const void *data, size_t bytes, off64_t at)
{
    return do_pwrite(fd, data, bytes, at);
}

ssize_t write(int fd, const void *data, size_t bytes)
{
    int node = node_of(fd);
    off_t at = node >= 0 ? lseek(fd, 0, SEEK_CUR) : 0;
    bool half = false;
    ssize_t n;

    if (node >= 0 && strike(bytes > 1 ? SPACE | SLEEPS | BULK : SPACE | SLEEPS, &half))
        return -1;
    n = syscall(SYS_write, fd, data, half ? bytes / 2 : bytes);
    if (node >= 0 && n > 0)
        fault_disk_write(node, data, (size_t)n, at);
    return n;
}

static int do_truncate(int fd, off_t size)
{
    int node = node_of(fd);

    if (node >= 0 && strike(SPACE | SLEEPS, NULL))
        return -1;
    if (syscall(SYS_ftruncate, fd, size) != 0)
        return -1;
    if (node >= 0)
        fault_disk_truncate(node, (size_t)size);
    return 0;
}

int ftruncate(int fd, off_t size)
{
    return do_truncate(fd, size);
}

int ftruncate64(int fd, off64_t size)
{
    return do_truncate(fd, size);
}

static int do_sync(int fd, long call)
{
    int node = node_of(fd);

    if (node >= 0 && strike(SPACE | SLEEPS | SYNCS, NULL)) {
        if (faults.plan.kind == FAULT_SYNC_LOSS)
            fault_disk_lose(node);
        return -1;
    }
    /* The real disk is not asked: memory is all this needs. */
    if (node < 0)
        return (int)syscall(call, fd);
    fault_disk_sync(node);
    return 0;
}

int fsync(int fd)
{
    return do_sync(fd, SYS_fsync);
}

int fdatasync(int fd)
{
    return do_sync(fd, SYS_fdatasync);
}
