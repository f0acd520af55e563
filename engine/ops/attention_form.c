/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/ops/attention_form.h"

#include "engine/kernels/convert.h"

#include <math.h>

const char *attention_sizes_of(const struct attention_params *params, const struct shape *q,
                               const struct shape *k, const struct shape *v,
                               const struct shape *past_k, const struct shape *past_v,
                               struct attention_sizes *ret)
{
    bool packed = q->rank == 3;

    if (q->rank != k->rank || q->rank != v->rank || (q->rank != 3 && q->rank != 4))
        return "Q, K and V must all have rank 3 or all rank 4";
    if (packed && (params->q_heads < 1 || params->kv_heads < 1))
        return "q_num_heads and kv_num_heads are needed for inputs of rank 3";
    ret->batch = q->dims[0];
    ret->q_heads = packed ? params->q_heads : q->dims[1];
    ret->kv_heads = packed ? params->kv_heads : k->dims[1];
    ret->q_length = q->dims[q->rank - 2];
    ret->kv_length = k->dims[k->rank - 2];
    if (ret->q_heads < 1 || ret->kv_heads < 1 || ret->q_heads % ret->kv_heads != 0)
        return "the number of query heads is no multiple of that of key heads";
    if (packed && (q->dims[2] % ret->q_heads != 0 || k->dims[2] % ret->kv_heads != 0 ||
                   v->dims[2] % ret->kv_heads != 0))
        return "a hidden size is no multiple of its number of heads";
    ret->head = packed ? q->dims[2] / ret->q_heads : q->dims[3];
    ret->v_head = packed ? v->dims[2] / ret->kv_heads : v->dims[3];
    if (k->dims[0] != ret->batch || v->dims[0] != ret->batch ||
        v->dims[v->rank - 2] != ret->kv_length ||
        (packed ? k->dims[2] / ret->kv_heads : k->dims[3]) != ret->head ||
        (!packed && v->dims[1] != ret->kv_heads))
        return "the shapes of Q, K and V do not fit each other";
    ret->past = 0;
    if ((past_k == NULL) != (past_v == NULL))
        return "past_key and past_value come together or not at all";
    if (past_k != NULL) {
        if (past_k->rank != 4 || past_v->rank != 4 || past_k->dims[0] != ret->batch ||
            past_v->dims[0] != ret->batch || past_k->dims[1] != ret->kv_heads ||
            past_v->dims[1] != ret->kv_heads || past_k->dims[3] != ret->head ||
            past_v->dims[3] != ret->v_head || past_k->dims[2] != past_v->dims[2])
            return "past_key and past_value do not fit K and V";
        ret->past = past_k->dims[2];
    }
    ret->total = ret->past + ret->kv_length;
    return NULL;
}

void attention_gather(const struct attention_sizes *s, const struct tensor *past,
                      const struct tensor *now, int64_t width, float *to)
{
    size_t size = dtype_size(now->dtype);
    bool packed = now->shape.rank == 3;

    for (int64_t b = 0; b < s->batch; b++)
        for (int64_t h = 0; h < s->kv_heads; h++, to += s->total * width) {
            if (past != NULL)
                load_f32(past->dtype, s->past * width,
                         (const char *)past->data +
                             (size_t)((b * s->kv_heads + h) * s->past * width) * size,
                         to);
            for (int64_t t = 0; t < s->kv_length; t++) {
                int64_t row = packed ? (b * s->kv_length + t) * s->kv_heads + h
                                     : (b * s->kv_heads + h) * s->kv_length + t;

                load_f32(now->dtype, width, (const char *)now->data + (size_t)(row * width) * size,
                         to + (s->past + t) * width);
            }
        }
}

/* Which keys a row may see, beyond the mask: [*ret_from, *ret_to). */
static void visible(const struct attention_view *w, int64_t b, int64_t row, int64_t *ret_from,
                    int64_t *ret_to)
{
    int64_t length = w->nonpad != NULL ? ((const int64_t *)w->nonpad->data)[b] : w->s.total;
    int64_t place = row + (w->nonpad != NULL ? length - w->s.q_length : w->s.past);
    int64_t from = 0, to = length < w->s.total ? length : w->s.total;

    if (w->params->causal && place + 1 < to)
        to = place + 1;
    if (w->params->right >= 0 && w->params->right < w->s.total && place + w->params->right + 1 < to)
        to = place + w->params->right + 1;
    if (w->params->left >= 0 && place - w->params->left > from)
        from = place - w->params->left;
    *ret_to = to < 0 ? 0 : to;
    *ret_from = from < *ret_to ? from : *ret_to;
}

int64_t attention_mask_at(const struct attention_view *view, int64_t b, int64_t head, int64_t row,
                          int64_t *ret_step, int64_t *ret_count)
{
    const struct tensor *mask = view->mask;
    const int64_t at[4] = {b, head, row, 0};
    int rank = mask->shape.rank;
    int64_t strides[SHAPE_RANK_MAX], offset = 0, last = mask->shape.dims[rank - 1];

    shape_strides(&mask->shape, strides);
    for (int i = 0; i < rank - 1; i++)
        offset += mask->shape.dims[i] == 1 ? 0 : at[4 - rank + i] * strides[i];
    *ret_step = last != 1;
    *ret_count = last == 1 ? view->s.total : last;
    return offset;
}

/* Adds one row of the mask; keys past its end are not seen. */
static void add_mask(const struct attention_view *w, int64_t b, int64_t head, int64_t row,
                     float *scores)
{
    int64_t step, count, offset = attention_mask_at(w, b, head, row, &step, &count);

    for (int64_t j = 0; j < w->s.total; j++) {
        int64_t index = offset + j * step;

        if (j >= count)
            scores[j] = -INFINITY;
        else if (w->mask->dtype == DTYPE_BOOL)
            scores[j] = ((const uint8_t *)w->mask->data)[index] != 0 ? scores[j] : -INFINITY;
        else
            scores[j] += (float)tensor_double_at(w->mask, index);
    }
}

void attention_mask_scores(const struct attention_view *view, int64_t b, int64_t head, float *scores)
{
    for (int64_t row = 0; row < view->s.q_length; row++, scores += view->s.total) {
        int64_t from, to;

        if (view->mask != NULL)
            add_mask(view, b, head, row, scores);
        visible(view, b, row, &from, &to);
        for (int64_t j = 0; j < view->s.total; j++)
            if (j < from || j >= to)
                scores[j] = -INFINITY;
    }
}
