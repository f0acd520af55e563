/* SPDX-License-Identifier: Apache-2.0
 * Gradients of GroupNormalization and InstanceNormalization: the planes of a group of channels share
 * mean and deviation, each channel has its scale and bias. The formulas are those of norm.c, with sums
 * taken channel by channel: sum(g) and sum(g d) follow from sum(dy) and sum(dy d) of the channels, which
 * are also what dscale and dbias are made of. */
#include "engine/grad/families.h"
#include "engine/kernels/norm_grad.h"
#include "engine/kernels/vec_math.h"
#include "engine/ops/norm_form.h"

#include <math.h>

enum { X, SCALE, BIAS };

struct groups {
    int64_t images, groups, channels, plane;   /* channels of one group */
    double epsilon;
    bool add;
    const float *x, *dy, *scale;
    float *dx;
    double *sums;                  /* [images, all channels, 2]: of dy and of dy d r */
};

static void fit(struct groups *groups, const struct group_params *params, const struct shape *x)
{
    int64_t channels = x->rank > 1 ? x->dims[1] : 1;

    groups->images = x->dims[0];
    groups->plane = x->rank > 2 ? shape_product(x, 2, x->rank) : 1;
    groups->groups = params->groups == 0 ? channels : params->groups;
    groups->channels = groups->groups > 0 ? channels / groups->groups : 0;
    groups->epsilon = (double)params->epsilon;
}

static enum engine_status group_prepare(struct grad_prepare *prepare, struct engine_error *err)
{
    struct groups groups = {0};

    if (prepare->inputs[X].dtype != DTYPE_F32 || prepare->wanted == 0)
        return ENGINE_OK;
    for (int i = SCALE; i <= BIAS; i++)
        if (prepare->inputs[i].dtype != DTYPE_F32)
            return op_unsupported(prepare->node, err, "input %d is %s: training wants float", i,
                                  dtype_name(prepare->inputs[i].dtype));
    fit(&groups, prepare->params, &prepare->inputs[X].shape);
    if (!(prepare->wanted & GRAD_BIT(X)))
        prepare->save_inputs &= ~GRAD_BIT(SCALE);
    if (__builtin_mul_overflow((size_t)(groups.images * groups.groups * groups.channels),
                               2 * sizeof(double), &prepare->backward_scratch))
        return op_unsupported(prepare->node, err, "too many channels to train");
    return ENGINE_OK;
}

/* One group of one image. */
static void group_task(void *arg, int task, int thread)
{
    const struct groups *g = arg;
    int64_t n = g->channels * g->plane, first = task % g->groups * g->channels;
    const float *x = g->x + task * n, *dy = g->dy + task * n;
    float mean = vec_sum_f32((size_t)n, x) / (float)n;
    double variance = (double)vec_sum_squares_f32((size_t)n, mean, x) / (double)n;
    double r = 1 / sqrt(variance + g->epsilon), sum = 0, product = 0;
    double *sums = g->sums + 2 * (int64_t)task * g->channels;

    (void)thread;
    for (int64_t c = 0; c < g->channels; c++) {
        double *own = sums + 2 * c;

        norm_sums_f32((size_t)g->plane, mean, dy + c * g->plane, NULL, x + c * g->plane, own);
        if (g->scale != NULL) {
            sum += (double)g->scale[first + c] * own[0];
            product += (double)g->scale[first + c] * own[1];
        }
        own[1] *= r;
    }
    for (int64_t c = 0; c < g->channels && g->dx != NULL; c++)
        norm_combine_f32((size_t)g->plane, (float)r * g->scale[first + c],
                         (float)(-r * r * r * product / (double)n), (float)(-r * sum / (double)n), mean,
                         dy + c * g->plane, NULL, x + c * g->plane, g->add,
                         g->dx + task * n + c * g->plane);
}

/* Over the images, in their order. */
static void join(const struct grad_call *call, const struct groups *g, int input, int which)
{
    int64_t channels = g->groups * g->channels;
    float *to;

    if (call->in_grads[input] == NULL)
        return;
    to = call->in_grads[input]->data;
    for (int64_t c = 0; c < channels; c++) {
        double sum = call->accumulate[input] ? (double)to[c] : 0;

        for (int64_t image = 0; image < g->images && g->plane > 0; image++)
            sum += g->sums[2 * (image * channels + c) + which];
        to[c] = (float)sum;
    }
}

static enum engine_status group_backward(const struct grad_call *call, struct engine_error *err)
{
    struct groups groups = {.sums = call->scratch, .add = call->accumulate[X]};

    (void)err;
    fit(&groups, call->params, &call->inputs[X]->shape);
    groups.x = call->inputs[X]->data;
    groups.scale = call->inputs[SCALE]->data;
    groups.dy = call->out_grads[0]->data;
    groups.dx = call->in_grads[X] != NULL ? call->in_grads[X]->data : NULL;
    if (groups.plane > 0)
        pool_run(call->pool, (int)(groups.images * groups.groups), group_task, &groups);
    join(call, &groups, SCALE, 1);
    join(call, &groups, BIAS, 0);
    return ENGINE_OK;
}

#define GROUP(NAME) \
    {.domain = "", .name = NAME, .flags = GRAD_INPLACE, \
     .inputs = GRAD_BIT(X) | GRAD_BIT(SCALE) | GRAD_BIT(BIAS), \
     .save_inputs = GRAD_BIT(X) | GRAD_BIT(SCALE), .prepare = group_prepare, \
     .backward = group_backward}

const struct grad_def grads_group_norm[] = {
    GROUP("GroupNormalization"),
    GROUP("InstanceNormalization"),
    {0},
};
