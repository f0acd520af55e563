/* SPDX-License-Identifier: Apache-2.0
 * BatchNormalization (Ioffe and Szegedy, 2015) while training: normalised by the batch's mean and
 * population variance, of which the running ones take their share as ONNX's momentum says: running *
 * momentum + batch * (1 - momentum). Frozen, or in deterministic inference, by the running ones, which
 * stay. One channel is one task: its planes are summed in the order of images, its moments joined by
 * Chan, Golub and LeVeque's formula (1979), so that each plane is read once.
 *
 * On the tape: mean and inverse deviation of each channel. */
#include "engine/grad/families.h"
#include "engine/kernels/norm_grad.h"
#include "engine/kernels/vec_math.h"
#include "engine/ops/norm_form.h"

#include <math.h>

enum { X, SCALE, BIAS, MEAN, VARIANCE };
enum { COLUMNS = 32 };             /* channels of a task where each has one element an image */

/* [images, channels, plane] and what the tasks of either pass share. */
struct batch {
    int64_t images, channels, plane;
    bool frozen, accumulate[3];
    double epsilon, momentum;
    const float *x, *dy, *scale, *bias, *running_mean, *running_variance;
    float *y, *mean, *inverse, *next_mean, *next_variance;
    float *dx, *dscale, *dbias;
};

static void fit(struct batch *batch, const struct shape *x)
{
    batch->images = x->dims[0];
    batch->channels = x->rank > 1 ? x->dims[1] : 1;
    batch->plane = x->rank > 2 ? shape_product(x, 2, x->rank) : 1;
}

static const float *plane_at(const struct batch *batch, const float *planes, int64_t image, int64_t c)
{
    return planes + (image * batch->channels + c) * batch->plane;
}

static enum engine_status batch_prepare(struct grad_prepare *prepare, struct engine_error *err)
{
    struct batch batch = {0};

    if (prepare->inputs[X].dtype != DTYPE_F32)
        return ENGINE_OK;
    for (int i = SCALE; i <= VARIANCE; i++)
        if (prepare->inputs[i].dtype != DTYPE_F32)
            return op_unsupported(prepare->node, err, "input %d is %s: training wants float", i,
                                  dtype_name(prepare->inputs[i].dtype));
    fit(&batch, &prepare->inputs[X].shape);
    prepare->tape_bytes = (size_t)batch.channels * 2 * sizeof(float);
    if (!(prepare->wanted & GRAD_BIT(X)))
        prepare->save_inputs &= ~GRAD_BIT(SCALE);
    if (!(prepare->wanted & GRAD_BIT(SCALE)) &&
        (prepare->frozen_norm || !(prepare->wanted & GRAD_BIT(X))))
        prepare->save_inputs &= ~GRAD_BIT(X);
    return ENGINE_OK;
}

/* Mean and sum of squared distances from it of one channel. */
static void moments(const struct batch *batch, int64_t c, double *ret_mean, double *ret_squares)
{
    double mean = 0, squares = 0, n = (double)batch->plane;

    for (int64_t image = 0; image < batch->images && batch->plane > 1; image++) {
        const float *x = plane_at(batch, batch->x, image, c);
        float own = vec_sum_f32((size_t)batch->plane, x) / (float)batch->plane;
        double delta = (double)own - mean, before = (double)image;

        squares += (double)vec_sum_squares_f32((size_t)batch->plane, own, x) +
                   delta * delta * n * before / (before + 1);
        mean += delta / (before + 1);
    }
    for (int64_t image = 0; image < batch->images && batch->plane == 1; image++) {
        double delta = (double)*plane_at(batch, batch->x, image, c) - mean;

        mean += delta / (double)(image + 1);
        squares += delta * delta * (double)image / (double)(image + 1);
    }
    *ret_mean = mean;
    *ret_squares = squares;
}

static float blend(double momentum, float running, double batch)
{
    return (float)((double)running * momentum + batch * (1 - momentum));
}

