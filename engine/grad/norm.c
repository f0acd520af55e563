/* SPDX-License-Identifier: Apache-2.0
 * Gradients of LayerNormalization and RMSNormalization: rows of adjacent elements, each normalised by
 * itself. With g = dy * scale, d = x - mean and r = 1 / deviation,
 *
 *   dx = r g - r^3 mean(g d) d - r mean(g),  dscale = sum over rows of dy d r,  dbias = that of dy,
 *
 * where the last part of dx is that of the mean (RMSNormalization has none). Mean and deviation of a
 * row are found again from x, which is read anyway: nothing is kept for them. */
#include "engine/grad/families.h"
#include "engine/kernels/norm_grad.h"
#include "engine/kernels/vec_math.h"
#include "engine/ops/norm_form.h"

#include <math.h>
#include <string.h>

enum { X, SCALE, BIAS };
enum { Y, ROW_MEAN, ROW_INVERSE };
enum { PART_ROWS = 64, PARTS_MAX = 16 };   /* rows of one partial sum of dscale and dbias, or more */

struct layer {
    bool rms, add;
    int axis;
    int64_t rows, n, parts;
    double epsilon;
    const float *x, *dy, *scale;
    const float *dmean, *dinverse; /* gradients of the other outputs, or NULL */
    float *dx;
    float *dscale, *dbias;         /* [parts, n] each, or NULL */
};

static void fit(struct layer *layer, const struct layer_params *params, const struct shape *x)
{
    shape_axis(params->axis, x->rank, &layer->axis);
    layer->rms = params->rms;
    layer->epsilon = (double)params->epsilon;
    layer->rows = shape_product(x, 0, layer->axis);
    layer->n = shape_product(x, layer->axis, x->rank);
    layer->parts = (layer->rows + PART_ROWS - 1) / PART_ROWS;
    if (layer->parts > PARTS_MAX)
        layer->parts = PARTS_MAX;
    if (layer->parts < 1)
        layer->parts = 1;
}

static enum engine_status layer_prepare(struct grad_prepare *prepare, struct engine_error *err)
{
    struct layer layer = {0};
    size_t floats;

    if (prepare->inputs[X].dtype != DTYPE_F32 || prepare->wanted == 0)
        return ENGINE_OK;
    for (int i = SCALE; i < prepare->n_inputs && i <= BIAS; i++)
        if (prepare->inputs[i].dtype != DTYPE_F32 && prepare->inputs[i].dtype != DTYPE_NONE)
            return op_unsupported(prepare->node, err, "input %d is %s: training wants float", i,
                                  dtype_name(prepare->inputs[i].dtype));
    fit(&layer, prepare->params, &prepare->inputs[X].shape);
    if (!(prepare->wanted & GRAD_BIT(X)))
        prepare->save_inputs &= ~GRAD_BIT(SCALE);
    /* A scale that is spread over the row, and the partial sums. */
    if (__builtin_mul_overflow((size_t)layer.n, (size_t)(2 * layer.parts + 1), &floats) ||
        __builtin_mul_overflow(floats, sizeof(float), &prepare->backward_scratch))
        return op_unsupported(prepare->node, err, "rows are too large to train");
    return ENGINE_OK;
}

static void layer_row(const struct layer *layer, int64_t row, float *dscale, float *dbias)
{
    size_t n = (size_t)layer->n;
    const float *x = layer->x + row * layer->n;
    const float *dy = layer->dy != NULL ? layer->dy + row * layer->n : NULL;
    float mean = layer->rms ? 0.0f : vec_sum_f32(n, x) / (float)n;
    double variance = (double)vec_sum_squares_f32(n, mean, x) / (double)n;
    double r = 1 / sqrt(variance + layer->epsilon), b, c = 0, sums[2] = {0, 0};

    if (dy != NULL && (dscale != NULL || dbias != NULL))
        norm_parameters_f32(n, mean, (float)r, dy, x, dscale, dbias);
    if (layer->dx == NULL)
        return;
    if (dy != NULL)
        norm_sums_f32(n, mean, dy, layer->scale, x, sums);
    b = -r * r * r * sums[1] / (double)n;
    if (layer->dinverse != NULL)
        b -= r * r * r * (double)layer->dinverse[row] / (double)n;
    if (!layer->rms)
        c = -r * sums[0] / (double)n;
    if (layer->dmean != NULL)
        c += (double)layer->dmean[row] / (double)n;
    norm_combine_f32(n, dy != NULL ? (float)r : 0.0f, (float)b, (float)c, mean, dy != NULL ? dy : x,
                     layer->scale, x, layer->add, layer->dx + row * layer->n);
}

