/* SPDX-License-Identifier: Apache-2.0
 * engine/kernels/conv_places.h - where in images with channels last each kernel place of each output
 * place starts. */
#ifndef ENGINE_KERNELS_CONV_PLACES_H
#define ENGINE_KERNELS_CONV_PLACES_H

#include "engine/kernels/window.h"

#include <stdbool.h>

struct conv_places {
    const struct window *window;
    int64_t channels;           /* floats from a place to the next */
    int64_t width;              /* places of a row as it lies in memory */
    int64_t taps;               /* entries for each output place */
    bool merged;                /* one tap for each row of the kernel; rows have their padding */
};

void conv_places_init(struct conv_places *places, const struct window *window, int64_t channels,
                      bool merged);
/* Entry t * step + r for output place first + r, counted through all images: x, or `zeros` where the
 * kernel place is in the padding. */
void conv_places_fill(const struct conv_places *places, const float *x, const float *zeros,
                      int64_t first, int rows, int step, const float **ret_table);

#endif
