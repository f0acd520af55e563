/* SPDX-License-Identifier: Apache-2.0
 * engine/kernels/winograd_transform.h - tiles of an image to Winograd's domain and back, a vector of
 * channels at a time. For winograd.c. */
#ifndef ENGINE_KERNELS_WINOGRAD_TRANSFORM_H
#define ENGINE_KERNELS_WINOGRAD_TRANSFORM_H

#include <stdbool.h>
#include <stdint.h>

/* Where an output tile goes and what is done to it. */
struct winograd_output {
    int64_t channels, row;      /* floats from row to row */
    int height, width;          /* places inside of the image */
    float *y;                   /* first place */
    const float *residual;      /* beside it, or NULL */
    const float *bias;          /* or NULL */
    bool clips;
    float low, high;
};

struct winograd_transform {
    /* places[i * side + j] is where pixel (i, j) of the tile has its `channels` floats; transformed
     * element (i, j) of them goes to v + (i * side + j) * step. */
    void (*input)(const float *const *places, int64_t channels, float *v, int64_t step);
    /* Products at m + (i * side + j) * step, readable up to a whole vector of channels. */
    void (*output)(const struct winograd_output *output, const float *m, int64_t step);
};

/* For output tiles of 2 or 4 places, with cpu_isa(). */
const struct winograd_transform *winograd_transform(int tile);
/* Transforms `count` 3x3 kernels, `w_step` floats apart: element p of the (tile + 2)^2 of kernel j goes to
 * ret[p * ret_step + j]. */
void winograd_kernels(int tile, int64_t count, const float *w, int64_t w_step, float *ret,
                      int64_t ret_step);

#endif
