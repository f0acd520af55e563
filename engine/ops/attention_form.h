/* SPDX-License-Identifier: Apache-2.0
 * engine/ops/attention_form.h - the attributes, sizes and masks of Attention, for the operator and its
 * gradient. */
#ifndef ENGINE_OPS_ATTENTION_FORM_H
#define ENGINE_OPS_ATTENTION_FORM_H

#include "engine/op.h"

enum {
    ATTENTION_Q, ATTENTION_K, ATTENTION_V, ATTENTION_MASK, ATTENTION_PAST_K, ATTENTION_PAST_V,
    ATTENTION_NONPAD, ATTENTION_INPUTS
};
enum {
    ATTENTION_Y, ATTENTION_PRESENT_K, ATTENTION_PRESENT_V, ATTENTION_SCORES, ATTENTION_OUTPUTS
};

struct attention_params {
    int64_t q_heads, kv_heads; /* 0: not stated */
    int64_t left, right;       /* -1: no bound */
    int scores_mode;
    bool causal, has_scale;
    float scale, softcap;
};

/* The sizes of one call. */
struct attention_sizes {
    int64_t batch, q_heads, kv_heads, q_length, kv_length, past, total, head, v_head;
};

/* The pasts may be NULL. Returns NULL, or what does not fit: a constant text. */
const char *attention_sizes_of(const struct attention_params *params, const struct shape *q,
                               const struct shape *k, const struct shape *v,
                               const struct shape *past_k, const struct shape *past_v,
                               struct attention_sizes *ret);

/* What decides which keys a query sees. */
struct attention_view {
    const struct attention_params *params;
    struct attention_sizes s;
    const struct tensor *mask, *nonpad;    /* or NULL */
};

/* Past and new keys (or values) as float [batch, heads, total, width]. */
void attention_gather(const struct attention_sizes *s, const struct tensor *past,
                      const struct tensor *now, int64_t width, float *to);
/* Adds the mask to the scores [queries, keys] of one head; what is not seen becomes -infinity. */
void attention_mask_scores(const struct attention_view *view, int64_t b, int64_t head, float *scores);
/* The mask's element for one row and its first key; *ret_step and *ret_count: elements from a key to the
 * next, and keys that have one. The mask is there. */
int64_t attention_mask_at(const struct attention_view *view, int64_t b, int64_t head, int64_t row,
                          int64_t *ret_step, int64_t *ret_count);

#endif
