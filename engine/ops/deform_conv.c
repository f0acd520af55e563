/* SPDX-License-Identifier: Apache-2.0
 * DeformConv: a convolution of planes whose every tap is moved by an offset of its own and weighed by a mask
 * (J. Dai et al., "Deformable Convolutional Networks", 2017; X. Zhu et al., version 2, 2018). Sums are
 * doubles. */
#include "engine/kernels/convert.h"
#include "engine/ops/conv_form.h"
#include "engine/ops/families.h"
#include "engine/ops/operands.h"
#include "engine/pool.h"

#include <inttypes.h>
#include <math.h>

enum { X, W, OFFSET, BIAS, MASK, INPUTS };

struct deform_params {
    struct conv_form conv;
    int64_t offset_groups;
};

static enum engine_status deform_init(const struct op_init *init, struct engine_error *err)
{
    struct deform_params *params = init->params;
    const struct op_init conv = {.node = init->node, .params = &params->conv};

    params->offset_groups = node_int(init->node, "offset_group", 1);
    if (params->offset_groups < 1)
        return op_fail(init->node, err, "offset_group is %" PRId64, params->offset_groups);
    return conv_form_init(&conv, err);
}

static const struct tensor *given(const struct op_infer *infer, int input)
{
    return input < infer->n_inputs && infer->inputs[input].dtype != DTYPE_NONE ? &infer->inputs[input]
                                                                                : NULL;
}

/* One plane for each number that the taps of each group have. */
static bool fits_places(const struct tensor *tensor, const struct deform_params *params,
                        const struct conv_sizes *sizes, int64_t numbers)
{
    const int64_t *dims = tensor->shape.dims;

    return tensor->shape.rank == 4 && dims[0] == sizes->images &&
           dims[1] % (params->offset_groups * numbers) == 0 &&
           dims[1] / (params->offset_groups * numbers) == window_kernel_size(&sizes->window) &&
           dims[2] == sizes->window.out[1] && dims[3] == sizes->window.out[2];
}

static enum engine_status deform_infer(struct op_infer *infer, struct engine_error *err)
{
    const struct deform_params *params = infer->params;
    const struct tensor *x = &infer->inputs[X], *w = &infer->inputs[W];
    const struct tensor *bias = given(infer, BIAS), *mask = given(infer, MASK);
    struct shape shape = {.rank = 4};
    struct conv_sizes sizes;
    const char *problem;
    int64_t seen, rows;

    for (int i = 0; i < infer->n_inputs; i++)
        if (given(infer, i) != NULL && infer->inputs[i].dtype != x->dtype)
            return op_fail(infer->node, err, "input %d is %s, the first is %s", i,
                           dtype_name(infer->inputs[i].dtype), dtype_name(x->dtype));
    if (x->shape.rank != 4)
        return op_unsupported(infer->node, err, "an input of rank %d, not 4", x->shape.rank);
    problem = conv_form_sizes(&params->conv, &x->shape, &w->shape, bias != NULL ? &bias->shape : NULL,
                              &sizes);
    if (problem == NULL && x->shape.dims[1] % params->offset_groups != 0)
        problem = "offset_group does not divide the channels";
    if (problem == NULL && !fits_places(&infer->inputs[OFFSET], params, &sizes, 2))
        problem = "the offsets are not two for each tap, group and place";
    if (problem == NULL && mask != NULL && !fits_places(mask, params, &sizes, 1))
        problem = "the mask is not one for each tap, group and place";
    if (problem != NULL)
        return op_fail(infer->node, err, "%s", problem);
    shape.dims[0] = sizes.images;
    shape.dims[1] = sizes.outputs * sizes.groups;
    shape.dims[2] = sizes.window.out[1];
    shape.dims[3] = sizes.window.out[2];
    infer_output(infer, 0, x->dtype, &shape);
    if (!shape_check(&shape, sizeof(double), NULL))
        return ENGINE_OK;           /* the executor will say so */
    infer->flops = op_flops(shape_elements(&shape), sizes.channels, window_kernel_size(&sizes.window));
    if (__builtin_mul_overflow(x->shape.dims[1], window_kernel_size(&sizes.window), &seen) ||
        __builtin_mul_overflow((size_t)seen, sizeof(double) * (size_t)infer->threads,
                               &infer->scratch_bytes) ||
        __builtin_mul_overflow(sizes.images, sizes.window.out[1], &rows) || rows > INT32_MAX)
        return op_fail(infer->node, err, "too many channels, taps or rows");
    return ENGINE_OK;
}

struct deform_work {
    const struct op_call *call;
    const struct deform_params *params;
    struct conv_sizes sizes;
    int64_t channels, taps;         /* of all groups; of a window */
};

