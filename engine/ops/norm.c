/* SPDX-License-Identifier: Apache-2.0
 * Normalisation: BatchNormalization LayerNormalization RMSNormalization InstanceNormalization
 * GroupNormalization LRN. Variances are of the population. The loops are in norm_body.h, for float
 * and double. */
#include "engine/kernels/convert.h"
#include "engine/kernels/vec_math.h"
#include "engine/ops/elementwise.h"
#include "engine/ops/norm_form.h"
#include "engine/ops/operands.h"
#include "engine/ops/rows.h"
#include "engine/ops/widen.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

enum { LRN_BLOCK = 256, GRAIN = 16384 };

/* Rows of n adjacent elements, each normalised by itself. */
struct row_norm {
    int64_t rows, n;
    bool rms;
    double epsilon;
    const void *x, *scale, *bias;  /* scale and bias: n elements, or bias NULL */
    void *y;
    struct tensor *mean, *inverse; /* one element a row; NULL: nobody asked */
    int tasks;
};

/* [images, groups, channels of a group, plane]. */
struct group_norm {
    int64_t images, groups, channels, plane;
    double epsilon;
};

UNARY_ROW(copy_f32, float, float, a)
UNARY_ROW(copy_f64, double, double, a)

/* Expands an operand; a repeated element comes with step 0. */
static void expand_f32(int64_t n, const void *const *inputs, const int64_t *steps, void *output,
                       const void *arg)
{
    if (steps[0] != 0)
        copy_f32(n, inputs, steps, output, arg);
    else
        for (int64_t i = 0; i < n; i++)
            ((float *)output)[i] = *(const float *)inputs[0];
}

static void expand_f64(int64_t n, const void *const *inputs, const int64_t *steps, void *output,
                       const void *arg)
{
    if (steps[0] != 0)
        copy_f64(n, inputs, steps, output, arg);
    else
        for (int64_t i = 0; i < n; i++)
            ((double *)output)[i] = *(const double *)inputs[0];
}

static const struct rows copy_rows = {.f32 = expand_f32, .f64 = expand_f64};

static void power_f32(size_t n, float exponent, float *x)
{
    vec_log_f32(n, x, x);
    for (size_t i = 0; i < n; i++)
        x[i] *= exponent;
    vec_exp_f32(n, x, x);
}

#define T float
#define NAME(x) f32_##x
#define f32_dtype DTYPE_F32
#define f32_root sqrtf
#define f32_sum vec_sum_f32
#define f32_sum_squares vec_sum_squares_f32
#define f32_normalise vec_normalise_f32
#define f32_scale vec_scale_f32
#define f32_power power_f32
#include "engine/ops/norm_body.h"
#undef T
#undef NAME

static double f64_sum(size_t n, const double *x)
{
    double sum = 0.0;

    for (size_t i = 0; i < n; i++)
        sum += x[i];
    return sum;
}

static double f64_sum_squares(size_t n, double shift, const double *x)
{
    double sum = 0.0;

    for (size_t i = 0; i < n; i++)
        sum += (x[i] - shift) * (x[i] - shift);
    return sum;
}

static void f64_normalise(size_t n, double shift, double factor, const double *scale,
                          const double *bias, const double *x, double *y)
{
    for (size_t i = 0; i < n; i++)
        y[i] = (x[i] - shift) * factor * (scale != NULL ? scale[i] : 1.0) +
               (bias != NULL ? bias[i] : 0.0);
}

static void f64_scale(size_t n, double shift, double factor, double offset, const double *x,
                      double *y)
{
    for (size_t i = 0; i < n; i++)
        y[i] = (x[i] - shift) * factor + offset;
}

static void f64_power(size_t n, double exponent, double *x)
{
    for (size_t i = 0; i < n; i++)
        x[i] = pow(x[i], exponent);
}

#define T double
#define NAME(x) f64_##x
#define f64_dtype DTYPE_F64
#define f64_root sqrt
#include "engine/ops/norm_body.h"
#undef T
#undef NAME

/* [images, channels, plane] of a tensor whose dimension 1 is the channel. */
static struct group_norm by_channel(const struct shape *shape)
{
    struct group_norm norm = {.images = shape->dims[0], .groups = 1, .channels = 1, .plane = 1};

    if (shape->rank > 1)
        norm.channels = shape->dims[1];
    if (shape->rank > 2)
        norm.plane = shape_product(shape, 2, shape->rank);
    if (norm.channels == 0 || norm.plane == 0)
        norm.images = 0;           /* there is nothing to walk through */
    return norm;
}

