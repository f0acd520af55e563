/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/kernels/packed.h"

#include "engine/kernels/tile_block.h"

enum { PARALLEL_PRODUCT = 1 << 16 }; /* multiply-adds from which other threads are worth waking */

bool packed_size(int64_t depth, int64_t columns, int64_t *ret_floats)
{
    return depth >= 0 && columns >= 0 && columns < INT64_MAX - TILE_PANEL_MAX &&
           !__builtin_mul_overflow(depth, tile_width(tile_kernels(), columns), ret_floats);
}

void packed_fill(int64_t depth, int64_t columns, const float *w, int64_t row_step, int64_t column_step,
                 float alpha, float *ret_packed)
{
    tile_pack(tile_kernels(), depth, columns, 0, depth, w, row_step, column_step, alpha, ret_packed);
}

/* What the threads share. */
struct work {
    const struct packed_product *p;
    const struct tile_kernels *kernels;
    int tasks;
    bool by_rows;
};

/* Rows [row, row_end) of panels [from, to), in blocks as even as can be. */
static void run_range(const struct work *work, int64_t row, int64_t row_end, int64_t from, int64_t to)
{
    const struct packed_product *p = work->p;
    const float *starts[TILE_BLOCK_ROWS];
    struct tile_block block = {.starts = starts, .taps = 1, .run = p->depth, .weights = p->weights,
                               .columns = p->columns, .c_step = p->c_step, .epilogue = p->epilogue};

    while (row < row_end) {
        int64_t blocks = (row_end - row + TILE_BLOCK_ROWS - 1) / TILE_BLOCK_ROWS;

        block.rows = (int)((row_end - row + blocks - 1) / blocks);
        for (int r = 0; r < block.rows; r++)
            starts[r] = p->a + (row + r) * p->a_step;
        block.c = p->c + row * p->c_step;
        if (p->epilogue.residual != NULL)
            block.epilogue.residual = p->epilogue.residual + row * p->c_step;
        tile_block_run(work->kernels, &block, from, to);
        row += block.rows;
    }
}

static void run_task(void *arg, int task, int thread)
{
    const struct work *work = arg;
    const struct packed_product *p = work->p;
    int64_t panels = tile_panels(work->kernels, p->columns);

    (void)thread;
    if (work->by_rows)
        run_range(work, p->rows * task / work->tasks, p->rows * (task + 1) / work->tasks, 0, panels);
    else
        run_range(work, 0, p->rows, panels * task / work->tasks, panels * (task + 1) / work->tasks);
}

void packed_run(const struct packed_product *product, struct pool *pool)
{
    struct work work = {.p = product, .kernels = tile_kernels(), .tasks = pool_threads(pool)};
    int64_t panels = tile_panels(work.kernels, product->columns);

    if (product->rows == 0 || product->columns == 0)
        return;
    if ((double)product->rows * (double)product->columns * (double)product->depth < PARALLEL_PRODUCT)
        work.tasks = 1;
    work.by_rows = panels < 4 * work.tasks && product->rows >= 4 * TILE_ROWS_MAX * work.tasks;
    if (!work.by_rows && panels < work.tasks)
        work.tasks = (int)panels;
    pool_run(pool, work.tasks, run_task, &work);
}
