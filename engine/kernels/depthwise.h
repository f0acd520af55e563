/* SPDX-License-Identifier: Apache-2.0
 * engine/kernels/depthwise.h - convolution of each channel by itself, channels last: a vector holds
 * neighbouring channels, a tile some output places of them. For conv_last.c. */
#ifndef ENGINE_KERNELS_DEPTHWISE_H
#define ENGINE_KERNELS_DEPTHWISE_H

#include "engine/kernels/conv_last.h"
#include "engine/kernels/tile.h"

/* `w` is [channels, taps]. */
void depthwise_pack(int64_t taps, int64_t channels, const float *w, float *ret_packed);
/* Output places [row, row + rows) of all channels; the kernel places of the r-th start at
 * table[t * step + r]. */
void depthwise_run(const struct tile_kernels *kernels, const struct conv_last *conv,
                   const float *const *table, size_t step, int64_t row, int rows);

/* True for kernels 3 or 5 wide, strides of 1 or 2: these have loops of their own, that take whole rows. */
bool depthwise_has_strips(const struct window *window);
/* Rows [from, to) of output places, counted through all images; `zeros` are as many as channels. */
void depthwise_rows(const struct conv_last *conv, const float *zeros, int64_t from, int64_t to);

#endif
