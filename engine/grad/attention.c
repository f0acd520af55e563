/* SPDX-License-Identifier: Apache-2.0
 * Gradient of Attention. The scores of a head and their softmax P are computed again; nothing is kept
 * on the tape. With dY the gradient of a head's output,
 *
 *   dV = P^T dY,  dP = dY V^T,  dS = P (dP - rowsum(P dP)),  dQ = scale dS K,  dK = scale dS^T Q,
 *
 * dS going through the soft cap before it comes to Q and K, and being the mask's gradient before that.
 * The heads of one group of keys are done one after the other, into one dK and dV. */
#include "engine/grad/families.h"
#include "engine/kernels/attention.h"
#include "engine/kernels/gemm.h"
#include "engine/kernels/norm_grad.h"
#include "engine/ops/attention_form.h"

#include <math.h>
#include <string.h>

struct layout {
    bool gather;                   /* keys and values are not [.., total, width] as they stand */
    int64_t k, v, dk, dv, own, each, floats;   /* `each` floats of a thread from `own` on */
};

struct work {
    struct attention_view view;
    bool packed;                   /* queries and output are [batch, length, heads, width] */
    float scale;
    const float *q, *k, *v, *dy, *dscores;     /* dy and dscores may be NULL */
    float *dk, *dv, *dq, *dmask, *own;         /* dq and dmask may be NULL */
    int64_t each;
    bool add_q;
};

static const struct tensor *given(const struct tensor *inputs, int n_inputs, int index)
{
    return index < n_inputs && inputs[index].dtype != DTYPE_NONE ? &inputs[index] : NULL;
}

static const char *fit(const void *params, const struct tensor *const inputs[ATTENTION_INPUTS],
                       struct attention_sizes *ret)
{
    const struct tensor *k = inputs[ATTENTION_PAST_K], *v = inputs[ATTENTION_PAST_V];

    return attention_sizes_of(params, &inputs[ATTENTION_Q]->shape, &inputs[ATTENTION_K]->shape,
                              &inputs[ATTENTION_V]->shape, k != NULL ? &k->shape : NULL,
                              v != NULL ? &v->shape : NULL, ret);
}

/* Three matrices of scores a thread: P, dP, and the scores after the soft cap. */
static struct layout layout_of(const struct attention_sizes *s, int rank, int threads)
{
    struct layout l = {.gather = s->past > 0 || rank == 3, .each = 3 * s->q_length * s->total};
    int64_t keys = s->batch * s->kv_heads * s->total * s->head;
    int64_t values = s->batch * s->kv_heads * s->total * s->v_head;

    l.v = l.gather ? keys : 0;
    l.dk = l.v + (l.gather ? values : 0);
    l.dv = l.dk + keys;
    l.own = l.dv + values;
    l.floats = l.own + threads * l.each;
    return l;
}

static enum engine_status attention_prepare(struct grad_prepare *prepare, struct engine_error *err)
{
    const struct tensor *inputs[ATTENTION_INPUTS];
    struct attention_sizes s;
    const char *why;

    if (prepare->inputs[ATTENTION_Q].dtype != DTYPE_F32 || prepare->wanted == 0)
        return ENGINE_OK;
    for (int i = 0; i < ATTENTION_INPUTS; i++)
        inputs[i] = given(prepare->inputs, prepare->n_inputs, i);
    why = fit(prepare->params, inputs, &s);
    if (why != NULL)
        return op_fail(prepare->node, err, "%s", why);
    if (!shape_check(&(struct shape){5, {s.batch + 1, s.q_heads, s.q_length + s.total + 1,
                                         s.total + s.head + s.v_head + 1, prepare->threads + 4}},
                     8 * sizeof(float), NULL))
        return op_unsupported(prepare->node, err, "the sequence is too large to train");
    prepare->backward_scratch =
        (size_t)layout_of(&s, inputs[ATTENTION_Q]->shape.rank, prepare->threads).floats * sizeof(float);
    return ENGINE_OK;
}

/* Adds what comes from the fourth output, if it is the scores of that stage. */
static void add_scores(const struct work *w, int mode, int64_t task, float *grad)
{
    int64_t count = w->view.s.q_length * w->view.s.total;

    if (w->dscores != NULL && w->view.params->scores_mode == mode)
        vec_multiply_f32((size_t)count, 1.0f, w->dscores + task * count, true, grad);
}

/* Rows of dP become those of dS. */
static void back_softmax(const struct work *w, const float *p, float *grad)
{
    size_t n = (size_t)w->view.s.total;

    for (int64_t row = 0; row < w->view.s.q_length; row++, p += n, grad += n) {
        float sum = vec_dot_f32(n, p, grad);

        for (size_t j = 0; j < n; j++)
            grad[j] = p[j] * (grad[j] - sum);
    }
}

