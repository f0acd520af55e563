/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "engine/onnx/onnx_external.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* What the entries say, resolved: an open file and where the data begins. */
struct source {
    int fd;
    off_t offset;
    char path[PATH_MAX];
};

/* Decimal digits only, within off_t. Absent: `fallback`. */
static bool parse_number(const struct bytes *text, int64_t fallback, int64_t *ret)
{
    int64_t number = 0;

    if (text->length == 0) {
        *ret = fallback;
        return true;
    }
    for (size_t i = 0; i < text->length; i++) {
        int digit = text->data[i] - '0';

        if (digit < 0 || digit > 9 || __builtin_mul_overflow(number, 10, &number) ||
            __builtin_add_overflow(number, digit, &number))
            return false;
    }
    *ret = number;
    return true;
}

static enum engine_status open_beneath(struct source *source, int dir_fd, struct engine_error *err)
{
    struct open_how how = {
        .flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY,
        .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS,
    };

    source->fd = (int)syscall(SYS_openat2, dir_fd, source->path, &how, sizeof(how));
    if (source->fd >= 0)
        return ENGINE_OK;
    if (errno == EXDEV || errno == ELOOP)
        return engine_error_set(err, ENGINE_BAD_MODEL,
                                "external data '%.200s' leads out of the model's directory or "
                                "through a link",
                                source->path);
    return engine_error_set(err, ENGINE_IO, "external data '%.200s': %s", source->path,
                            strerror(errno));
}

static enum engine_status check_file(const struct source *source, int64_t length,
                                     struct engine_error *err)
{
    struct stat status;

    if (fstat(source->fd, &status) != 0)
        return engine_error_set(err, ENGINE_IO, "external data '%.200s': %s", source->path,
                                strerror(errno));
    if (!S_ISREG(status.st_mode) || status.st_nlink != 1)
        return engine_error_set(err, ENGINE_BAD_MODEL,
                                "external data '%.200s' is not a regular file with one name",
                                source->path);
    if (source->offset > status.st_size || length > status.st_size - source->offset)
        return engine_error_set(err, ENGINE_BAD_MODEL,
                                "external data '%.200s' has %lld bytes, the tensor wants %lld at "
                                "%lld",
                                source->path, (long long)status.st_size, (long long)length,
                                (long long)source->offset);
    return ENGINE_OK;
}

/* On success the caller closes source->fd. */
static enum engine_status open_source(const struct onnx_external *external, int dir_fd, size_t size,
                                      struct source *source, struct engine_error *err)
{
    int64_t offset, length;
    enum engine_status status;

    if (dir_fd < 0)
        return engine_error_set(err, ENGINE_UNSUPPORTED,
                                "external data needs a model loaded from a file");
    if (external->location.length == 0 || external->location.length >= sizeof(source->path))
        return engine_error_set(err, ENGINE_BAD_MODEL, "external data has no usable location");
    if (!parse_number(&external->offset, 0, &offset) ||
        !parse_number(&external->length, (int64_t)size, &length))
        return engine_error_set(err, ENGINE_BAD_MODEL,
                                "external data's offset or length is not a number");
    if ((uint64_t)length != size)
        return engine_error_set(err, ENGINE_BAD_MODEL,
                                "external data's length is %lld, the tensor has %zu bytes",
                                (long long)length, size);
    memcpy(source->path, external->location.data, external->location.length);
    source->path[external->location.length] = '\0';
    source->offset = offset;
    status = open_beneath(source, dir_fd, err);
    if (status != ENGINE_OK)
        return status;
    status = check_file(source, length, err);
    if (status != ENGINE_OK)
        close(source->fd);
    return status;
}

enum engine_status onnx_external_check(const struct onnx_external *external, int dir_fd,
                                       size_t size, struct engine_error *err)
{
    struct source source;
    enum engine_status status = open_source(external, dir_fd, size, &source, err);

    if (status == ENGINE_OK)
        close(source.fd);
    return status;
}

enum engine_status onnx_external_read(const struct onnx_external *external, int dir_fd, void *data,
                                      size_t size, struct engine_error *err)
{
    struct source source;
    size_t done = 0;
    enum engine_status status = open_source(external, dir_fd, size, &source, err);

    if (status != ENGINE_OK)
        return status;
    while (done < size && status == ENGINE_OK) {
        ssize_t got =
            pread(source.fd, (char *)data + done, size - done, source.offset + (off_t)done);

        if (got > 0)
            done += (size_t)got;
        else if (got == 0)
            status = engine_error_set(err, ENGINE_IO,
                                      "external data '%.200s' shrank while it was "
                                      "read",
                                      source.path);
        else if (errno != EINTR)
            status = engine_error_set(err, ENGINE_IO, "external data '%.200s': %s", source.path,
                                      strerror(errno));
    }
    close(source.fd);
    return status;
}
