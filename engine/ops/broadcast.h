/* SPDX-License-Identifier: Apache-2.0
 * engine/ops/broadcast.h - the one loop nest for operators whose output element depends on one
 * element of each input, with NumPy broadcasting. Dimensions are collapsed first, so that the same
 * shape, a scalar, a row and a column each become one or two loops; the innermost run goes to a row
 * function, in which an input either advances or stands still.
 *
 * Keeps no state; any thread. */
#ifndef ENGINE_OPS_BROADCAST_H
#define ENGINE_OPS_BROADCAST_H

#include "engine/pool.h"
#include "engine/tensor.h"

enum { BROADCAST_INPUTS_MAX = 3 };

/* Computes n elements. Element i of input k is at index i * steps[k]; steps are 0 or 1. The output
 * may be the same memory as an input whose step is 1, and overlaps none in any other way. */
typedef void row_fn(int64_t n, const void *const *inputs, const int64_t *steps, void *output,
                    const void *arg);

/* Runs `fn` over all of `output`, to whose shape every input broadcasts (the caller's infer has
 * made sure). Elements are moved by dtype_size(). `grain` is the least number of elements that are
 * worth a thread of their own; the result does not depend on the pool. */
void broadcast_run(struct pool *pool, int64_t grain, int n_inputs,
                   const struct tensor *const *inputs, const struct tensor *output, row_fn *fn,
                   const void *arg);

#endif
