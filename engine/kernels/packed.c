/* SPDX-License-Identifier: Apache-2.0
 * The loops around the tiles, after Goto and van de Geijn, "Anatomy of High-Performance Matrix
 * Multiplication" (2008), less the packing of the left side, which is read where it lies: a block
 * of it stays in the second-level cache while a piece of each panel stays in the first. */
#include "engine/kernels/packed.h"

#include "engine/kernels/tile.h"

enum {
    BLOCK_ROWS = 96,            /* of the left side: BLOCK_ROWS * BLOCK_DEPTH floats are 96 KiB */
    BLOCK_DEPTH = 256,          /* of a panel: 16 KiB at 16 columns */
    PARALLEL_PRODUCT = 1 << 16  /* multiply-adds from which other threads are worth waking */
};

static int64_t min64(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* The last panel ends with the last vector that has a column. */
static int64_t packed_width(const struct tile_kernels *kernels, int64_t columns)
{
    return (columns + kernels->vector - 1) / kernels->vector * kernels->vector;
}

bool packed_size(int64_t depth, int64_t columns, int64_t *ret_floats)
{
    return depth >= 0 && columns >= 0 && columns < INT64_MAX - TILE_PANEL_MAX &&
           !__builtin_mul_overflow(depth, packed_width(tile_kernels(), columns), ret_floats);
}

void packed_fill(int64_t depth, int64_t columns, const float *w, int64_t row_step, int64_t column_step,
                 float alpha, float *ret_packed)
{
    const struct tile_kernels *kernels = tile_kernels();
    int64_t width = packed_width(kernels, columns);

    for (int64_t from = 0; from < width; from += kernels->panel) {
        int64_t panel = min64(kernels->panel, width - from);
        float *to = ret_packed + from * depth;

        for (int64_t k = 0; k < depth; k++)
            for (int64_t j = from; j < from + panel; j++)
                *to++ = j < columns ? alpha * w[k * row_step + j * column_step] : 0;
    }
}

/* What the threads share. */
struct work {
    const struct packed_product *p;
    const struct tile_kernels *kernels;
    struct tile tile;           /* what all tiles have in common */
    int tasks;
    bool by_rows;
};

/* Columns of the panel that starts at `from`. */
static int panel_columns(const struct work *work, int64_t from)
{
    return (int)min64(work->kernels->panel, work->p->columns - from);
}

/* Points the tile at its part of the result; `continued`: an earlier piece has left sums there. */
static void place(const struct work *work, struct tile *tile, int64_t row, int64_t column,
                  bool continued)
{
    const struct epilogue *epilogue = &work->p->epilogue;
    int64_t at = row * work->p->c_step + column;

    tile->c = work->p->c + at;
    tile->bias = epilogue->bias != NULL ? epilogue->bias + column : NULL;
    if (!continued)
        tile->start = epilogue->residual != NULL ? epilogue->residual + at : NULL;
    else
        tile->start = tile->c;
}

/* Few rows: several panels at once, each read once from front to back. */
static void run_few(const struct work *work, int64_t row, int rows, int64_t from, int64_t to)
{
    const struct packed_product *p = work->p;
    int64_t panel = work->kernels->panel, wide = work->kernels->wide_panels[rows] * panel;
    const float *starts[TILE_ROWS_MAX];
    struct tile tile = work->tile;

    for (int r = 0; r < rows; r++)
        starts[r] = p->a + (row + r) * p->a_step;
    tile.rows = starts;
    tile.run = (size_t)p->depth;
    tile.panel_step = (size_t)(panel * p->depth);
    tile.last = true;
    while (from < to) {
        place(work, &tile, row, from, false);
        tile.weights = p->weights + from * p->depth;
        if (from + wide <= to && from + wide <= p->columns) {
            work->kernels->wide[rows](&tile);
            from += wide;
        } else {
            tile_run(work->kernels, &tile, rows, panel_columns(work, from));
            from += panel;
        }
    }
}

/* One piece of a panel times all rows of a block; tiles as even as can be. */
static void run_piece(const struct work *work, struct tile *tile, int64_t row, int64_t rows,
                      int64_t column)
{
    const struct packed_product *p = work->p;
    int64_t tiles = (rows + TILE_ROWS_MAX - 1) / TILE_ROWS_MAX, done = 0;
    int columns = panel_columns(work, column);

    for (int64_t i = 0; i < tiles; i++) {
        int height = (int)((rows - done) / (tiles - i));
        const float *starts[TILE_ROWS_MAX];

        for (int r = 0; r < height; r++)
            starts[r] = p->a + (row + done + r) * p->a_step;
        tile->rows = starts;
        place(work, tile, row + done, column, tile->offset > 0);
        tile_run(work->kernels, tile, height, columns);
        done += height;
    }
}

static void run_block(const struct work *work, int64_t row, int64_t rows, int64_t from, int64_t to)
{
    const struct packed_product *p = work->p;
    struct tile tile = work->tile;
    int64_t depth = 0;

    do {
        int64_t left = p->depth - depth;

        tile.run = (size_t)(left < 2 * BLOCK_DEPTH && left > BLOCK_DEPTH ? (left + 1) / 2
                                                                      : min64(left, BLOCK_DEPTH));
        tile.offset = (size_t)depth;
        tile.last = left == (int64_t)tile.run;
        for (int64_t column = from; column < to; column += work->kernels->panel) {
            int64_t width = min64(work->kernels->panel,
                                  packed_width(work->kernels, p->columns) - column);

            tile.weights = p->weights + column * p->depth + depth * width;
            run_piece(work, &tile, row, rows, column);
        }
        depth += (int64_t)tile.run;
    } while (depth < p->depth);
}

/* All of rows [row, row_end) and columns [from, to), whole panels. */
static void run_range(const struct work *work, int64_t row, int64_t row_end, int64_t from, int64_t to)
{
    const struct packed_product *p = work->p;
    const struct activation *activation = &p->epilogue.activation;
    int64_t columns = min64(to, p->columns) - from;

    while (row < row_end) {
        int64_t blocks = (row_end - row + BLOCK_ROWS - 1) / BLOCK_ROWS;
        int64_t rows = (row_end - row + blocks - 1) / blocks;

        if (rows <= 3)
            run_few(work, row, (int)rows, from, to);
        else
            run_block(work, row, rows, from, to);
        if (activation->kind > ACTIVATION_LEAKY_RELU)
            activation_apply(activation, p->c + row * p->c_step + from, (size_t)rows, (size_t)columns,
                             (size_t)p->c_step);
        row += rows;
    }
}

static void run_task(void *arg, int task, int thread)
{
    const struct work *work = arg;
    const struct packed_product *p = work->p;
    int64_t panel = work->kernels->panel, panels = (p->columns + panel - 1) / panel;

    (void)thread;
    if (work->by_rows)
        run_range(work, p->rows * task / work->tasks, p->rows * (task + 1) / work->tasks, 0,
                  panels * panel);
    else
        run_range(work, 0, p->rows, panels * task / work->tasks * panel,
                  panels * (task + 1) / work->tasks * panel);
}

void packed_run(const struct packed_product *product, struct pool *pool)
{
    const struct activation *activation = &product->epilogue.activation;
    struct work work = {.p = product, .kernels = tile_kernels(), .tasks = pool_threads(pool)};
    int64_t panels = (product->columns + work.kernels->panel - 1) / work.kernels->panel;

    if (product->rows == 0 || product->columns == 0)
        return;
    work.tile = (struct tile){.taps = 1, .c_step = (size_t)product->c_step,
                              .low = activation->alpha, .high = activation->beta};
    if (activation->kind == ACTIVATION_CLIP)
        work.tile.finish = TILE_CLIP;
    else if (activation->kind == ACTIVATION_LEAKY_RELU)
        work.tile.finish = TILE_LEAKY;
    if ((double)product->rows * (double)product->columns * (double)product->depth < PARALLEL_PRODUCT)
        work.tasks = 1;
    work.by_rows = panels < 4 * work.tasks && product->rows >= 4 * TILE_ROWS_MAX * work.tasks;
    if (!work.by_rows && panels < work.tasks)
        work.tasks = (int)panels;
    pool_run(pool, work.tasks, run_task, &work);
}
