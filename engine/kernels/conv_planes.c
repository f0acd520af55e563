/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/kernels/conv_planes.h"

#include "engine/kernels/rearrange.h"
#include "engine/kernels/winograd.h"

enum {
    PLACES = 2048,              /* output places that go through the cache at a time */
    BLOCK_CHANNELS = 32,        /* of a task that turns images */
    WINOGRAD_CHANNELS_MIN = 16,
    WINOGRAD_TILES_MIN = 24,    /* fewer do not pay for transforming the weights */
    WINOGRAD_LARGE_MAX = 512 * 512
};

/* How a call goes about it: a function of shapes alone. */
struct layout {
    int64_t together;           /* images */
    int winograd;               /* size of tiles, or 0 */
    bool turns_x, turns_y;      /* one channel, or one place, is the same either way */
    size_t weights, x, y, conv, bytes;   /* where in the scratch, and all of it */
};

static int64_t min64(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int choose_winograd(const struct conv_planes *conv)
{
    const struct conv_last_form *form = &conv->form;
    const int64_t *out = conv->window.out;
    int64_t tiles = conv->images * ((out[1] + 3) / 4) * ((out[2] + 3) / 4);

    if (!winograd_fits(&conv->window) || form->groups != 1 || form->taps != 9 ||
        form->channels < WINOGRAD_CHANNELS_MIN || form->outputs < WINOGRAD_CHANNELS_MIN ||
        tiles < WINOGRAD_TILES_MIN)
        return 0;
    return form->channels * form->outputs <= WINOGRAD_LARGE_MAX ? WINOGRAD_LARGE : WINOGRAD_SMALL;
}

/* Puts `count` floats at the end. */
static bool grow(struct layout *layout, int64_t count, size_t *ret_at)
{
    size_t bytes;

    *ret_at = layout->bytes;
    return !__builtin_mul_overflow((size_t)count, sizeof(float), &bytes) && bytes < SIZE_MAX / 8 &&
           !__builtin_add_overflow(layout->bytes, (bytes + 63) & ~(size_t)63, &layout->bytes);
}

static bool layout_of(const struct conv_planes *conv, int threads, struct layout *ret)
{
    const struct conv_last_form *form = &conv->form;
    int64_t in = window_in_size(&conv->window), out = window_out_size(&conv->window);
    int64_t channels = form->groups * form->channels, outputs = form->groups * form->outputs;
    int64_t images = min64((PLACES + out - 1) / (out > 0 ? out : 1), conv->images), packed;
    size_t own;
    bool fits;

    *ret = (struct layout){.together = images > 0 ? images : 1, .winograd = choose_winograd(conv),
                           .turns_x = channels > 1 && in > 1,
                           .turns_y = (outputs > 1 && out > 1) || conv->accumulate ||
                                      conv->y_channels > 0};
    fits = ret->winograd > 0 ? winograd_packed_size(form, ret->winograd, &packed)
                             : conv_last_packed_size(form, &packed);
    fits = fits && grow(ret, packed, &ret->weights) &&
           grow(ret, ret->turns_x ? ret->together * channels * in : 0, &ret->x) &&
           grow(ret, ret->turns_y ? ret->together * outputs * out : 0, &ret->y);
    own = ret->winograd > 0
              ? winograd_scratch(form, ret->winograd, &conv->window, ret->together, threads)
              : conv_last_scratch(form, &conv->window, ret->together, threads);
    ret->conv = ret->bytes;
    return fits && !__builtin_add_overflow(ret->bytes, own, &ret->bytes);
}

bool conv_planes_scratch(const struct conv_planes *conv, int threads, size_t *ret_bytes)
{
    struct layout layout;
    bool fits = layout_of(conv, threads, &layout);

    *ret_bytes = fits ? layout.bytes : 0;
    return fits;
}

/* Some images that change between [channels, places] and [places, channels]. */
struct turn {
    int64_t channels, places, blocks;
    int64_t planes;             /* from image to image where channels come first: `channels` or more */
    const float *from;
    float *to;
    bool last, add;             /* to channels last; add to the target */
};

static void turn_task(void *arg, int task, int thread)
{
    const struct turn *turn = arg;
    int64_t image = task / turn->blocks, channel = task % turn->blocks * BLOCK_CHANNELS;
    int64_t count = min64(BLOCK_CHANNELS, turn->channels - channel);
    int64_t at = image * turn->channels * turn->places;
    int64_t plane = (image * turn->planes + channel) * turn->places;

    (void)thread;
    if (turn->last)
        rearrange_f32(count, turn->places, turn->from + plane, turn->places, turn->add,
                      turn->to + at + channel, turn->channels);
    else
        rearrange_f32(turn->places, count, turn->from + at + channel, turn->channels, turn->add,
                      turn->to + plane, turn->places);
}

static void turn_images(struct turn *turn, int64_t images, struct pool *pool)
{
    turn->blocks = (turn->channels + BLOCK_CHANNELS - 1) / BLOCK_CHANNELS;
    pool_run(pool, (int)(images * turn->blocks), turn_task, turn);
}

static void run_images(const struct conv_planes *conv, const struct layout *layout, int64_t first,
                       int64_t images, char *scratch, struct pool *pool)
{
    int64_t in = window_in_size(&conv->window), out = window_out_size(&conv->window);
    int64_t channels = conv->form.groups * conv->form.channels;
    int64_t outputs = conv->form.groups * conv->form.outputs;
    int64_t planes = conv->y_channels > 0 ? conv->y_channels : outputs;
    float *y = conv->y + first * planes * out;
    struct turn turn_x = {.channels = channels, .places = in, .planes = channels,
                          .from = conv->x + first * channels * in,
                          .to = (float *)(void *)(scratch + layout->x), .last = true};
    struct turn turn_y = {.channels = outputs, .places = out, .planes = planes,
                          .from = (float *)(void *)(scratch + layout->y), .to = y,
                          .add = conv->accumulate};
    struct conv_last last = {
        .form = conv->form, .window = conv->window, .images = images,
        .x = layout->turns_x ? turn_x.to : turn_x.from,
        .weights = (const float *)(const void *)(scratch + layout->weights),
        .y = layout->turns_y ? (float *)(void *)(scratch + layout->y) : y,
        .epilogue = {.bias = conv->bias},
    };

    if (layout->turns_x)
        turn_images(&turn_x, images, pool);
    if (layout->winograd > 0)
        winograd_run(&last, layout->winograd, scratch + layout->conv, pool);
    else
        conv_last_run(&last, scratch + layout->conv, pool);
    if (layout->turns_y)
        turn_images(&turn_y, images, pool);
}

void conv_planes_run(const struct conv_planes *conv, void *scratch, struct pool *pool)
{
    struct layout layout;
    float *packed;

    if (!layout_of(conv, pool_threads(pool), &layout))
        return;
    packed = (float *)(void *)((char *)scratch + layout.weights);
    if (layout.winograd > 0)
        winograd_pack(&conv->form, layout.winograd, conv->w, packed);
    else
        conv_last_pack(&conv->form, conv->w, packed);
    for (int64_t first = 0; first < conv->images; first += layout.together)
        run_images(conv, &layout, first, min64(layout.together, conv->images - first), scratch, pool);
}
