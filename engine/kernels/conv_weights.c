/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/kernels/conv_weights.h"

#include "engine/kernels/rearrange.h"
#include "engine/kernels/tile_block.h"

#include <string.h>

enum {
    PLACES = 1024,              /* of as many images as it takes, between two meetings of the threads */
    STRIP_PLACES = 512,         /* whose gradient is packed as one matrix */
    STRIP_ROWS = 64
};

/* How a call goes about it: a function of shapes alone. A strip is some rows of output places, which
 * may span images; each is packed as a matrix of its own. */
struct layout {
    int64_t taps, depth;        /* kernel places; rows of the product: channels * taps */
    int64_t rows;               /* rows of output places of one image */
    int64_t together;           /* images */
    int64_t strip_rows, strips; /* of those images */
    int64_t block_channels;     /* of a task */
    int64_t width;              /* floats of a packed place, one group */
    bool copies;                /* the input must be copied, for its padding or its steps */
    int64_t extent[WINDOW_DIMS];    /* that windows reach, from the first one's begin */
    int64_t phase;              /* floats of one phase of a copied row: every stride-th place */
    int64_t copy;               /* floats of a copied channel of one image */
    size_t packed, result, threads, bytes;          /* where in the scratch, and all of it */
    size_t thread_table, thread_copy, thread_bytes; /* the same for each thread */
};

