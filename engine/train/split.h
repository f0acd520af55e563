/* SPDX-License-Identifier: Apache-2.0
 * engine/train/split.h - which examples are for training, which to validate with and which to test
 * with. Lists of example numbers, chosen by a seed, each list in the dataset's order; no example is
 * in two of them. Stratified by a target of class ids, every part has each class's share to within
 * one example. */
#ifndef ENGINE_TRAIN_SPLIT_H
#define ENGINE_TRAIN_SPLIT_H

#include "engine/train/dataset.h"

enum { SPLIT_PARTS_MAX = 1024 };

struct split {
    int n_parts;
    uint32_t *examples; /* of part 0, then of part 1, ... */
    int64_t *starts;    /* n_parts + 1 of them: where each part begins in `examples` */
};

/* Parts by `fractions` (each at least 0; their sum at most 1, and what is left is in no part), e.g.
 * {0.8, 0.1, 0.1}. Part sizes are the largest remainders' (Hamilton's). `field` is a scalar integer
 * field to stratify by, -1 for none. BAD_INPUT if a part with a fraction above 0 would be empty. */
enum engine_status split_fractions(const struct dataset *dataset, int field,
                                   const double *fractions, int n_parts, uint64_t seed,
                                   struct split *ret, struct engine_error *err);
/* k parts of equal size, to within one example. */
enum engine_status split_folds(const struct dataset *dataset, int field, int k, uint64_t seed,
                               struct split *ret, struct engine_error *err);
void split_finish(struct split *split);

/* The examples of a part, and how many. */
const uint32_t *split_part(const struct split *split, int part, int64_t *ret_n);
/* All examples but those of `part`, in the dataset's order, for cross-validation: writes to
 * `ret_examples` (room for all) and returns how many. */
int64_t split_others(const struct split *split, int part, uint32_t *ret_examples);

#endif
