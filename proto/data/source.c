/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "proto/data/source.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

enum { INPUT_BYTES = 65536, GZIP_WINDOW = 15 + 16, RAW_WINDOW = -15 };

/* A region of a storage, or (`inner` set) what another source holds, unpacked. */
struct source {
    struct storage storage;
    uint64_t begin, length, at;
    struct source *inner;
    enum packing packing;
    uint64_t unpacked_max; /* ZIP: exactly so many */
    uint32_t crc_expected, crc;
    z_stream stream;
    bool inflating, finished;
    unsigned char input[]; /* INPUT_BYTES if there is an inner one */
};

static bool bad(struct problem *problem, const char *text)
{
    return problem_set(problem, 400, "bad_data", "%s", text);
}

bool storage_read(const struct storage *storage, uint64_t offset, void *to, size_t n,
                  struct problem *problem)
{
    char *p = to;
    ssize_t got;

    if (offset > storage->length || n > storage->length - offset)
        return bad(problem, "it ends too early");
    if (storage->stopped != NULL && storage->stopped(storage->arg))
        return problem_set(problem, 499, "stopped", "reading was stopped");
    if (storage->memory != NULL) {
        if (n > 0)
            memcpy(p, (const char *)storage->memory + offset, n);
        return true;
    }
    while (n > 0) {
        got = pread(storage->fd, p, n, (off_t)offset);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return problem_set(problem, 500, "io", "it cannot be read: %s", strerror(errno));
        if (got == 0)
            return bad(problem, "it has become shorter while it was read");
        p += got;
        n -= (size_t)got;
        offset += (uint64_t)got;
    }
    return true;
}

struct source *source_create(const struct storage *storage, uint64_t offset, uint64_t length)
{
    struct source *source = calloc(1, sizeof(*source));

    if (source == NULL)
        return NULL;
    source->storage = *storage;
    source->begin = offset;
    source->length = length;
    return source;
}

static bool start_inflating(struct source *source)
{
    const int window = source->packing == PACKED_GZIP ? GZIP_WINDOW : RAW_WINDOW;

    source->stream = (z_stream){0};
    source->inflating = inflateInit2(&source->stream, window) == Z_OK;
    return source->inflating;
}

struct source *source_unpack(struct source *inner, enum packing packing, uint64_t length,
                             uint32_t crc)
{
    struct source *source = inner != NULL ? calloc(1, sizeof(*source) + INPUT_BYTES) : NULL;

    if (source == NULL) {
        source_destroy(inner);
        return NULL;
    }
    source->inner = inner;
    source->packing = packing;
    source->unpacked_max = length;
    source->crc_expected = crc;
    if (packing != PACKED_STORED && !start_inflating(source)) {
        source_destroy(source);
        return NULL;
    }
    return source;
}

void source_destroy(struct source *source)
{
    if (source == NULL)
        return;
    if (source->inflating)
        inflateEnd(&source->stream);
    source_destroy(source->inner);
    free(source);
}

bool source_rewind(struct source *source, struct problem *problem)
{
    source->at = 0;
    source->crc = 0;
    source->finished = false;
    if (source->inner == NULL)
        return true;
    if (source->inflating) {
        source->stream.next_in = NULL;
        source->stream.avail_in = 0;
        if (inflateReset(&source->stream) != Z_OK)
            return bad(problem, "it cannot be unpacked again");
    }
    return source_rewind(source->inner, problem);
}

/* Makes input available; false on failure or, with `finished` set, at the end of a gzip file. */
static bool refill(struct source *source, struct problem *problem)
{
    int64_t n;

    if (source->stream.avail_in > 0)
        return true;
    n = source_read(source->inner, source->input, INPUT_BYTES, problem);
    if (n < 0)
        return false;
    if (n == 0)
        return bad(problem, "its packed data end too early");
    source->stream.next_in = source->input;
    source->stream.avail_in = (uInt)n;
    return true;
}

/* After the end of one member of a gzip file: is there another? Zeros may pad the end. */
static bool next_member(struct source *source, struct problem *problem)
{
    int64_t n;

    for (;;) {
        while (source->stream.avail_in > 0 && *source->stream.next_in == 0) {
            source->stream.next_in++;
            source->stream.avail_in--;
        }
        if (source->stream.avail_in > 0)
            break;
        n = source_read(source->inner, source->input, INPUT_BYTES, problem);
        if (n < 0)
            return false;
        if (n == 0) {
            source->finished = true;
            return true;
        }
        source->stream.next_in = source->input;
        source->stream.avail_in = (uInt)n;
    }
    if (inflateReset(&source->stream) != Z_OK)
        return bad(problem, "it cannot be unpacked");
    return true;
}

/* Some bytes, at least one unless the end is reached. */
static int64_t inflate_some(struct source *source, void *to, size_t n, struct problem *problem)
{
    int status;

    source->stream.next_out = to;
    source->stream.avail_out = n < 1 << 30 ? (uInt)n : 1 << 30;
    n = source->stream.avail_out;
    while (source->stream.avail_out == n && !source->finished) {
        if (!refill(source, problem))
            return -1;
        status = inflate(&source->stream, Z_NO_FLUSH);
        if (status == Z_STREAM_END) {
            if (source->packing == PACKED_DEFLATE)
                source->finished = true;
            else if (!next_member(source, problem))
                return -1;
        } else if (status == Z_MEM_ERROR) {
            problem_set(problem, 507, "no_memory", "out of memory");
            return -1;
        } else if (status != Z_OK && status != Z_BUF_ERROR) {
            bad(problem, "its packed data are damaged");
            return -1;
        }
    }
    return (int64_t)(n - source->stream.avail_out);
}

/* Counts what was unpacked and checks it at the end. */
static bool check_unpacked(struct source *source, const void *bytes, int64_t n,
                           struct problem *problem)
{
    if ((uint64_t)n > source->unpacked_max - source->at) {
        if (source->packing == PACKED_GZIP)
            return problem_set(problem, 413, "too_large",
                               "it unpacks to more than the %llu bytes that are allowed",
                               (unsigned long long)source->unpacked_max);
        return bad(problem, "it unpacks to more than it says");
    }
    if (source->packing == PACKED_GZIP)
        return true;
    source->crc = (uint32_t)crc32_z(source->crc, bytes, (size_t)n);
    if (n > 0 && source->at + (uint64_t)n < source->unpacked_max)
        return true;
    if (source->at + (uint64_t)n < source->unpacked_max)
        return bad(problem, "it unpacks to less than it says");
    if (source->crc != source->crc_expected)
        return bad(problem, "its checksum is wrong");
    return true;
}

static int64_t read_some(struct source *source, void *to, size_t n, struct problem *problem)
{
    int64_t got = 0;

    if (source->inner == NULL) {
        if (n > source->length - source->at)
            n = (size_t)(source->length - source->at);
        return storage_read(&source->storage, source->begin + source->at, to, n, problem)
                   ? (int64_t)n
                   : -1;
    }
    if (source->packing == PACKED_STORED)
        got = source_read(source->inner, to, n, problem);
    else if (!source->finished)
        got = inflate_some(source, to, n, problem);
    if (got < 0 || !check_unpacked(source, to, got, problem))
        return -1;
    return got;
}

int64_t source_read(struct source *source, void *to, size_t n, struct problem *problem)
{
    size_t done = 0;
    int64_t got;

    while (done < n) {
        got = read_some(source, (char *)to + done, n - done, problem);
        if (got < 0)
            return -1;
        if (got == 0)
            break;
        done += (size_t)got;
        source->at += (uint64_t)got;
    }
    return (int64_t)done;
}
