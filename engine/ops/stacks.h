/* SPDX-License-Identifier: Apache-2.0
 * engine/ops/stacks.h - the operands of a matrix product as NumPy sees them: stacks of matrices
 * whose leading dimensions broadcast. A vector on the left counts as a row, on the right as a
 * column. */
#ifndef ENGINE_OPS_STACKS_H
#define ENGINE_OPS_STACKS_H

#include "engine/shape.h"

struct stacks {
    struct shape a, b, batch; /* ranks of at least 2; the broadcast leading dimensions */
    int64_t m, n, k;
};

/* False when the shapes do not multiply. */
bool stacks_of(const struct shape *a, const struct shape *b, struct stacks *ret);
/* The product's shape: without the row of a left vector, the column of a right one. The rank may be
 * past SHAPE_RANK_MAX when false is returned. */
bool stacks_shape(const struct stacks *stacks, const struct shape *a, const struct shape *b,
                  struct shape *ret);

/* From pair to pair of matrices. */
struct stack_walk {
    const struct stacks *stacks;
    int64_t a, b; /* offsets in elements of the current pair */
    int64_t strides_a[SHAPE_RANK_MAX], strides_b[SHAPE_RANK_MAX], at[SHAPE_RANK_MAX];
};

void stack_walk_start(struct stack_walk *walk, const struct stacks *stacks);
void stack_walk_next(struct stack_walk *walk);

#endif
