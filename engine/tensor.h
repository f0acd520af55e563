/* SPDX-License-Identifier: Apache-2.0
 * engine/tensor.h - a typed view of memory that it does not own. */
#ifndef ENGINE_TENSOR_H
#define ENGINE_TENSOR_H

#include "engine/dtype.h"
#include "engine/shape.h"

/* Row-major, no gaps. `data` NULL means "not known yet" while planning; a tensor with zero
 * elements may have any `data` when running. Elements of DTYPE_STRING are struct bytes; of
 * DTYPE_SEQUENCE (rank 1) and DTYPE_OPTIONAL (rank 1, 0 or 1 elements) struct tensor. */
struct tensor {
    enum dtype dtype;
    struct shape shape;
    void *data;
};

/* Bytes of the data; the shape has been checked. */
size_t tensor_bytes(const struct tensor *tensor);
/* Element `index` of an integer, bool or float tensor as int64 (floats are truncated). */
int64_t tensor_int_at(const struct tensor *tensor, int64_t index);
/* Element `index` of an integer, bool or float tensor as double. */
double tensor_double_at(const struct tensor *tensor, int64_t index);

#endif
