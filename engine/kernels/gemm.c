/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/kernels/gemm.h"

#include <cblas.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

/* Below this many multiply-adds a call into the library costs more than the product. */
enum { SMALL_PRODUCT = 2048 };

enum engine_status gemm_start(struct engine_error *err)
{
    openblas_set_num_threads(1);
    /* A serial build without locks hands one work buffer to two callers (seen in 0.3.21). */
    if (openblas_get_parallel() == 0 && strstr(openblas_get_config(), "USE_LOCKING") == NULL)
        return engine_error_set(err, ENGINE_UNSUPPORTED,
                                "this OpenBLAS is a serial build that is not safe to call from "
                                "several threads; install the pthread one (libopenblas0-pthread)");
    return ENGINE_OK;
}

const char *gemm_library(void)
{
    static char text[128];
    static const char *const kinds[] = {"serial", "pthread", "openmp"};
    const char *config = openblas_get_config();
    const char *end = strchr(config, ' ');
    int parallel = openblas_get_parallel();

    /* The first two words of the configuration are the name and the version. */
    end = end != NULL ? strchr(end + 1, ' ') : NULL;
    snprintf(text, sizeof(text), "%.*s %.30s %s", end != NULL ? (int)(end - config) : 60, config,
             openblas_get_corename(), parallel >= 0 && parallel < 3 ? kinds[parallel] : "unknown");
    return text;
}

static bool fits_library(const struct gemm_form *form)
{
    return form->m <= INT_MAX && form->n <= INT_MAX && form->k <= INT_MAX && form->lda <= INT_MAX &&
           form->ldb <= INT_MAX && form->ldc <= INT_MAX;
}

static bool is_small(const struct gemm_form *form)
{
    return form->m <= SMALL_PRODUCT && form->n <= SMALL_PRODUCT && form->k <= SMALL_PRODUCT &&
           form->m * form->n * form->k <= SMALL_PRODUCT;
}

/* C = beta * C, reading nothing when beta is 0. */
#define SCALE(T) \
    static void scale_##T(int64_t m, int64_t n, T beta, T *c, int64_t ldc) \
    { \
        for (int64_t i = 0; i < m; i++) \
            for (int64_t j = 0; j < n; j++) \
                c[i * ldc + j] = beta == 0 ? 0 : beta * c[i * ldc + j]; \
    }

/* Row by row: c[i] += a[i][l] * b[l], or dot products when B is stored by columns. */
#define LOOPS(T) \
    static void loops_##T(const struct gemm_form *f, T alpha, const T *a, const T *b, T *c) \
    { \
        int64_t a_row = f->trans_a ? 1 : f->lda, a_step = f->trans_a ? f->lda : 1; \
        int64_t b_step = f->trans_b ? 1 : f->ldb, b_col = f->trans_b ? f->ldb : 1; \
        for (int64_t i = 0; i < f->m; i++) { \
            for (int64_t l = 0; l < f->k; l++) { \
                T left = alpha * a[i * a_row + l * a_step]; \
                const T *right = b + l * b_step; \
                for (int64_t j = 0; j < f->n; j++) \
                    c[i * f->ldc + j] += left * right[j * b_col]; \
            } \
        } \
    }

SCALE(float)
SCALE(double)
LOOPS(float)
LOOPS(double)

#define GEMM(NAME, T, LETTER) \
    void NAME(const struct gemm_form *f, T alpha, const T *a, const T *b, T beta, T *c) \
    { \
        if (f->m == 0 || f->n == 0) \
            return; \
        if (f->k == 0 || is_small(f) || !fits_library(f)) { \
            scale_##T(f->m, f->n, beta, c, f->ldc); \
            loops_##T(f, alpha, a, b, c); \
        } else if (f->m == 1) { \
            /* A row times a matrix: gemm would pack all of B for it. */ \
            cblas_##LETTER##gemv(CblasRowMajor, f->trans_b ? CblasNoTrans : CblasTrans, \
                                 (int)(f->trans_b ? f->n : f->k), (int)(f->trans_b ? f->k : f->n), \
                                 alpha, b, (int)f->ldb, a, f->trans_a ? (int)f->lda : 1, beta, c, 1); \
        } else { \
            cblas_##LETTER##gemm(CblasRowMajor, f->trans_a ? CblasTrans : CblasNoTrans, \
                                 f->trans_b ? CblasTrans : CblasNoTrans, (int)f->m, (int)f->n, \
                                 (int)f->k, alpha, a, (int)f->lda, b, (int)f->ldb, beta, c, \
                                 (int)f->ldc); \
        } \
    }

GEMM(gemm_f32, float, s)
GEMM(gemm_f64, double, d)
