/* SPDX-License-Identifier: Apache-2.0
 * engine/train/batches.h - an epoch as mini-batches: which examples, in which order. A function of
 * the epoch and the batch's number alone; any thread. */
#ifndef ENGINE_TRAIN_BATCHES_H
#define ENGINE_TRAIN_BATCHES_H

#include "engine/train/dataset.h"

#include <stdbool.h>
#include <stdint.h>

/* A plain value; what it points to is borrowed. */
struct batches {
    const uint32_t *examples; /* a part of the dataset (split.h); NULL: all of it */
    int64_t n_examples;
    int64_t batch_size;       /* at least 1 */
    bool drop_last;           /* a last batch that is short is left out */
    bool shuffled;            /* else in the order given, every epoch the same */
    uint64_t seed;
    uint32_t block, window;   /* shuffle.h: for examples in a file; 0: every example on its own */
};

/* Batches of all of a dataset; the shuffle is by blocks if part of it is in a file. */
void batches_init(struct batches *batches, const struct dataset *dataset, int64_t batch_size,
                  uint64_t seed);
/* How many there are in an epoch. */
int64_t batches_count(const struct batches *batches);
/* Writes the example numbers of batch `index` of `epoch` to `ret_examples` (room for batch_size)
 * and returns how many: batch_size but for a short last one. */
int64_t batches_examples(const struct batches *batches, int64_t epoch, int64_t index,
                         uint32_t *ret_examples);

#endif
