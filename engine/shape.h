/* SPDX-License-Identifier: Apache-2.0
 * engine/shape.h - concrete tensor dimensions, with every product checked. */
#ifndef ENGINE_SHAPE_H
#define ENGINE_SHAPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { SHAPE_RANK_MAX = 8 };

/* A plain value: copy it freely. Rank 0 is a scalar with one element. */
struct shape {
    int rank;
    int64_t dims[SHAPE_RANK_MAX];
};

/* Elements of a valid shape; the caller has had it checked by shape_check(). */
int64_t shape_elements(const struct shape *shape);
/* Product of dims[from] .. dims[to - 1]. */
int64_t shape_product(const struct shape *shape, int from, int to);
/* Largest product of the other dimensions of an empty shape: no memory bounds them, but loops run
 * over them. */
#define SHAPE_EMPTY_MAX (UINT64_C(1) << 31)

/* True if rank and dims are in range and elements * element_bytes fits in a size_t half;
 * `ret_bytes` (may be NULL) is written only then. */
bool shape_check(const struct shape *shape, size_t element_bytes, size_t *ret_bytes);
bool shape_equal(const struct shape *a, const struct shape *b);
/* NumPy broadcasting of two shapes; false if they do not fit. `ret` may be `a` or `b`. */
bool shape_broadcast(const struct shape *a, const struct shape *b, struct shape *ret);
/* Maps a negative axis from the back; false if out of [-rank, rank). */
bool shape_axis(int64_t axis, int rank, int *ret_axis);
/* Row-major strides in elements. */
void shape_strides(const struct shape *shape, int64_t strides[SHAPE_RANK_MAX]);
/* "[2,3,224]" into `text`; returns `text`. */
const char *shape_text(const struct shape *shape, char *text, size_t size);

#define SHAPE_TEXT_MAX 192

#endif