static void add_mask_grad(const struct work *w, int64_t b, int64_t head, const float *grad)
{
    for (int64_t row = 0; row < w->view.s.q_length; row++, grad += w->view.s.total) {
        int64_t step, count, at = attention_mask_at(&w->view, b, head, row, &step, &count);

        for (int64_t j = 0; j < count; j++)
            w->dmask[at + j * step] += grad[j];
    }
}

/* P, and where there is a soft cap what it made of the scores. */
static void find_scores(const struct work *w, int64_t b, int64_t head, const float *q, int64_t q_step,
                        const float *k, float *p, float *capped)
{
    const struct attention_sizes *s = &w->view.s;
    int64_t count = s->q_length * s->total;

    attention_scores(s->q_length, s->total, s->head, w->scale, q, q_step, k, p);
    if (w->view.params->softcap > 0) {
        attention_softcap(count, w->view.params->softcap, p);
        memcpy(capped, p, (size_t)count * sizeof(float));
    }
    attention_mask_scores(&w->view, b, head, p);
    for (int64_t row = 0; row < s->q_length; row++)
        attention_softmax(s->total, p + row * s->total);
}

/* One query head. */
static void back_head(const struct work *w, int64_t b, int64_t head, float *own)
{
    const struct attention_sizes *s = &w->view.s;
    int64_t task = b * s->q_heads + head, kv = b * s->kv_heads + head / (s->q_heads / s->kv_heads);
    int64_t count = s->q_length * s->total, q_step = w->packed ? s->q_heads * s->head : s->head;
    int64_t y_step = w->packed ? s->q_heads * s->v_head : s->v_head;
    int64_t q_at = w->packed ? b * s->q_length * q_step + head * s->head : task * s->q_length * s->head;
    int64_t y_at = w->packed ? b * s->q_length * y_step + head * s->v_head : task * s->q_length * s->v_head;
    const float *q = w->q + q_at, *k = w->k + kv * s->total * s->head, *v = w->v + kv * s->total * s->v_head;
    float *p = own, *grad = own + count, *capped = own + 2 * count, cap = w->view.params->softcap;
    const struct gemm_form by_values = {.trans_a = true, .m = s->total, .n = s->v_head, .k = s->q_length,
                                        .lda = s->total, .ldb = y_step, .ldc = s->v_head};
    const struct gemm_form by_weights = {.trans_b = true, .m = s->q_length, .n = s->total, .k = s->v_head,
                                         .lda = y_step, .ldb = s->v_head, .ldc = s->total};
    const struct gemm_form by_queries = {.m = s->q_length, .n = s->head, .k = s->total, .lda = s->total,
                                         .ldb = s->head, .ldc = q_step};
    const struct gemm_form by_keys = {.trans_a = true, .m = s->total, .n = s->head, .k = s->q_length,
                                      .lda = s->total, .ldb = q_step, .ldc = s->head};

    find_scores(w, b, head, q, q_step, k, p, capped);
    memset(grad, 0, (size_t)count * sizeof(float));
    if (w->dy != NULL) {
        gemm_f32(&by_values, 1.0f, p, w->dy + y_at, 1.0f, w->dv + kv * s->total * s->v_head);
        gemm_f32(&by_weights, 1.0f, w->dy + y_at, v, 0.0f, grad);
    }
    add_scores(w, 3, task, grad);
    back_softmax(w, p, grad);
    add_scores(w, 2, task, grad);
    if (w->dmask != NULL)
        add_mask_grad(w, b, head, grad);
    add_scores(w, 1, task, grad);
    for (int64_t i = 0; i < count && cap > 0; i++)
        grad[i] *= 1 - (capped[i] / cap) * (capped[i] / cap);
    add_scores(w, 0, task, grad);
    if (w->dq != NULL)
        gemm_f32(&by_queries, w->scale, grad, k, w->add_q ? 1.0f : 0.0f, w->dq + q_at);
    gemm_f32(&by_keys, w->scale, grad, q, 1.0f, w->dk + kv * s->total * s->head);
}

/* All query heads of one head of keys. */
static void back_group(void *arg, int task, int thread)
{
    const struct work *w = arg;
    const struct attention_sizes *s = &w->view.s;
    int64_t b = task / s->kv_heads, group = s->q_heads / s->kv_heads, first = task % s->kv_heads * group;

    for (int64_t head = first; head < first + group; head++)
        back_head(w, b, head, w->own + thread * w->each);
}

/* What the gathered gradient starts with: that of the present keys (or values), if they are an output
 * that the loss depends on. */
static void start_from(const struct grad_call *call, int output, int64_t count, float *grad)
{
    const struct tensor *present = output < call->n_outputs ? call->out_grads[output] : NULL;

    if (present != NULL)
        memcpy(grad, present->data, (size_t)count * sizeof(float));
    else
        memset(grad, 0, (size_t)count * sizeof(float));
}