static double at(const struct tensor *tensor, int64_t i)
{
    return tensor->dtype == DTYPE_F32 ? ((const float *)tensor->data)[i] : tensor_double_at(tensor, i);
}

/* The plane that begins at `base` between its four nearest places; those outside are zero. */
static double sample(const struct tensor *x, int64_t base, int64_t high, int64_t wide, double row,
                     double column)
{
    double sum = 0;

    if (!(row > -1 && row < (double)high && column > -1 && column < (double)wide))
        return 0;
    for (int i = 0; i < 4; i++) {
        const double y = floor(row) + i / 2, c = floor(column) + i % 2;

        if (y >= 0 && y < (double)high && c >= 0 && c < (double)wide)
            sum += (1 - fabs(row - y)) * (1 - fabs(column - c)) *
                   at(x, base + (int64_t)y * wide + (int64_t)c);
    }
    return sum;
}

/* What the taps of one output place see, channel after channel. */
static void gather(const struct deform_work *work, int64_t image, int64_t row, int64_t column,
                   double *ret_seen)
{
    const struct window *w = &work->sizes.window;
    const struct tensor *x = work->call->inputs[X], *offset = work->call->inputs[OFFSET];
    const struct tensor *mask = work->call->n_inputs > MASK ? work->call->inputs[MASK] : NULL;
    const int64_t groups = work->params->offset_groups, plane = w->out[1] * w->out[2];
    const int64_t place = row * w->out[2] + column, area = w->in[1] * w->in[2];

    for (int64_t c = 0; c < work->channels; c++) {
        const int64_t group = image * groups + c / (work->channels / groups);

        for (int64_t t = 0; t < work->taps; t++) {
            const int64_t tap = group * work->taps + t;
            const double y = (double)(row * w->stride[1] - w->pad_begin[1] +
                                      t / w->kernel[2] * w->dilation[1]) +
                             at(offset, 2 * tap * plane + place);
            const double z = (double)(column * w->stride[2] - w->pad_begin[2] +
                                      t % w->kernel[2] * w->dilation[2]) +
                             at(offset, (2 * tap + 1) * plane + place);

            ret_seen[c * work->taps + t] =
                sample(x, (image * work->channels + c) * area, w->in[1], w->in[2], y, z) *
                (mask != NULL ? at(mask, tap * plane + place) : 1);
        }
    }
}

/* A task is a row of places of one image. */
static void deform_task(void *arg, int task, int thread)
{
    const struct deform_work *work = arg;
    const struct conv_sizes *s = &work->sizes;
    const struct op_call *call = work->call;
    const struct tensor *weights = call->inputs[W], *y = call->outputs[0];
    const struct tensor *bias = call->n_inputs > BIAS ? call->inputs[BIAS] : NULL;
    const int64_t image = task / s->window.out[1], row = task % s->window.out[1];
    const int64_t outputs = s->outputs * s->groups, length = s->channels * work->taps;
    double *seen = (double *)call->scratch + thread * work->channels * work->taps;

    for (int64_t column = 0; column < s->window.out[2]; column++) {
        gather(work, image, row, column, seen);
        for (int64_t o = 0; o < outputs; o++) {
            const double *part = seen + o / s->outputs * length;
            const int64_t to = ((image * outputs + o) * s->window.out[1] + row) * s->window.out[2] + column;
            double sum = bias != NULL ? at(bias, o) : 0;

            for (int64_t i = 0; i < length; i++)
                sum += part[i] * at(weights, o * length + i);
            store_f64(y->dtype, 1, &sum, (char *)y->data + (size_t)to * dtype_size(y->dtype));
        }
    }
}

static enum engine_status deform_run(const struct op_call *call, struct engine_error *err)
{
    struct deform_work work = {.call = call, .params = call->params};
    const struct shape *x = &call->inputs[X]->shape;

    (void)err;
    conv_form_sizes(&work.params->conv, x, &call->inputs[W]->shape, NULL, &work.sizes);
    work.channels = x->dims[1];
    work.taps = window_kernel_size(&work.sizes.window);
    if (shape_elements(&call->outputs[0]->shape) > 0)
        pool_run(call->pool, (int)(work.sizes.images * work.sizes.window.out[1]), deform_task, &work);
    return ENGINE_OK;
}

const struct op_def ops_deform_conv[] = {
    {.name = "DeformConv", .domain = "", .since = 19, .inputs_min = 3, .inputs_max = INPUTS,
     .outputs_min = 1, .outputs_max = 1, .flags = OP_PARALLEL, .params_size = sizeof(struct deform_params),
     .dtypes = DTYPE_BIT(DTYPE_F32) | DTYPE_BIT(DTYPE_F64) | DTYPE_BIT(DTYPE_F16) | DTYPE_BIT(DTYPE_BF16),
     .init = deform_init, .infer = deform_infer, .run = deform_run},
    {.name = NULL},
};
