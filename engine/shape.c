/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/shape.h"

#include <stdio.h>

int64_t shape_product(const struct shape *shape, int from, int to)
{
    int64_t product = 1;

    for (int i = from; i < to; i++)
        product *= shape->dims[i];
    return product;
}

int64_t shape_elements(const struct shape *shape)
{
    return shape_product(shape, 0, shape->rank);
}

bool shape_check(const struct shape *shape, size_t element_bytes, size_t *ret_bytes)
{
    size_t bytes = element_bytes == 0 ? 1 : element_bytes;
    bool empty = false;

    if (shape->rank < 0 || shape->rank > SHAPE_RANK_MAX)
        return false;
    for (int i = 0; i < shape->rank; i++) {
        if (shape->dims[i] < 0)
            return false;
        /* The product without empty dimensions must fit too, so that any order of factors does. */
        if (shape->dims[i] == 0)
            empty = true;
        else if (__builtin_mul_overflow(bytes, (size_t)shape->dims[i], &bytes) || bytes > SIZE_MAX / 4)
            return false;
    }
    if (empty && bytes / (element_bytes == 0 ? 1 : element_bytes) > SHAPE_EMPTY_MAX)
        return false;
    if (ret_bytes != NULL)
        *ret_bytes = empty ? 0 : bytes;
    return true;
}

bool shape_equal(const struct shape *a, const struct shape *b)
{
    if (a->rank != b->rank)
        return false;
    for (int i = 0; i < a->rank; i++)
        if (a->dims[i] != b->dims[i])
            return false;
    return true;
}

bool shape_broadcast(const struct shape *a, const struct shape *b, struct shape *ret)
{
    struct shape out;

    out.rank = a->rank > b->rank ? a->rank : b->rank;
    for (int i = 1; i <= out.rank; i++) {
        int64_t da = i <= a->rank ? a->dims[a->rank - i] : 1;
        int64_t db = i <= b->rank ? b->dims[b->rank - i] : 1;

        if (da != db && da != 1 && db != 1)
            return false;
        out.dims[out.rank - i] = da == 1 ? db : da;
    }
    *ret = out;
    return true;
}

bool shape_axis(int64_t axis, int rank, int *ret_axis)
{
    if (axis < -(int64_t)rank || axis >= rank)
        return false;
    *ret_axis = (int)(axis < 0 ? axis + rank : axis);
    return true;
}

void shape_strides(const struct shape *shape, int64_t strides[SHAPE_RANK_MAX])
{
    int64_t stride = 1;

    for (int i = shape->rank - 1; i >= 0; i--) {
        strides[i] = stride;
        stride *= shape->dims[i];
    }
}

const char *shape_text(const struct shape *shape, char *text, size_t size)
{
    size_t used = 0;

    for (int i = 0; i < shape->rank && used < size; i++)
        used += (size_t)snprintf(text + used, size - used, "%s%lld", i == 0 ? "[" : ",",
                                 (long long)shape->dims[i]);
    if (used < size)
        snprintf(text + used, size - used, shape->rank > 0 ? "]" : "[]");
    return text;
}
