/* SPDX-License-Identifier: Apache-2.0
 * Gradient of LRN. With D = bias + alpha / size * (sum of squares of the neighbouring channels),
 *
 *   dx[j] = dy[j] D[j]^-beta - 2 alpha beta / size x[j] sum of dy[i] x[i] D[i]^(-beta - 1)
 *
 * over the channels i that count j among their neighbours. A block of positions of one image at a time,
 * all channels of it. */
#include "engine/grad/families.h"
#include "engine/kernels/vec_math.h"
#include "engine/ops/norm_form.h"

enum { BLOCK = 256, ROWS = 2 };

struct work {
    const struct lrn_params *params;
    int64_t channels, plane;
    bool add;
    const float *x, *dy;
    float *dx, *scratch;           /* scratch: [threads, ROWS, channels, BLOCK] */
};

static void fit(struct work *work, const struct shape *x)
{
    work->channels = x->rank > 1 ? x->dims[1] : 1;
    work->plane = x->rank > 2 ? shape_product(x, 2, x->rank) : 1;
}

static enum engine_status lrn_prepare(struct grad_prepare *prepare, struct engine_error *err)
{
    struct work work = {0};

    fit(&work, &prepare->inputs[0].shape);
    if (__builtin_mul_overflow((size_t)work.channels,
                               (size_t)prepare->threads * ROWS * BLOCK * sizeof(float),
                               &prepare->backward_scratch))
        return op_unsupported(prepare->node, err, "too many channels to train");
    return ENGINE_OK;
}

/* D^-beta and dy x D^(-beta - 1) of one channel. */
static void channel_terms(const struct work *work, const float *x, const float *dy, int64_t c,
                          int64_t count, float *power, float *term)
{
    const struct lrn_params *p = work->params;
    int64_t below = (p->size - 1) / 2, above = p->size - 1 - below;
    float factor = p->alpha / (float)p->size, d[BLOCK] = {0};

    for (int64_t k = c > below ? c - below : 0; k <= c + above && k < work->channels; k++)
        for (int64_t i = 0; i < count; i++)
            d[i] += x[k * work->plane + i] * x[k * work->plane + i];
    for (int64_t i = 0; i < count; i++)
        d[i] = p->bias + factor * d[i];
    vec_log_f32((size_t)count, d, power);
    for (int64_t i = 0; i < count; i++)
        power[i] *= -p->beta;
    vec_exp_f32((size_t)count, power, power);
    for (int64_t i = 0; i < count; i++)
        term[i] = dy[c * work->plane + i] * x[c * work->plane + i] * power[i] / d[i];
}

static void back_block(const struct work *work, const float *x, const float *dy, float *dx,
                       int64_t count, float *powers)
{
    const struct lrn_params *p = work->params;
    int64_t below = (p->size - 1) / 2, above = p->size - 1 - below;
    float factor = 2 * p->alpha * p->beta / (float)p->size, *terms = powers + work->channels * BLOCK;

    for (int64_t c = 0; c < work->channels; c++)
        channel_terms(work, x, dy, c, count, powers + c * BLOCK, terms + c * BLOCK);
    for (int64_t c = 0; c < work->channels; c++) {
        float sum[BLOCK] = {0};
        int64_t at = c * work->plane;

        for (int64_t k = c > above ? c - above : 0; k <= c + below && k < work->channels; k++)
            for (int64_t i = 0; i < count; i++)
                sum[i] += terms[k * BLOCK + i];
        for (int64_t i = 0; i < count; i++) {
            float item = dy[at + i] * powers[c * BLOCK + i] - factor * x[at + i] * sum[i];

            dx[at + i] = work->add ? dx[at + i] + item : item;
        }
    }
}

static void image_task(void *arg, int task, int thread)
{
    const struct work *work = arg;
    int64_t image = (int64_t)task * work->channels * work->plane;
    float *powers = work->scratch + thread * ROWS * work->channels * BLOCK;

    for (int64_t from = 0; from < work->plane; from += BLOCK)
        back_block(work, work->x + image + from, work->dy + image + from, work->dx + image + from,
                   work->plane - from < BLOCK ? work->plane - from : BLOCK, powers);
}

static enum engine_status lrn_backward(const struct grad_call *call, struct engine_error *err)
{
    struct work work = {.params = call->params, .add = call->accumulate[0], .x = call->inputs[0]->data,
                        .dy = call->out_grads[0]->data, .dx = call->in_grads[0]->data,
                        .scratch = call->scratch};

    (void)err;
    fit(&work, &call->inputs[0]->shape);
    pool_run(call->pool, (int)call->inputs[0]->shape.dims[0], image_task, &work);
    return ENGINE_OK;
}

const struct grad_def grads_lrn[] = {
    {.domain = "", .name = "LRN", .inputs = GRAD_BIT(0), .save_inputs = GRAD_BIT(0),
     .prepare = lrn_prepare, .backward = lrn_backward},
    {0},
};
