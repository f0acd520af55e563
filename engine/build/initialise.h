/* SPDX-License-Identifier: Apache-2.0
 * engine/build/initialise.h - first weights. Every number is a function of the seed and its place, so
 * the same seed gives the same network. Sources: Glorot and Bengio 2010; He et al. 2015; LeCun et al.
 * 1998; Saxe et al. 2014 (orthogonal). */
#ifndef ENGINE_BUILD_INITIALISE_H
#define ENGINE_BUILD_INITIALISE_H

#include "engine/error.h"
#include "spec/network_spec.h"

#include <stddef.h>
#include <stdint.h>

/* One matrix of weights: `fan_in` inputs of each output and `fan_out` outputs of each input. */
struct weight_matrix {
    int64_t rows, columns; /* as stored; rows * columns numbers */
    int64_t fan_in, fan_out;
};

/* Fills `data` with rows * columns numbers. `init->choice` is not AUTO. ORTHOGONAL gives orthonormal
 * rows or columns, whichever are fewer, times the scale; it takes time of order rows * columns *
 * the lesser of them, and memory for the matrix in double (NO_MEMORY). */
enum engine_status initialise(const struct weight_matrix *matrix, const struct layer_init *init,
                              uint64_t seed, float *data, struct engine_error *err);

#endif
