/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/train/augment.h"

#include "engine/kernels/random.h"

#include <stdlib.h>
#include <string.h>

/* Which random number of an example decides what; noise takes all from NOISE on. */
enum { FLIP_X, FLIP_Y, SHIFT_X, SHIFT_Y, NOISE = 16 };

enum engine_status augment_check(const struct augment *augment, const struct shape *shape,
                                 struct engine_error *err)
{
    const int64_t height = shape->rank >= 2 ? shape->dims[shape->rank - 2] : 0;
    const int64_t width = shape->rank >= 2 ? shape->dims[shape->rank - 1] : 0;

    if (shape->rank < 2)
        return engine_error_set(err, ENGINE_BAD_INPUT,
                                "augmentation is for images, whose last two dimensions are height "
                                "and width; an example has %d dimensions",
                                shape->rank);
    if (augment->shift_y < 0 || augment->shift_x < 0 || augment->shift_y >= height ||
        augment->shift_x >= width)
        return engine_error_set(err, ENGINE_BAD_INPUT,
                                "shift by %d, %d; from 0 to less than height and width (%lld, %lld) "
                                "is expected",
                                augment->shift_y, augment->shift_x, (long long)height,
                                (long long)width);
    if (!(augment->flip_x >= 0 && augment->flip_x <= 1) ||
        !(augment->flip_y >= 0 && augment->flip_y <= 1))
        return engine_error_set(err, ENGINE_BAD_INPUT,
                                "flip with probability %g, %g; 0 to 1 is expected",
                                augment->flip_x, augment->flip_y);
    if (!(augment->noise >= 0 && augment->noise < 1e30))
        return engine_error_set(err, ENGINE_BAD_INPUT,
                                "noise of %g; a finite number of at least 0 is expected",
                                augment->noise);
    return ENGINE_OK;
}

static void flip_rows(float *plane, int64_t height, int64_t width)
{
    for (int64_t y = 0; y < height; y++)
        for (int64_t a = 0, b = width - 1; a < b; a++, b--) {
            float kept = plane[y * width + a];

            plane[y * width + a] = plane[y * width + b];
            plane[y * width + b] = kept;
        }
}

static void flip_columns(float *plane, int64_t height, int64_t width)
{
    for (int64_t a = 0, b = height - 1; a < b; a++, b--)
        for (int64_t x = 0; x < width; x++) {
            float kept = plane[a * width + x];

            plane[a * width + x] = plane[b * width + x];
            plane[b * width + x] = kept;
        }
}

static void fill_with(float *values, int64_t n, float fill)
{
    for (int64_t i = 0; i < n; i++)
        values[i] = fill;
}

/* What was at (y, x) comes to (y + dy, x + dx). Rows are visited so that none is read after it was
 * written. */
static void shift(float *plane, int64_t height, int64_t width, int64_t dy, int64_t dx, float fill)
{
    const int64_t copied = width - llabs(dx);

    for (int64_t i = 0; i < height; i++) {
        const int64_t y = dy > 0 ? height - 1 - i : i;
        const int64_t from = y - dy;
        float *row = plane + y * width;

        if (from < 0 || from >= height) {
            fill_with(row, width, fill);
            continue;
        }
        memmove(row + (dx > 0 ? dx : 0), plane + from * width + (dx < 0 ? -dx : 0),
                (size_t)copied * sizeof(float));
        fill_with(dx > 0 ? row : row + copied, llabs(dx), fill);
    }
}

/* Uniform among -most .. most. */
static int64_t draw_shift(uint64_t stream, uint64_t index, int most)
{
    return (int64_t)(random_uniform(stream, index) * (2 * (double)most + 1)) - most;
}

void augment_apply(const struct augment *augment, const struct shape *shape, uint64_t seed,
                   int64_t epoch, const uint32_t *examples, int64_t n, float *values)
{
    const int64_t height = shape->dims[shape->rank - 2], width = shape->dims[shape->rank - 1];
    const int64_t area = height * width, elements = shape_elements(shape);

    for (int64_t e = 0; e < n; e++, values += elements) {
        const uint64_t stream = random_bits(random_bits(seed, (uint64_t)epoch), examples[e]);
        const int64_t dx = draw_shift(stream, SHIFT_X, augment->shift_x);
        const int64_t dy = draw_shift(stream, SHIFT_Y, augment->shift_y);
        const bool mirrored = random_uniform(stream, FLIP_X) < augment->flip_x;
        const bool upended = random_uniform(stream, FLIP_Y) < augment->flip_y;

        for (int64_t first = 0; first < elements; first += area) {
            if (mirrored)
                flip_rows(values + first, height, width);
            if (upended)
                flip_columns(values + first, height, width);
            if (dx != 0 || dy != 0)
                shift(values + first, height, width, dy, dx, augment->fill);
        }
        if (augment->noise > 0)
            for (int64_t i = 0; i < elements; i++)
                values[i] += (float)(augment->noise * random_normal(stream, NOISE + (uint64_t)i));
    }
}
