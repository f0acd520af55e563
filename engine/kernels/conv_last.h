/* SPDX-License-Identifier: Apache-2.0
 * engine/kernels/conv_last.h - convolution with packed weights of images whose channels come last
 * (NHWC): the tiles read the input where it lies, through a table of where each output place's kernel
 * places start, so no columns are ever gathered. A depthwise convolution has loops of its own. */
#ifndef ENGINE_KERNELS_CONV_LAST_H
#define ENGINE_KERNELS_CONV_LAST_H

#include "engine/kernels/activation.h"
#include "engine/kernels/window.h"
#include "engine/pool.h"

#include <stdbool.h>
#include <stddef.h>

/* What does not change from call to call. Channels and outputs are those of one group. */
struct conv_last_form {
    int64_t groups, channels, outputs;
    int64_t taps;               /* kernel places */
};

/* Floats of the packed weights; false when that does not fit. */
bool conv_last_packed_size(const struct conv_last_form *form, int64_t *ret_floats);
/* `w` is [groups * outputs, channels, taps], as ONNX has it. */
void conv_last_pack(const struct conv_last_form *form, const float *w, float *ret_packed);

struct conv_last {
    struct conv_last_form form;
    struct window window;
    int64_t images;
    const float *x;             /* [images, in, groups * channels] */
    const float *weights;       /* packed */
    float *y;                   /* [images, out, groups * outputs] */
    struct epilogue epilogue;   /* a residual is laid out as y */
};

/* Bytes of scratch for `threads` threads. */
size_t conv_last_scratch(const struct conv_last_form *form, const struct window *window, int64_t images,
                         int threads);
void conv_last_run(const struct conv_last *conv, void *scratch, struct pool *pool);

#endif
