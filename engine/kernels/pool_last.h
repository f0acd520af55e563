/* SPDX-License-Identifier: Apache-2.0
 * engine/kernels/pool_last.h - pooling of float images whose channels come last: a vector holds
 * neighbouring channels. */
#ifndef ENGINE_KERNELS_POOL_LAST_H
#define ENGINE_KERNELS_POOL_LAST_H

#include "engine/kernels/window_pool.h"
#include "engine/pool.h"

#include <stddef.h>

enum pool_last_kind { POOL_LAST_MAX, POOL_LAST_MEAN };

struct pool_last {
    enum pool_last_kind kind;
    enum window_mean mean;
    struct window window;
    int64_t images, channels;
    const float *x;             /* [images, in, channels] */
    float *y;                   /* [images, out, channels] */
};

/* Bytes of scratch for `threads` threads. */
size_t pool_last_scratch(int threads);
void pool_last_run(const struct pool_last *pooling, void *scratch, struct pool *pool);

#endif
