/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/kernels/winograd.h"

#include "engine/kernels/tile_block.h"
#include "engine/kernels/winograd_transform.h"

#include <string.h>

enum {
    SIDE_MAX = 6,
    BLOCK_FLOATS = 96 * 1024,   /* of a block's transformed input and products, if that leaves */
    BLOCK_TILES_MIN = 24        /* so many tiles, over which the weights' reading is spread */
};

static int64_t min64(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

bool winograd_fits(const struct window *window)
{
    for (int d = 1; d < WINDOW_DIMS; d++)
        if (window->kernel[d] != 3 || window->stride[d] != 1 || window->dilation[d] != 1)
            return false;
    return window->kernel[0] == 1 && window->in[0] == 1;
}

static int64_t positions(int tile)
{
    return (tile + 2) * (tile + 2);
}

/* Rows of both domains are whole numbers of the widest vectors. */
static int64_t padded(int64_t channels)
{
    return (channels + 15) / 16 * 16;
}

bool winograd_packed_size(const struct conv_last_form *form, int tile, int64_t *ret_floats)
{
    int64_t depth;

    return !__builtin_mul_overflow(form->channels, positions(tile), &depth) &&
           form->outputs < INT64_MAX - TILE_PANEL_MAX &&
           !__builtin_mul_overflow(depth, tile_width(tile_kernels(), form->outputs), ret_floats);
}

void winograd_pack(const struct conv_last_form *form, int tile, const float *w, float *ret_packed)
{
    const struct tile_kernels *kernels = tile_kernels();
    int64_t count = positions(tile), size = form->channels * tile_width(kernels, form->outputs);

    /* A panel of each position's matrix at a time: rows follow each other there. */
    for (int64_t panel = 0; panel < tile_panels(kernels, form->outputs); panel++) {
        int64_t from = tile_panel_start(kernels, form->outputs, panel);
        int64_t width = tile_panel_start(kernels, form->outputs, panel + 1) - from;
        int64_t columns = min64(width, form->outputs - from);
        const float *kernel = w + from * form->channels * 9;
        float *to = ret_packed + from * form->channels;

        for (int64_t c = 0; c < form->channels; c++, kernel += 9, to += width) {
            winograd_kernels(tile, columns, kernel, form->channels * 9, to, size);
            for (int64_t p = 0; p < count && columns < width; p++)
                memset(to + p * size + columns, 0, (size_t)(width - columns) * sizeof(float));
        }
    }
}

/* How a call goes about it. */
struct work {
    const struct conv_last *conv;
    const struct winograd_transform *transform;
    const struct tile_kernels *kernels;
    int tile, side;
    int64_t rows, columns, tiles;   /* of tiles of an image; tiles of all images */
    int64_t block;              /* tiles of a block */
    int tasks;
    const float *zeros;         /* a pixel of padding */
    float *memory;              /* a block's two domains, for each thread or for all */
    size_t memory_floats;       /* of one thread */
    int64_t first;              /* phases: the block's first tile, and how many it has */
    int64_t count;
};

static void count_tiles(const struct window *window, int tile, int64_t images, int64_t *ret_rows,
                        int64_t *ret_columns, int64_t *ret_tiles)
{
    *ret_rows = (window->out[1] + tile - 1) / tile;
    *ret_columns = (window->out[2] + tile - 1) / tile;
    *ret_tiles = *ret_rows * *ret_columns * images;
}

static int64_t block_tiles(const struct conv_last_form *form, int tile, int64_t tiles)
{
    int64_t floats = positions(tile) * (padded(form->channels) + padded(form->outputs));
    int64_t most = BLOCK_FLOATS / floats, blocks;

    if (most < BLOCK_TILES_MIN)
        most = BLOCK_TILES_MIN;
    if (most > TILE_BLOCK_ROWS)
        most = TILE_BLOCK_ROWS;
    blocks = (tiles + most - 1) / most;
    if (blocks <= 1)
        return tiles > 0 ? tiles : 1;
    return ((tiles + blocks - 1) / blocks + TILE_ROWS_MAX - 1) / TILE_ROWS_MAX * TILE_ROWS_MAX;
}

static size_t block_floats(const struct conv_last_form *form, int tile, int64_t block)
{
    return (size_t)(positions(tile) * block * (padded(form->channels) + padded(form->outputs)));
}

size_t winograd_scratch(const struct conv_last_form *form, int tile, const struct window *window,
                        int64_t images, int threads)
{
    int64_t rows, columns, tiles;

    count_tiles(window, tile, images, &rows, &columns, &tiles);
    return sizeof(float) * ((size_t)padded(form->channels) +
                            (size_t)threads * block_floats(form, tile, block_tiles(form, tile, tiles)));
}

/* Tile `index` of all images: its image and first output place. */
static void locate(const struct work *work, int64_t index, int64_t *ret_image, int64_t *ret_y,
                   int64_t *ret_x)
{
    *ret_x = index % work->columns * work->tile;
    index /= work->columns;
    *ret_y = index % work->rows * work->tile;
    *ret_image = index / work->rows;
}

static void transform_input(const struct work *work, int64_t index, float *v, int64_t step)
{
    const struct window *w = &work->conv->window;
    int64_t channels = work->conv->form.channels, image, y, x;
    const float *places[SIDE_MAX * SIDE_MAX];

    locate(work, index, &image, &y, &x);
    y -= w->pad_begin[1];
    x -= w->pad_begin[2];
    for (int i = 0; i < work->side; i++) {
        const float *row = work->conv->x + (image * w->in[1] + y + i) * w->in[2] * channels;
        bool inside = y + i >= 0 && y + i < w->in[1];

        for (int j = 0; j < work->side; j++)
            places[i * work->side + j] = inside && x + j >= 0 && x + j < w->in[2]
                                             ? row + (x + j) * channels
                                             : work->zeros;
    }
    work->transform->input(places, channels, v, step);
}

static void transform_output(const struct work *work, int64_t index, const float *m, int64_t step)
{
    const struct conv_last *conv = work->conv;
    const struct window *w = &conv->window;
    const struct activation *activation = &conv->epilogue.activation;
    struct winograd_output o = {.channels = conv->form.outputs, .bias = conv->epilogue.bias,
                                .clips = activation->kind == ACTIVATION_CLIP,
                                .low = activation->alpha, .high = activation->beta};
    int64_t image, y, x, at;

    locate(work, index, &image, &y, &x);
    o.row = w->out[2] * o.channels;
    o.height = (int)min64(work->tile, w->out[1] - y);
    o.width = (int)min64(work->tile, w->out[2] - x);
    at = ((image * w->out[1] + y) * w->out[2] + x) * o.channels;
    o.y = conv->y + at;
    if (conv->epilogue.residual != NULL)
        o.residual = conv->epilogue.residual + at;
    work->transform->output(&o, m, step);
    if (activation->kind > ACTIVATION_CLIP)
        activation_apply(activation, o.y, (size_t)o.height, (size_t)(o.width * o.channels),
                         (size_t)o.row);
}

/* The products of one position for `count` tiles. */
static void multiply(const struct work *work, int64_t position, const float *v, float *m, int64_t count)
{
    const struct conv_last_form *form = &work->conv->form;
    int64_t v_step = padded(form->channels), m_step = padded(form->outputs);
    const float *starts[TILE_BLOCK_ROWS];
    struct tile_block block = {
        .starts = starts, .rows = (int)count, .taps = 1, .run = form->channels,
        .weights = work->conv->weights +
                   position * form->channels * tile_width(work->kernels, form->outputs),
        .columns = form->outputs, .c = m + position * work->block * m_step, .c_step = m_step,
    };

    for (int64_t r = 0; r < count; r++)
        starts[r] = v + (position * work->block + r) * v_step;
    tile_block_run(work->kernels, &block, 0, tile_panels(work->kernels, form->outputs));
}

/* Each thread does whole blocks by itself. */
static void block_task(void *arg, int task, int thread)
{
    const struct work *work = arg;
    int64_t v_step = padded(work->conv->form.channels), m_step = padded(work->conv->form.outputs);
    float *v = work->memory + (size_t)thread * work->memory_floats;
    float *m = v + positions(work->tile) * work->block * v_step;
    int64_t first = task * work->block, count = min64(work->block, work->tiles - first);

    for (int64_t i = 0; i < count; i++)
        transform_input(work, first + i, v + i * v_step, work->block * v_step);
    for (int64_t p = 0; p < positions(work->tile); p++)
        multiply(work, p, v, m, count);
    for (int64_t i = 0; i < count; i++)
        transform_output(work, first + i, m + i * m_step, work->block * m_step);
}

/* Or all do one block together, in three phases; each has the same positions, and so the same weights,
 * every time. */
static void input_task(void *arg, int task, int thread)
{
    const struct work *work = arg;
    int64_t v_step = padded(work->conv->form.channels);

    (void)thread;
    for (int64_t i = work->count * task / work->tasks; i < work->count * (task + 1) / work->tasks; i++)
        transform_input(work, work->first + i, work->memory + i * v_step, work->block * v_step);
}

static void multiply_task(void *arg, int task, int thread)
{
    const struct work *work = arg;
    int64_t v_step = padded(work->conv->form.channels), count = positions(work->tile);
    float *m = work->memory + count * work->block * v_step;

    (void)thread;
    for (int64_t p = count * task / work->tasks; p < count * (task + 1) / work->tasks; p++)
        multiply(work, p, work->memory, m, work->count);
}

static void output_task(void *arg, int task, int thread)
{
    const struct work *work = arg;
    int64_t v_step = padded(work->conv->form.channels), m_step = padded(work->conv->form.outputs);
    const float *m = work->memory + positions(work->tile) * work->block * v_step;

    (void)thread;
    for (int64_t i = work->count * task / work->tasks; i < work->count * (task + 1) / work->tasks; i++)
        transform_output(work, work->first + i, m + i * m_step, work->block * m_step);
}

void winograd_run(const struct conv_last *conv, int tile, void *scratch, struct pool *pool)
{
    const struct conv_last_form *form = &conv->form;
    struct work work = {.conv = conv, .transform = winograd_transform(tile), .kernels = tile_kernels(),
                        .tile = tile, .side = tile + 2, .tasks = pool_threads(pool),
                        .zeros = scratch};
    int64_t blocks;

    count_tiles(&conv->window, tile, conv->images, &work.rows, &work.columns, &work.tiles);
    work.block = block_tiles(form, tile, work.tiles);
    work.memory = (float *)scratch + padded(form->channels);
    work.memory_floats = block_floats(form, tile, work.block);
    memset(scratch, 0, (size_t)padded(form->channels) * sizeof(float));
    blocks = (work.tiles + work.block - 1) / work.block;
    if (work.tasks == 1 || blocks >= 2 * work.tasks) {
        pool_run(pool, (int)blocks, block_task, &work);
        return;
    }
    for (work.first = 0; work.first < work.tiles; work.first += work.block) {
        work.count = min64(work.block, work.tiles - work.first);
        pool_run(pool, work.tasks, input_task, &work);
        pool_run(pool, work.tasks, multiply_task, &work);
        pool_run(pool, work.tasks, output_task, &work);
    }
}
