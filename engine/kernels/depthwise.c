/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/kernels/depthwise.h"

#include "engine/kernels/tile_block.h"

enum {
    STRIP = 4,                  /* output places side by side */
    KERNEL_MAX = 5,
    SPAN_MAX = (STRIP - 1) * 2 + KERNEL_MAX
};

/* A strip of output places, of which `count` are there, and where the places that their windows cover
 * have their channels: row after row of the kernel, or in the zeros. */
struct strip {
    const float *places[KERNEL_MAX * SPAN_MAX];
    int kernel_rows, count;
    float *y;
    const float *residual;      /* as y, or NULL */
    const float *bias;          /* or NULL */
    size_t y_step;              /* floats from an output place to the next */
    enum tile_finish finish;
    float low, high;
};

typedef void strip_fn(const struct strip *strip, size_t from, size_t end, const float *weights, size_t width);

#define INLINE static inline __attribute__((always_inline))
#define UNROLL _Pragma("GCC unroll 16")

#define KERNEL_BODY "engine/kernels/depthwise_body.h"
#include "engine/kernels/each_isa.h"

static strip_fn *const (*const functions[ISA_COUNT])[2] = ISA_TABLE(strips[0]);

void depthwise_pack(int64_t taps, int64_t channels, const float *w, float *ret_packed)
{
    tile_pack(tile_kernels(), taps, channels, 0, taps, w, 1, taps, 1, ret_packed);
}

static float finish(enum tile_finish kind, float low, float high, float sum)
{
    if (kind == TILE_CLIP) {
        sum = sum < low ? low : sum;
        return sum > high ? high : sum;
    }
    return kind == TILE_LEAKY && sum < 0 ? low * sum : sum;
}

static enum tile_finish finish_of(const struct activation *activation)
{
    return activation->kind == ACTIVATION_CLIP         ? TILE_CLIP
           : activation->kind == ACTIVATION_LEAKY_RELU ? TILE_LEAKY
                                                       : TILE_PLAIN;
}

/* Channels past the last full vector, of which `width` are a row of the panel. */
static void run_ragged(const struct tile *tile, int rows, int64_t from, int64_t to, int64_t width)
{
    for (int r = 0; r < rows; r++) {
        for (int64_t j = from; j < to; j++) {
            float sum = tile->start != NULL ? tile->start[(size_t)r * tile->c_step + (size_t)j] : 0;

            for (size_t t = 0; t < tile->taps; t++)
                sum += tile->rows[t * tile->row_step + (size_t)r][tile->offset + (size_t)j] *
                       tile->weights[t * (size_t)width + (size_t)j];
            if (tile->bias != NULL)
                sum += tile->bias[j];
            tile->c[(size_t)r * tile->c_step + (size_t)j] =
                finish(tile->finish, tile->low, tile->high, sum);
        }
    }
}

/* One panel's channels for all rows; `width` is theirs in whole vectors. */
static void run_panel(const struct tile_kernels *kernels, struct tile tile, int rows, int64_t channels,
                      int64_t width)
{
    int64_t vectors = channels / kernels->vector, full = vectors * kernels->vector;

    if (full < channels)
        run_ragged(&tile, rows, full, channels, width);
    tile.panel_step = (size_t)width;
    while (rows > 0 && vectors > 0) {
        int height = rows >= kernels->depthwise_rows ? kernels->depthwise_rows : 1;

        kernels->depthwise[height > 1][vectors](&tile);
        tile.rows += height;
        tile.c += (size_t)height * tile.c_step;
        if (tile.start != NULL)
            tile.start += (size_t)height * tile.c_step;
        rows -= height;
    }
}

void depthwise_run(const struct tile_kernels *kernels, const struct conv_last *conv,
                   const float *const *table, size_t step, int64_t row, int rows)
{
    const struct activation *activation = &conv->epilogue.activation;
    int64_t channels = conv->form.groups, taps = conv->form.taps;
    struct tile tile = {.rows = table, .row_step = step, .taps = (size_t)taps, .last = true,
                        .c_step = (size_t)channels, .low = activation->alpha,
                        .high = activation->beta};

    tile.finish = finish_of(activation);
    for (int64_t panel = 0; panel < tile_panels(kernels, channels); panel++) {
        int64_t from = tile_panel_start(kernels, channels, panel), left = channels - from;
        int64_t width = tile_panel_start(kernels, channels, panel + 1) - from;

        tile.offset = (size_t)from;
        tile.weights = conv->weights + from * taps;
        tile.c = conv->y + row * channels + from;
        tile.bias = conv->epilogue.bias != NULL ? conv->epilogue.bias + from : NULL;
        tile.start = conv->epilogue.residual != NULL
                         ? conv->epilogue.residual + row * channels + from
                         : NULL;
        run_panel(kernels, tile, rows, left < width ? left : width, width);
    }
    if (activation->kind > ACTIVATION_LEAKY_RELU)
        activation_apply(activation, conv->y + row * channels, (size_t)rows, (size_t)channels,
                         (size_t)channels);
}