static void find_channel(const struct batch *batch, int64_t c)
{
    double mean = (double)batch->running_mean[c], variance = (double)batch->running_variance[c];
    float next_mean = batch->running_mean[c], next_variance = batch->running_variance[c];

    if (!batch->frozen) {
        moments(batch, c, &mean, &variance);
        variance /= (double)(batch->images * batch->plane);
        next_mean = blend(batch->momentum, next_mean, mean);
        next_variance = blend(batch->momentum, next_variance, variance);
    }
    batch->mean[c] = (float)mean;
    batch->inverse[c] = (float)(1 / sqrt(variance + batch->epsilon));
    if (batch->next_mean != NULL)
        batch->next_mean[c] = next_mean;
    if (batch->next_variance != NULL)
        batch->next_variance[c] = next_variance;
}

static void forward_task(void *arg, int task, int thread)
{
    const struct batch *batch = arg;
    int64_t width = batch->plane == 1 ? COLUMNS : 1, from = task * width;
    int64_t to = from + width < batch->channels ? from + width : batch->channels;

    (void)thread;
    for (int64_t c = from; c < to; c++)
        find_channel(batch, c);
    for (int64_t image = 0; image < batch->images; image++)
        for (int64_t c = from; c < to; c++)
            vec_scale_f32((size_t)batch->plane, batch->mean[c], batch->inverse[c] * batch->scale[c],
                          batch->bias[c], plane_at(batch, batch->x, image, c),
                          (float *)plane_at(batch, batch->y, image, c));
}

static int tasks_of(const struct batch *batch)
{
    int64_t width = batch->plane == 1 ? COLUMNS : 1;

    return batch->images * batch->plane == 0 ? 0 : (int)((batch->channels + width - 1) / width);
}

static float *state_of(const struct grad_forward *forward, int input)
{
    const struct op_call *call = &forward->call;
    int output = input - MEAN + 1;

    if (forward->next_states != NULL && forward->next_states[input] != NULL)
        return forward->next_states[input]->data;
    return call->n_outputs > output && call->outputs[output] != NULL ? call->outputs[output]->data
                                                                     : NULL;
}

/* Both are wanted: one is written, this is the other. */
static void copy_state(const struct grad_forward *forward, int input, int64_t channels)
{
    const struct op_call *call = &forward->call;
    int output = input - MEAN + 1;
    const float *from = state_of(forward, input);
    float *to = call->n_outputs > output && call->outputs[output] != NULL ? call->outputs[output]->data
                                                                          : NULL;

    for (int64_t c = 0; to != NULL && to != from && c < channels; c++)
        to[c] = from[c];
}

static enum engine_status batch_forward(const struct grad_forward *forward, struct engine_error *err)
{
    const struct op_call *call = &forward->call;
    const struct batch_params *params = call->params;
    struct batch batch = {.frozen = forward->frozen_norm || forward->context->deterministic_inference,
                          .epsilon = (double)params->epsilon, .momentum = (double)params->momentum,
                          .x = call->inputs[X]->data, .y = call->outputs[0]->data,
                          .mean = forward->tape};

    if (call->inputs[X]->dtype != DTYPE_F32)
        return call->node->op->run(call, err);
    fit(&batch, &call->inputs[X]->shape);
    batch.inverse = batch.mean + batch.channels;
    batch.scale = call->inputs[SCALE]->data;
    batch.bias = call->inputs[BIAS]->data;
    batch.running_mean = call->inputs[MEAN]->data;
    batch.running_variance = call->inputs[VARIANCE]->data;
    batch.next_mean = state_of(forward, MEAN);
    batch.next_variance = state_of(forward, VARIANCE);
    pool_run(call->pool, tasks_of(&batch), forward_task, &batch);
    copy_state(forward, MEAN, batch.channels);
    copy_state(forward, VARIANCE, batch.channels);
    return ENGINE_OK;
}

