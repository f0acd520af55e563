/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/kernels/bottleneck.h"

#include "engine/kernels/depthwise.h"

#include <string.h>

enum {
    STRIP_FLOATS = 72 * 1024,   /* of a strip's middle before the depthwise sums, if that leaves a row */
    PARALLEL_PLACES = 256       /* outputs times middle channels / 64, from which threads are worth waking */
};

/* How large the strips are: some output rows of one image, or several whole images. */
struct strips {
    int64_t rows;               /* output rows of a strip */
    int64_t in_rows;            /* rows that their windows cover, at most */
    int64_t images;             /* more than one only when `rows` are all of an image */
};

static int64_t min64(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* Rows of input that `rows` output rows cover. */
static int64_t covered(const struct window *w, int64_t rows)
{
    return min64((rows - 1) * w->stride[1] + (w->kernel[1] - 1) * w->dilation[1] + 1, w->in[1]);
}

static struct strips strips_of(int64_t middle, const struct window *w, int64_t images)
{
    int64_t row = w->in[2] * middle, image = row * w->in[1];
    struct strips ret = {.rows = w->out[1], .in_rows = w->in[1], .images = 1};

    if (image <= STRIP_FLOATS) {
        ret.images = image > 0 ? min64(STRIP_FLOATS / image, images) : images;
        return ret;
    }
    while (ret.rows > 1 && covered(w, ret.rows) * row > STRIP_FLOATS)
        ret.rows--;
    ret.in_rows = covered(w, ret.rows);
    return ret;
}

static size_t round_up(size_t bytes)
{
    return (bytes + 63) / 64 * 64;
}

/* Of one thread: the middle before the depthwise sums, and after. */
static size_t before_bytes(int64_t middle, const struct window *w, const struct strips *strips)
{
    return round_up((size_t)(strips->images * strips->in_rows * w->in[2] * middle) * sizeof(float));
}

static size_t after_bytes(int64_t middle, const struct window *w, const struct strips *strips)
{
    return round_up((size_t)(strips->images * strips->rows * w->out[2] * middle) * sizeof(float));
}

static size_t zeros_bytes(int64_t middle)
{
    return round_up((size_t)middle * sizeof(float));
}

size_t bottleneck_scratch(int64_t middle, const struct window *window, int64_t images, int threads)
{
    struct strips strips = strips_of(middle, window, images);

    return zeros_bytes(middle) + (size_t)threads * (before_bytes(middle, window, &strips) +
                                                    after_bytes(middle, window, &strips));
}

/* What the threads share. */
struct work {
    const struct bottleneck *b;
    struct strips strips;
    const float *zeros;
    char *memory;
    size_t before_bytes, thread_bytes;
    int tasks;
};

/* Rows of input that are expanded already: [from, to) of image `image`, in the buffer's first rows. */
struct expanded {
    int64_t image, from, to;
};

static void expand(const struct bottleneck *b, int64_t places, const float *x, float *to)
{
    struct packed_product product = {.rows = places, .columns = b->middle, .depth = b->channels, .a = x,
                                     .a_step = b->channels, .weights = b->expand, .c = to,
                                     .c_step = b->middle, .epilogue = b->expanded};

    packed_run(&product, NULL);
}

static void project(const struct bottleneck *b, int64_t first, int64_t places, const float *from)
{
    struct packed_product product = {.rows = places, .columns = b->outputs, .depth = b->middle, .a = from,
                                     .a_step = b->middle, .weights = b->project,
                                     .c = b->y + first * b->outputs, .c_step = b->outputs,
                                     .epilogue = b->projected};

    if (product.epilogue.residual != NULL)
        product.epilogue.residual += first * b->outputs;
    packed_run(&product, NULL);
}

/* `before` gets input rows [from, to) of an image; those it has are moved, not computed again. */
static void expand_rows(const struct bottleneck *b, struct expanded *have, int64_t image, int64_t from,
                        int64_t to, float *before)
{
    const struct window *w = &b->window;
    int64_t row = w->in[2] * b->middle, next = from;

    if (have->image == image && have->from <= from && from < have->to) {
        memmove(before, before + (from - have->from) * row,
                (size_t)((have->to - from) * row) * sizeof(float));
        next = have->to;
    }
    if (next < to)
        expand(b, (to - next) * w->in[2], b->x + (image * w->in[1] + next) * w->in[2] * b->channels,
               before + (next - from) * row);
    *have = (struct expanded){image, from, to};
}

/* Output rows [from, to) of an image. */
static void run_strip(const struct work *work, struct expanded *have, int64_t image, int64_t from, int64_t to,
                      float *before, float *after)
{
    const struct bottleneck *b = work->b;
    const struct window *w = &b->window;
    int64_t begin = from * w->stride[1] - w->pad_begin[1], first = begin > 0 ? begin : 0;
    int64_t end = min64((to - 1) * w->stride[1] - w->pad_begin[1] + (w->kernel[1] - 1) * w->dilation[1] + 1,
                        w->in[1]);
    struct conv_last conv = {.form = {b->middle, 1, 1, w->kernel[1] * w->kernel[2]}, .window = *w,
                             .images = 1, .x = before, .weights = b->depthwise, .y = after,
                             .epilogue = b->filtered};

    if (end < first)
        end = first;
    expand_rows(b, have, image, first, end, before);
    conv.window.in[1] = end - first;
    conv.window.out[1] = to - from;
    conv.window.pad_begin[1] = first - begin;
    depthwise_rows(&conv, work->zeros, 0, to - from);
    project(b, (image * w->out[1] + from) * w->out[2], (to - from) * w->out[2], after);
}

/* Whole images [from, to), few enough for the buffers. */
static void run_images(const struct work *work, int64_t from, int64_t to, float *before, float *after)
{
    const struct bottleneck *b = work->b;
    const struct window *w = &b->window;
    struct conv_last conv = {.form = {b->middle, 1, 1, w->kernel[1] * w->kernel[2]}, .window = *w,
                             .images = to - from, .x = before, .weights = b->depthwise, .y = after,
                             .epilogue = b->filtered};
    int64_t in = w->in[1] * w->in[2], out = w->out[1] * w->out[2];

    expand(b, (to - from) * in, b->x + from * in * b->channels, before);
    depthwise_rows(&conv, work->zeros, 0, (to - from) * w->out[1]);
    project(b, from * out, (to - from) * out, after);
}

/* A share of all images' output rows. */
static void run_task(void *arg, int task, int thread)
{
    const struct work *work = arg;
    const struct bottleneck *b = work->b;
    int64_t height = b->window.out[1], total = b->images * height;
    int64_t at = total * task / work->tasks, end = total * (task + 1) / work->tasks;
    char *memory = work->memory + (size_t)thread * work->thread_bytes;
    float *before = (float *)(void *)memory, *after = (float *)(void *)(memory + work->before_bytes);
    struct expanded have = {.image = -1};

    while (at < end) {
        int64_t image = at / height, row = at % height;
        int64_t whole = row == 0 ? min64((end - at) / height, work->strips.images) : 0;

        if (work->strips.rows == height && whole > 0) {
            run_images(work, image, image + whole, before, after);
            at += whole * height;
            have.image = -1;
        } else {
            int64_t rows = min64(min64(work->strips.rows, height - row), end - at);

            run_strip(work, &have, image, row, row + rows, before, after);
            at += rows;
        }
    }
}

void bottleneck_run(const struct bottleneck *b, void *scratch, struct pool *pool)
{
    struct work work = {.b = b, .strips = strips_of(b->middle, &b->window, b->images), .zeros = scratch};
    int64_t places = b->images * b->window.out[1] * b->window.out[2];

    work.memory = (char *)scratch + zeros_bytes(b->middle);
    work.before_bytes = before_bytes(b->middle, &b->window, &work.strips);
    work.thread_bytes = work.before_bytes + after_bytes(b->middle, &b->window, &work.strips);
    work.tasks = (double)places * (double)b->middle / 64 < PARALLEL_PLACES ? 1 : pool_threads(pool);
    memset(scratch, 0, zeros_bytes(b->middle));
    if (places > 0)
        pool_run(pool, work.tasks, run_task, &work);
}
