/* SPDX-License-Identifier: Apache-2.0
 * engine/kernels/reduce.h - the one loop nest that takes some dimensions of a tensor together:
 * sums, means, extremes, norms. Neighbouring dimensions of one fate are joined first; then either
 * whole lines of adjacent elements are reduced, or rows are combined element by element in blocks.
 *
 * Sums of float are kept in many partial sums (lanes of a vector, cascades of rows), so that the
 * error grows slowly; the order is fixed by the shape alone. Keeps no state; any thread. */
#ifndef ENGINE_KERNELS_REDUCE_H
#define ENGINE_KERNELS_REDUCE_H

#include "engine/pool.h"
#include "engine/tensor.h"

enum reduce_kind {
    REDUCE_SUM,
    REDUCE_MEAN,
    REDUCE_MAX,                    /* NaN if there is one */
    REDUCE_MIN,
    REDUCE_PROD,
    REDUCE_L1,                     /* sum of |x| */
    REDUCE_L2,                     /* root of the sum of squares */
    REDUCE_SUM_SQUARE,
    REDUCE_LOG_SUM,
    REDUCE_LOG_SUM_EXP,            /* the largest element is taken out of the exponential */
    REDUCE_MEAN_SQUARE,
    REDUCE_KINDS
};

/* y gets one element for each combination of the dimensions of x whose bit in `axes` is clear; its
 * shape may hold the others as 1 or not at all. Any number type or bool, the same for both;
 * integers are computed as 64 bits and wrap around. An empty set gives 0, 1, the lowest or the
 * highest value, or what the formula makes of 0. */
void reduce_run(struct pool *pool, enum reduce_kind kind, const struct tensor *x, uint32_t axes,
                const struct tensor *y);

#endif
