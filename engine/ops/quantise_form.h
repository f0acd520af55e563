/* SPDX-License-Identifier: Apache-2.0
 * engine/ops/quantise_form.h - where the scale of each element of a quantised tensor stands. */
#ifndef ENGINE_OPS_QUANTISE_FORM_H
#define ENGINE_OPS_QUANTISE_FORM_H

#include "engine/tensor.h"

struct quantise_params {
    int64_t axis, block;
    enum dtype output;             /* DTYPE_NONE: that of the zero point, or the default */
};

/* The tensor as [outer, n, inner] around the axis. */
struct quantise_grid {
    int64_t outer, n, inner;
    int64_t block;                 /* elements along the axis of one scale; 0: not blocked */
    bool single;
};

struct quantise_grid quantise_grid_of(const struct quantise_params *params, const struct shape *x,
                                      const struct shape *scale);
/* Index of the scale of element `i`. */
int64_t quantise_scale_at(const struct quantise_grid *grid, int64_t i);

#endif