/* Refuses inputs first .. last unless each has one element for each channel of X. */
static enum engine_status check_channels(const struct op_infer *infer, int first, int last,
                                         struct engine_error *err)
{
    const struct shape *x = &infer->inputs[0].shape;
    int64_t channels = x->rank > 1 ? x->dims[1] : 1;
    char text[SHAPE_TEXT_MAX];

    if (x->rank == 0)
        return op_fail(infer->node, err, "X is a scalar");
    for (int i = first; i <= last; i++) {
        if (infer->inputs[i].shape.rank != 1 || infer->inputs[i].shape.dims[0] != channels)
            return op_fail(infer->node, err, "input %d has shape %s, expected [%" PRId64 "]", i,
                           shape_text(&infer->inputs[i].shape, text, sizeof(text)), channels);
        if (!dtype_is_float(infer->inputs[i].dtype))
            return op_fail(infer->node, err, "input %d is %s", i,
                           dtype_name(infer->inputs[i].dtype));
    }
    return ENGINE_OK;
}

/* Scratch for `count` operands of n elements in the type that `dtype` is computed in. */
static size_t operand_bytes(enum dtype dtype, int64_t n, int count)
{
    return (size_t)count * (size_t)n * dtype_size(compute_dtype(dtype));
}

static enum engine_status layer_init(const struct op_init *init, struct engine_error *err)
{
    struct layer_params *params = init->params;

    (void)err;
    params->axis = node_int(init->node, "axis", -1);
    params->epsilon = node_float(init->node, "epsilon", 1e-5f);
    params->stash = (enum dtype)node_int(init->node, "stash_type", DTYPE_F32);
    params->rms = strcmp(init->node->op_type, "RMSNormalization") == 0;
    if (!dtype_is_float(params->stash))
        return op_unsupported(init->node, err, "stash_type %d", (int)params->stash);
    return ENGINE_OK;
}

/* The dimensions from `axis` on. */
static struct shape trailing(const struct shape *shape, int axis)
{
    struct shape rest = {.rank = shape->rank - axis};

    for (int d = axis; d < shape->rank; d++)
        rest.dims[d - axis] = shape->dims[d];
    return rest;
}

static enum engine_status layer_infer(struct op_infer *infer, struct engine_error *err)
{
    const struct layer_params *params = infer->params;
    struct shape shape = infer->inputs[0].shape, rest, joined;
    char text[SHAPE_TEXT_MAX], other[SHAPE_TEXT_MAX];
    int axis = 0;
    enum engine_status status = operand_axis(infer, params->axis, shape.rank, &axis, err);

    if (status != ENGINE_OK)
        return status;
    rest = trailing(&shape, axis);
    for (int i = 1; i < infer->n_inputs; i++) {
        const struct shape *given = &infer->inputs[i].shape;

        if (!operand_present(infer, i))
            continue;
        if (!dtype_is_float(infer->inputs[i].dtype) || !shape_broadcast(&rest, given, &joined) ||
            !shape_equal(&joined, &rest))
            return op_fail(infer->node, err, "input %d (%s%s) does not broadcast to %s", i,
                           dtype_name(infer->inputs[i].dtype),
                           shape_text(given, other, sizeof(other)),
                           shape_text(&rest, text, sizeof(text)));
    }
    infer_output(infer, 0, infer->inputs[0].dtype, &shape);
    infer->scratch_bytes = operand_bytes(infer->inputs[0].dtype, shape_elements(&rest), 2);
    for (int d = axis; d < shape.rank; d++)
        shape.dims[d] = 1;
    for (int i = 1; i < infer->n_outputs; i++)
        infer_output(infer, i, params->stash, &shape);
    widen_infer(infer);
    return ENGINE_OK;
}

static enum engine_status layer_run_wide(const struct op_call *call, struct engine_error *err)
{
    const struct layer_params *params = call->params;
    const struct tensor *x = call->inputs[0];
    bool has_bias = operand_given(call, 2), is_double = x->dtype == DTYPE_F64;
    struct row_norm norm = {.rms = params->rms, .epsilon = (double)params->epsilon, .x = x->data,
                            .y = call->outputs[0]->data};
    struct shape rest;
    int axis = 0, threads = pool_threads(call->pool);

