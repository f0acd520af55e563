/* SPDX-License-Identifier: Apache-2.0
 * engine/train/parameters.h - how the tensors that learn lie in one block of floats: parameters,
 * gradients and each state of the optimiser are blocks of the same layout, so that one pass updates
 * all. Each tensor starts on a cache line; what is between tensors is zero and stays so.
 *
 * Work over a block is cut into chunks that never cross a tensor: their sums give each tensor's
 * norm, and are added in their order, so that no bit depends on the pool. */
#ifndef ENGINE_TRAIN_PARAMETERS_H
#define ENGINE_TRAIN_PARAMETERS_H

#include "engine/error.h"
#include "engine/pool.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct parameter {
    int64_t count;  /* elements */
    bool decays;    /* subject to L2, L1 and decoupled decay */
    int64_t offset; /* of its first float in a block: filled by parameters_create() */
};

struct parameter_chunk {
    int tensor;
    int64_t offset, count; /* floats; count is a multiple of UPDATE_ALIGNMENT */
};

/* Read-only after creation. */
struct parameters {
    int n_tensors;
    struct parameter *tensors;
    int n_chunks;
    struct parameter_chunk *chunks;
    int64_t total; /* floats of a block */
};

/* Copies `tensors`. NULL when out of memory or the sum is past counting; sets `err`. */
struct parameters *parameters_create(int n_tensors, const struct parameter *tensors,
                                     struct engine_error *err);
void parameters_destroy(struct parameters *parameters);

/* A block, zeroed, 64-byte aligned; free() it. NULL when out of memory; sets `err`. */
float *parameters_block(const struct parameters *parameters, struct engine_error *err);

/* The block's Euclidean norm, and each tensor's in `ret_norms` (NULL: not wanted). Not finite if an
 * element is not. `partial` has n_chunks entries of room. */
double parameters_norm(const struct parameters *parameters, const float *block, double *partial,
                       double *ret_norms, struct pool *pool);
/* Adds chunk sums to tensors' sums, takes roots; returns the root of all. */
double parameters_join(const struct parameters *parameters, const double *partial,
                       double *ret_norms);
/* Bits of the largest absolute value: above 0x7f7fffff if an element is not finite. */
uint32_t parameters_most(const struct parameters *parameters, const float *block);

#endif
