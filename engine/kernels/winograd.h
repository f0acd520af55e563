/* SPDX-License-Identifier: Apache-2.0
 * engine/kernels/winograd.h - 3x3 convolution with stride 1 by Winograd's minimal filtering (Lavin and
 * Gray, "Fast Algorithms for Convolutional Neural Networks", 2016): an output of m x m places costs
 * (m + 2)^2 products for each pair of channels instead of 9 m^2. Channels last, weights packed.
 *
 * F(4x4, 3x3) here interpolates at 0, +-5/8, +-3/2 and infinity instead of the usual 0, +-1, +-2:
 * measured on random data its error is a third of theirs and 1.6 times that of the direct sum. */
#ifndef ENGINE_KERNELS_WINOGRAD_H
#define ENGINE_KERNELS_WINOGRAD_H

#include "engine/kernels/conv_last.h"

/* Sizes of output tiles that there are: 2 and 4. */
enum { WINOGRAD_SMALL = 2, WINOGRAD_LARGE = 4 };

/* True for a 3x3 window, in the last two dimensions, that steps by one. */
bool winograd_fits(const struct window *window);

/* Floats of the packed weights of a `form` with one group and 9 taps; false if that does not fit. */
bool winograd_packed_size(const struct conv_last_form *form, int tile, int64_t *ret_floats);
/* `w` is [outputs, channels, 3, 3]. */
void winograd_pack(const struct conv_last_form *form, int tile, const float *w, float *ret_packed);

/* Bytes of scratch for `threads` threads. */
size_t winograd_scratch(const struct conv_last_form *form, int tile, const struct window *window,
                        int64_t images, int threads);
void winograd_run(const struct conv_last *conv, int tile, void *scratch, struct pool *pool);

#endif
