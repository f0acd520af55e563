/* SPDX-License-Identifier: Apache-2.0
 * engine/train/augment.h - images that are moved, mirrored and roughened a little, differently in
 * every epoch. What happens to an example follows from (seed, epoch, its number) alone: not from the
 * batch it is in, nor from threads. */
#ifndef ENGINE_TRAIN_AUGMENT_H
#define ENGINE_TRAIN_AUGMENT_H

#include "engine/error.h"
#include "engine/tensor.h"

struct augment {
    int shift_y, shift_x; /* by up to so many pixels either way */
    double flip_x, flip_y; /* probability of mirroring left to right, top to bottom */
    double noise;          /* standard deviation of what is added to each value */
    float fill;            /* what comes in at the edges */
};

/* BAD_INPUT names the number that is out of range, or a shape that is no image: rank 2 (height,
 * width) or more, the last two being height and width. `shape` is that of one example. */
enum engine_status augment_check(const struct augment *augment, const struct shape *shape,
                                 struct engine_error *err);

/* Changes `n` gathered examples of F32 in place; `examples` are their numbers. The shape is as it was
 * checked. Any thread, on values of its own. */
void augment_apply(const struct augment *augment, const struct shape *shape, uint64_t seed,
                   int64_t epoch, const uint32_t *examples, int64_t n, float *values);

#endif
