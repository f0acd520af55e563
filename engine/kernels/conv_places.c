/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/kernels/conv_places.h"

void conv_places_init(struct conv_places *places, const struct window *window, int64_t channels,
                      bool merged, bool uniform)
{
    places->window = window;
    places->channels = channels;
    places->merged = merged;
    places->uniform = uniform;
    places->taps = window_kernel_size(window) / (merged ? window->kernel[2] : 1);
}

void conv_places_offsets(const struct conv_places *places, size_t *ret_offsets)
{
    const struct window *w = places->window;
    int64_t last = places->merged ? 1 : w->kernel[2];

    for (int64_t a = 0; a < w->kernel[0]; a++)
        for (int64_t b = 0; b < w->kernel[1]; b++)
            for (int64_t c = 0; c < last; c++)
                *ret_offsets++ = (size_t)(((a * w->dilation[0] * w->in[1] + b * w->dilation[1]) * w->in[2] +
                                           c * w->dilation[2]) * places->channels);
}

/* Output places of one row: `o` are the coordinates of the first. */
struct stretch {
    int64_t image, o[WINDOW_DIMS];
    int count;
};

/* Entries of one kernel place (a, b, c) for a stretch. */
static void fill_tap(const struct conv_places *places, const struct stretch *s, int64_t a, int64_t b,
                     int64_t c, const float *x, const float *zeros, const float **table)
{
    const struct window *w = places->window;
    int64_t i = s->o[0] * w->stride[0] - w->pad_begin[0] + a * w->dilation[0];
    int64_t j = s->o[1] * w->stride[1] - w->pad_begin[1] + b * w->dilation[1];
    int64_t k = s->o[2] * w->stride[2] + c * w->dilation[2] - w->pad_begin[2];
    int64_t step = w->stride[2] * places->channels;
    const float *row;

    if (i < 0 || i >= w->in[0] || j < 0 || j >= w->in[1]) {
        for (int r = 0; r < s->count; r++)
            table[r] = zeros;
        return;
    }
    row = x + ((s->image * w->in[0] + i) * w->in[1] + j) * w->in[2] * places->channels;
    if (k >= 0 && k + (s->count - 1) * w->stride[2] < w->in[2]) {
        row += k * places->channels;
        for (int r = 0; r < s->count; r++)
            table[r] = row + r * step;
        return;
    }
    for (int r = 0; r < s->count; r++, k += w->stride[2])
        table[r] = k >= 0 && k < w->in[2] ? row + k * places->channels : zeros;
}

static void fill_stretch(const struct conv_places *places, const struct stretch *s, const float *x,
                         const float *zeros, int step, const float **table)
{
    const struct window *w = places->window;
    int64_t last = places->merged ? 1 : w->kernel[2];

    if (places->uniform) {
        fill_tap(places, s, 0, 0, 0, x, zeros, table);
        return;
    }
    for (int64_t a = 0; a < w->kernel[0]; a++) {
        for (int64_t b = 0; b < w->kernel[1]; b++) {
            for (int64_t c = 0; c < last; c++) {
                fill_tap(places, s, a, b, c, x, zeros, table);
                table += step;
            }
        }
    }
}

void conv_places_fill(const struct conv_places *places, const float *x, const float *zeros,
                      int64_t first, int rows, int step, const float **ret_table)
{
    const struct window *w = places->window;
    int done = 0;

    while (done < rows) {
        int64_t at = first + done;
        struct stretch s;

        s.o[2] = at % w->out[2];
        at /= w->out[2];
        s.o[1] = at % w->out[1];
        at /= w->out[1];
        s.o[0] = at % w->out[0];
        s.image = at / w->out[0];
        s.count = rows - done;
        if (s.count > w->out[2] - s.o[2])
            s.count = (int)(w->out[2] - s.o[2]);
        fill_stretch(places, &s, x, zeros, step, ret_table + done);
        done += s.count;
    }
}
