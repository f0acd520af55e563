/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/kernels/conv_last.h"

#include "engine/kernels/conv_places.h"
#include "engine/kernels/depthwise.h"
#include "engine/kernels/packed.h"
#include "engine/kernels/tile_block.h"

#include <string.h>

enum {
    PARALLEL_PRODUCT = 1 << 16, /* multiply-adds from which other threads are worth waking */
    FEW_CHANNELS = 8,           /* of an input whose rows are worth padding, to read several kernel
                                   places in one run */
    PADDED_RUN_MAX = 4096       /* floats; a kernel so wide is no such input */
};

static int64_t min64(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static bool is_depthwise(const struct conv_last_form *form)
{
    return form->channels == 1 && form->outputs == 1 && form->groups > 1;
}

bool conv_last_packed_size(const struct conv_last_form *form, int64_t *ret_floats)
{
    int64_t depth;

    if (is_depthwise(form))
        return packed_size(form->taps, form->groups, ret_floats);
    return !__builtin_mul_overflow(form->taps, form->channels, &depth) &&
           packed_size(depth, form->outputs, ret_floats) &&
           !__builtin_mul_overflow(*ret_floats, form->groups, ret_floats);
}

void conv_last_pack(const struct conv_last_form *form, const float *w, float *ret_packed)
{
    const struct tile_kernels *kernels = tile_kernels();
    int64_t depth = form->taps * form->channels;

    if (is_depthwise(form)) {
        depthwise_pack(form->taps, form->groups, w, ret_packed);
        return;
    }
    for (int64_t g = 0; g < form->groups; g++)
        for (int64_t t = 0; t < form->taps; t++)
            tile_pack(kernels, depth, form->outputs, t * form->channels, form->channels,
                      w + g * form->outputs * depth + t, form->taps, depth, 1,
                      ret_packed + g * depth * tile_width(kernels, form->outputs));
}

/* How a call goes about it. */
struct work {
    const struct conv_last *conv;
    const struct tile_kernels *kernels;
    struct window window;       /* over x */
    struct conv_places places;  /* where kernel places start; merged into runs where that can be */
    const float *x;             /* the input, or the copy of it with its padding */
    float *padded;              /* that copy, or NULL */
    const float *zeros;         /* a run of padding */
    size_t *tap_offsets;        /* where there is no padding, else NULL */
    const float **tables;       /* one of table_size pointers for each thread */
    size_t table_size;
    int64_t rows, run;          /* output places of all images; floats of a run */
    int block_rows, tasks;
    bool by_rows;
};

/* 1x1, stride 1, no padding: a product of matrices. */
static bool is_product(const struct conv_last_form *form, const struct window *window)
{
    for (int d = 0; d < WINDOW_DIMS; d++)
        if (window->stride[d] != 1 || window->pad_begin[d] != 0 || window->pad_end[d] != 0)
            return false;
    return form->taps == 1 && form->groups == 1;
}

static bool has_padding(const struct window *window)
{
    for (int d = 0; d < WINDOW_DIMS; d++)
        if (window->pad_begin[d] != 0 || window->pad_end[d] != 0)
            return true;
    return false;
}

/* Images of few channels are copied to where their padding surrounds them, so that several kernel
 * places in a row are one run. */
static bool pads_images(const struct conv_last_form *form, const struct window *window)
{
    for (int d = 0; d < WINDOW_DIMS; d++)
        if (window->pad_begin[d] >= window->kernel[d] || window->pad_end[d] >= window->kernel[d])
            return false;
    return form->groups == 1 && form->channels <= FEW_CHANNELS && window->dilation[2] == 1 &&
           window->kernel[2] > 1 && window->kernel[2] <= PADDED_RUN_MAX / FEW_CHANNELS &&
           has_padding(window);
}

/* The window over what is read. */
static struct window read_window(const struct conv_last_form *form, const struct window *window)
{
    struct window read = *window;

    for (int d = 0; d < WINDOW_DIMS && pads_images(form, window); d++) {
        read.in[d] += window->pad_begin[d] + window->pad_end[d];
        read.pad_begin[d] = read.pad_end[d] = 0;
    }
    return read;
}

static int64_t padded_floats(const struct conv_last_form *form, const struct window *window,
                             int64_t images)
{
    struct window read = read_window(form, window);

    return pads_images(form, window) ? images * window_in_size(&read) * form->channels : 0;
}

/* Kernel places side by side in a row are one run of floats, if no window reaches past the row's ends. */
static bool merges(const struct conv_last_form *form, const struct window *read)
{
    return form->groups == 1 && read->dilation[2] == 1 && read->kernel[2] > 1 &&
           read->pad_begin[2] == 0 && read->pad_end[2] == 0;
}

static bool is_uniform(const struct conv_last_form *form, const struct window *read)
{
    return !is_depthwise(form) && !has_padding(read);
}

static int64_t run_taps(const struct conv_last_form *form, const struct window *read)
{
    return merges(form, read) ? form->taps / read->kernel[2] : form->taps;
}

static int64_t run_floats(const struct conv_last_form *form, const struct window *read)
{
    return merges(form, read) ? form->channels * read->kernel[2] : form->channels;
}

/* Rows of a block: fewer where the kernel has very many places, so that the table stays small. */
static int block_rows(int64_t taps)
{
    int64_t rows = 16384 / (taps > 0 ? taps : 1) / TILE_ROWS_MAX * TILE_ROWS_MAX;

    return (int)(rows < TILE_ROWS_MAX ? TILE_ROWS_MAX : min64(rows, TILE_BLOCK_ROWS));
}

static size_t round_up(size_t bytes)
{
    return (bytes + 63) / 64 * 64;
}

/* What the parts of the scratch take. */
struct sizes {
    size_t zeros, padded, offsets, table;
};

static struct sizes scratch_sizes(const struct conv_last_form *form, const struct window *window,
                                  int64_t images)
{
    struct window read = read_window(form, window);
    int64_t taps = run_taps(form, &read), entries = is_uniform(form, &read) ? 1 : taps;
    int64_t zeros = is_depthwise(form) ? form->groups : run_floats(form, &read);

    return (struct sizes){
        .zeros = round_up((size_t)zeros * sizeof(float)),
        .padded = round_up((size_t)padded_floats(form, window, images) * sizeof(float)),
        .offsets = is_uniform(form, &read) ? round_up((size_t)taps * sizeof(size_t)) : 0,
        .table = round_up((size_t)(entries * block_rows(entries)) * sizeof(float *)),
    };
}

size_t conv_last_scratch(const struct conv_last_form *form, const struct window *window, int64_t images,
                         int threads)
{
    struct sizes sizes = scratch_sizes(form, window, images);

    if (is_product(form, window))
        return 0;
    return sizes.zeros + sizes.padded + sizes.offsets + (size_t)threads * sizes.table;
}

/* Row `row` of all padded images. */
static void pad_row(const struct work *work, int64_t row)
{
    const struct window *from = &work->conv->window, *to = &work->window;
    int64_t channels = work->conv->form.channels, width = from->in[2] * channels;
    int64_t j = row % to->in[1] - from->pad_begin[1], i = row / to->in[1] % to->in[0] - from->pad_begin[0];
    int64_t image = row / to->in[1] / to->in[0], before = from->pad_begin[2] * channels;
    float *target = work->padded + row * to->in[2] * channels;

    if (i < 0 || i >= from->in[0] || j < 0 || j >= from->in[1]) {
        memset(target, 0, (size_t)(to->in[2] * channels) * sizeof(float));
        return;
    }
    memset(target, 0, (size_t)before * sizeof(float));
    memcpy(target + before, work->conv->x + ((image * from->in[0] + i) * from->in[1] + j) * width,
           (size_t)width * sizeof(float));
    memset(target + before + width, 0, (size_t)(from->pad_end[2] * channels) * sizeof(float));
}

static void pad_task(void *arg, int task, int thread)
{
    const struct work *work = arg;
    int64_t rows = work->conv->images * work->window.in[0] * work->window.in[1];

    (void)thread;
    for (int64_t row = rows * task / work->tasks; row < rows * (task + 1) / work->tasks; row++)
        pad_row(work, row);
}

/* Blocks of output places [row, row_end), panels [from, to) of group `group`. */
static void run_group(const struct work *work, const float **table, int64_t group, int64_t row,
                      int rows, int64_t from, int64_t to)
{
    const struct conv_last *conv = work->conv;
    const struct conv_last_form *form = &conv->form;
    int64_t y_step = form->groups * form->outputs, at = row * y_step + group * form->outputs;
    struct tile_block block = {
        .starts = table, .start_step = work->tap_offsets != NULL ? 0 : (size_t)work->block_rows,
        .tap_offsets = work->tap_offsets, .rows = rows,
        .taps = work->places.taps, .run = work->run,
        .weights = conv->weights + group * form->taps * form->channels *
                                       tile_width(work->kernels, form->outputs),
        .columns = form->outputs, .c = conv->y + at, .c_step = y_step, .epilogue = conv->epilogue,
    };

    if (conv->epilogue.bias != NULL)
        block.epilogue.bias += group * form->outputs;
    if (conv->epilogue.residual != NULL)
        block.epilogue.residual += at;
    tile_block_run(work->kernels, &block, from, to);
}

static void run_rows(const struct work *work, const float **table, int64_t row, int64_t row_end,
                     int64_t from, int64_t to)
{
    const struct conv_last_form *form = &work->conv->form;

    while (row < row_end) {
        int64_t blocks = (row_end - row + work->block_rows - 1) / work->block_rows;
        int rows = (int)((row_end - row + blocks - 1) / blocks);

        if (is_depthwise(form)) {
            conv_places_fill(&work->places, work->x, work->zeros, row, rows, work->block_rows, table);
            depthwise_run(work->kernels, work->conv, table, (size_t)work->block_rows, row, rows);
        }
        for (int64_t g = 0; g < form->groups && !is_depthwise(form); g++) {
            conv_places_fill(&work->places, work->x + g * form->channels, work->zeros, row, rows,
                             work->block_rows, table);
            run_group(work, table, g, row, rows, from, to);
        }
        row += rows;
    }
}

static void run_task(void *arg, int task, int thread)
{
    const struct work *work = arg;
    const float **table = work->tables + (size_t)thread * work->table_size;
    int64_t panels = tile_panels(work->kernels, work->conv->form.outputs);

    if (work->by_rows)
        run_rows(work, table, work->rows * task / work->tasks, work->rows * (task + 1) / work->tasks, 0,
                 panels);
    else
        run_rows(work, table, 0, work->rows, panels * task / work->tasks,
                 panels * (task + 1) / work->tasks);
}

/* Rows go to threads where images are large and weights small, else columns do, so that what is large
 * is read by one core alone. */
static void choose_tasks(struct work *work, struct pool *pool)
{
    const struct conv_last_form *form = &work->conv->form;
    int64_t panels = tile_panels(work->kernels, form->outputs);
    int64_t depth = form->taps * form->channels;
    int64_t images = work->conv->images * window_in_size(&work->conv->window) * form->channels;
    double product = (double)work->rows * (double)depth * (double)form->outputs * (double)form->groups;

    work->tasks = product < PARALLEL_PRODUCT ? 1 : pool_threads(pool);
    work->by_rows = form->groups > 1 || panels < 2 * work->tasks || depth * form->outputs < images;
}

static void run_product(const struct conv_last *conv, struct pool *pool)
{
    struct packed_product product = {
        .rows = conv->images * window_out_size(&conv->window), .columns = conv->form.outputs,
        .depth = conv->form.channels, .a = conv->x, .a_step = conv->form.channels,
        .weights = conv->weights, .c = conv->y, .c_step = conv->form.outputs,
        .epilogue = conv->epilogue,
    };

    packed_run(&product, pool);
}

static void depthwise_task(void *arg, int task, int thread)
{
    const struct work *work = arg;
    int64_t rows = work->conv->images * work->conv->window.out[1];

    (void)thread;
    depthwise_rows(work->conv, work->zeros, rows * task / work->tasks, rows * (task + 1) / work->tasks);
}

void conv_last_run(const struct conv_last *conv, void *scratch, struct pool *pool)
{
    const struct conv_last_form *form = &conv->form;
    struct sizes sizes = scratch_sizes(form, &conv->window, conv->images);
    struct work work = {.conv = conv, .kernels = tile_kernels(), .x = conv->x, .zeros = scratch,
                        .window = read_window(form, &conv->window)};
    char *memory = scratch;

    if (is_product(form, &conv->window)) {
        run_product(conv, pool);
        return;
    }
    work.rows = conv->images * window_out_size(&conv->window);
    work.run = run_floats(form, &work.window);
    choose_tasks(&work, pool);
    conv_places_init(&work.places, &work.window, form->groups * form->channels, merges(form, &work.window),
                     is_uniform(form, &work.window));
    memset(memory, 0, sizes.zeros);
    memory += sizes.zeros;
    if (is_depthwise(form) && depthwise_has_strips(&conv->window)) {
        pool_run(pool, work.tasks, depthwise_task, &work);
        return;
    }
    if (sizes.padded > 0) {
        work.x = work.padded = (float *)(void *)memory;
        pool_run(pool, work.tasks, pad_task, &work);
    }
    memory += sizes.padded;
    if (work.places.uniform) {
        work.tap_offsets = (size_t *)(void *)memory;
        conv_places_offsets(&work.places, work.tap_offsets);
    }
    memory += sizes.offsets;
    work.block_rows = block_rows(work.places.uniform ? 1 : work.places.taps);
    work.tables = (const float **)(void *)memory;
    work.table_size = sizes.table / sizeof(float *);
    if (work.rows > 0)
        pool_run(pool, work.tasks, run_task, &work);
}
