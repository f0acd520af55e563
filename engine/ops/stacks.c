/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/ops/stacks.h"

bool stacks_of(const struct shape *a, const struct shape *b, struct stacks *ret)
{
    struct shape lead_a, lead_b;

    if (a->rank == 0 || b->rank == 0)
        return false;
    ret->a = *a;
    ret->b = *b;
    if (a->rank == 1) {
        ret->a.rank = 2;
        ret->a.dims[1] = a->dims[0];
        ret->a.dims[0] = 1;
    }
    if (b->rank == 1) {
        ret->b.rank = 2;
        ret->b.dims[1] = 1;
    }
    ret->m = ret->a.dims[ret->a.rank - 2];
    ret->k = ret->a.dims[ret->a.rank - 1];
    ret->n = ret->b.dims[ret->b.rank - 1];
    lead_a = ret->a;
    lead_b = ret->b;
    lead_a.rank -= 2;
    lead_b.rank -= 2;
    return ret->k == ret->b.dims[ret->b.rank - 2] && shape_broadcast(&lead_a, &lead_b, &ret->batch);
}

bool stacks_shape(const struct stacks *stacks, const struct shape *a, const struct shape *b,
                  struct shape *ret)
{
    if (stacks->batch.rank + 2 > SHAPE_RANK_MAX)
        return false;
    *ret = stacks->batch;
    if (a->rank > 1)
        ret->dims[ret->rank++] = stacks->m;
    if (b->rank > 1)
        ret->dims[ret->rank++] = stacks->n;
    return true;
}

/* Elements from matrix to matrix along each broadcast dimension: 0 where the operand has one. */
static void batch_strides(const struct shape *shape, const struct shape *batch,
                          int64_t strides[SHAPE_RANK_MAX])
{
    int64_t own[SHAPE_RANK_MAX];

    shape_strides(shape, own);
    for (int i = 0; i < batch->rank; i++) {
        int axis = i - (batch->rank - (shape->rank - 2));

        strides[i] = axis < 0 || shape->dims[axis] == 1 ? 0 : own[axis];
    }
}

void stack_walk_start(struct stack_walk *walk, const struct stacks *stacks)
{
    *walk = (struct stack_walk){.stacks = stacks};
    batch_strides(&stacks->a, &stacks->batch, walk->strides_a);
    batch_strides(&stacks->b, &stacks->batch, walk->strides_b);
}

void stack_walk_next(struct stack_walk *walk)
{
    for (int d = walk->stacks->batch.rank - 1; d >= 0; d--) {
        walk->a += walk->strides_a[d];
        walk->b += walk->strides_b[d];
        if (++walk->at[d] < walk->stacks->batch.dims[d])
            return;
        walk->a -= walk->at[d] * walk->strides_a[d];
        walk->b -= walk->at[d] * walk->strides_b[d];
        walk->at[d] = 0;
    }
}
