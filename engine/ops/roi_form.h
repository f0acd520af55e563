/* SPDX-License-Identifier: Apache-2.0
 * engine/ops/roi_form.h - where the bins of a region of interest are and what they read, for RoiAlign,
 * MaxRoiPool and their gradients. */
#ifndef ENGINE_OPS_ROI_FORM_H
#define ENGINE_OPS_ROI_FORM_H

#include "engine/tensor.h"

struct roi_params {
    bool half_pixel, max;
    int64_t high, wide;            /* of the output */
    int64_t ratio;                 /* samples a bin and direction; 0: as many as the region asks */
    double scale;
};

/* One direction of a region: where its bins begin, their size, and samples in each. */
struct roi_span {
    double start, bin;
    int64_t samples, dim;
};

/* False when the region is far larger than the image: sampling it would take forever. */
bool roi_span_set(const struct roi_params *params, double low, double high, int64_t bins, int64_t dim,
                  struct roi_span *ret);

/* The two neighbours of a sample. */
struct roi_pair {
    int64_t low, high;
    double weight;                 /* of `high` */
};

/* False when the sample lies outside. */
bool roi_pair_set(const struct roi_span *span, int64_t bin, int64_t sample, struct roi_pair *ret);

/* Elements [ret_from, ret_to) of bin `bin` in one direction of a region given by whole elements. */
void roi_bin_range(const struct roi_params *params, double low, double high, int64_t bin, int64_t bins,
                   int64_t dim, int64_t *ret_from, int64_t *ret_to);

#endif