    (void)err;
    shape_axis(params->axis, x->shape.rank, &axis);
    rest = trailing(&x->shape, axis);
    norm.rows = shape_product(&x->shape, 0, axis);
    norm.n = shape_elements(&rest);
    if (is_double) {
        double *scratch = call->scratch;

        norm.scale = f64_operand(call->inputs[1], &rest, scratch);
        norm.bias = has_bias ? f64_operand(call->inputs[2], &rest, scratch + norm.n) : NULL;
    } else {
        float *scratch = call->scratch;

        norm.scale = f32_operand(call->inputs[1], &rest, scratch);
        norm.bias = has_bias ? f32_operand(call->inputs[2], &rest, scratch + norm.n) : NULL;
    }
    norm.mean = call->n_outputs > 1 ? call->outputs[1] : NULL;
    norm.inverse = call->n_outputs > 2 ? call->outputs[2] : NULL;
    if (norm.n == 0 && norm.mean == NULL && norm.inverse == NULL)
        return ENGINE_OK;
    norm.tasks = norm.rows < threads || norm.rows * norm.n / threads < GRAIN ? 1 : threads;
    pool_run(norm.tasks == 1 ? NULL : call->pool, norm.tasks,
             is_double ? f64_layer_rows : f32_layer_rows, &norm);
    return ENGINE_OK;
}

static enum engine_status layer_run(const struct op_call *call, struct engine_error *err)
{
    return widen_run(call, layer_run_wide, err);
}

static enum engine_status batch_init(const struct op_init *init, struct engine_error *err)
{
    struct batch_params *params = init->params;

    (void)err;
    params->epsilon = node_float(init->node, "epsilon", 1e-5f);
    params->momentum = node_float(init->node, "momentum", 0.9f);
    params->training = node_int(init->node, "training_mode", 0) != 0;
    return ENGINE_OK;
}

static enum engine_status batch_infer(struct op_infer *infer, struct engine_error *err)
{
    const struct batch_params *params = infer->params;
    enum engine_status status = check_channels(infer, 1, 4, err);

    if (status != ENGINE_OK)
        return status;
    if (infer->n_outputs > 1 && !params->training)
        return op_fail(infer->node, err, "%d outputs, but training_mode is 0", infer->n_outputs);
    infer_output(infer, 0, infer->inputs[0].dtype, &infer->inputs[0].shape);
    for (int i = 1; i < infer->n_outputs; i++)
        infer_output(infer, i, infer->inputs[i + 2].dtype, &infer->inputs[i + 2].shape);
    infer->scratch_bytes = operand_bytes(infer->inputs[0].dtype, infer->inputs[1].shape.dims[0], 6);
    widen_infer(infer);
    return ENGINE_OK;
}

static enum engine_status batch_run_wide(const struct op_call *call, struct engine_error *err)
{
    struct group_norm norm = by_channel(&call->inputs[0]->shape);

    (void)err;
    if (call->inputs[0]->dtype == DTYPE_F64)
        f64_batch(call, call->params, &norm, call->scratch);
    else
        f32_batch(call, call->params, &norm, call->scratch);
    return ENGINE_OK;
}

static enum engine_status batch_run(const struct op_call *call, struct engine_error *err)
{
    return widen_run(call, batch_run_wide, err);
}

static enum engine_status group_init(const struct op_init *init, struct engine_error *err)
{
    struct group_params *params = init->params;
    bool grouped = strcmp(init->node->op_type, "GroupNormalization") == 0;

    params->epsilon = node_float(init->node, "epsilon", 1e-5f);
    params->groups = grouped ? node_int(init->node, "num_groups", 0) : 0;
    if (grouped && params->groups < 1)
        return op_unsupported(init->node, err, "num_groups %" PRId64, params->groups);
    return ENGINE_OK;
}

static enum engine_status group_infer(struct op_infer *infer, struct engine_error *err)
{
    const struct group_params *params = infer->params;
    enum engine_status status = check_channels(infer, 1, 2, err);
    int64_t channels = infer->inputs[1].shape.dims[0];

    if (status != ENGINE_OK)
        return status;
    if (params->groups != 0 && channels % params->groups != 0)
        return op_fail(infer->node, err, "%" PRId64 " channels do not divide by %" PRId64 " groups",
                       channels, params->groups);
    infer_output(infer, 0, infer->inputs[0].dtype, &infer->inputs[0].shape);
    infer->scratch_bytes = operand_bytes(infer->inputs[0].dtype, channels, 2);
    widen_infer(infer);
    return ENGINE_OK;
}

static enum engine_status group_run_wide(const struct op_call *call, struct engine_error *err)
{
    const struct group_params *params = call->params;
    const struct tensor *x = call->inputs[0];
    struct group_norm norm = by_channel(&x->shape);
    const struct shape channels = {.rank = 1, .dims = {norm.channels}};

