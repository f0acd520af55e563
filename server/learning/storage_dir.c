/* SPDX-License-Identifier: Apache-2.0 */
#include "server/learning/storage_dir.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MODEL_NAME_MAX = 255, SETTLE_CHUNK = 1 << 16 };

static const char learning_folder[] = "learning";

static bool plain_name(const char *name)
{
    size_t length = strlen(name);

    return length > 0 && length <= MODEL_NAME_MAX && name[0] != '.' && strchr(name, '/') == NULL;
}

/* A directory beneath `parent`; a new one is synced into it. -1 sets errno. */
static int make_directory(int parent, const char *name)
{
    bool made = mkdirat(parent, name, 0700) == 0;

    if (!made && errno != EEXIST)
        return -1;
    /* Synced when it was there already, too: the crash may have come between the two. */
    if (fsync(parent) != 0)
        return -1;
    return openat(parent, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
}

enum storage_status storage_dir_open(struct storage_dir *dir, const char *state_path,
                                     const char *model, struct storage_fault *fault)
{
    int state_fd = -1, learning_fd = -1, error;
    size_t size;

    memset(dir, 0, sizeof(*dir));
    dir->fd = -1;
    if (!plain_name(model))
        return storage_fault_set(fault, STORAGE_NOT_FOUND, NULL, 0,
                                 "'%.100s' is no name for a model's directory", model);
    size = strlen(state_path) + sizeof(learning_folder) + strlen(model) + 3;
    dir->path = malloc(size);
    if (dir->path == NULL)
        return storage_fault_set(fault, STORAGE_NO_MEMORY, NULL, 0, "out of memory");
    snprintf(dir->path, size, "%s/%s/%s", state_path, learning_folder, model);
    state_fd = open(state_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (state_fd >= 0)
        learning_fd = make_directory(state_fd, learning_folder);
    if (learning_fd >= 0)
        dir->fd = make_directory(learning_fd, model);
    error = errno;
    if (learning_fd >= 0)
        close(learning_fd);
    if (state_fd >= 0)
        close(state_fd);
    if (dir->fd >= 0)
        return STORAGE_OK;
    storage_dir_close(dir);
    return storage_fault_errno(fault, NULL, "open the model's directory", error);
}

void storage_dir_close(struct storage_dir *dir)
{
    if (dir->path != NULL && dir->fd >= 0)
        close(dir->fd);
    free(dir->path);
    dir->path = NULL;
    dir->fd = -1;
}

enum storage_status storage_dir_sync(const struct storage_dir *dir, struct storage_fault *fault)
{
    if (fsync(dir->fd) != 0)
        return storage_fault_errno(fault, NULL, "sync the model's directory", errno);
    return STORAGE_OK;
}

bool storage_file_exists(const struct storage_dir *dir, const char *name)
{
    struct stat info;

    return fstatat(dir->fd, name, &info, AT_SYMLINK_NOFOLLOW) == 0 || errno != ENOENT;
}

static int read_all(int fd, unsigned char *data, size_t bytes)
{
    for (size_t at = 0; at < bytes;) {
        ssize_t n = pread(fd, data + at, bytes - at, (off_t)at);

        if (n > 0) {
            at += (size_t)n;
        } else if (n == 0) {
            errno = EIO;    /* shorter than it said a moment ago */
            return -1;
        } else if (errno != EINTR) {
            return -1;
        }
    }
    return 0;
}

enum storage_status storage_file_read(const struct storage_dir *dir, const char *name,
                                      size_t bytes_max, unsigned char **ret_data, size_t *ret_bytes,
                                      struct storage_fault *fault)
{
    unsigned char *data = NULL;
    struct stat info;
    int fd = openat(dir->fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK), error;

    if (fd < 0 && errno == ENOENT)
        return storage_fault_set(fault, STORAGE_NOT_FOUND, name, 0, "%s is not there", name);
    if (fd < 0 || fstat(fd, &info) != 0)
        goto fail;
    if (!S_ISREG(info.st_mode)) {
        close(fd);
        return storage_fault_set(fault, STORAGE_DAMAGED, name, 0, "%s is not a regular file", name);
    }
    if ((uint64_t)info.st_size > bytes_max) {
        close(fd);
        return storage_fault_set(fault, STORAGE_LIMIT, name, 0, "%s has %lld bytes; the limit is %zu",
                                 name, (long long)info.st_size, bytes_max);
    }
    data = malloc((size_t)info.st_size + 1);
    if (data == NULL) {
        close(fd);
        return storage_fault_set(fault, STORAGE_NO_MEMORY, name, 0, "no memory to read %s", name);
    }
    if (read_all(fd, data, (size_t)info.st_size) != 0)
        goto fail;
    close(fd);
    *ret_data = data;
    *ret_bytes = (size_t)info.st_size;
    return STORAGE_OK;
fail:
    error = errno;
    free(data);
    if (fd >= 0)
        close(fd);
    return storage_fault_errno(fault, name, "read it", error);
}

int storage_pwrite_all(int fd, const void *data, size_t bytes, off_t at)
{
    const unsigned char *from = data;

    while (bytes > 0) {
        ssize_t n = pwrite(fd, from, bytes, at);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return -1;
        from += n;
        at += n;
        bytes -= (size_t)n;
    }
    return 0;
}

int storage_write_all(int fd, const void *data, size_t bytes)
{
    const unsigned char *from = data;

    while (bytes > 0) {
        ssize_t n = write(fd, from, bytes);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return -1;
        from += n;
        bytes -= (size_t)n;
    }
    return 0;
}

/* -1 sets errno. */
static int write_parts(int fd, const struct iovec *parts, size_t n_parts)
{
    for (size_t i = 0; i < n_parts; i++)
        if (storage_write_all(fd, parts[i].iov_base, parts[i].iov_len) != 0)
            return -1;
    if (fsync(fd) != 0)
        return -1;
    return 0;
}

enum storage_status storage_file_write(const struct storage_dir *dir, const char *name,
                                       const struct iovec *parts, size_t n_parts,
                                       struct storage_fault *fault)
{
    char temporary[STORAGE_FILE_NAME_MAX + 8];
    int fd, error, result;

    snprintf(temporary, sizeof(temporary), "%s.tmp", name);
    if (unlinkat(dir->fd, temporary, 0) != 0 && errno != ENOENT)
        return storage_fault_errno(fault, temporary, "remove what an interrupted write left", errno);
    fd = openat(dir->fd, temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return storage_fault_errno(fault, temporary, "make it", errno);
    result = write_parts(fd, parts, n_parts);
    error = errno;
    if (close(fd) != 0 && result == 0) {
        error = errno;
        result = -1;
    }
    if (result == 0 && renameat(dir->fd, temporary, dir->fd, name) != 0) {
        error = errno;
        result = -1;
    }
    if (result == 0)
        return storage_dir_sync(dir, fault);
    unlinkat(dir->fd, temporary, 0);
    return storage_fault_errno(fault, name, "write it", error);
}

static int settle(int fd)
{
    unsigned char chunk[SETTLE_CHUNK];
    off_t at = 0;

    for (;;) {
        ssize_t n = pread(fd, chunk, sizeof(chunk), at);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -1;
        if (n == 0)
            return fsync(fd);
        if (storage_pwrite_all(fd, chunk, (size_t)n, at) != 0)
            return -1;
        at += n;
    }
}

enum storage_status storage_file_settle(const struct storage_dir *dir, const char *name,
                                        struct storage_fault *fault)
{
    int fd = openat(dir->fd, name, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK), error, result;

    if (fd < 0 && errno == ENOENT)
        return STORAGE_OK;
    if (fd < 0)
        return storage_fault_errno(fault, name, "open it", errno);
    result = settle(fd);
    error = errno;
    close(fd);
    return result == 0 ? STORAGE_OK : storage_fault_errno(fault, name, "settle it", error);
}

enum storage_status storage_file_remove(const struct storage_dir *dir, const char *name,
                                        struct storage_fault *fault)
{
    if (unlinkat(dir->fd, name, 0) != 0 && errno != ENOENT)
        return storage_fault_errno(fault, name, "remove it", errno);
    return STORAGE_OK;
}
