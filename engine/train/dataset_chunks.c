/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "engine/train/dataset_chunks.h"

#include "engine/train/dataset.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { CHUNK_BYTES = 1 << 20, ALIGNMENT = 64 };
#define DEFAULT_MEMORY_BYTES ((size_t)1 << 30)

enum engine_status dataset_chunks_init(struct dataset_chunks *chunks, size_t example_bytes,
                                       size_t padding, const struct dataset_options *options,
                                       struct engine_error *err)
{
    size_t target = CHUNK_BYTES, bytes;

    *chunks = (struct dataset_chunks){.fd = -1};
    chunks->memory_bytes_max =
        options->memory_bytes_max > 0 ? options->memory_bytes_max : DEFAULT_MEMORY_BYTES;
    chunks->spill_bytes_max = options->spill_bytes_max > 0 ? options->spill_bytes_max : UINT64_MAX;
    if (target > chunks->memory_bytes_max / 4)
        target = chunks->memory_bytes_max / 4;
    chunks->chunk_examples = target > padding ? (int64_t)((target - padding) / example_bytes) : 0;
    if (chunks->chunk_examples == 0)
        chunks->chunk_examples = 1;
    if (__builtin_mul_overflow((size_t)chunks->chunk_examples, example_bytes, &bytes) ||
        __builtin_add_overflow(bytes, padding + ALIGNMENT, &bytes) ||
        bytes > chunks->memory_bytes_max)
        return engine_error_set(err, ENGINE_OVER_BUDGET,
                                "one example takes %zu bytes, which is more than the %zu that a "
                                "dataset may hold in memory",
                                example_bytes, chunks->memory_bytes_max);
    chunks->chunk_bytes = bytes / ALIGNMENT * ALIGNMENT;
    if (options->spill_dir != NULL) {
        chunks->spill_dir = strdup(options->spill_dir);
        if (chunks->spill_dir == NULL)
            return engine_error_set(err, ENGINE_NO_MEMORY, "out of memory");
    }
    return ENGINE_OK;
}

void dataset_chunks_finish(struct dataset_chunks *chunks)
{
    for (int64_t i = 0; i < chunks->n_resident; i++)
        free(chunks->resident[i]);
    free(chunks->resident);
    free(chunks->tail);
    free(chunks->spill_dir);
    if (chunks->fd >= 0)
        close(chunks->fd);
}

size_t dataset_chunks_memory_bytes(const struct dataset_chunks *chunks)
{
    return (size_t)(chunks->n_resident + (chunks->tail != NULL)) * chunks->chunk_bytes;
}

/* A file of this process alone, gone when it is closed. */
static enum engine_status open_spill(struct dataset_chunks *chunks, struct engine_error *err)
{
    char path[4096];

    chunks->fd = open(chunks->spill_dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (chunks->fd < 0 && (errno == EOPNOTSUPP || errno == EISDIR || errno == EINVAL)) {
        /* A file system without O_TMPFILE. */
        if (snprintf(path, sizeof(path), "%s/.inferd-data-XXXXXX", chunks->spill_dir) <
            (int)sizeof(path))
            chunks->fd = mkostemp(path, O_CLOEXEC);
        if (chunks->fd >= 0)
            unlink(path);
    }
    if (chunks->fd < 0)
        return engine_error_set(err, ENGINE_IO, "no file for examples beyond memory: %s",
                                strerror(errno));
    return ENGINE_OK;
}

/* Writes the full tail behind the chunks that are in the file. */
static enum engine_status spill_tail(struct dataset_chunks *chunks, struct engine_error *err)
{
    uint64_t offset = (uint64_t)chunks->n_spilled * chunks->chunk_bytes;
    size_t done = 0;
    ssize_t n;

    if (chunks->spill_dir == NULL)
        return engine_error_set(err, ENGINE_OVER_BUDGET,
                                "the examples take more than the %zu bytes of memory that a "
                                "dataset may hold, and no folder for the rest is given",
                                chunks->memory_bytes_max);
    if (offset + chunks->chunk_bytes > chunks->spill_bytes_max)
        return engine_error_set(err, ENGINE_OVER_BUDGET,
                                "the examples take more than the %llu bytes of disk that a "
                                "dataset may hold",
                                (unsigned long long)chunks->spill_bytes_max);
    if (chunks->fd < 0 && open_spill(chunks, err) != ENGINE_OK)
        return ENGINE_IO;
    while (done < chunks->chunk_bytes) {
        n = pwrite(chunks->fd, chunks->tail + done, chunks->chunk_bytes - done,
                   (off_t)(offset + done));
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return engine_error_set(err, ENGINE_IO, "examples beyond memory were not written: %s",
                                    n < 0 ? strerror(errno) : "nothing was written");
        done += (size_t)n;
    }
    chunks->n_spilled++;
    chunks->tail_examples = 0;
    return ENGINE_OK;
}

/* The full tail stays in memory; a new one follows. */
static enum engine_status keep_tail(struct dataset_chunks *chunks, struct engine_error *err)
{
    if (chunks->n_resident == chunks->resident_capacity) {
        int64_t capacity = chunks->resident_capacity > 0 ? chunks->resident_capacity * 2 : 16;
        char **grown = realloc(chunks->resident, (size_t)capacity * sizeof(char *));

        if (grown == NULL)
            return engine_error_set(err, ENGINE_NO_MEMORY, "out of memory");
        chunks->resident = grown;
        chunks->resident_capacity = capacity;
    }
    chunks->resident[chunks->n_resident++] = chunks->tail;
    chunks->tail = NULL;
    return ENGINE_OK;
}

enum engine_status dataset_chunks_make_room(struct dataset_chunks *chunks,
                                            struct engine_error *err)
{
    enum engine_status status = ENGINE_OK;

    if (chunks->tail != NULL && chunks->tail_examples < chunks->chunk_examples)
        return ENGINE_OK;
    if (chunks->tail != NULL) {
        size_t bytes = dataset_chunks_memory_bytes(chunks);

        if (chunks->n_spilled > 0 || bytes > chunks->memory_bytes_max - chunks->chunk_bytes)
            return spill_tail(chunks, err);
        status = keep_tail(chunks, err);
    }
    if (status == ENGINE_OK) {
        chunks->tail = aligned_alloc(ALIGNMENT, chunks->chunk_bytes);
        chunks->tail_examples = 0;
        if (chunks->tail == NULL)
            return engine_error_set(err, ENGINE_NO_MEMORY, "out of memory");
        /* Padding reaches the file, too. */
        memset(chunks->tail, 0, chunks->chunk_bytes);
    }
    return status;
}

const char *dataset_chunks_find(const struct dataset_chunks *chunks, int64_t index,
                                uint64_t *ret_offset)
{
    if (index < chunks->n_resident)
        return chunks->resident[index];
    index -= chunks->n_resident;
    if (index == chunks->n_spilled)
        return chunks->tail;
    *ret_offset = (uint64_t)index * chunks->chunk_bytes;
    return NULL;
}

enum engine_status dataset_pread(int fd, void *to, size_t bytes, uint64_t offset,
                                 struct engine_error *err)
{
    char *p = to;
    ssize_t n;

    while (bytes > 0) {
        n = pread(fd, p, bytes, (off_t)offset);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return engine_error_set(err, ENGINE_IO, "examples could not be read: %s",
                                    strerror(errno));
        if (n == 0)
            return engine_error_set(err, ENGINE_IO, "the examples' file has become shorter");
        p += n;
        bytes -= (size_t)n;
        offset += (uint64_t)n;
    }
    return ENGINE_OK;
}
