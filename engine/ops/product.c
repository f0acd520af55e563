/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/ops/product.h"

#include <string.h>

/* C[m,n] = A B in the type's own arithmetic; integers wrap, as unsigned ones do. */
#define INTEGER_PRODUCT(T) \
    static void product_##T(const struct gemm_form *f, const T *a, const T *b, T *c) \
    { \
        int64_t a_row = f->trans_a ? 1 : f->lda, a_step = f->trans_a ? f->lda : 1; \
        int64_t b_step = f->trans_b ? 1 : f->ldb, b_col = f->trans_b ? f->ldb : 1; \
        for (int64_t i = 0; i < f->m; i++) { \
            memset(c + i * f->ldc, 0, (size_t)f->n * sizeof(T)); \
            for (int64_t l = 0; l < f->k; l++) \
                for (int64_t j = 0; j < f->n; j++) \
                    c[i * f->ldc + j] += a[i * a_row + l * a_step] * b[l * b_step + j * b_col]; \
        } \
    }

INTEGER_PRODUCT(uint32_t)
INTEGER_PRODUCT(uint64_t)

bool is_half(enum dtype dtype)
{
    return dtype == DTYPE_F16 || dtype == DTYPE_BF16;
}

void widen(enum dtype dtype, const uint16_t *from, int64_t count, float *to)
{
    for (int64_t i = 0; i < count; i++)
        to[i] = dtype == DTYPE_F16 ? f16_to_f32(from[i]) : bf16_to_f32(from[i]);
}

void narrow(enum dtype dtype, const float *from, int64_t count, uint16_t *to)
{
    for (int64_t i = 0; i < count; i++)
        to[i] = dtype == DTYPE_F16 ? f32_to_f16(from[i]) : f32_to_bf16(from[i]);
}

void product(enum dtype dtype, const struct gemm_form *form, const void *a, const void *b, void *c)
{
    switch (dtype) {
    case DTYPE_F64:
        gemm_f64(form, 1, a, b, 0, c);
        break;
    case DTYPE_I32:
    case DTYPE_U32:
        product_uint32_t(form, a, b, c);
        break;
    case DTYPE_I64:
    case DTYPE_U64:
        product_uint64_t(form, a, b, c);
        break;
    default:
        gemm_f32(form, 1, a, b, 0, c);
        break;
    }
}
