/* SPDX-License-Identifier: Apache-2.0
 * Attention (opset 23 to 25): scaled dot products of queries and keys, masked, through a softmax,
 * over the values. Grouped heads, past keys and values, padding, windows, soft cap. One head of one
 * sample at a time, so that no more than one matrix of scores lives for each thread. */
#include "engine/kernels/attention.h"
#include "engine/kernels/convert.h"
#include "engine/op.h"
#include "engine/ops/families.h"

#include <math.h>
#include <string.h>

enum { Q, K, V, MASK, PAST_K, PAST_V, NONPAD, INPUTS };
enum { Y, PRESENT_K, PRESENT_V, SCORES, OUTPUTS };

#define ATTENTION_DTYPES                                                                           \
    (DTYPE_BIT(DTYPE_F32) | DTYPE_BIT(DTYPE_F64) | DTYPE_BIT(DTYPE_F16) | DTYPE_BIT(DTYPE_BF16))

struct attention_params {
    int64_t q_heads, kv_heads; /* 0: not stated */
    int64_t left, right;       /* -1: no bound */
    int scores_mode;
    bool causal, has_scale;
    float scale, softcap;
};

static enum engine_status attention_init(const struct op_init *init, struct engine_error *err)
{
    struct attention_params *params = init->params;
    const struct node *node = init->node;

    params->q_heads = node_int(node, "q_num_heads", 0);
    params->kv_heads = node_int(node, "kv_num_heads", 0);
    params->left = node_int(node, "left_window_size", -1);
    params->right = node_int(node, "right_window_size", -1);
    params->scores_mode = (int)node_int(node, "qk_matmul_output_mode", 0);
    params->causal = node_int(node, "is_causal", 0) != 0;
    params->has_scale = node_attribute(node, "scale") != NULL;
    params->scale = node_float(node, "scale", 0.0f);
    params->softcap = node_float(node, "softcap", 0.0f);
    if (params->q_heads < 0 || params->kv_heads < 0)
        return op_fail(node, err, "q_num_heads and kv_num_heads must not be negative");
    return ENGINE_OK;
}

/* The sizes of one call. */
struct sizes {
    int64_t batch, q_heads, kv_heads, q_length, kv_length, past, total, head, v_head;
};

static const struct tensor *given(const struct tensor *inputs, int n_inputs, int index)
{
    return index < n_inputs && inputs[index].dtype != DTYPE_NONE ? &inputs[index] : NULL;
}

/* NULL, or what does not fit. */
static const char *sizes_of(const struct attention_params *params, const struct shape *q,
                            const struct shape *k, const struct shape *v,
                            const struct shape *past_k, const struct shape *past_v,
                            struct sizes *ret)
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

static const char *check_mask(const struct tensor *mask, enum dtype dtype, const struct sizes *s)
{
    const int64_t want[4] = {s->batch, s->q_heads, s->q_length, s->total};

    if (mask == NULL)
        return NULL;
    if (mask->dtype != DTYPE_BOOL && mask->dtype != dtype)
        return "attn_mask is neither bool nor of Q's type";
    if (mask->shape.rank < 1 || mask->shape.rank > 4)
        return "attn_mask must have a rank of 1 to 4";
    for (int i = 0; i < mask->shape.rank; i++) {
        int64_t dim = mask->shape.dims[i], full = want[4 - mask->shape.rank + i];
        bool last = i == mask->shape.rank - 1;

        if (dim != full && dim != 1 && !(last && dim < full))
            return "attn_mask does not broadcast to [batch, heads, queries, keys]";
    }
    return NULL;
}

/* Scratch in floats: keys and values of all samples as [batch, heads, total, head] where they must
 * be gathered or widened, queries and output where widened, a score matrix for each thread. */
struct layout {
    bool widen;  /* not float: work on float copies */
    bool gather; /* keys and values are not [.., total, head] as they stand */
    int64_t k, v, q, y, scores, floats;
};

static struct layout layout_of(const struct sizes *s, enum dtype dtype, int rank, int threads)
{
    struct layout layout = {.widen = dtype != DTYPE_F32};
    int64_t at = 0;

    layout.gather = s->past > 0 || rank == 3 || layout.widen;
    layout.k = at;
    at += layout.gather ? s->batch * s->kv_heads * s->total * s->head : 0;
    layout.v = at;
    at += layout.gather ? s->batch * s->kv_heads * s->total * s->v_head : 0;
    layout.q = at;
    at += layout.widen ? s->batch * s->q_heads * s->q_length * s->head : 0;
    layout.y = at;
    at += layout.widen ? s->batch * s->q_heads * s->q_length * s->v_head : 0;
    layout.scores = at;
    at += threads * s->q_length * s->total;
    layout.floats = at;
    return layout;
}

