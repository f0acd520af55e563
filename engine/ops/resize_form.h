/* SPDX-License-Identifier: Apache-2.0
 * engine/ops/resize_form.h - the geometry of Resize: sizes of the output, which place of the input
 * each output element looks at, and the weights of its neighbours there. No data is touched. */
#ifndef ENGINE_OPS_RESIZE_FORM_H
#define ENGINE_OPS_RESIZE_FORM_H

#include "engine/op.h"

enum resize_mode { RESIZE_NEAREST, RESIZE_LINEAR, RESIZE_CUBIC };
enum resize_place {
    PLACE_HALF_PIXEL, PLACE_HALF_PIXEL_SYMMETRIC, PLACE_PYTORCH_HALF_PIXEL, PLACE_ALIGN_CORNERS,
    PLACE_ASYMMETRIC, PLACE_TF_CROP_AND_RESIZE, PLACE_TF_HALF_PIXEL_FOR_NN
};
enum resize_round { ROUND_PREFER_FLOOR, ROUND_PREFER_CEIL, ROUND_FLOOR, ROUND_CEIL };
enum resize_aspect { ASPECT_STRETCH, ASPECT_NOT_LARGER, ASPECT_NOT_SMALLER };

struct resize_form {
    enum resize_mode mode;
    enum resize_place place;
    enum resize_round round;
    enum resize_aspect aspect;
    bool antialias, exclude_outside;
    double cubic_a;
    float extrapolation;
    bool has_axes;
    int n_axes;
    int64_t axes[SHAPE_RANK_MAX];
};

/* One dimension. `scale` may differ from out / in: the model gave it, and `out` was rounded. */
struct resize_axis {
    int64_t in, out;
    double scale, roi_start, roi_end;
    bool active;                   /* false: every element stays where it is */
};

/* From the attributes. */
enum engine_status resize_form_read(const struct node *node, struct resize_form *form,
                                    struct engine_error *err);

/* From the operands (NULL for an absent one) to one entry for each dimension of `from`. */
enum engine_status resize_form_axes(const struct node *node, const struct resize_form *form,
                                    const struct shape *from, const struct tensor *roi,
                                    const struct tensor *scales, const struct tensor *sizes,
                                    struct resize_axis axes[SHAPE_RANK_MAX],
                                    struct engine_error *err);

/* How many neighbours an output element of this axis has; -1 if unreasonably many. */
int64_t resize_taps(const struct resize_form *form, const struct resize_axis *axis);

/* For output element `x`: `indices` (in [0, in)) and `weights` of its `taps` neighbours. False when
 * it lies outside the region of interest and takes the extrapolation value instead. For
 * RESIZE_NEAREST there is one neighbour of weight 1. */
bool resize_neighbours(const struct resize_form *form, const struct resize_axis *axis, int64_t x,
                       int64_t taps, int64_t *indices, double *weights);

#endif
