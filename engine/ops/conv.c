/* SPDX-License-Identifier: Apache-2.0
 * Conv and ConvTranspose of any geometry with weights of any origin. Those with constant weights
 * become inferd.PackedConv when a model is optimised: see engine/ops/packed_conv.c. */
#include "engine/kernels/conv.h"
#include "engine/ops/conv_form.h"
#include "engine/ops/families.h"
#include "engine/ops/product.h"

#define CONV_DTYPES \
    (DTYPE_BIT(DTYPE_F32) | DTYPE_BIT(DTYPE_F64) | DTYPE_BIT(DTYPE_F16) | DTYPE_BIT(DTYPE_BF16))

static const struct shape *bias_shape(const struct op_infer *infer)
{
    return infer->n_inputs > 2 && infer->inputs[2].dtype != DTYPE_NONE ? &infer->inputs[2].shape : NULL;
}

/* Elements that one thread needs for its columns. */
static int64_t columns(const struct conv_form *params, const struct conv_sizes *sizes)
{
    return conv_scratch(&sizes->window, params->transposed ? sizes->outputs : sizes->channels);
}

static enum engine_status conv_infer(struct op_infer *infer, struct engine_error *err)
{
    const struct conv_form *params = infer->params;
    const struct tensor *x = &infer->inputs[0], *w = &infer->inputs[1];
    struct shape *out = &infer->outputs[0].shape;
    size_t size = is_half(x->dtype) ? sizeof(float) : dtype_size(x->dtype);
    char text_x[SHAPE_TEXT_MAX], text_w[SHAPE_TEXT_MAX];
    struct conv_sizes sizes;
    const char *problem;

    if (w->dtype != x->dtype)
        return op_fail(infer->node, err, "types %s and %s differ", dtype_name(x->dtype),
                       dtype_name(w->dtype));
    problem = conv_form_sizes(params, &x->shape, &w->shape, bias_shape(infer), &sizes);
    if (problem != NULL)
        return op_fail(infer->node, err, "%s (input %s, weights %s)", problem,
                       shape_text(&x->shape, text_x, sizeof(text_x)),
                       shape_text(&w->shape, text_w, sizeof(text_w)));
    infer->outputs[0].dtype = x->dtype;
    out->rank = x->shape.rank;
    out->dims[0] = sizes.images;
    out->dims[1] = sizes.outputs * sizes.groups;
    for (int i = 2; i < out->rank; i++)
        out->dims[i] = (params->transposed ? sizes.window.in
                                           : sizes.window.out)[i - 2 + WINDOW_DIMS - (out->rank - 2)];
    if (!shape_check(out, size, NULL))
        return ENGINE_OK;           /* the executor will say so */
    infer->flops = op_flops(shape_elements(params->transposed ? &x->shape : out),
                            params->transposed ? sizes.outputs : sizes.channels,
                            window_kernel_size(&sizes.window));
    infer->scratch_bytes = size * (size_t)columns(params, &sizes) * (size_t)infer->threads;
    if (is_half(x->dtype))
        infer->scratch_bytes += size * (size_t)(shape_elements(&x->shape) + shape_elements(&w->shape) +
                                                shape_elements(out) + out->dims[1]);
    return ENGINE_OK;
}

/* What the threads share; task = (image, group) and, for Conv, the stretch within it. */
struct conv_work {
    const struct conv_form *params;
    struct conv_sizes sizes;
    bool wide;                      /* double */
    int64_t stretch, stretches;
    const char *x, *w, *bias;
    char *y, *scratch;
};