static enum engine_status attention_infer(struct op_infer *infer, struct engine_error *err)
{
    const struct tensor *in = infer->inputs, *past_k = given(in, infer->n_inputs, PAST_K);
    const struct tensor *past_v = given(in, infer->n_inputs, PAST_V),
                        *nonpad = given(in, infer->n_inputs, NONPAD);
    struct tensor *out = infer->outputs;
    enum dtype dtype = in[Q].dtype;
    struct sizes s;
    const char *why = sizes_of(infer->params, &in[Q].shape, &in[K].shape, &in[V].shape,
                               past_k != NULL ? &past_k->shape : NULL,
                               past_v != NULL ? &past_v->shape : NULL, &s);

    if (why == NULL && (in[K].dtype != dtype || in[V].dtype != dtype))
        why = "Q, K and V are of different types";
    if (why == NULL)
        why = check_mask(given(in, infer->n_inputs, MASK), dtype, &s);
    if (why == NULL && nonpad != NULL &&
        (nonpad->dtype != DTYPE_I64 || shape_elements(&nonpad->shape) != s.batch))
        why = "nonpad_kv_seqlen is not int64 with one element for each sample";
    if (why != NULL)
        return op_fail(infer->node, err, "%s", why);
    for (int i = 0; i < infer->n_outputs; i++)
        out[i].dtype = dtype;
    out[Y].shape = in[Q].shape.rank == 3
                       ? (struct shape){3, {s.batch, s.q_length, s.q_heads * s.v_head}}
                       : (struct shape){4, {s.batch, s.q_heads, s.q_length, s.v_head}};
    if (infer->n_outputs > PRESENT_K)
        out[PRESENT_K].shape = (struct shape){4, {s.batch, s.kv_heads, s.total, s.head}};
    if (infer->n_outputs > PRESENT_V)
        out[PRESENT_V].shape = (struct shape){4, {s.batch, s.kv_heads, s.total, s.v_head}};
    if (infer->n_outputs > SCORES)
        out[SCORES].shape = (struct shape){4, {s.batch, s.q_heads, s.q_length, s.total}};
    /* Each part of the scratch is a product of dimensions that fit; their bound is checked here. */
    if (!shape_check(&(struct shape){5,
                                     {s.batch + 1, s.q_heads, s.q_length + s.total + 1,
                                      s.total + s.head + s.v_head + 1, infer->threads + 4}},
                     sizeof(float), NULL))
        return op_fail(infer->node, err, "the sequence is too large");
    infer->scratch_bytes =
        (size_t)layout_of(&s, dtype, in[Q].shape.rank, infer->threads).floats * sizeof(float);
    return ENGINE_OK;
}

/* Past and new keys (or values) as float [batch, heads, total, width]. */
static void gather(const struct sizes *s, const struct tensor *past, const struct tensor *now,
                   int64_t width, float *to)
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

struct work {
    const struct attention_params *params;
    struct sizes s;
    const float *q, *k, *v;
    float *y, *scores; /* scores: one matrix a thread */
    bool packed;       /* queries and output are [batch, length, heads, width] */
    const struct tensor *mask, *nonpad;
    struct tensor *scores_out;
};

