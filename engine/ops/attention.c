/* SPDX-License-Identifier: Apache-2.0
 * Attention (opset 23 to 25): scaled dot products of queries and keys, masked, through a softmax,
 * over the values. Grouped heads, past keys and values, padding, windows, soft cap. One head of one
 * sample at a time, so that no more than one matrix of scores lives for each thread. */
#include "engine/kernels/attention.h"
#include "engine/kernels/convert.h"
#include "engine/ops/attention_form.h"
#include "engine/ops/families.h"

#include <math.h>
#include <string.h>

#define ATTENTION_DTYPES                                                                           \
    (DTYPE_BIT(DTYPE_F32) | DTYPE_BIT(DTYPE_F64) | DTYPE_BIT(DTYPE_F16) | DTYPE_BIT(DTYPE_BF16))

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

static const struct tensor *given(const struct tensor *inputs, int n_inputs, int index)
{
    return index < n_inputs && inputs[index].dtype != DTYPE_NONE ? &inputs[index] : NULL;
}

static const char *check_mask(const struct tensor *mask, enum dtype dtype, const struct attention_sizes *s)
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

static struct layout layout_of(const struct attention_sizes *s, enum dtype dtype, int rank, int threads)
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
    const struct tensor *in = infer->inputs, *past_k = given(in, infer->n_inputs, ATTENTION_PAST_K);
    const struct tensor *past_v = given(in, infer->n_inputs, ATTENTION_PAST_V),
                        *nonpad = given(in, infer->n_inputs, ATTENTION_NONPAD);
    struct tensor *out = infer->outputs;
    enum dtype dtype = in[ATTENTION_Q].dtype;
    struct attention_sizes s;
    const char *why = attention_sizes_of(infer->params, &in[ATTENTION_Q].shape,
                                         &in[ATTENTION_K].shape, &in[ATTENTION_V].shape,
                                         past_k != NULL ? &past_k->shape : NULL,
                                         past_v != NULL ? &past_v->shape : NULL, &s);

    if (why == NULL && (in[ATTENTION_K].dtype != dtype || in[ATTENTION_V].dtype != dtype))
        why = "Q, K and V are of different types";
    if (why == NULL)
        why = check_mask(given(in, infer->n_inputs, ATTENTION_MASK), dtype, &s);
    if (why == NULL && nonpad != NULL &&
        (nonpad->dtype != DTYPE_I64 || shape_elements(&nonpad->shape) != s.batch))
        why = "nonpad_kv_seqlen is not int64 with one element for each sample";
    if (why != NULL)
        return op_fail(infer->node, err, "%s", why);
    for (int i = 0; i < infer->n_outputs; i++)
        out[i].dtype = dtype;
    out[ATTENTION_Y].shape = in[ATTENTION_Q].shape.rank == 3
                       ? (struct shape){3, {s.batch, s.q_length, s.q_heads * s.v_head}}
                       : (struct shape){4, {s.batch, s.q_heads, s.q_length, s.v_head}};
    if (infer->n_outputs > ATTENTION_PRESENT_K)
        out[ATTENTION_PRESENT_K].shape = (struct shape){4, {s.batch, s.kv_heads, s.total, s.head}};
    if (infer->n_outputs > ATTENTION_PRESENT_V)
        out[ATTENTION_PRESENT_V].shape = (struct shape){4, {s.batch, s.kv_heads, s.total, s.v_head}};
    if (infer->n_outputs > ATTENTION_SCORES)
        out[ATTENTION_SCORES].shape = (struct shape){4, {s.batch, s.q_heads, s.q_length, s.total}};
    /* Each part of the scratch is a product of dimensions that fit; their bound is checked here. */
    if (!shape_check(&(struct shape){5,
                                     {s.batch + 1, s.q_heads, s.q_length + s.total + 1,
                                      s.total + s.head + s.v_head + 1, infer->threads + 4}},
                     sizeof(float), NULL))
        return op_fail(infer->node, err, "the sequence is too large");
    infer->scratch_bytes =
        (size_t)layout_of(&s, dtype, in[ATTENTION_Q].shape.rank, infer->threads).floats * sizeof(float);
    return ENGINE_OK;
}