    (void)err;
    norm.epsilon = (double)params->epsilon;
    norm.groups = params->groups == 0 ? norm.channels : params->groups;
    if (shape_elements(&x->shape) == 0)
        return ENGINE_OK;
    norm.channels /= norm.groups;
    if (x->dtype == DTYPE_F64) {
        double *scratch = call->scratch;

        f64_groups(&norm, f64_operand(call->inputs[1], &channels, scratch),
                   f64_operand(call->inputs[2], &channels, scratch + channels.dims[0]), x->data,
                   call->outputs[0]->data);
    } else {
        float *scratch = call->scratch;

        f32_groups(&norm, f32_operand(call->inputs[1], &channels, scratch),
                   f32_operand(call->inputs[2], &channels, scratch + channels.dims[0]), x->data,
                   call->outputs[0]->data);
    }
    return ENGINE_OK;
}

static enum engine_status group_run(const struct op_call *call, struct engine_error *err)
{
    return widen_run(call, group_run_wide, err);
}

static enum engine_status lrn_init(const struct op_init *init, struct engine_error *err)
{
    struct lrn_params *params = init->params;

    params->alpha = node_float(init->node, "alpha", 1e-4f);
    params->beta = node_float(init->node, "beta", 0.75f);
    params->bias = node_float(init->node, "bias", 1.0f);
    params->size = node_int(init->node, "size", 0);
    if (params->size < 1)
        return op_unsupported(init->node, err, "size %" PRId64, params->size);
    return ENGINE_OK;
}

static enum engine_status lrn_infer(struct op_infer *infer, struct engine_error *err)
{
    if (infer->inputs[0].shape.rank == 0)
        return op_fail(infer->node, err, "X is a scalar");
    infer_output(infer, 0, infer->inputs[0].dtype, &infer->inputs[0].shape);
    widen_infer(infer);
    return ENGINE_OK;
}

static enum engine_status lrn_run_wide(const struct op_call *call, struct engine_error *err)
{
    const struct tensor *x = call->inputs[0];
    struct group_norm norm = by_channel(&x->shape);

    (void)err;
    if (x->dtype == DTYPE_F64)
        f64_across_channels(call->params, &norm, x->data, call->outputs[0]->data);
    else
        f32_across_channels(call->params, &norm, x->data, call->outputs[0]->data);
    return ENGINE_OK;
}

static enum engine_status lrn_run(const struct op_call *call, struct engine_error *err)
{
    return widen_run(call, lrn_run_wide, err);
}

const struct op_def ops_norm[] = {
    {.name = "BatchNormalization", .domain = "", .since = 14, .inputs_min = 5, .inputs_max = 5,
     .outputs_min = 1, .outputs_max = 3, .flags = OP_INPLACE, .dtypes = DTYPES_FLOAT,
     .params_size = sizeof(struct batch_params), .init = batch_init, .infer = batch_infer,
     .run = batch_run},
    {.name = "LayerNormalization", .domain = "", .since = 17, .inputs_min = 2, .inputs_max = 3,
     .outputs_min = 1, .outputs_max = 3, .flags = OP_INPLACE | OP_PARALLEL, .dtypes = DTYPES_FLOAT,
     .params_size = sizeof(struct layer_params), .init = layer_init, .infer = layer_infer,
     .run = layer_run},
    {.name = "RMSNormalization", .domain = "", .since = 23, .inputs_min = 2, .inputs_max = 2,
     .outputs_min = 1, .outputs_max = 1, .flags = OP_INPLACE | OP_PARALLEL, .dtypes = DTYPES_FLOAT,
     .params_size = sizeof(struct layer_params), .init = layer_init, .infer = layer_infer,
     .run = layer_run},
    {.name = "InstanceNormalization", .domain = "", .since = 6, .inputs_min = 3, .inputs_max = 3,
     .outputs_min = 1, .outputs_max = 1, .flags = OP_INPLACE, .dtypes = DTYPES_FLOAT,
     .params_size = sizeof(struct group_params), .init = group_init, .infer = group_infer,
     .run = group_run},
    {.name = "GroupNormalization", .domain = "", .since = 21, .inputs_min = 3, .inputs_max = 3,
     .outputs_min = 1, .outputs_max = 1, .flags = OP_INPLACE, .dtypes = DTYPES_FLOAT,
     .params_size = sizeof(struct group_params), .init = group_init, .infer = group_infer,
     .run = group_run},
    {.name = "LRN", .domain = "", .since = 1, .inputs_min = 1, .inputs_max = 1, .outputs_min = 1,
     .outputs_max = 1, .dtypes = DTYPES_FLOAT, .params_size = sizeof(struct lrn_params),
     .init = lrn_init, .infer = lrn_infer, .run = lrn_run},
    {0},
};
