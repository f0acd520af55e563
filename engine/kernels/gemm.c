/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/kernels/gemm.h"

#include <cblas.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

/* Below SMALL_PRODUCT multiply-adds a call into the library costs more than the product. A product is
 * cut into a few parts of SPLIT_FEW multiply-adds at least, into more if those have SPLIT_MANY: each part
 * rearranges one of the operands anew. A part has SPLIT_LINES rows or columns at least. */
enum {
    SMALL_PRODUCT = 2048,
    SPLIT_FEW = 1 << 22, SPLIT_FEW_PARTS = 4,
    SPLIT_MANY = 1 << 25, SPLIT_MANY_PARTS = 16,
    SPLIT_LINES = 32
};

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

struct split {
    struct gemm_form form;
    float alpha, beta;
    const float *a, *b;
    float *c;
    int64_t lines;              /* rows of C, or columns, of a part */
    bool by_column;
};

static void split_task(void *arg, int task, int thread)
{
    const struct split *split = arg;
    struct gemm_form form = split->form;
    int64_t from = split->lines * task, *size = split->by_column ? &form.n : &form.m;
    int64_t a_step = form.trans_a ? 1 : form.lda, b_step = form.trans_b ? form.ldb : 1;

    (void)thread;
    *size = *size - from < split->lines ? *size - from : split->lines;
    gemm_f32(&form, split->alpha, split->a + (split->by_column ? 0 : from * a_step),
             split->b + (split->by_column ? from * b_step : 0), split->beta,
             split->c + (split->by_column ? from : from * form.ldc));
}

/* How many parts of the product are worth a thread each. */
static int64_t split_parts(const struct gemm_form *form)
{
    int64_t area, work, few, many;

    if (__builtin_mul_overflow(form->m, form->n, &area) || __builtin_mul_overflow(area, form->k, &work))
        return SPLIT_MANY_PARTS;
    few = work / SPLIT_FEW < SPLIT_FEW_PARTS ? work / SPLIT_FEW : SPLIT_FEW_PARTS;
    many = work / SPLIT_MANY < SPLIT_MANY_PARTS ? work / SPLIT_MANY : SPLIT_MANY_PARTS;
    return few > many ? few : many;
}

void gemm_split_f32(struct pool *pool, const struct gemm_form *form, float alpha, const float *a,
                    const float *b, float beta, float *c)
{
    struct split split = {.form = *form, .alpha = alpha, .beta = beta, .a = a, .b = b, .c = c,
                          .by_column = form->n > form->m};
    int64_t size = split.by_column ? form->n : form->m;
    int64_t parts = split_parts(form);

    if (parts < 2 || size < 2 * SPLIT_LINES) {
        gemm_f32(form, alpha, a, b, beta, c);
        return;
    }
    split.lines = ((size + parts - 1) / parts + SPLIT_LINES - 1) / SPLIT_LINES * SPLIT_LINES;
    pool_run(pool, (int)((size + split.lines - 1) / split.lines), split_task, &split);
}
