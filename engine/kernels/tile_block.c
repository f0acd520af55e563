/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/kernels/tile_block.h"

enum { BLOCK_DEPTH = 256 }; /* of a panel at a time: 16 KiB at 16 columns */

static int64_t min64(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

int64_t tile_width(const struct tile_kernels *kernels, int64_t columns)
{
    return (columns + kernels->vector - 1) / kernels->vector * kernels->vector;
}

void tile_pack(const struct tile_kernels *kernels, int64_t depth, int64_t columns, int64_t first,
               int64_t count, const float *w, int64_t row_step, int64_t column_step, float alpha,
               float *packed)
{
    int64_t width = tile_width(kernels, columns);

    for (int64_t from = 0; from < width; from += kernels->panel) {
        int64_t panel = min64(kernels->panel, width - from);
        float *to = packed + from * depth + first * panel;

        for (int64_t k = 0; k < count; k++)
            for (int64_t j = from; j < from + panel; j++)
                *to++ = j < columns ? alpha * w[k * row_step + j * column_step] : 0;
    }
}

void tile_pack_columns(const struct tile_kernels *kernels, int64_t depth, int64_t columns, int64_t row,
                       int64_t from, int64_t count, const float *items, float *packed)
{
    int64_t width = tile_width(kernels, columns), end = min64(from + count, columns);

    for (; from < end; from += kernels->panel) {
        int64_t panel = min64(kernels->panel, width - from);
        float *to = packed + from * depth + row * panel;

        for (int64_t j = 0; j < panel; j++)
            to[j] = from + j < end ? *items++ : 0;
    }
}

/* A piece of the depth. */
struct piece {
    const struct tile_kernels *kernels;
    const struct tile_block *block;
    struct tile tile;           /* what all tiles of the piece have in common */
    int64_t depth;              /* rows of weights before the piece */
};

/* `rows` rows, one tile high, times the panels [from, to): several at once where that is faster. */
static void run_strip(const struct piece *piece, int row, int rows, int64_t from, int64_t to)
{
    const struct tile_kernels *kernels = piece->kernels;
    const struct tile_block *block = piece->block;
    const struct epilogue *epilogue = &block->epilogue;
    int64_t panel = kernels->panel, depth = block->taps * block->run;
    int64_t wide = rows <= TILE_WIDE_ROWS_MAX ? kernels->wide_panels[rows] * panel : 0;
    struct tile tile = piece->tile;

    tile.rows += row;
    while (from < to) {
        int64_t at = row * block->c_step + from;
        int64_t width = min64(panel, tile_width(kernels, block->columns) - from);

        tile.c = block->c + at;
        tile.bias = epilogue->bias != NULL ? epilogue->bias + from : NULL;
        if (piece->depth > 0)
            tile.start = tile.c;
        else
            tile.start = epilogue->residual != NULL ? epilogue->residual + at : NULL;
        tile.weights = block->weights + from * depth + piece->depth * width;
        if (wide > 0 && from + wide <= to && from + wide <= block->columns) {
            kernels->wide[rows](&tile);
            from += wide;
        } else {
            tile_run(kernels, &tile, rows, (int)min64(panel, block->columns - from));
            from += panel;
        }
    }
}

/* Full tiles panel by panel; what rows are left, a group of panels later. */
static void run_piece(const struct piece *piece, int64_t from, int64_t to)
{
    int64_t panel = piece->kernels->panel, group = panel;
    int rows = piece->block->rows, rest = rows % TILE_ROWS_MAX;

    if (rest > 0 && rest <= TILE_WIDE_ROWS_MAX)
        group = piece->kernels->wide_panels[rest] * panel;
    for (; from < to; from += group) {
        int64_t end = min64(from + group, to);

        for (int64_t column = from; column < end; column += panel)
            for (int row = 0; row + TILE_ROWS_MAX <= rows; row += TILE_ROWS_MAX)
                run_strip(piece, row, TILE_ROWS_MAX, column, min64(column + panel, end));
        if (rest > 0)
            run_strip(piece, rows - rest, rest, from, end);
    }
}

/* `left` in pieces of BLOCK_DEPTH at most, as even as can be: the size of the first. A tile's worth of
 * rows reads each panel once, so there is nothing to keep near. */
static int64_t piece_size(const struct tile_block *block, int64_t left, int64_t unit)
{
    int64_t most = BLOCK_DEPTH / unit > 0 ? BLOCK_DEPTH / unit : 1;
    int64_t pieces = (left + most - 1) / most;

    if (block->rows <= TILE_ROWS_MAX || pieces == 0)
        return left;
    return (left + pieces - 1) / pieces;
}

void tile_block_run(const struct tile_kernels *kernels, const struct tile_block *block, int64_t from,
                    int64_t to)
{
    const struct activation *activation = &block->epilogue.activation;
    struct piece piece = {.kernels = kernels, .block = block};
    struct tile *tile = &piece.tile;
    int64_t tap = 0, offset = 0, depth = block->taps * block->run;

    tile->row_step = block->start_step;
    tile->panel_step = (size_t)(kernels->panel * depth);
    tile->c_step = (size_t)block->c_step;
    tile->low = activation->alpha;
    tile->high = activation->beta;
    if (activation->kind == ACTIVATION_CLIP)
        tile->finish = TILE_CLIP;
    else if (activation->kind == ACTIVATION_LEAKY_RELU)
        tile->finish = TILE_LEAKY;
    do {
        /* Several whole taps, or a part of one. */
        int64_t taps = piece_size(block, block->taps - tap, block->run > 0 ? block->run : 1);
        int64_t run = taps > 1 ? block->run : piece_size(block, block->run - offset, 1);

        if (offset > 0)
            taps = 1;
        tile->rows = block->starts + (size_t)tap * block->start_step;
        tile->offset = (size_t)offset;
        tile->taps = (size_t)taps;
        tile->run = (size_t)run;
        piece.depth = tap * block->run + offset;
        tile->last = piece.depth + taps * run >= depth;
        run_piece(&piece, from, to);
        offset += run;
        if (offset >= block->run) {
            offset = 0;
            tap += taps;
        }
    } while (tap < block->taps);
    if (activation->kind > ACTIVATION_LEAKY_RELU)
        activation_apply(activation, block->c + from, (size_t)block->rows,
                         (size_t)(min64(to, block->columns) - from), (size_t)block->c_step);
}