bool depthwise_has_strips(const struct window *w)
{
    return w->kernel[0] == 1 && w->in[0] == 1 && w->out[0] == 1 && w->pad_begin[0] == 0 &&
           w->kernel[1] <= KERNEL_MAX && (w->kernel[2] == 3 || w->kernel[2] == 5) &&
           w->dilation[2] == 1 && (w->stride[2] == 1 || w->stride[2] == 2);
}

/* Channels past the last whole vector, in the order of the strips' sums. */
static void finish_ragged(const struct strip *s, int kernel, int stride, size_t from, size_t end,
                          const float *weights, size_t width)
{
    int span = (STRIP - 1) * stride + kernel;

    for (int o = 0; o < s->count; o++) {
        for (size_t c = from; c < end; c++) {
            size_t at = (size_t)o * s->y_step + c;
            float sum = s->residual != NULL ? s->residual[at] : 0;

            for (int a = 0; a < s->kernel_rows; a++)
                for (int t = 0; t < kernel; t++)
                    sum += s->places[a * span + o * stride + t][c] *
                           weights[(size_t)(a * kernel + t) * width + (c - from)];
            s->y[at] = finish(s->finish, s->low, s->high, sum + (s->bias != NULL ? s->bias[c] : 0));
        }
    }
}

/* All channels of a strip. */
static void run_strip(const struct tile_kernels *kernels, const struct conv_last *conv, const struct strip *s)
{
    const struct window *w = &conv->window;
    int64_t channels = conv->form.groups;
    int kernel = (int)w->kernel[2], stride = (int)w->stride[2];
    strip_fn *fn = functions[cpu_isa()][kernel == 5][stride == 2];

    for (int64_t from = 0, width; from < channels; from += width) {
        const float *weights = conv->weights + from * conv->form.taps;
        int64_t end, whole;

        width = tile_panel_width(kernels, tile_width(kernels, channels) - from);
        end = from + width < channels ? from + width : channels;
        whole = from + (end - from) / kernels->vector * kernels->vector;
        fn(s, (size_t)from, (size_t)end, weights, (size_t)width);
        if (whole < end)
            finish_ragged(s, kernel, stride, (size_t)whole, (size_t)end, weights + (whole - from),
                          (size_t)width);
    }
}

/* Where the windows of the strip that begins at place x of output row y find their input. */
static void find_places(const struct conv_last *conv, const float *zeros, int64_t image, int64_t y, int64_t x,
                        struct strip *s)
{
    const struct window *w = &conv->window;
    int64_t span = (STRIP - 1) * w->stride[2] + w->kernel[2], first = x * w->stride[2] - w->pad_begin[2];
    const float **place = s->places;

    for (int64_t a = 0; a < w->kernel[1]; a++) {
        int64_t i = y * w->stride[1] - w->pad_begin[1] + a * w->dilation[1];
        bool inside = i >= 0 && i < w->in[1];
        const float *row = inside ? conv->x + (image * w->in[1] + i) * w->in[2] * conv->form.groups : zeros;

        for (int64_t j = first; j < first + span; j++)
            *place++ = inside && j >= 0 && j < w->in[2] ? row + j * conv->form.groups : zeros;
    }
}

void depthwise_rows(const struct conv_last *conv, const float *zeros, int64_t from, int64_t to)
{
    const struct tile_kernels *kernels = tile_kernels();
    const struct window *w = &conv->window;
    const struct activation *activation = &conv->epilogue.activation;
    int64_t channels = conv->form.groups, row_floats = w->out[2] * channels;
    struct strip s = {.kernel_rows = (int)w->kernel[1], .bias = conv->epilogue.bias,
                      .y_step = (size_t)channels, .finish = finish_of(activation),
                      .low = activation->alpha, .high = activation->beta};

    for (int64_t row = from; row < to; row++) {
        for (int64_t x = 0; x < w->out[2]; x += STRIP) {
            int64_t at = row * row_floats + x * channels;

            s.count = (int)(w->out[2] - x < STRIP ? w->out[2] - x : STRIP);
            s.y = conv->y + at;
            s.residual = conv->epilogue.residual != NULL ? conv->epilogue.residual + at : NULL;
            find_places(conv, zeros, row / w->out[1], row % w->out[1], x, &s);
            run_strip(kernels, conv, &s);
        }
        if (activation->kind > ACTIVATION_LEAKY_RELU)
            activation_apply(activation, conv->y + row * row_floats, 1, (size_t)row_floats,
                             (size_t)row_floats);
    }
}
