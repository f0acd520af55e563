/* SPDX-License-Identifier: Apache-2.0
 * engine/kernels/attention.h - the steps of one head: scores, soft cap, softmax, values. Row-major
 * floats; queries and output may be rows of a wider matrix (`step` elements apart). Pure; any
 * thread. */
#ifndef ENGINE_KERNELS_ATTENTION_H
#define ENGINE_KERNELS_ATTENTION_H

#include <stdint.h>

/* scores[queries, keys] = scale * q[queries, width] k[keys, width]^T. */
void attention_scores(int64_t queries, int64_t keys, int64_t width, float scale, const float *q,
                      int64_t q_step, const float *k, float *scores);
/* scores = cap * tanh(scores / cap). */
void attention_softcap(int64_t count, float cap, float *scores);
/* In place; a row of nothing but -infinity becomes zeros. */
void attention_softmax(int64_t keys, float *row);
/* y[queries, width] = weights[queries, keys] v[keys, width]. */
void attention_values(int64_t queries, int64_t keys, int64_t width, const float *weights,
                      const float *v, float *y, int64_t y_step);

#endif
