/* SPDX-License-Identifier: Apache-2.0
 * engine/kernels/gemm.h - products of two matrices that are both made at run time: OpenBLAS, one
 * thread for each call (gemm.c is the only file that includes cblas.h), and plain loops where a
 * product is too small for it. Products with constant weights go through engine/kernels/packed.h.
 * Any thread, no memory taken. */
#ifndef ENGINE_KERNELS_GEMM_H
#define ENGINE_KERNELS_GEMM_H

#include "engine/error.h"
#include "engine/pool.h"

#include <stdbool.h>
#include <stdint.h>

/* One thread for each call from now on; UNSUPPORTED for a build of OpenBLAS that several threads
 * must not call at once. Once, before any other thread. */
enum engine_status gemm_start(struct engine_error *err);
/* "OpenBLAS 0.3.21 Zen pthread". */
const char *gemm_library(void);

/* What a product needs beside its matrices; dimensions are those after transposing. */
struct gemm_form {
    bool trans_a, trans_b;      /* `a` holds [k, m], `b` holds [n, k] */
    int64_t m, n, k;
    int64_t lda, ldb, ldc;      /* elements from one row, as stored, to the next */
};

/* C[m,n] = alpha * A[m,k] B[k,n] + beta * C. Row-major. C is not read when beta is 0. */
void gemm_f32(const struct gemm_form *form, float alpha, const float *a, const float *b, float beta,
              float *c);
void gemm_f64(const struct gemm_form *form, double alpha, const double *a, const double *b,
              double beta, double *c);

/* The same, rows or columns of C shared out over the pool where there is enough to do. The cut follows
 * from the shape alone: the same bits for any number of threads. */
void gemm_split_f32(struct pool *pool, const struct gemm_form *form, float alpha, const float *a,
                    const float *b, float beta, float *c);

#endif
