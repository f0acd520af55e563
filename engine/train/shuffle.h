/* SPDX-License-Identifier: Apache-2.0
 * engine/train/shuffle.h - the order of one epoch as a function: position to example, by (seed,
 * epoch) alone. Nothing is stored and nothing is moved, any position can be asked for first (so a
 * run that was cut resumes in the middle of an epoch), and any number of threads may ask.
 *
 * A permutation of 0 .. n - 1 is a keyed Feistel network over the next power of two, walked until
 * it lands below n (Black and Rogaway, "Ciphers with arbitrary finite domains", 2002). */
#ifndef ENGINE_TRAIN_SHUFFLE_H
#define ENGINE_TRAIN_SHUFFLE_H

#include <stdint.h>

/* A plain value. */
struct permutation {
    uint64_t key;
    uint32_t n;
    int low_bits, high_bits; /* halves of the domain */
};

/* `n` may be 0. */
void permutation_init(struct permutation *permutation, uint32_t n, uint64_t seed, uint64_t epoch);
/* Where position i < n is taken from; a bijection. */
uint32_t permutation_at(const struct permutation *permutation, uint32_t i);

/* For examples in a file, whose random access is slow: whole blocks of `block` neighbours are
 * shuffled, and then the examples within each run of `window` blocks. So a stretch of the epoch
 * reads from only window * block examples. A plain value. */
struct shuffle {
    uint64_t seed, epoch;
    uint32_t n, block, window; /* block 0: every example on its own */
    uint32_t turn;             /* where the epoch's first block begins */
    struct permutation order;  /* of blocks, or of examples */
};

void shuffle_init(struct shuffle *shuffle, uint32_t n, uint32_t block, uint32_t window,
                  uint64_t seed, uint64_t epoch);
uint32_t shuffle_at(const struct shuffle *shuffle, uint32_t i);

#endif
