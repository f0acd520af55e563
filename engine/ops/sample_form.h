/* SPDX-License-Identifier: Apache-2.0
 * engine/ops/sample_form.h - which elements GridSample reads for a place of the grid, for the operator
 * and its gradient; and the lines of AffineGrid. */
#ifndef ENGINE_OPS_SAMPLE_FORM_H
#define ENGINE_OPS_SAMPLE_FORM_H

#include "engine/tensor.h"

enum sample_mode { SAMPLE_LINEAR, SAMPLE_NEAREST, SAMPLE_CUBIC };
enum sample_pad { SAMPLE_ZEROS, SAMPLE_BORDER, SAMPLE_REFLECTION };
enum { SAMPLE_SPATIAL_MAX = 3, SAMPLE_TAPS_MAX = 4 * 4 * 4 };

struct sample_params {
    enum sample_mode mode;
    enum sample_pad pad;
    bool align_corners;
};

/* Every neighbour of one place in all dimensions: offsets in a channel and weights, and how much a
 * weight grows with each coordinate of the grid. */
struct sample_neighbours {
    int count;
    int64_t offset[SAMPLE_TAPS_MAX];
    double weight[SAMPLE_TAPS_MAX], slope[SAMPLE_TAPS_MAX][SAMPLE_SPATIAL_MAX];
};

/* `from` is the shape that is sampled, `grid` the coordinates of one place, innermost first. */
void sample_find(const struct sample_params *params, const struct shape *from, const double *grid,
                 struct sample_neighbours *ret);

/* Coordinate of line `i` of `dim`, in [-1, 1]. */
double sample_grid_line(bool align_corners, int64_t i, int64_t dim);

#endif
