/* SPDX-License-Identifier: Apache-2.0
 * engine/kernels/conv_planes.h - convolution of a batch of images stored channel by channel with
 * weights that are new on every call, as training has it: the weights are packed, and a few images at
 * a time are turned to channels last, convolved by conv_last.h or winograd.h, and turned back while
 * they are in the cache. Results depend on shapes and values alone, not on the pool. */
#ifndef ENGINE_KERNELS_CONV_PLANES_H
#define ENGINE_KERNELS_CONV_PLANES_H

#include "engine/kernels/conv_last.h"

struct conv_planes {
    struct conv_last_form form;
    struct window window;
    int64_t images;
    const float *x;             /* [images, groups * channels, in] */
    const float *w;             /* [groups * outputs, channels, taps] */
    const float *bias;          /* [groups * outputs], or NULL */
    float *y;                   /* [images, groups * outputs, out] */
    int64_t y_channels;         /* more of them than that in an image of y, which are left alone; 0: no */
    bool accumulate;            /* add to y */
};

/* False when what it needs does not fit in memory's addresses. */
bool conv_planes_scratch(const struct conv_planes *conv, int threads, size_t *ret_bytes);
void conv_planes_run(const struct conv_planes *conv, void *scratch, struct pool *pool);

#endif
