/* SPDX-License-Identifier: Apache-2.0
 * engine/kernels/window_pool.h - pooling of one plane (one channel of one image) of any geometry and
 * element type: the general form. Fast paths for NHWC are in engine/kernels/pool_nhwc.h. */
#ifndef ENGINE_KERNELS_WINDOW_POOL_H
#define ENGINE_KERNELS_WINDOW_POOL_H

#include "engine/dtype.h"
#include "engine/kernels/window.h"

#include <stdbool.h>

/* The largest place of each window, the first among equals; NaN wins. `indices` (NULL: not wanted)
 * get its position in the plane, counted along the first dimension first if `column_major`. float,
 * double, the half types, and 8-bit integers. */
void window_max(const struct window *window, enum dtype dtype, const void *x, bool column_major,
                void *y, int64_t *indices);

enum window_mean { WINDOW_MEAN, WINDOW_MEAN_WITH_PADDING };

/* The mean of the places inside, or of those and the padding, which counts as 0 (but nothing past
 * the padding, where a rounded-up window may reach). Float types. */
void window_average(const struct window *window, enum dtype dtype, enum window_mean mean,
                    const void *x, void *y);
/* (sum |x|^p)^(1/p) over the places inside. Float types. */
void window_norm(const struct window *window, enum dtype dtype, int64_t p, const void *x, void *y);

#endif