/* Which keys a row may see, beyond the mask: [*ret_from, *ret_to). */
static void visible(const struct work *w, int64_t b, int64_t row, int64_t *ret_from,
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

/* Adds one row of the mask. */
static void add_mask(const struct work *w, int64_t b, int64_t head, int64_t row, float *scores)
{
    const struct tensor *mask = w->mask;
    const int64_t at[4] = {b, head, row, 0};
    int rank = mask->shape.rank;
    int64_t strides[SHAPE_RANK_MAX], offset = 0, last = mask->shape.dims[rank - 1];

    shape_strides(&mask->shape, strides);
    for (int i = 0; i < rank - 1; i++)
        offset += mask->shape.dims[i] == 1 ? 0 : at[4 - rank + i] * strides[i];
    for (int64_t j = 0; j < w->s.total; j++) {
        int64_t index = offset + (last == 1 ? 0 : j);

        if (last != 1 && j >= last)
            scores[j] = -INFINITY;
        else if (mask->dtype == DTYPE_BOOL)
            scores[j] = ((const uint8_t *)mask->data)[index] != 0 ? scores[j] : -INFINITY;
        else
            scores[j] += (float)tensor_double_at(mask, index);
    }
}

static void keep_scores(const struct work *w, int mode, int64_t b, int64_t head,
                        const float *scores)
{
    int64_t count = w->s.q_length * w->s.total;

    if (w->scores_out != NULL && w->params->scores_mode == mode)
        store_f32(w->scores_out->dtype, count, scores,
                  (char *)w->scores_out->data + (size_t)((b * w->s.q_heads + head) * count) *
                                                    dtype_size(w->scores_out->dtype));
}

static void attend(void *arg, int task, int thread)
{
    const struct work *w = arg;
    const struct sizes *s = &w->s;
    int64_t b = task / s->q_heads, head = task % s->q_heads, kv = head / (s->q_heads / s->kv_heads);
    int64_t q_step = w->packed ? s->q_heads * s->head : s->head,
            y_step = w->packed ? s->q_heads * s->v_head : s->v_head;
    const float *q = w->q + (w->packed ? b * s->q_length * q_step + head * s->head
                                       : task * s->q_length * s->head);
    float *y = w->y + (w->packed ? b * s->q_length * y_step + head * s->v_head
                                 : task * s->q_length * s->v_head);
    const float *k = w->k + (b * s->kv_heads + kv) * s->total * s->head;
    const float *v = w->v + (b * s->kv_heads + kv) * s->total * s->v_head;
    float *scores = w->scores + thread * s->q_length * s->total;
    float scale = w->params->has_scale ? w->params->scale : 1.0f / sqrtf((float)s->head);

    attention_scores(s->q_length, s->total, s->head, scale, q, q_step, k, scores);
    keep_scores(w, 0, b, head, scores);
    if (w->params->softcap > 0)
        attention_softcap(s->q_length * s->total, w->params->softcap, scores);
    keep_scores(w, 1, b, head, scores);
    for (int64_t row = 0; row < s->q_length; row++) {
        float *line = scores + row * s->total;
        int64_t from, to;

        if (w->mask != NULL)
            add_mask(w, b, head, row, line);
        visible(w, b, row, &from, &to);
        for (int64_t j = 0; j < s->total; j++)
            if (j < from || j >= to)
                line[j] = -INFINITY;
    }
    keep_scores(w, 2, b, head, scores);
    for (int64_t row = 0; row < s->q_length; row++)
        attention_softmax(s->total, scores + row * s->total);
    keep_scores(w, 3, b, head, scores);
    attention_values(s->q_length, s->total, s->v_head, scores, v, y, y_step);
}

static const struct tensor *input_of(const struct op_call *call, int index)
{
    return index < call->n_inputs ? call->inputs[index] : NULL;
}

static struct tensor *output_of(const struct op_call *call, int index)
{
    return index < call->n_outputs ? call->outputs[index] : NULL;
}

static enum engine_status attention_run(const struct op_call *call, struct engine_error *err)
{
    const struct tensor *q = call->inputs[Q], *k = call->inputs[K], *v = call->inputs[V];
    const struct tensor *past_k = input_of(call, PAST_K), *past_v = input_of(call, PAST_V);
    struct tensor *y = call->outputs[Y], *present_k = output_of(call, PRESENT_K),
                  *present_v = output_of(call, PRESENT_V);
    struct work w = {.params = call->params,
                     .mask = input_of(call, MASK),
                     .nonpad = input_of(call, NONPAD),
                     .scores_out = output_of(call, SCORES),
                     .packed = q->shape.rank == 3};
    float *scratch = call->scratch;
    struct layout layout;
    const char *why = sizes_of(call->params, &q->shape, &k->shape, &v->shape,
                               past_k != NULL ? &past_k->shape : NULL,
                               past_v != NULL ? &past_v->shape : NULL, &w.s);

    if (why != NULL)
        return op_fail(call->node, err, "%s", why);
    layout = layout_of(&w.s, q->dtype, q->shape.rank, pool_threads(call->pool));
    if (layout.gather) {
        gather(&w.s, past_k, k, w.s.head, scratch + layout.k);
        gather(&w.s, past_v, v, w.s.v_head, scratch + layout.v);
    }
    w.k = layout.gather ? scratch + layout.k : k->data;
    w.v = layout.gather ? scratch + layout.v : v->data;
    if (layout.widen)
        load_f32(q->dtype, shape_elements(&q->shape), q->data, scratch + layout.q);
    w.q = layout.widen ? scratch + layout.q : q->data;
    w.y = layout.widen ? scratch + layout.y : y->data;
    w.scores = scratch + layout.scores;
    if (present_k != NULL)
        store_f32(k->dtype, shape_elements(&present_k->shape), w.k, present_k->data);
    if (present_v != NULL)
        store_f32(v->dtype, shape_elements(&present_v->shape), w.v, present_v->data);
    pool_run(call->pool, (int)(w.s.batch * w.s.q_heads), attend, &w);
    if (layout.widen)
        store_f32(y->dtype, shape_elements(&y->shape), w.y, y->data);
    return ENGINE_OK;
}

const struct op_def ops_attention[] = {
    {.domain = "",
     .name = "Attention",
     .since = 23,
     .inputs_min = 3,
     .inputs_max = INPUTS,
     .outputs_min = 1,
     .outputs_max = OUTPUTS,
     .flags = OP_PARALLEL,
     .dtypes = ATTENTION_DTYPES,
     .params_size = sizeof(struct attention_params),
     .init = attention_init,
     .infer = attention_infer,
     .run = attention_run},
    {.name = NULL},
};
