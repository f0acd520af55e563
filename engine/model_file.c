/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/model_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void *read_all(int fd, size_t size, struct engine_error *err)
{
    unsigned char *bytes = malloc(size > 0 ? size : 1);
    size_t used = 0;
    ssize_t count = 1;

    if (bytes == NULL) {
        engine_error_set(err, ENGINE_NO_MEMORY, "no memory for a model file of %zu bytes", size);
        return NULL;
    }
    while (used < size && count != 0) {
        count = read(fd, bytes + used, size - used);
        if (count < 0 && errno != EINTR) {
            engine_error_set(err, ENGINE_IO, "model file cannot be read: %s", strerror(errno));
            free(bytes);
            return NULL;
        }
        if (count > 0)
            used += (size_t)count;
    }
    if (used < size) {
        engine_error_set(err, ENGINE_IO, "model file shrank to %zu of %zu bytes while it was read",
                         used, size);
        free(bytes);
        return NULL;
    }
    return bytes;
}

/* The bytes of a regular file, at most `budget` (0: no bound). NULL sets `err`. */
static void *read_file(int fd, size_t budget, size_t *ret_size, struct engine_error *err)
{
    struct stat status;

    if (fd < 0 || fstat(fd, &status) != 0) {
        engine_error_set(err, ENGINE_IO, "model file cannot be opened: %s", strerror(errno));
        return NULL;
    }
    if (!S_ISREG(status.st_mode)) {
        engine_error_set(err, ENGINE_IO, "model file is not a regular file");
        return NULL;
    }
    if (budget > 0 && (uintmax_t)status.st_size >= budget) {
        engine_error_set(err, ENGINE_OVER_BUDGET,
                         "model file has %lld bytes, the model's budget is %zu",
                         (long long)status.st_size, budget);
        return NULL;
    }
    *ret_size = (size_t)status.st_size;
    return read_all(fd, *ret_size, err);
}

static int open_directory_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    char *directory;
    int fd;

    if (slash == NULL)
        return open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    directory = strndup(path, slash == path ? 1 : (size_t)(slash - path));
    fd = directory != NULL ? open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    free(directory);
    return fd;
}

enum engine_status model_file_open(const char *path, size_t bytes_max, struct model_file *ret,
                                   struct engine_error *err)
{
    /* O_NONBLOCK: opening a fifo must not wait for its writer. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    struct engine_error own = {0};

    ret->bytes = read_file(fd, bytes_max, &ret->size, &own);
    if (fd >= 0)
        close(fd);
    if (ret->bytes == NULL)
        return engine_error_set(err, own.status, "%s", own.text);
    ret->dir_fd = open_directory_of(path);
    return ENGINE_OK;
}

void model_file_close(struct model_file *file)
{
    if (file->dir_fd >= 0)
        close(file->dir_fd);
    free(file->bytes);
}