/* The rows of one partial sum. */
static void layer_task(void *arg, int task, int thread)
{
    const struct layer *layer = arg;
    float *dscale = layer->dscale != NULL ? layer->dscale + task * layer->n : NULL;
    float *dbias = layer->dbias != NULL ? layer->dbias + task * layer->n : NULL;

    (void)thread;
    if (dscale != NULL)
        memset(dscale, 0, (size_t)layer->n * sizeof(float));
    if (dbias != NULL)
        memset(dbias, 0, (size_t)layer->n * sizeof(float));
    for (int64_t row = layer->rows * task / layer->parts; row < layer->rows * (task + 1) / layer->parts;
         row++)
        layer_row(layer, row, dscale, dbias);
}

/* For each element of a row of shape `x` from `axis` on: which element of the operand it meets. */
struct spread {
    int rank;
    int64_t dims[SHAPE_RANK_MAX], strides[SHAPE_RANK_MAX];
};

static struct spread spread_of(const struct tensor *x, int axis, const struct shape *operand)
{
    struct spread spread = {.rank = x->shape.rank - axis};
    int64_t stride = 1;

    for (int d = spread.rank - 1; d >= 0; d--) {
        int own = d - (spread.rank - operand->rank);

        spread.dims[d] = x->shape.dims[axis + d];
        if (own < 0 || operand->dims[own] == 1)
            continue;
        spread.strides[d] = stride;
        stride *= operand->dims[own];
    }
    return spread;
}

static int64_t element_of(const struct spread *spread, int64_t i)
{
    int64_t at = 0;

    for (int d = spread->rank - 1; d >= 0; d--) {
        at += i % spread->dims[d] * spread->strides[d];
        i /= spread->dims[d];
    }
    return at;
}

/* The partial sums together, into the operand's gradient. */
static void join(const struct grad_call *call, const struct layer *layer, int input, float *parts)
{
    struct tensor *grad;
    struct spread spread;
    float *to;

    if (parts == NULL)
        return;
    grad = call->in_grads[input];
    to = grad->data;
    for (int64_t part = 1; part < layer->parts; part++)
        vec_multiply_f32((size_t)layer->n, 1.0f, parts + part * layer->n, true, parts);
    if (shape_elements(&grad->shape) == layer->n) {
        vec_multiply_f32((size_t)layer->n, 1.0f, parts, call->accumulate[input], to);
        return;
    }
    spread = spread_of(call->inputs[X], layer->axis, &grad->shape);
    if (!call->accumulate[input])
        memset(to, 0, tensor_bytes(grad));
    for (int64_t i = 0; i < layer->n; i++)
        to[element_of(&spread, i)] += parts[i];
}

static enum engine_status layer_backward(const struct grad_call *call, struct engine_error *err)
{
    const struct tensor *scale = call->inputs[SCALE];
    struct layer layer = {0};
    float *scratch = call->scratch;

    (void)err;
    fit(&layer, call->params, &call->inputs[X]->shape);
    layer.x = call->inputs[X]->data;
    layer.dx = call->in_grads[X] != NULL ? call->in_grads[X]->data : NULL;
    layer.add = call->accumulate[X];
    layer.scale = scale->data;
    if (layer.scale != NULL && shape_elements(&scale->shape) != layer.n) {
        struct spread spread = spread_of(call->inputs[X], layer.axis, &scale->shape);

        for (int64_t i = 0; i < layer.n; i++)
            scratch[i] = layer.scale[element_of(&spread, i)];
        layer.scale = scratch;
    }
    scratch += layer.n;
    layer.dscale = call->in_grads[SCALE] != NULL ? scratch : NULL;
    scratch += layer.parts * layer.n;
    if (call->n_inputs > BIAS && call->in_grads[BIAS] != NULL)
        layer.dbias = scratch;
    if (call->n_outputs > ROW_MEAN && call->out_grads[ROW_MEAN] != NULL)
        layer.dmean = call->out_grads[ROW_MEAN]->data;
    if (call->n_outputs > ROW_INVERSE && call->out_grads[ROW_INVERSE] != NULL)
        layer.dinverse = call->out_grads[ROW_INVERSE]->data;
    layer.dy = call->out_grads[Y] != NULL ? call->out_grads[Y]->data : NULL;
    pool_run(call->pool, (int)layer.parts, layer_task, &layer);
    join(call, &layer, SCALE, layer.dscale);
    join(call, &layer, BIAS, layer.dbias);
    return ENGINE_OK;
}

#define LAYER(NAME, INPUTS) \
    {.domain = "", .name = NAME, .flags = GRAD_INPLACE, .inputs = INPUTS, \
     .save_inputs = GRAD_BIT(X) | GRAD_BIT(SCALE), .prepare = layer_prepare, \
     .backward = layer_backward}

const struct grad_def grads_norm[] = {
    LAYER("LayerNormalization", GRAD_BIT(X) | GRAD_BIT(SCALE) | GRAD_BIT(BIAS)),
    LAYER("RMSNormalization", GRAD_BIT(X) | GRAD_BIT(SCALE)),
    {0},
};
