/* SPDX-License-Identifier: Apache-2.0
 * engine/train/standardise.h - mean and standard deviation of a field, so that inputs of any unit
 * come to a model around 0 and about 1 large. Measured over the training part alone, in one pass, in
 * double (Welford, "Note on a method for calculating corrected sums of squares and products", 1962).
 * They belong into the model (as Sub and Div at its input), so that who predicts sends raw values. */
#ifndef ENGINE_TRAIN_STANDARDISE_H
#define ENGINE_TRAIN_STANDARDISE_H

#include "engine/train/dataset.h"

enum standard_scope {
    STANDARD_EACH, /* every element of an example has its own statistics: tables */
    STANDARD_FIRST, /* one pair for each index of the first dimension: channels of an image */
    STANDARD_ALL,   /* one pair for all elements */
};

/* Statistics as tensors that broadcast against a batch: `shape` is that of an example with 1 where
 * elements share a pair. The deviation is that of a population (divided by n, as scikit-learn's
 * StandardScaler); for what never changes it is 1, so that it becomes 0 and stays so. */
struct standard {
    struct shape shape;
    int64_t n;          /* pairs: the elements of shape */
    double *mean, *deviation;
};

/* Over examples[0] .. examples[n - 1], or all if NULL. BAD_INPUT names the example of a value that is
 * not finite. Results do not depend on how the examples are stored. */
enum engine_status standard_measure(const struct dataset *dataset, int field,
                                    const uint32_t *examples, int64_t n, enum standard_scope scope,
                                    struct standard *ret, struct engine_error *err);
void standard_finish(struct standard *standard);

#endif
