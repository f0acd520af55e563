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

/* Points the tile at its part of the result, where an earlier piece of the depth has left sums. */
static void place(const struct work *work, struct tile *tile, int64_t row, int64_t column)
{
    const struct epilogue *epilogue = &work->p->epilogue;
    int64_t at = row * work->p->c_step + column;

    tile->c = work->p->c + at;
    tile->bias = epilogue->bias != NULL ? epilogue->bias + column : NULL;
    if (tile->offset == 0)
        tile->start = epilogue->residual != NULL ? epilogue->residual + at : NULL;
    else
        tile->start = tile->c;
}

/* `rows` rows, one tile high, times the panels [from, to): several at once where that is faster. */
static void run_strip(const struct work *work, const struct tile *piece, int64_t row, int rows,
                      int64_t from, int64_t to)
{
    const struct packed_product *p = work->p;
    const struct tile_kernels *kernels = work->kernels;
    int64_t panel = kernels->panel;
    int64_t wide = rows <= TILE_WIDE_ROWS_MAX ? kernels->wide_panels[rows] * panel : 0;
    const float *starts[TILE_ROWS_MAX];
    struct tile tile = *piece;

    for (int r = 0; r < rows; r++)
        starts[r] = p->a + (row + r) * p->a_step;
    tile.rows = starts;
    while (from < to) {
        int64_t width = min64(panel, packed_width(kernels, p->columns) - from);

        place(work, &tile, row, from);
        tile.weights = p->weights + from * p->depth + (int64_t)tile.offset * width;
        if (wide > 0 && from + wide <= to && from + wide <= p->columns) {
            kernels->wide[rows](&tile);
            from += wide;
        } else {
            tile_run(kernels, &tile, rows, (int)min64(panel, p->columns - from));
            from += panel;
        }
    }
}

/* A piece of the depth: full tiles panel by panel; what rows are left, a group of panels later. */
static void run_piece(const struct work *work, const struct tile *piece, int64_t row, int64_t rows,
                      int64_t from, int64_t to)
{
    int64_t panel = work->kernels->panel, group = panel;
    int rest = (int)(rows % TILE_ROWS_MAX);

    if (rest > 0 && rest <= TILE_WIDE_ROWS_MAX)
        group = work->kernels->wide_panels[rest] * panel;
    for (; from < to; from += group) {
        int64_t end = min64(from + group, to);

        for (int64_t column = from; column < end; column += panel)
            for (int64_t r = 0; r + TILE_ROWS_MAX <= rows; r += TILE_ROWS_MAX)
                run_strip(work, piece, row + r, TILE_ROWS_MAX, column, min64(column + panel, end));
        if (rest > 0)
            run_strip(work, piece, row + rows - rest, rest, from, end);
    }
}

static void run_block(const struct work *work, int64_t row, int64_t rows, int64_t from, int64_t to)
{
    const struct packed_product *p = work->p;
    struct tile tile = work->tile;
    int64_t depth = 0;

    do {
        int64_t left = p->depth - depth, pieces = (left + BLOCK_DEPTH - 1) / BLOCK_DEPTH;

        /* A tile's worth of rows reads each panel once, so there is nothing to keep near. */
        if (rows <= TILE_ROWS_MAX || pieces == 0)
            pieces = 1;
        tile.run = (size_t)((left + pieces - 1) / pieces);
        tile.offset = (size_t)depth;
        tile.last = left == (int64_t)tile.run;
        run_piece(work, &tile, row, rows, from, to);
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
                              .panel_step = (size_t)(work.kernels->panel * product->depth),
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
