/* SPDX-License-Identifier: Apache-2.0
 * engine/kernels/conv_weights.h - the gradient of a convolution's weights: for each kernel place the
 * product of the input, shifted by that place, and the output's gradient, summed over all places of all
 * images. The shifted input is never copied out (no im2col): the rows of the product are pointers into
 * the input, or into a copy of a few channels with their padding around them, and the output's gradient
 * is what is packed. Any geometry. Sums run over images and places in their order, whatever the pool. */
#ifndef ENGINE_KERNELS_CONV_WEIGHTS_H
#define ENGINE_KERNELS_CONV_WEIGHTS_H

#include "engine/kernels/window.h"
#include "engine/pool.h"

#include <stddef.h>

struct conv_weights {
    struct window window;
    int64_t images, groups, channels, outputs;   /* channels and outputs of one group */
    const float *x;             /* [images, groups * channels, in] */
    const float *dy;            /* [images, groups * outputs, out] */
    float *dw;                  /* [groups * outputs, channels, kernel] */
    bool accumulate;            /* add to dw */
};

/* False when what it needs does not fit in memory's addresses. */
bool conv_weights_scratch(const struct conv_weights *conv, int threads, size_t *ret_bytes);
void conv_weights_run(const struct conv_weights *conv, void *scratch, struct pool *pool);

#endif
