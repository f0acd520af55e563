/* SPDX-License-Identifier: Apache-2.0
 * engine/kernels/tile_block.h - the loops around the tiles, after Goto and van de Geijn, "Anatomy of
 * High-Performance Matrix Multiplication" (2008): a block of the left side's rows, joined where tiles
 * want that, stays in the second-level cache while a piece of each panel of weights stays in the first.
 * Products and convolutions share it; they differ in where rows start. */
#ifndef ENGINE_KERNELS_TILE_BLOCK_H
#define ENGINE_KERNELS_TILE_BLOCK_H

#include "engine/kernels/activation.h"
#include "engine/kernels/tile.h"

enum { TILE_BLOCK_ROWS = 128 };

/* Some rows of a result: c[rows, columns] = left * weights, then the epilogue. Row r of the left side
 * is the `run` floats from starts[t * start_step + r] for each tap t, one after the other; or, with
 * tap_offsets, those from starts[r] + tap_offsets[t]. */
struct tile_block {
    const float *const *starts;
    size_t start_step;          /* 0 with tap_offsets */
    const size_t *tap_offsets;
    int rows;                   /* at most TILE_BLOCK_ROWS */
    int64_t taps, run;
    const float *weights;       /* packed: taps * run rows of `columns` */
    int64_t columns;
    float *c;                   /* first row, first column of all */
    int64_t c_step;
    struct epilogue epilogue;   /* bias of the first column, residual of the first element */
};

/* Panels [from, to). */
void tile_block_run(const struct tile_kernels *kernels, const struct tile_block *block, int64_t from,
                    int64_t to);

/* Panels of that many columns; all are full but the last, or the last two, of which neither is then
 * left with one vector alone if that would be slow. */
int64_t tile_panels(const struct tile_kernels *kernels, int64_t columns);
/* The first column of a panel; for their number, the end of the last one, in whole vectors. */
int64_t tile_panel_start(const struct tile_kernels *kernels, int64_t columns, int64_t panel);
/* The width of a panel from whose first column on there are `left` columns in whole vectors. */
int64_t tile_panel_width(const struct tile_kernels *kernels, int64_t left);
/* Floats of a packed row: the last panel ends with the last vector that has a column. */
int64_t tile_width(const struct tile_kernels *kernels, int64_t columns);
/* Packs rows [first, first + count) of `depth`: alpha * w, whose element (k, j), k counted from
 * `first`, is at w[k * row_step + j * column_step]. */
void tile_pack(const struct tile_kernels *kernels, int64_t depth, int64_t columns, int64_t first,
               int64_t count, const float *w, int64_t row_step, int64_t column_step, float alpha,
               float *packed);

#endif
