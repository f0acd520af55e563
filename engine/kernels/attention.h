/* SPDX-License-Identifier: Apache-2.0
 * engine/kernels/attention.h - the steps of one head: scores, soft cap, softmax, values. Row-major
 * floats; queries and output may be rows of a wider matrix (`step` elements apart). Pure; any
 * thread. */
#ifndef ENGINE_KERNELS_ATTENTION_H
#define ENGINE_KERNELS_ATTENTION_H

#include <stddef.h>
#include <stdint.h>

/* One head of one sample as a whole: y = softmax(scale * q k^T + mask) v. Elements of a query, of a value
 * and of a result lie side by side; those of a key k_element apart. */
struct attention_head {
    int64_t queries, keys, width, v_width;
    const float *q, *k, *v;
    int64_t q_step, k_step, k_element, v_step;  /* floats from one to the next */
    float scale;
    const float *mask;          /* [queries, keys] of these steps, or NULL; a key's step is 0 or 1 */
    int64_t mask_step, mask_element;
    float *y;
    int64_t y_step;
};

/* Floats of scratch. No more than a block of queries' scores live at a time. */
int64_t attention_head_scratch(int64_t queries, int64_t keys, int64_t width, int64_t v_width);
void attention_head(const struct attention_head *head, float *scratch);

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
