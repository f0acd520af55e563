/* SPDX-License-Identifier: Apache-2.0
 * engine/train/dataset_chunks.h - where appended examples live: chunks of equal size, the first of
 * them in memory up to a budget, the later ones in a file without a name, the last one (which is
 * still filling) in memory. One thread while it grows; reading is for any thread. */
#ifndef ENGINE_TRAIN_DATASET_CHUNKS_H
#define ENGINE_TRAIN_DATASET_CHUNKS_H

#include "engine/error.h"

#include <stddef.h>
#include <stdint.h>

struct dataset_options;

struct dataset_chunks {
    int64_t chunk_examples; /* in each chunk */
    size_t chunk_bytes;
    size_t memory_bytes_max;
    uint64_t spill_bytes_max;
    char *spill_dir; /* NULL: nothing may be spilled */
    int fd;          /* -1 until something is */
    char **resident; /* the first chunks */
    int64_t n_resident, resident_capacity, n_spilled;
    char *tail;
    int64_t tail_examples;
};

/* For examples of `example_bytes`, of which every field's part is aligned in a chunk by up to
 * `padding` bytes. OVER_BUDGET if not even one example fits. */
enum engine_status dataset_chunks_init(struct dataset_chunks *chunks, size_t example_bytes,
                                       size_t padding, const struct dataset_options *options,
                                       struct engine_error *err);
void dataset_chunks_finish(struct dataset_chunks *chunks);

/* Makes sure that the tail has room for at least one example. */
enum engine_status dataset_chunks_make_room(struct dataset_chunks *chunks,
                                            struct engine_error *err);
/* The memory of chunk `index`; NULL with *ret_offset if it is in the file. */
const char *dataset_chunks_find(const struct dataset_chunks *chunks, int64_t index,
                                uint64_t *ret_offset);
size_t dataset_chunks_memory_bytes(const struct dataset_chunks *chunks);

/* Exactly `bytes` from `offset` on; IO with `err` if the file is shorter or cannot be read. */
enum engine_status dataset_pread(int fd, void *to, size_t bytes, uint64_t offset,
                                 struct engine_error *err);

#endif
