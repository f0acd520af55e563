/* SPDX-License-Identifier: Apache-2.0
 * proto/data/source.h - the bytes of a data file: from memory or a file that is open, as they are or
 * unpacked, from front to back and again after a rewind. One thread at a time. */
#ifndef PROTO_DATA_SOURCE_H
#define PROTO_DATA_SOURCE_H

#include "proto/problem.h"

#include <stddef.h>
#include <stdint.h>

/* Bytes that can be read anywhere: memory, or (NULL) a file, by pread. Borrowed. A plain value. */
struct storage {
    const void *memory;
    int fd;
    uint64_t length;
    bool (*stopped)(const void *arg);   /* asked before each read: true ends it with 499; or NULL */
    const void *arg;
};

/* Exactly `n` bytes from `offset` on; false with `problem` if they are not there. */
bool storage_read(const struct storage *storage, uint64_t offset, void *to, size_t n,
                  struct problem *problem);

struct source;

/* The bytes `offset` .. `offset` + `length` - 1. NULL when out of memory. */
struct source *source_create(const struct storage *storage, uint64_t offset, uint64_t length);

enum packing {
    PACKED_GZIP,    /* RFC 1952, of one or several members */
    PACKED_DEFLATE, /* RFC 1951, within a ZIP file */
    PACKED_STORED,  /* as it is, within a ZIP file */
};

/* What `inner` (taken over, freed on failure as well; NULL is a failure) holds, unpacked. Of what
 * comes from a ZIP file the length and the checksum are verified when its end is read; what comes
 * from gzip may have up to `length` bytes. NULL when out of memory. */
struct source *source_unpack(struct source *inner, enum packing packing, uint64_t length,
                             uint32_t crc);
/* Takes NULL. */
void source_destroy(struct source *source);

/* Reads until `n` bytes are there or the end is reached; -1 with `problem` on failure. */
int64_t source_read(struct source *source, void *to, size_t n, struct problem *problem);
/* Back to the front. */
bool source_rewind(struct source *source, struct problem *problem);

#endif
