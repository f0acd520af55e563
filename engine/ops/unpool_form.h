/* SPDX-License-Identifier: Apache-2.0
 * engine/ops/unpool_form.h - the windows of MaxUnpool and Col2Im, for the operators and their
 * gradients. */
#ifndef ENGINE_OPS_UNPOOL_FORM_H
#define ENGINE_OPS_UNPOOL_FORM_H

#include "engine/tensor.h"

enum { SPATIAL_MAX = SHAPE_RANK_MAX - 2 };

/* Attributes of a window, one entry a spatial dimension; -1 dimensions: none was given. */
struct unpool_params {
    int n_kernel, n_strides, n_pads, n_dilations;
    int64_t kernel[SPATIAL_MAX], strides[SPATIAL_MAX], dilations[SPATIAL_MAX];
    int64_t pads[2 * SPATIAL_MAX];
};

/* Blocks along one dimension, 0 if there is no room for one; the numbers have been checked. */
int64_t unpool_block_count(const struct unpool_params *p, int spatial, int d, int64_t image,
                           int64_t block);
/* Where element `place` of a block, at block `number`, falls in the image: -1 in the padding. */
int64_t unpool_image_offset(const struct unpool_params *p, const struct tensor *to,
                            const struct tensor *block, int64_t place, int64_t number);

#endif
