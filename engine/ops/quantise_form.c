/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/ops/quantise_form.h"

struct quantise_grid quantise_grid_of(const struct quantise_params *params, const struct shape *x,
                                      const struct shape *scale)
{
    struct quantise_grid grid = {.outer = 1, .n = 1, .inner = shape_elements(x), .block = params->block,
                        .single = scale->rank == 0 || (scale->rank == 1 && scale->dims[0] == 1)};
    int axis = 0;

    if (grid.single || !shape_axis(params->axis, x->rank, &axis))
        return grid;
    grid.outer = shape_product(x, 0, axis);
    grid.n = x->dims[axis];
    grid.inner = shape_product(x, axis + 1, x->rank);
    return grid;
}

int64_t quantise_scale_at(const struct quantise_grid *grid, int64_t i)
{
    int64_t at = i / grid->inner % grid->n, blocks;

    if (grid->single)
        return 0;
    if (grid->block == 0)
        return at;
    blocks = grid->n / grid->block + (grid->n % grid->block != 0);
    return (i / grid->inner / grid->n * blocks + at / grid->block) * grid->inner + i % grid->inner;
}
