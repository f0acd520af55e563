/* SPDX-License-Identifier: Apache-2.0
 * engine/kernels/conv_places.h - where in images with channels last each kernel place of each output
 * place starts. */
#ifndef ENGINE_KERNELS_CONV_PLACES_H
#define ENGINE_KERNELS_CONV_PLACES_H

#include "engine/kernels/window.h"

#include <stdbool.h>
#include <stddef.h>

struct conv_places {
    const struct window *window;
    int64_t channels;           /* floats from a place to the next */
    int64_t taps;               /* of each output place */
    bool merged;                /* one tap for each row of the kernel; rows have no padding */
    bool uniform;               /* no padding: conv_places_offsets() says where taps are, and a fill
                                   makes entries for the first tap alone */
};

void conv_places_init(struct conv_places *places, const struct window *window, int64_t channels,
                      bool merged, bool uniform);
/* Floats from an output place's first tap to each of the `taps`. */
void conv_places_offsets(const struct conv_places *places, size_t *ret_offsets);
/* Entry t * step + r for output place first + r, counted through all images: x, or `zeros` where the
 * kernel place is in the padding. */
void conv_places_fill(const struct conv_places *places, const float *x, const float *zeros,
                      int64_t first, int rows, int step, const float **ret_table);

#endif