static void conv_task(void *arg, int task, int thread)
{
    const struct conv_work *work = arg;
    const struct conv_sizes *s = &work->sizes;
    const struct window *window = &s->window;
    int64_t part = task % work->stretches, which = task / work->stretches, group = which % s->groups;
    int64_t from = part * work->stretch, to = from + work->stretch;
    int64_t in = work->params->transposed ? window_out_size(window) : window_in_size(window);
    int64_t out = work->params->transposed ? window_in_size(window) : window_out_size(window);
    size_t size = work->wide ? sizeof(double) : sizeof(float);
    const void *x = work->x + size * (size_t)(which * s->channels * in);
    const void *w = work->w + size * (size_t)(group * s->channels * s->outputs *
                                              window_kernel_size(window));
    const void *bias = work->bias != NULL ? work->bias + size * (size_t)(group * s->outputs) : NULL;
    void *y = work->y + size * (size_t)(which * s->outputs * out);
    void *scratch = work->scratch + size * (size_t)(thread * columns(work->params, s));

    if (to > window_out_size(window))
        to = window_out_size(window);
    if (work->params->transposed && work->wide)
        conv_transposed_f64(window, s->channels, s->outputs, x, w, bias, false, scratch, y);
    else if (work->params->transposed)
        conv_transposed_f32(window, s->channels, s->outputs, x, w, bias, false, scratch, y);
    else if (work->wide)
        conv_f64(window, s->channels, s->outputs, from, to, x, w, bias, scratch, y);
    else
        conv_f32(window, s->channels, s->outputs, from, to, x, w, bias, scratch, y);
}

/* Half types: everything to float behind the columns in the scratch; returns the float output. */
static float *widen_all(const struct op_call *call, struct conv_work *work, int64_t used)
{
    const struct tensor *bias = call->n_inputs > 2 ? call->inputs[2] : NULL;
    enum dtype dtype = call->inputs[0]->dtype;
    int64_t elements_x = shape_elements(&call->inputs[0]->shape);
    int64_t elements_w = shape_elements(&call->inputs[1]->shape);
    float *x = (float *)call->scratch + used, *w = x + elements_x, *b = w + elements_w;

    widen(dtype, call->inputs[0]->data, elements_x, x);
    widen(dtype, call->inputs[1]->data, elements_w, w);
    work->x = (const char *)x;
    work->w = (const char *)w;
    if (bias != NULL) {
        widen(dtype, bias->data, bias->shape.dims[0], b);
        work->bias = (const char *)b;
    }
    work->y = (char *)(b + call->outputs[0]->shape.dims[1]);
    return (float *)(void *)work->y;
}

static enum engine_status conv_run(const struct op_call *call, struct engine_error *err)
{
    const struct tensor *x = call->inputs[0], *w = call->inputs[1];
    const struct tensor *bias = call->n_inputs > 2 ? call->inputs[2] : NULL;
    struct conv_work work = {.params = call->params, .wide = x->dtype == DTYPE_F64, .x = x->data,
                             .w = w->data, .bias = bias != NULL ? bias->data : NULL,
                             .y = call->outputs[0]->data, .scratch = call->scratch};
    struct conv_sizes *s = &work.sizes;
    float *wide = NULL;
    const char *problem = conv_form_sizes(work.params, &x->shape, &w->shape,
                                     bias != NULL ? &bias->shape : NULL, s);

    if (problem != NULL)
        return op_fail(call->node, err, "%s", problem);
    if (shape_elements(&call->outputs[0]->shape) == 0)
        return ENGINE_OK;
    if (is_half(x->dtype))
        wide = widen_all(call, &work, columns(work.params, s) * pool_threads(call->pool));
    work.stretch = work.params->transposed ? window_out_size(&s->window)
                                           : conv_stretch(&s->window, s->channels);
    work.stretches = (window_out_size(&s->window) + work.stretch - 1) / work.stretch;
    pool_run(call->pool, (int)(s->images * s->groups * work.stretches), conv_task, &work);
    if (wide != NULL)
        narrow(x->dtype, wide, shape_elements(&call->outputs[0]->shape), call->outputs[0]->data);
    return ENGINE_OK;
}

#define CONV_ENTRY(NAME) \
    {.domain = "", .name = NAME, .since = 1, .inputs_min = 2, .inputs_max = 3, .outputs_min = 1, \
     .outputs_max = 1, .flags = OP_PARALLEL, .dtypes = CONV_DTYPES, \
     .params_size = sizeof(struct conv_form), .init = conv_form_init, .infer = conv_infer, \
     .run = conv_run}

const struct op_def ops_conv[] = {
    CONV_ENTRY("Conv"),
    CONV_ENTRY("ConvTranspose"),
    {0},
};