struct work {
    struct attention_view view;
    const float *q, *k, *v;
    float *y, *scores; /* scores: one matrix a thread */
    bool packed;       /* queries and output are [batch, length, heads, width] */
    struct tensor *scores_out;
};

static void keep_scores(const struct work *w, int mode, int64_t b, int64_t head,
                        const float *scores)
{
    int64_t count = w->view.s.q_length * w->view.s.total;

    if (w->scores_out != NULL && w->view.params->scores_mode == mode)
        store_f32(w->scores_out->dtype, count, scores,
                  (char *)w->scores_out->data + (size_t)((b * w->view.s.q_heads + head) * count) *
                                                    dtype_size(w->scores_out->dtype));
}

static void attend(void *arg, int task, int thread)
{
    const struct work *w = arg;
    const struct attention_sizes *s = &w->view.s;
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
    float scale = w->view.params->has_scale ? w->view.params->scale : 1.0f / sqrtf((float)s->head);

    attention_scores(s->q_length, s->total, s->head, scale, q, q_step, k, scores);
    keep_scores(w, 0, b, head, scores);
    if (w->view.params->softcap > 0)
        attention_softcap(s->q_length * s->total, w->view.params->softcap, scores);
    keep_scores(w, 1, b, head, scores);
    attention_mask_scores(&w->view, b, head, scores);
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
    const struct tensor *q = call->inputs[ATTENTION_Q], *k = call->inputs[ATTENTION_K];
    const struct tensor *v = call->inputs[ATTENTION_V], *past_k = input_of(call, ATTENTION_PAST_K);
    const struct tensor *past_v = input_of(call, ATTENTION_PAST_V);
    struct tensor *y = call->outputs[ATTENTION_Y], *present_k = output_of(call, ATTENTION_PRESENT_K),
                  *present_v = output_of(call, ATTENTION_PRESENT_V);
    struct work w = {.view = {.params = call->params,
                              .mask = input_of(call, ATTENTION_MASK),
                              .nonpad = input_of(call, ATTENTION_NONPAD)},
                     .scores_out = output_of(call, ATTENTION_SCORES),
                     .packed = q->shape.rank == 3};
    float *scratch = call->scratch;
    struct layout layout;
    const char *why = attention_sizes_of(call->params, &q->shape, &k->shape, &v->shape,
                               past_k != NULL ? &past_k->shape : NULL,
                               past_v != NULL ? &past_v->shape : NULL, &w.view.s);

    if (why != NULL)
        return op_fail(call->node, err, "%s", why);
    layout = layout_of(&w.view.s, q->dtype, q->shape.rank, pool_threads(call->pool));
    if (layout.gather) {
        attention_gather(&w.view.s, past_k, k, w.view.s.head, scratch + layout.k);
        attention_gather(&w.view.s, past_v, v, w.view.s.v_head, scratch + layout.v);
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
    pool_run(call->pool, (int)(w.view.s.batch * w.view.s.q_heads), attend, &w);
    if (layout.widen)
        store_f32(y->dtype, shape_elements(&y->shape), w.y, y->data);
    return ENGINE_OK;
}

const struct op_def ops_attention[] = {
    {.domain = "",
     .name = "Attention",
     .since = 23,
     .inputs_min = 3,
     .inputs_max = ATTENTION_INPUTS,
     .outputs_min = 1,
     .outputs_max = ATTENTION_OUTPUTS,
     .flags = OP_PARALLEL,
     .dtypes = ATTENTION_DTYPES,
     .params_size = sizeof(struct attention_params),
     .init = attention_init,
     .infer = attention_infer,
     .run = attention_run},
    {.name = NULL},
};
