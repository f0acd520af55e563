/* SPDX-License-Identifier: Apache-2.0
 * inferd.PackedBottleneck (x, project, project_bias, residual, expand, expand_bias, depthwise,
 * depthwise_bias), which engine/optimise/fuse_bottleneck.c makes of three inferd.PackedConv: a 1x1
 * convolution, a depthwise one [kernel_shape, strides, pads, dilations, auto_pad] and a 1x1 convolution,
 * each with an activation: [expand_activation, expand_alpha, expand_beta, depthwise_..., activation, alpha,
 * beta], [channels, middle, columns] wide. Channels last; float32 only. */
#include "engine/kernels/bottleneck.h"

#include "engine/kernels/depthwise.h"
#include "engine/ops/epilogue.h"
#include "engine/ops/families.h"
#include "engine/ops/window_form.h"

enum { X, PROJECT, EXPAND = 4, EXPAND_BIAS, DEPTHWISE, DEPTHWISE_BIAS, OPERANDS };

struct bottleneck_params {
    struct window_form window;
    int64_t channels, middle, columns;
    struct activation expanded, filtered, projected;
};

static enum engine_status read_activation(const struct op_init *init, const char *const names[3],
                                          struct activation *ret, struct engine_error *err)
{
    const char *name = node_string(init->node, names[0], "None");

    ret->kind = activation_kind(name);
    ret->alpha = node_float(init->node, names[1], 0);
    ret->beta = node_float(init->node, names[2], 0);
    if (ret->kind == ACTIVATION_COUNT)
        return op_unsupported(init->node, err, "activation '%.32s'", name);
    return ENGINE_OK;
}

static enum engine_status bottleneck_init(const struct op_init *init, struct engine_error *err)
{
    static const char *const expand[] = {"expand_activation", "expand_alpha", "expand_beta"};
    static const char *const depthwise[] = {"depthwise_activation", "depthwise_alpha", "depthwise_beta"};
    struct bottleneck_params *params = init->params;
    enum engine_status status = window_form_read(init->node, &params->window, err);

    if (status == ENGINE_OK)
        status = read_activation(init, expand, &params->expanded, err);
    if (status == ENGINE_OK)
        status = read_activation(init, depthwise, &params->filtered, err);
    if (status == ENGINE_OK)
        status = epilogue_init(init, &params->projected, err);
    params->channels = node_int(init->node, "channels", 0);
    params->middle = node_int(init->node, "middle", 0);
    params->columns = node_int(init->node, "columns", 0);
    if (status == ENGINE_OK && (params->window.rank != 2 || !params->window.has_kernel ||
                                params->channels < 1 || params->middle < 1 || params->columns < 1))
        return op_fail(init->node, err, "kernel_shape, channels, middle or columns are out of range");
    return status;
}

/* NULL, or what does not fit. `ret_y` is the shape of the result. */
static const char *bottleneck_shapes(const struct bottleneck_params *params, const struct shape *x,
                                     struct window *ret_window, struct shape *ret_y)
{
    const char *problem;

    if (x->rank != 4 || x->dims[3] != params->channels)
        return "rank or channels do not fit the weights";
    problem = window_fit(&params->window, 2, x->dims + 1, params->window.kernel + WINDOW_DIMS - 2,
                         ret_window);
    if (problem == NULL && !depthwise_has_strips(ret_window))
        return "these windows have no strips";
    *ret_y = (struct shape){4, {x->dims[0], ret_window->out[1], ret_window->out[2], params->columns}};
    return problem;
}

/* NULL, or what was not packed for this. */
static const char *check_weights(const struct op_infer *infer, const struct window *window)
{
    const struct bottleneck_params *params = infer->params;
    const struct conv_last_form forms[] = {{1, params->channels, params->middle, 1},
                                           {params->middle, 1, 1, window->kernel[1] * window->kernel[2]},
                                           {1, params->middle, params->columns, 1}};
    const int inputs[] = {EXPAND, DEPTHWISE, PROJECT}, biases[] = {EXPAND_BIAS, DEPTHWISE_BIAS};
    int64_t floats;

    for (int i = 0; i < 3; i++)
        if (infer->n_inputs <= inputs[i] || infer->inputs[inputs[i]].dtype != DTYPE_F32 ||
            !conv_last_packed_size(&forms[i], &floats) ||
            floats != shape_elements(&infer->inputs[inputs[i]].shape))
            return "weights were not packed for this";
    for (int i = 0; i < 2; i++)
        if (infer->n_inputs > biases[i] && infer->inputs[biases[i]].dtype != DTYPE_NONE &&
            (infer->inputs[biases[i]].dtype != DTYPE_F32 ||
             shape_elements(&infer->inputs[biases[i]].shape) != params->middle))
            return "a bias does not fit";
    return NULL;
}

