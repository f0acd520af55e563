/* SPDX-License-Identifier: Apache-2.0
 * engine/kernels/tile.h - the innermost loops of products with packed weights, one set for each
 * instruction set. Only the drivers (tile_block.c, depthwise.c, winograd.c) include this.
 *
 * Weights are stored in panels: some columns' worth of all their rows, row after row, so that a
 * panel is read from front to back. A tile is a few rows of the left side times one panel (or, for
 * one to three rows, several panels at once, since one alone has too few sums in flight to hide the
 * latency of an addition). The left side is read where it lies, row by row, or from a copy that has
 * the rows' elements side by side: some CPUs read six rows at a time slowly when they lie a power of
 * two apart (Zen 3: a third of the speed at 4 KiB). Each sum of the result adds its terms one by one
 * in the order of the weights' rows, whatever the tile's form: so a row's result does not depend on
 * the other rows. */
#ifndef ENGINE_KERNELS_TILE_H
#define ENGINE_KERNELS_TILE_H

#include "engine/kernels/cpu.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    TILE_ROWS_MAX = 8, TILE_WIDE_ROWS_MAX = 3, TILE_PANEL_MAX = 64, TILE_VECTORS_MAX = 4,
    TILE_AHEAD_RUN = 16
};

enum tile_finish { TILE_PLAIN, TILE_CLIP, TILE_LEAKY };

struct tile {
    /* The left side: for tap t, row r starts at rows[t * row_step + r] + offset, or tap_offsets[t]
     * further if there are any, and has `run` elements there. A plain matrix has one tap. */
    const float *const *rows;
    const size_t *tap_offsets;
    size_t row_step, offset, taps, run;
    const float *left;          /* joined(): instead of all that, `run` times one element of each row */
    const float *weights;       /* taps * run rows of the panel */
    size_t panel_step;          /* floats from a panel to the next (several panels only) */
    const char *ahead;          /* joined(): what is worth having in the second-level cache soon, so */
    int ahead_lines;            /* many lines of it for every TILE_AHEAD_RUN elements of the run */
    float *c;
    size_t c_step;              /* floats from row to row */
    int tail;                   /* columns of the last vector */
    const float *start;         /* what the sums begin with, stepping as `c`; NULL: zeros */
    bool last;                  /* nothing follows: add the bias and finish */
    enum tile_finish finish;
    float low, high;            /* TILE_CLIP; TILE_LEAKY: `low` is the slope */
    const float *bias;          /* of this tile's first column, whole vectors; NULL: none */
};

typedef void tile_fn(const struct tile *tile);

struct tile_kernels {
    int vector;                 /* floats of a vector */
    int panel;                  /* floats of a full panel's row: TILE_VECTORS_MAX vectors at most */
    int rows[TILE_VECTORS_MAX + 1];     /* of the tallest tile for that many vectors */
    tile_fn *narrow[TILE_ROWS_MAX + 1][TILE_VECTORS_MAX + 1];   /* [rows][vectors of the panel] */
    int wide_panels[TILE_WIDE_ROWS_MAX + 1];         /* [rows]: full panels that wide[rows] takes at once */
    tile_fn *wide[TILE_WIDE_ROWS_MAX + 1];
    tile_fn *depthwise[2][TILE_VECTORS_MAX + 1];    /* [one row or DEPTHWISE_ROWS][vectors] */
    int depthwise_rows;
    /* Tiles of joined_rows rows side by side, and what brings rows into that form: `run` elements
     * from each of `rows`. Zero and NULL where they would be no faster. */
    int joined_rows;
    tile_fn *joined[TILE_VECTORS_MAX + 1];
    void (*join)(const float *const *rows, size_t offset, size_t run, float *to);
};

/* Those of cpu_isa(). */
const struct tile_kernels *tile_kernels(void);

#endif