static int64_t min64(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t ratio(int64_t a, int64_t b)
{
    return (a + b - 1) / b;
}

static void fit_copy(const struct window *w, struct layout *ret)
{
    ret->copies = w->stride[2] != 1;
    for (int d = 0; d < WINDOW_DIMS; d++) {
        ret->extent[d] = (w->out[d] - 1) * w->stride[d] + (w->kernel[d] - 1) * w->dilation[d] + 1;
        if (w->pad_begin[d] != 0 || ret->extent[d] > w->in[d])
            ret->copies = true;
    }
    ret->phase = ratio(ret->extent[2], w->stride[2]);
}

static bool grow(size_t *total, int64_t a, int64_t b, size_t size, size_t *ret_at)
{
    size_t bytes;

    *ret_at = *total;
    return !__builtin_mul_overflow((size_t)a, (size_t)b, &bytes) &&
           !__builtin_mul_overflow(bytes, size, &bytes) && bytes < SIZE_MAX / 8 &&
           !__builtin_add_overflow(*total, (bytes + 63) & ~(size_t)63, total);
}

static bool layout_of(const struct conv_weights *conv, int threads, struct layout *ret)
{
    const struct window *w = &conv->window;
    int64_t out = window_out_size(w);

    memset(ret, 0, sizeof(*ret));
    ret->taps = window_kernel_size(w);
    ret->depth = conv->channels * ret->taps;
    ret->rows = w->out[0] * w->out[1];
    ret->together = out > 0 ? min64(ratio(PLACES, out), conv->images) : 0;
    ret->strip_rows = min64(STRIP_ROWS, w->out[2] > 0 ? ratio(STRIP_PLACES, w->out[2]) : 1);
    ret->strips = ratio(ret->together * ret->rows, ret->strip_rows);
    ret->block_channels = TILE_BLOCK_ROWS / ret->taps;
    if (ret->block_channels < 1)
        ret->block_channels = 1;
    if (ret->block_channels > conv->channels)
        ret->block_channels = conv->channels;
    ret->width = tile_width(tile_kernels(), conv->outputs);
    fit_copy(w, ret);
    ret->copy = ret->copies ? ret->extent[0] * ret->extent[1] * ret->phase * w->stride[2] : 0;
    return grow(&ret->bytes, ret->together * out, conv->groups * ret->width, sizeof(float), &ret->packed) &&
           grow(&ret->bytes, conv->groups * ret->depth, conv->outputs, sizeof(float), &ret->result) &&
           grow(&ret->thread_bytes, ret->strip_rows, TILE_BLOCK_ROWS, sizeof(float *),
                &ret->thread_table) &&
           grow(&ret->thread_bytes, ret->together * ret->block_channels, ret->copy, sizeof(float),
                &ret->thread_copy) &&
           grow(&ret->bytes, threads, (int64_t)ret->thread_bytes, 1, &ret->threads);
}

bool conv_weights_scratch(const struct conv_weights *conv, int threads, size_t *ret_bytes)
{
    struct layout layout;
    bool fits = layout_of(conv, threads, &layout);

    *ret_bytes = fits ? layout.bytes : 0;
    return fits;
}

/* What the threads share. */
struct work {
    const struct conv_weights *conv;
    const struct tile_kernels *kernels;
    struct layout layout;
    int64_t first, images;      /* those of this round */
    int64_t strips, panels, blocks;
    float *packed, *result;
    char *threads;
};

/* Strip `strip` of group `group` as a packed matrix: [panel, place, column]. */
static float *packed_strip(const struct work *work, int64_t group, int64_t strip)
{
    const struct layout *l = &work->layout;
    int64_t out = work->layout.rows * work->conv->window.out[2];

    return work->packed + group * work->images * out * l->width +
           strip * l->strip_rows * work->conv->window.out[2] * l->width;
}

static int64_t strip_end(const struct work *work, int64_t strip)
{
    return min64((strip + 1) * work->layout.strip_rows, work->images * work->layout.rows);
}

/* Packs one panel of one strip of one group. */
static void pack_task(void *arg, int task, int thread)
{
    const struct work *work = arg;
    const struct conv_weights *conv = work->conv;
    const struct layout *l = &work->layout;
    int64_t panel = task % work->panels, strip = task / work->panels % work->strips;
    int64_t group = task / work->panels / work->strips, line = conv->window.out[2];
    int64_t row = strip * l->strip_rows, end = strip_end(work, strip);
    int64_t places = (end - row) * line;
    int64_t from = tile_panel_start(work->kernels, conv->outputs, panel);
    int64_t width = tile_panel_start(work->kernels, conv->outputs, panel + 1) - from;
    int64_t columns = min64(width, conv->outputs - from);
    float *to = packed_strip(work, group, strip) + from * places;

    (void)thread;
    if (columns < width)
        memset(to, 0, (size_t)(places * width) * sizeof(float));
    while (row < end) {
        int64_t image = row / l->rows, at = row % l->rows, count = min64(end - row, l->rows - at);
        const float *dy = conv->dy + ((work->first + image) * conv->groups + group) * conv->outputs *
                                         l->rows * line;

        rearrange_f32(columns, count * line, dy + (from * l->rows + at) * line, l->rows * line, false, to,
                      width);
        to += count * line * width;
        row += count;
    }
}

/* A row of the input with its padding, every stride-th place side by side. */
static void copy_row(const struct work *work, const float *x, float *to)
{
    const struct window *w = &work->conv->window;
    int64_t phase = work->layout.phase, extent = work->layout.extent[2], begin = w->pad_begin[2];
    int64_t step = w->stride[2];

    if (step == 1) {
        int64_t count = min64(w->in[2], extent - begin);

        memset(to, 0, (size_t)min64(begin, extent) * sizeof(float));
        if (count > 0)
            memcpy(to + begin, x, (size_t)count * sizeof(float));
        if (extent > begin + w->in[2])
            memset(to + begin + w->in[2], 0, (size_t)(extent - begin - w->in[2]) * sizeof(float));
        return;
    }
    for (int64_t p = 0; p < step; p++)
        for (int64_t i = 0; i < phase; i++) {
            int64_t at = i * step + p - begin;

            to[p * phase + i] = at >= 0 && at < w->in[2] ? x[at] : 0;
        }
}

/* One channel of one image. */
static void copy_plane(const struct work *work, const float *x, float *to)
{
    const struct window *w = &work->conv->window;
    const struct layout *l = &work->layout;
    int64_t length = l->phase * w->stride[2];

    for (int64_t i = 0; i < l->extent[0]; i++)
        for (int64_t j = 0; j < l->extent[1]; j++, to += length) {
            int64_t a = i - w->pad_begin[0], b = j - w->pad_begin[1];

            if (a < 0 || a >= w->in[0] || b < 0 || b >= w->in[1])
                memset(to, 0, (size_t)length * sizeof(float));
            else
                copy_row(work, x + (a * w->in[1] + b) * w->in[2], to);
        }
}

/* The channels of one task: where they are, and how far things are apart. */
struct source {
    const float *x;
    int64_t image, channel;     /* floats from one to the next */
    int64_t row[2];             /* and from one row to the next along the first two dimensions */
    int64_t phase;
};

/* Where rows [row, row + count) of the product begin in each row of places of a strip. */
static void fill_table(const struct work *work, const struct source *s, int64_t strip, int64_t row,
                       int64_t count, const float **table)
{
    const struct window *w = &work->conv->window;
    const struct layout *l = &work->layout;
    int64_t offset[TILE_BLOCK_ROWS];

    for (int64_t r = 0; r < count; r++) {
        int64_t tap = (row + r) % l->taps, c = tap % w->kernel[2] * w->dilation[2];
        int64_t b = tap / w->kernel[2] % w->kernel[1], a = tap / w->kernel[2] / w->kernel[1];

        offset[r] = (row + r) / l->taps * s->channel + a * w->dilation[0] * s->row[0] +
                    b * w->dilation[1] * s->row[1] + c % w->stride[2] * s->phase + c / w->stride[2];
    }
    for (int64_t at = strip * l->strip_rows; at < strip_end(work, strip); at++) {
        int64_t image = at / l->rows, i = at % l->rows / w->out[1], j = at % w->out[1];
        const float *base = s->x + image * s->image + i * w->stride[0] * s->row[0] +
                            j * w->stride[1] * s->row[1];

        for (int64_t r = 0; r < count; r++)
            table[r] = base + offset[r];
        table += TILE_BLOCK_ROWS;
    }
}

/* Copies channels [channel, channel + count) of the round's images, or says where they lie. */
static struct source find_source(const struct work *work, int64_t group, int64_t channel, int64_t count,
                                 float *copy)
{
    const struct conv_weights *conv = work->conv;
    const struct window *w = &conv->window;
    const struct layout *l = &work->layout;
    int64_t in = window_in_size(w), all = conv->groups * conv->channels;
    const float *x = conv->x + (work->first * all + group * conv->channels + channel) * in;
    int64_t length = l->phase * w->stride[2];

    if (!l->copies)
        return (struct source){x, all * in, in, {w->in[1] * w->in[2], w->in[2]}, 0};
    for (int64_t image = 0; image < work->images; image++)
        for (int64_t c = 0; c < count; c++)
            copy_plane(work, x + (image * all + c) * in, copy + (image * count + c) * l->copy);
    return (struct source){copy, count * l->copy, l->copy, {l->extent[1] * length, length}, l->phase};
}

/* Adds the round's images to the result of some channels of one group. */
static void product_task(void *arg, int task, int thread)
{
    const struct work *work = arg;
    const struct conv_weights *conv = work->conv;
    const struct layout *l = &work->layout;
    char *own = work->threads + (size_t)thread * l->thread_bytes;
    const float **table = (const float **)(void *)(own + l->thread_table);
    int64_t group = task / work->blocks, channel = task % work->blocks * l->block_channels;
    int64_t channels = min64(l->block_channels, conv->channels - channel), rows = channels * l->taps;
    struct source source =
        find_source(work, group, channel, channels, (float *)(void *)(own + l->thread_copy));
    int64_t parts = ratio(rows, TILE_BLOCK_ROWS), each = ratio(rows, parts);

    for (int64_t row = 0; row < rows; row += each) {
        int64_t count = min64(each, rows - row);
        struct tile_block block = {
            .starts = table, .start_step = TILE_BLOCK_ROWS, .rows = (int)count,
            .run = conv->window.out[2], .columns = conv->outputs, .c_step = conv->outputs,
            .c = work->result + (group * l->depth + channel * l->taps + row) * conv->outputs,
        };

        for (int64_t strip = 0; strip < work->strips; strip++) {
            fill_table(work, &source, strip, row, count, table);
            block.taps = strip_end(work, strip) - strip * l->strip_rows;
            block.weights = packed_strip(work, group, strip);
            block.epilogue.residual = work->first > 0 || strip > 0 ? block.c : NULL;
            tile_block_run(work->kernels, &block, 0, work->panels);
        }
    }
}

/* The result has a row for each channel and kernel place; weights have a column. */
static void turn_task(void *arg, int task, int thread)
{
    const struct work *work = arg;
    const struct conv_weights *conv = work->conv;
    const struct layout *l = &work->layout;
    int64_t group = task / work->blocks, row = task % work->blocks * l->block_channels * l->taps;
    int64_t rows = min64(l->block_channels * l->taps, l->depth - row);

    (void)thread;
    rearrange_f32(rows, conv->outputs, work->result + (group * l->depth + row) * conv->outputs,
                  conv->outputs, conv->accumulate, conv->dw + group * conv->outputs * l->depth + row,
                  l->depth);
}

void conv_weights_run(const struct conv_weights *conv, void *scratch, struct pool *pool)
{
    struct work work = {.conv = conv, .kernels = tile_kernels()};
    struct layout *l = &work.layout;
    int64_t elements;

    if (!layout_of(conv, pool_threads(pool), l))
        return;
    elements = conv->groups * l->depth * conv->outputs;
    if (elements == 0 || l->rows * conv->window.out[2] * conv->images == 0) {
        if (!conv->accumulate && elements > 0)
            memset(conv->dw, 0, (size_t)elements * sizeof(float));
        return;
    }
    work.packed = (float *)(void *)((char *)scratch + l->packed);
    work.result = (float *)(void *)((char *)scratch + l->result);
    work.threads = (char *)scratch + l->threads;
    work.panels = tile_panels(work.kernels, conv->outputs);
    work.blocks = ratio(conv->channels, l->block_channels);
    for (; work.first < conv->images; work.first += l->together) {
        work.images = min64(l->together, conv->images - work.first);
        work.strips = ratio(work.images * l->rows, l->strip_rows);
        pool_run(pool, (int)(work.panels * work.strips * conv->groups), pack_task, &work);
        pool_run(pool, (int)(work.blocks * conv->groups), product_task, &work);
    }
    pool_run(pool, (int)(work.blocks * conv->groups), turn_task, &work);
}