/* The gathered gradient [batch, heads, total, width] to the tensors it is of. */
static void scatter(const struct grad_call *call, const struct attention_sizes *s, int now, int past,
                    int64_t width, const float *from)
{
    struct tensor *grad = call->in_grads[now];
    struct tensor *past_grad = past < call->n_inputs ? call->in_grads[past] : NULL;

    for (int64_t b = 0; b < s->batch; b++)
        for (int64_t h = 0; h < s->kv_heads; h++, from += s->total * width) {
            if (past_grad != NULL)
                vec_multiply_f32((size_t)(s->past * width), 1.0f, from, call->accumulate[past],
                                 (float *)past_grad->data + (b * s->kv_heads + h) * s->past * width);
            for (int64_t t = 0; t < s->kv_length && grad != NULL; t++) {
                int64_t row = grad->shape.rank == 3 ? (b * s->kv_length + t) * s->kv_heads + h
                                                    : (b * s->kv_heads + h) * s->kv_length + t;

                vec_multiply_f32((size_t)width, 1.0f, from + (s->past + t) * width, call->accumulate[now],
                                 (float *)grad->data + row * width);
            }
        }
}

static enum engine_status attention_backward(const struct grad_call *call, struct engine_error *err)
{
    const struct tensor *inputs[ATTENTION_INPUTS] = {NULL};
    struct work w = {.view = {.params = call->params}};
    const struct attention_sizes *s = &w.view.s;
    struct tensor *dmask = NULL;
    float *scratch = call->scratch;
    struct layout l;
    const char *why;

    for (int i = 0; i < call->n_inputs; i++)
        inputs[i] = call->inputs[i];
    why = fit(call->params, inputs, &w.view.s);
    if (why != NULL)
        return op_fail(call->node, err, "%s", why);
    l = layout_of(s, inputs[ATTENTION_Q]->shape.rank, pool_threads(call->pool));
    w.view.mask = inputs[ATTENTION_MASK];
    w.view.nonpad = inputs[ATTENTION_NONPAD];
    w.packed = inputs[ATTENTION_Q]->shape.rank == 3;
    w.scale = w.view.params->has_scale ? w.view.params->scale : 1.0f / sqrtf((float)s->head);
    if (l.gather) {
        attention_gather(s, inputs[ATTENTION_PAST_K], inputs[ATTENTION_K], s->head, scratch + l.k);
        attention_gather(s, inputs[ATTENTION_PAST_V], inputs[ATTENTION_V], s->v_head, scratch + l.v);
    }
    w.q = inputs[ATTENTION_Q]->data;
    w.k = l.gather ? scratch + l.k : inputs[ATTENTION_K]->data;
    w.v = l.gather ? scratch + l.v : inputs[ATTENTION_V]->data;
    w.dy = call->out_grads[ATTENTION_Y] != NULL ? call->out_grads[ATTENTION_Y]->data : NULL;
    if (call->n_outputs > ATTENTION_SCORES && call->out_grads[ATTENTION_SCORES] != NULL)
        w.dscores = call->out_grads[ATTENTION_SCORES]->data;
    w.dq = call->in_grads[ATTENTION_Q] != NULL ? call->in_grads[ATTENTION_Q]->data : NULL;
    w.add_q = call->accumulate[ATTENTION_Q];
    w.dk = scratch + l.dk;
    w.dv = scratch + l.dv;
    w.own = scratch + l.own;
    w.each = l.each;
    if (call->n_inputs > ATTENTION_MASK)
        dmask = call->in_grads[ATTENTION_MASK];
    if (dmask != NULL && !call->accumulate[ATTENTION_MASK])
        memset(dmask->data, 0, tensor_bytes(dmask));
    w.dmask = dmask != NULL ? dmask->data : NULL;
    start_from(call, ATTENTION_PRESENT_K, l.dv - l.dk, w.dk);
    start_from(call, ATTENTION_PRESENT_V, l.own - l.dv, w.dv);
    /* A mask may be shared by all heads: their gradients are added in their order. */
    pool_run(w.dmask != NULL ? NULL : call->pool, (int)(s->batch * s->kv_heads), back_group, &w);
    scatter(call, s, ATTENTION_K, ATTENTION_PAST_K, s->head, w.dk);
    scatter(call, s, ATTENTION_V, ATTENTION_PAST_V, s->v_head, w.dv);
    return ENGINE_OK;
}

const struct grad_def grads_attention[] = {
    {.domain = "", .name = "Attention",
     .inputs = GRAD_BIT(ATTENTION_Q) | GRAD_BIT(ATTENTION_K) | GRAD_BIT(ATTENTION_V) |
               GRAD_BIT(ATTENTION_MASK) | GRAD_BIT(ATTENTION_PAST_K) | GRAD_BIT(ATTENTION_PAST_V),
     .save_inputs = GRAD_ALL, .prepare = attention_prepare, .backward = attention_backward},
    {0},
};