static enum engine_status bottleneck_infer(struct op_infer *infer, struct engine_error *err)
{
    const struct bottleneck_params *params = infer->params;
    const struct shape *x = &infer->inputs[X].shape;
    char text[SHAPE_TEXT_MAX];
    struct window window;
    struct shape y;
    int64_t in, out;
    enum engine_status status;
    const char *problem = bottleneck_shapes(params, x, &window, &y);

    if (problem == NULL)
        problem = check_weights(infer, &window);
    /* What lies in between is checked as if it were there as a whole. */
    if (problem == NULL &&
        (!shape_check(&(struct shape){4, {x->dims[0] + 1, x->dims[1], x->dims[2], params->middle}},
                      2 * sizeof(float), NULL) ||
         !shape_check(&(struct shape){4, {y.dims[0] + 1, y.dims[1], y.dims[2], params->middle}},
                      2 * sizeof(float), NULL)))
        problem = "images are too large";
    if (problem != NULL)
        return op_fail(infer->node, err, "%s (input %s, channels last)", problem,
                       shape_text(x, text, sizeof(text)));
    status = epilogue_infer(infer, &y, err);
    infer->scratch_bytes += bottleneck_scratch(params->middle, &window, x->dims[0], infer->threads);
    in = x->dims[0] * x->dims[1] * x->dims[2];
    out = y.dims[0] * y.dims[1] * y.dims[2];
    infer->flops = op_flops(in, params->channels, params->middle) +
                   op_flops(out, window.kernel[1] * window.kernel[2], params->middle) +
                   op_flops(out, params->middle, params->columns);
    return status;
}

static const float *data_of(const struct op_call *call, int input)
{
    return call->n_inputs > input && call->inputs[input] != NULL ? call->inputs[input]->data : NULL;
}

static enum engine_status bottleneck_op_run(const struct op_call *call, struct engine_error *err)
{
    const struct bottleneck_params *params = call->params;
    const struct tensor *x = call->inputs[X];
    struct bottleneck b = {.images = x->shape.dims[0], .channels = params->channels, .middle = params->middle,
                           .outputs = params->columns, .x = x->data, .expand = data_of(call, EXPAND),
                           .depthwise = data_of(call, DEPTHWISE), .project = data_of(call, PROJECT),
                           .expanded = {.bias = data_of(call, EXPAND_BIAS), .activation = params->expanded},
                           .filtered = {.bias = data_of(call, DEPTHWISE_BIAS),
                                        .activation = params->filtered}};
    struct epilogue_call epilogue;
    struct shape y;
    size_t own;
    const char *problem = bottleneck_shapes(params, &x->shape, &b.window, &y);

    if (problem != NULL)
        return op_fail(call->node, err, "%s", problem);
    own = bottleneck_scratch(params->middle, &b.window, b.images, pool_threads(call->pool));
    epilogue = epilogue_start(call, &params->projected, &y, (float *)(void *)((char *)call->scratch + own));
    b.projected = epilogue.epilogue;
    b.y = epilogue.product;
    bottleneck_run(&b, call->scratch, call->pool);
    epilogue_finish(call, &params->projected, &y, &epilogue);
    return ENGINE_OK;
}

const struct op_def ops_bottleneck[] = {
    {.domain = "inferd", .name = "PackedBottleneck", .since = 1, .inputs_min = 2, .inputs_max = OPERANDS,
     .outputs_min = 1, .outputs_max = 1, .flags = OP_PARALLEL, .dtypes = DTYPE_BIT(DTYPE_F32),
     .params_size = sizeof(struct bottleneck_params), .init = bottleneck_init, .infer = bottleneck_infer,
     .run = bottleneck_op_run},
    {0},
};
