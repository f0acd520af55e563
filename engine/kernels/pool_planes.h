/* SPDX-License-Identifier: Apache-2.0
 * engine/kernels/pool_planes.h - pooling of one plane of floats and its gradient, as training has it:
 * row by row of windows, each kernel place a pass over the row, so that the loops are vectors of
 * windows. (Any type, serving: window_pool.h, pool_last.h.) Pure; any thread. */
#ifndef ENGINE_KERNELS_POOL_PLANES_H
#define ENGINE_KERNELS_POOL_PLANES_H

#include "engine/kernels/window_pool.h"

#include <stddef.h>

/* A kernel of so many places has them in one byte. */
enum { POOL_PLACES_BYTE = 255 };

/* Bytes for the place of one maximum: 1, or 4 for larger kernels. */
size_t pool_place_bytes(const struct window *window);

/* The largest of each window, the first among equals; NaN wins. `places` gets where it is, in
 * pool_place_bytes() each; nowhere for a window wholly in the padding, whose result is -infinity. */
void pool_max_f32(const struct window *window, const float *x, float *y, void *places);
/* The position in the plane of the maximum of window `o`; -1: nowhere. */
int64_t pool_max_position(const struct window *window, const void *places, int64_t o);
/* Adds dy of each window to dx at its maximum. */
void pool_max_spread_f32(const struct window *window, const void *places, const float *dy, float *dx);

/* The mean of each window; and dy of each window, so divided, added to its places in dx. */
void pool_mean_f32(const struct window *window, enum window_mean mean, const float *x, float *y);
void pool_mean_spread_f32(const struct window *window, enum window_mean mean, const float *dy, float *dx);

/* The gradient of (sum |x|^p)^(1/p), of which y is the result, added to dx. */
void pool_norm_spread_f32(const struct window *window, int64_t p, const float *x, const float *y,
                          const float *dy, float *dx);

#endif
