/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/kernels/depthwise.h"

#include "engine/kernels/tile_block.h"

void depthwise_pack(int64_t taps, int64_t channels, const float *w, float *ret_packed)
{
    tile_pack(tile_kernels(), taps, channels, 0, taps, w, 1, taps, 1, ret_packed);
}

static float finish(const struct tile *tile, float sum)
{
    if (tile->finish == TILE_CLIP) {
        sum = sum < tile->low ? tile->low : sum;
        return sum > tile->high ? tile->high : sum;
    }
    return tile->finish == TILE_LEAKY && sum < 0 ? tile->low * sum : sum;
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
            tile->c[(size_t)r * tile->c_step + (size_t)j] = finish(tile, sum);
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

    if (activation->kind == ACTIVATION_CLIP)
        tile.finish = TILE_CLIP;
    else if (activation->kind == ACTIVATION_LEAKY_RELU)
        tile.finish = TILE_LEAKY;
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
