/* SPDX-License-Identifier: Apache-2.0
 * engine/kernels/bottleneck.h - a 1x1 convolution, a depthwise one and another 1x1 convolution, strip by
 * strip: what lies between them, several times larger than what goes in and comes out (Sandler et al.,
 * "MobileNetV2: Inverted Residuals and Linear Bottlenecks", 2018), never leaves the second-level cache.
 * Results are those of the three convolutions one after the other, to the bit. Channels last. */
#ifndef ENGINE_KERNELS_BOTTLENECK_H
#define ENGINE_KERNELS_BOTTLENECK_H

#include "engine/kernels/conv_last.h"
#include "engine/kernels/packed.h"

struct bottleneck {
    int64_t images, channels, middle, outputs;
    struct window window;       /* of the depthwise convolution: depthwise_has_strips() */
    const float *x;             /* [images, in, channels] */
    const float *expand, *depthwise, *project;  /* packed: [channels, middle], [taps, middle],
                                   [middle, outputs] */
    struct epilogue expanded, filtered; /* of the first two: no residuals */
    struct epilogue projected;  /* a residual is laid out as y */
    float *y;                   /* [images, out, outputs] */
};

/* Bytes of scratch for `threads` threads. */
size_t bottleneck_scratch(int64_t middle, const struct window *window, int64_t images, int threads);
void bottleneck_run(const struct bottleneck *bottleneck, void *scratch, struct pool *pool);

#endif
