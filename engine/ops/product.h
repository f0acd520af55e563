/* SPDX-License-Identifier: Apache-2.0
 * engine/ops/product.h - one product of plain matrices in any element type that MatMul and Gemm
 * take, and the way of half types through float. */
#ifndef ENGINE_OPS_PRODUCT_H
#define ENGINE_OPS_PRODUCT_H

#include "engine/dtype.h"
#include "engine/kernels/gemm.h"

#define PRODUCT_DTYPES \
    (DTYPE_BIT(DTYPE_F32) | DTYPE_BIT(DTYPE_F64) | DTYPE_BIT(DTYPE_F16) | DTYPE_BIT(DTYPE_BF16) | \
     DTYPE_BIT(DTYPE_I32) | DTYPE_BIT(DTYPE_I64) | DTYPE_BIT(DTYPE_U32) | DTYPE_BIT(DTYPE_U64))

/* C[m,n] = A B; integers wrap. Not for half types: they are widened first. */
void product(enum dtype dtype, const struct gemm_form *form, const void *a, const void *b, void *c);

/* True for float16 and bfloat16. */
bool is_half(enum dtype dtype);
/* `count` elements of the half type `dtype` to float, and back. */
void widen(enum dtype dtype, const uint16_t *from, int64_t count, float *to);
void narrow(enum dtype dtype, const float *from, int64_t count, uint16_t *to);

#endif