/* ret[0] = sum of dy, ret[1] = sum of dy (x - mean), the latter if `x` is there. */
static void channel_sums(const struct batch *batch, int64_t c, double ret[2])
{
    ret[0] = ret[1] = 0;
    for (int64_t image = 0; image < batch->images; image++) {
        const float *dy = plane_at(batch, batch->dy, image, c);
        double part[2] = {0, 0};

        if (batch->x == NULL)
            part[0] = (double)vec_sum_f32((size_t)batch->plane, dy);
        else if (batch->plane > 1)
            norm_sums_f32((size_t)batch->plane, batch->mean[c], dy, NULL,
                          plane_at(batch, batch->x, image, c), part);
        else
            part[1] = (part[0] = (double)*dy) *
                      (double)(*plane_at(batch, batch->x, image, c) - batch->mean[c]);
        ret[0] += part[0];
        ret[1] += part[1];
    }
}

static void store(float *to, int64_t c, bool accumulate, double item)
{
    if (to != NULL)
        to[c] = (float)(accumulate ? (double)to[c] + item : item);
}

static void backward_task(void *arg, int task, int thread)
{
    const struct batch *batch = arg;
    int64_t width = batch->plane == 1 ? COLUMNS : 1, from = task * width;
    int64_t to = from + width < batch->channels ? from + width : batch->channels;
    double n = (double)(batch->images * batch->plane), sums[COLUMNS][2];

    (void)thread;
    for (int64_t c = from; c < to; c++) {
        channel_sums(batch, c, sums[c - from]);
        store(batch->dscale, c, batch->accumulate[SCALE], sums[c - from][1] * (double)batch->inverse[c]);
        store(batch->dbias, c, batch->accumulate[BIAS], sums[c - from][0]);
    }
    for (int64_t image = 0; image < batch->images && batch->dx != NULL; image++)
        for (int64_t c = from; c < to; c++) {
            const float *dy = plane_at(batch, batch->dy, image, c);
            float *dx = (float *)plane_at(batch, batch->dx, image, c);
            double inverse = (double)batch->inverse[c], a = (double)batch->scale[c] * inverse;

            if (batch->frozen)
                vec_multiply_f32((size_t)batch->plane, (float)a, dy, batch->accumulate[X], dx);
            else
                norm_combine_f32((size_t)batch->plane, (float)a,
                                 (float)(-a * inverse * inverse * sums[c - from][1] / n),
                                 (float)(-a * sums[c - from][0] / n), batch->mean[c], dy, NULL,
                                 plane_at(batch, batch->x, image, c), batch->accumulate[X], dx);
        }
}

static enum engine_status batch_backward(const struct grad_call *call, struct engine_error *err)
{
    struct batch batch = {.frozen = call->frozen_norm || call->context->deterministic_inference,
                          .mean = call->tape};
    float **grads[] = {&batch.dx, &batch.dscale, &batch.dbias};

    (void)err;
    if (call->out_grads[0] == NULL)
        return ENGINE_OK;
    fit(&batch, &call->inputs[X]->shape);
    batch.inverse = batch.mean + batch.channels;
    batch.x = call->inputs[X]->data;
    batch.scale = call->inputs[SCALE]->data;
    batch.dy = call->out_grads[0]->data;
    for (int i = X; i <= BIAS; i++) {
        *grads[i] = call->in_grads[i] != NULL ? call->in_grads[i]->data : NULL;
        batch.accumulate[i] = call->accumulate[i];
    }
    if (batch.images * batch.plane == 0)       /* sums of nothing */
        for (int64_t c = 0; c < batch.channels; c++) {
            store(batch.dscale, c, batch.accumulate[SCALE], 0);
            store(batch.dbias, c, batch.accumulate[BIAS], 0);
        }
    pool_run(call->pool, tasks_of(&batch), backward_task, &batch);
    return ENGINE_OK;
}

const struct grad_def grads_batch_norm[] = {
    {.domain = "", .name = "BatchNormalization", .flags = GRAD_INPLACE,
     .inputs = GRAD_BIT(X) | GRAD_BIT(SCALE) | GRAD_BIT(BIAS),
     .save_inputs = GRAD_BIT(X) | GRAD_BIT(SCALE),
     .state_inputs = GRAD_BIT(MEAN) | GRAD_BIT(VARIANCE), .prepare = batch_prepare,
     .forward = batch_forward, .backward = batch_backward},
    {0},
};
