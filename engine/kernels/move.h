/* SPDX-License-Identifier: Apache-2.0
 * engine/kernels/move.h - copies elements from one strided arrangement to another: the one loop
 * beneath Transpose, Slice, Pad, Concat, Split, Expand, Tile and their kind. Pure, any thread. */
#ifndef ENGINE_KERNELS_MOVE_H
#define ENGINE_KERNELS_MOVE_H

#include <stddef.h>
#include <stdint.h>

/* Twice the rank of a tensor: Tile and block rearrangements split each dimension in two. */
enum { MOVE_RANK_MAX = 16 };

/* For every index: to[sum index[d] * to_strides[d]] = from[sum index[d] * from_strides[d]].
 * Strides are in elements; a stride of `from` may be zero (repeat) or negative (backwards). */
struct move {
    int rank;
    int64_t dims[MOVE_RANK_MAX];
    int64_t to_strides[MOVE_RANK_MAX];
    int64_t from_strides[MOVE_RANK_MAX];
};

/* Appends an innermost dimension. */
void move_push(struct move *move, int64_t dim, int64_t to_stride, int64_t from_stride);

/* `element_bytes` is 1, 2, 4, 8 or 16. `to` and `from` point at the element of index 0 and must not
 * overlap. Nothing is copied when a dimension is zero. */
void move_run(const struct move *move, size_t element_bytes, void *to, const void *from);

/* The same with floats, each added to what is there. Here a stride of `to` may be zero: a sum, one by
 * one in the order of the indices. */
void move_add_f32(const struct move *move, float *to, const float *from);

/* Sets `count` elements to the one at `item`. */
void move_fill(void *to, int64_t count, size_t element_bytes, const void *item);

#endif
