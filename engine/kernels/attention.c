/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/kernels/attention.h"

#include "engine/kernels/gemm.h"
#include "engine/kernels/vec_math.h"

#include <math.h>
#include <string.h>

void attention_scores(int64_t queries, int64_t keys, int64_t width, float scale, const float *q,
                      int64_t q_step, const float *k, float *scores)
{
    struct gemm_form form = {.trans_b = true,
                             .m = queries,
                             .n = keys,
                             .k = width,
                             .lda = q_step,
                             .ldb = width,
                             .ldc = keys};

    gemm_f32(&form, scale, q, k, 0.0f, scores);
}

void attention_softcap(int64_t count, float cap, float *scores)
{
    for (int64_t i = 0; i < count; i++)
        scores[i] /= cap;
    vec_tanh_f32((size_t)count, scores, scores);
    for (int64_t i = 0; i < count; i++)
        scores[i] *= cap;
}

void attention_softmax(int64_t keys, float *row)
{
    float largest = vec_max_f32((size_t)keys, row), factor;

    if (largest == -INFINITY) {
        memset(row, 0, (size_t)keys * sizeof(*row));
        return;
    }
    factor = 1.0f / vec_exp_sum_f32((size_t)keys, largest, row, row);
    for (int64_t i = 0; i < keys; i++)
        row[i] *= factor;
}

void attention_values(int64_t queries, int64_t keys, int64_t width, const float *weights,
                      const float *v, float *y, int64_t y_step)
{
    struct gemm_form form = {
        .m = queries, .n = width, .k = keys, .lda = keys, .ldb = width, .ldc = y_step};

    gemm_f32(&form, 1.0f, weights, v, 0.0f, y);
}
