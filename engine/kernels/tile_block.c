/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/kernels/tile_block.h"

#include <string.h>

enum {
    BLOCK_DEPTH = 192,          /* of a panel at a time: 18 KiB at 24 columns */
    FEW_ROWS = 24,              /* that read each panel so few times that deeper pieces, */
    FEW_ROWS_DEPTH = 1024,      /* which store fewer sums, are better */
    JOIN_COLUMNS_MIN = 48,      /* so many columns that joining rows for them pays */
    LINE = 64                   /* bytes */
};

static int64_t min64(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

int64_t tile_width(const struct tile_kernels *kernels, int64_t columns)
{
    return (columns + kernels->vector - 1) / kernels->vector * kernels->vector;
}

int64_t tile_panels(const struct tile_kernels *kernels, int64_t columns)
{
    return (columns + kernels->panel - 1) / kernels->panel;
}

int64_t tile_panel_start(const struct tile_kernels *kernels, int64_t columns, int64_t panel)
{
    int64_t panels = tile_panels(kernels, columns), width = tile_width(kernels, columns);

    if (panel >= panels)
        return width;
    if (panel > 0 && panel == panels - 1 && width - panel * kernels->panel == kernels->vector)
        return panel * kernels->panel - (kernels->panel / kernels->vector - 1) / 2 * kernels->vector;
    return panel * kernels->panel;
}

int64_t tile_panel_width(const struct tile_kernels *kernels, int64_t left)
{
    int64_t vectors = kernels->panel / kernels->vector;

    if (left == kernels->panel + kernels->vector)
        return kernels->panel - (vectors - 1) / 2 * kernels->vector;
    return min64(left, kernels->panel);
}

typedef float four __attribute__((vector_size(16)));
typedef float four_memory __attribute__((vector_size(16), aligned(4), may_alias));

/* Which lanes of two vectors of four a shuffle takes. */
#define LOW 0, 4, 1, 5
#define HIGH 2, 6, 3, 7
#define FIRST 0, 1, 4, 5
#define SECOND 2, 3, 6, 7

/* `count` rows of a panel, whose columns are `step` apart in w and rows side by side: four by four. */
static void pack_transposed(int64_t count, int64_t columns, int64_t width, const float *w, int64_t step,
                            float alpha, float *to)
{
    for (int64_t j = 0; j < columns; j += 4, w += 4 * step) {
        int64_t k = 0, some = min64(4, columns - j);

        for (; some == 4 && k + 4 <= count; k += 4) {
            four a = *(const four_memory *)(w + k) * alpha, b = *(const four_memory *)(w + step + k) * alpha;
            four c = *(const four_memory *)(w + 2 * step + k) * alpha;
            four d = *(const four_memory *)(w + 3 * step + k) * alpha;
            four ab = __builtin_shufflevector(a, b, LOW), cd = __builtin_shufflevector(c, d, LOW);
            four ab_high = __builtin_shufflevector(a, b, HIGH), cd_high = __builtin_shufflevector(c, d, HIGH);
            float *at = to + k * width + j;

            *(four_memory *)at = __builtin_shufflevector(ab, cd, FIRST);
            *(four_memory *)(at + width) = __builtin_shufflevector(ab, cd, SECOND);
            *(four_memory *)(at + 2 * width) = __builtin_shufflevector(ab_high, cd_high, FIRST);
            *(four_memory *)(at + 3 * width) = __builtin_shufflevector(ab_high, cd_high, SECOND);
        }
        for (; k < count; k++)
            for (int64_t i = 0; i < some; i++)
                to[k * width + j + i] = alpha * w[i * step + k];
    }
}

void tile_pack(const struct tile_kernels *kernels, int64_t depth, int64_t columns, int64_t first,
               int64_t count, const float *w, int64_t row_step, int64_t column_step, float alpha,
               float *packed)
{
    int64_t panels = tile_panels(kernels, columns);

    for (int64_t panel = 0; panel < panels; panel++) {
        int64_t from = tile_panel_start(kernels, columns, panel);
        int64_t width = tile_panel_start(kernels, columns, panel + 1) - from;
        int64_t some = min64(width, columns - from);
        float *to = packed + from * depth + first * width;
        const float *source = w + from * column_step;

        if (row_step == 1)
            pack_transposed(count, some, width, source, column_step, alpha, to);
        for (int64_t k = 0; k < count; k++, to += width, source += row_step) {
            if (row_step != 1 && column_step == 1 && alpha == 1) {
                memcpy(to, source, (size_t)some * sizeof(*to));
            } else if (row_step != 1) {
                for (int64_t j = 0; j < some; j++)
                    to[j] = alpha * source[j * column_step];
            }
            for (int64_t j = some; j < width; j++)
                to[j] = 0;
        }
    }
}

/* A piece of the depth. */
struct piece {
    const struct tile_kernels *kernels;
    const struct tile_block *block;
    struct tile tile;           /* what all tiles of the piece have in common */
    int64_t depth, size;        /* rows of weights before the piece, and in it */
    const float *bias_end;      /* the biases of the last vector, filled up; NULL: none */
};

/* Sets what a tile of row `row` and panel `panel` needs; returns the columns of the panel. */
static int64_t place_tile(const struct piece *piece, struct tile *tile, int64_t row, int64_t panel)
{
    const struct tile_kernels *kernels = piece->kernels;
    const struct tile_block *block = piece->block;
    const struct epilogue *epilogue = &block->epilogue;
    int64_t from = tile_panel_start(kernels, block->columns, panel);
    int64_t width = tile_panel_start(kernels, block->columns, panel + 1) - from;
    int64_t at = row * block->c_step + from, columns = min64(width, block->columns - from);

    tile->c = block->c + at;
    tile->bias = epilogue->bias != NULL ? epilogue->bias + from : NULL;
    if (columns < width && piece->bias_end != NULL)
        tile->bias = piece->bias_end;
    if (piece->depth > 0)
        tile->start = tile->c;
    else
        tile->start = epilogue->residual != NULL ? epilogue->residual + at : NULL;
    tile->weights = block->weights + from * block->taps * block->run + piece->depth * width;
    tile->tail = (int)(columns - (width - kernels->vector));
    return width;
}

/* `rows` rows, one tile high, times the panels [from, to), several at once where that is faster. */
static void run_strip(const struct piece *piece, int row, int rows, int64_t from, int64_t to)
{
    const struct tile_kernels *kernels = piece->kernels;
    int64_t wide = rows <= TILE_WIDE_ROWS_MAX ? kernels->wide_panels[rows] : 0;
    int64_t columns = piece->block->columns;
    struct tile tile = piece->tile;

    tile.rows += row;
    while (from < to) {
        int64_t width = place_tile(piece, &tile, row, from);
        int64_t end = tile_panel_start(kernels, columns, from) + wide * kernels->panel;

        if (wide > 0 && from + wide <= to && end <= columns &&
            end == tile_panel_start(kernels, columns, from + wide)) {
            kernels->wide[rows](&tile);
            from += wide;
        } else {
            kernels->narrow[rows][width / kernels->vector](&tile);
            from++;
        }
    }
}

/* All rows of one panel, the rows read where they are. */
static void run_panel(const struct piece *piece, int64_t panel)
{
    const struct tile_kernels *kernels = piece->kernels;
    struct tile tile = piece->tile;
    int vectors = (int)(place_tile(piece, &tile, 0, panel) / kernels->vector);
    int rows = piece->block->rows, most = kernels->rows[vectors];

    while (rows > 0) {
        int height = rows < most ? rows : most;
        size_t step = (size_t)height * tile.c_step;

        kernels->narrow[height][vectors](&tile);
        tile.rows += height;
        tile.c += step;
        if (tile.start != NULL)
            tile.start += step;
        rows -= height;
    }
}

/* The rows of one panel that are in `joined`; the tiles fetch the weights of the next panel. */
static void run_joined_panel(const struct piece *piece, const float *joined, int64_t panel)
{
    const struct tile_kernels *kernels = piece->kernels;
    struct tile tile = piece->tile;
    int height = kernels->joined_rows, groups = piece->block->rows / height;
    int64_t width = place_tile(piece, &tile, 0, panel), depth = piece->block->taps * piece->block->run;
    int64_t lines = TILE_AHEAD_RUN * width * (int64_t)sizeof(float) / LINE;
    size_t step = (size_t)height * tile.c_step;

    tile.run = (size_t)piece->size;
    tile.ahead = (const char *)(tile.weights + depth * width);
    tile.ahead_lines = (int)((lines + groups - 1) / groups);
    if (panel + 1 == tile_panels(kernels, piece->block->columns))
        tile.ahead_lines = 0;
    for (int g = 0; g < groups; g++) {
        tile.left = joined + (size_t)g * (size_t)height * tile.run;
        kernels->joined[width / kernels->vector](&tile);
        tile.ahead += (size_t)tile.ahead_lines * (tile.run / TILE_AHEAD_RUN) * LINE;
        tile.c += step;
        if (tile.start != NULL)
            tile.start += step;
    }
}

/* The block's rows of this piece side by side, a tile's worth after the other. */
static void join_rows(const struct piece *piece, float *joined)
{
    const struct tile *tile = &piece->tile;
    int height = piece->kernels->joined_rows;

    for (int row = 0; row + height <= piece->block->rows; row += height) {
        for (size_t t = 0; t < tile->taps; t++) {
            size_t offset = tile->offset + (tile->tap_offsets != NULL ? tile->tap_offsets[t] : 0);

            piece->kernels->join(tile->rows + t * tile->row_step + row, offset, tile->run, joined);
            joined += (size_t)height * tile->run;
        }
    }
}

/* Full tiles panel by panel; what rows are left, a group of panels later. */
static void run_joined(const struct piece *piece, int64_t from, int64_t to)
{
    float joined[TILE_BLOCK_ROWS * BLOCK_DEPTH] __attribute__((aligned(64)));
    int rows = piece->block->rows, rest = rows % piece->kernels->joined_rows;
    int64_t group = rest > 0 ? piece->kernels->wide_panels[rest] : 1;

    join_rows(piece, joined);
    for (; from < to; from += group) {
        int64_t end = min64(from + group, to);

        for (int64_t panel = from; panel < end; panel++)
            run_joined_panel(piece, joined, panel);
        if (rest > 0)
            run_strip(piece, rows - rest, rest, from, end);
    }
}

static void run_piece(const struct piece *piece, int64_t from, int64_t to)
{
    const struct tile_kernels *kernels = piece->kernels;
    int rows = piece->block->rows;

    if (rows <= TILE_WIDE_ROWS_MAX) {
        run_strip(piece, 0, rows, from, to);
    } else if (kernels->joined_rows > 0 && piece->block->columns >= JOIN_COLUMNS_MIN) {
        run_joined(piece, from, to);
    } else {
        for (int64_t panel = from; panel < to; panel++)
            run_panel(piece, panel);
    }
}

_Static_assert(FEW_ROWS * FEW_ROWS_DEPTH <= TILE_BLOCK_ROWS * BLOCK_DEPTH, "joined rows have room");

/* `left` in pieces of BLOCK_DEPTH at most, as even as can be: the size of the first. Few rows read each
 * panel once, so there is nothing to keep near. */
static int64_t piece_size(const struct tile_block *block, int64_t left, int64_t unit)
{
    int64_t limit = block->rows <= FEW_ROWS ? FEW_ROWS_DEPTH : BLOCK_DEPTH;
    int64_t most = limit / unit > 0 ? limit / unit : 1;
    int64_t pieces = (left + most - 1) / most;

    int64_t size;

    if (block->rows <= TILE_WIDE_ROWS_MAX || pieces == 0)
        return left;
    size = (left + pieces - 1) / pieces;
    return unit == 1 ? min64((size + TILE_AHEAD_RUN - 1) / TILE_AHEAD_RUN * TILE_AHEAD_RUN, left) : size;
}

/* The biases of the last panel, if it has columns that are none. */
static void fill_bias(struct piece *piece, float *bias)
{
    const struct tile_block *block = piece->block;
    int64_t panels = tile_panels(piece->kernels, block->columns);
    int64_t from = tile_panel_start(piece->kernels, block->columns, panels - 1);

    if (block->epilogue.bias == NULL || tile_width(piece->kernels, block->columns) == block->columns)
        return;
    memset(bias, 0, TILE_PANEL_MAX * sizeof(*bias));
    memcpy(bias, block->epilogue.bias + from, (size_t)(block->columns - from) * sizeof(*bias));
    piece->bias_end = bias;
}

void tile_block_run(const struct tile_kernels *kernels, const struct tile_block *block, int64_t from,
                    int64_t to)
{
    const struct activation *activation = &block->epilogue.activation;
    struct piece piece = {.kernels = kernels, .block = block};
    struct tile *tile = &piece.tile;
    int64_t tap = 0, offset = 0, depth = block->taps * block->run;
    int64_t first = tile_panel_start(kernels, block->columns, from);
    int64_t end = min64(tile_panel_start(kernels, block->columns, to), block->columns);
    float bias[TILE_PANEL_MAX];

    fill_bias(&piece, bias);
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
        tile->tap_offsets = block->tap_offsets != NULL ? block->tap_offsets + tap : NULL;
        tile->offset = (size_t)offset;
        tile->taps = (size_t)taps;
        tile->run = (size_t)run;
        piece.depth = tap * block->run + offset;
        piece.size = taps * run;
        tile->last = piece.depth + piece.size >= depth;
        run_piece(&piece, from, to);
        offset += run;
        if (offset >= block->run) {
            offset = 0;
            tap += taps;
        }
    } while (tap < block->taps);
    if (activation->kind > ACTIVATION_LEAKY_RELU)
        activation_apply(activation, block->c + first, (size_t)block->rows, (size_t)(end - first),
                         (size_t)block->c_step);
}
