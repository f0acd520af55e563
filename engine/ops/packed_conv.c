/* SPDX-License-Identifier: Apache-2.0
 * What engine/optimise/channels_last.c makes of Conv with constant weights:
 * inferd.PackConv (w) [group, winograd] rearranges them, in the prologue, once for each generation;
 * inferd.PackedConv (x, packed, bias, residual) [kernel_shape, strides, pads, dilations, auto_pad, group,
 * channels, columns, winograd, activation, alpha, beta] convolves images whose channels are the last
 * dimension. "winograd" is the size of output tiles (engine/kernels/winograd.h), 0 for the direct sum.
 * float32 only. */
#include "engine/kernels/conv_last.h"
#include "engine/kernels/winograd.h"
#include "engine/ops/epilogue.h"
#include "engine/ops/families.h"
#include "engine/ops/window_form.h"

static enum engine_status pack_form(const struct node *node, int64_t groups, const struct shape *w,
                                    struct conv_last_form *ret, struct engine_error *err)
{
    char text[SHAPE_TEXT_MAX];

    if (w->rank < 3 || groups < 1 || w->dims[0] % groups != 0)
        return op_fail(node, err, "weights of shape %s", shape_text(w, text, sizeof(text)));
    ret->groups = groups;
    ret->outputs = w->dims[0] / groups;
    ret->channels = w->dims[1];
    ret->taps = shape_product(w, 2, w->rank);
    return ENGINE_OK;
}

/* 0, or a size of tiles that there is. */
static enum engine_status read_winograd(const struct node *node, const struct conv_last_form *form,
                                        int *ret_tile, struct engine_error *err)
{
    int64_t tile = node_int(node, "winograd", 0);

    if (tile != 0 && ((tile != WINOGRAD_SMALL && tile != WINOGRAD_LARGE) || form->groups != 1 ||
                      form->taps != 9))
        return op_fail(node, err, "winograd is %lld", (long long)tile);
    *ret_tile = (int)tile;
    return ENGINE_OK;
}

static bool packed_floats(const struct conv_last_form *form, int tile, int64_t *ret_floats)
{
    return tile > 0 ? winograd_packed_size(form, tile, ret_floats)
                    : conv_last_packed_size(form, ret_floats);
}

struct pack_params {
    int64_t groups;
};

static enum engine_status pack_init(const struct op_init *init, struct engine_error *err)
{
    struct pack_params *params = init->params;

    (void)err;
    params->groups = node_int(init->node, "group", 1);
    return ENGINE_OK;
}

static enum engine_status pack_infer(struct op_infer *infer, struct engine_error *err)
{
    const struct pack_params *params = infer->params;
    struct tensor *out = &infer->outputs[0];
    struct conv_last_form form;
    int tile;
    enum engine_status status =
        pack_form(infer->node, params->groups, &infer->inputs[0].shape, &form, err);

    if (status == ENGINE_OK)
        status = read_winograd(infer->node, &form, &tile, err);
    if (status != ENGINE_OK)
        return status;
    out->dtype = DTYPE_F32;
    out->shape.rank = 1;
    if (!packed_floats(&form, tile, &out->shape.dims[0]))
        return op_fail(infer->node, err, "weights are too large to pack");
    return ENGINE_OK;
}

static enum engine_status pack_run(const struct op_call *call, struct engine_error *err)
{
    const struct pack_params *params = call->params;
    const struct tensor *w = call->inputs[0];
    struct conv_last_form form;
    int tile;
    enum engine_status status = pack_form(call->node, params->groups, &w->shape, &form, err);

    if (status == ENGINE_OK)
        status = read_winograd(call->node, &form, &tile, err);
    if (status != ENGINE_OK)
        return status;
    if (tile > 0)
        winograd_pack(&form, tile, w->data, call->outputs[0]->data);
    else
        conv_last_pack(&form, w->data, call->outputs[0]->data);
    return ENGINE_OK;
}

struct packed_conv_params {
    struct window_form window;
    struct conv_last_form form;
    struct activation activation;
    int winograd;
};

static enum engine_status packed_init(const struct op_init *init, struct engine_error *err)
{
    struct packed_conv_params *params = init->params;
    enum engine_status status = window_form_read(init->node, &params->window, err);
    int64_t columns;

    if (status != ENGINE_OK)
        return status;
    params->form.groups = node_int(init->node, "group", 1);
    params->form.channels = node_int(init->node, "channels", 0);
    columns = node_int(init->node, "columns", 0);
    if (params->window.rank < 1 || !params->window.has_kernel || params->form.groups < 1 ||
        params->form.channels < 1 || columns < 1 || columns % params->form.groups != 0 ||
        __builtin_mul_overflow(params->window.kernel[0], params->window.kernel[1], &params->form.taps) ||
        __builtin_mul_overflow(params->form.taps, params->window.kernel[2], &params->form.taps))
        return op_fail(init->node, err, "kernel_shape, group, channels or columns are out of range");
    params->form.outputs = columns / params->form.groups;
    status = read_winograd(init->node, &params->form, &params->winograd, err);
    return status == ENGINE_OK ? epilogue_init(init, &params->activation, err) : status;
}

/* NULL, or what does not fit. `ret_y` is the shape of the result. */
static const char *packed_shapes(const struct packed_conv_params *params, const struct shape *x,
                                 struct window *ret_window, struct shape *ret_y)
{
    int rank = x->rank - 2;
    const char *problem;

    if (rank != params->window.rank ||
        x->dims[x->rank - 1] != params->form.groups * params->form.channels)
        return "rank or channels do not fit the weights";
    problem = window_fit(&params->window, rank, x->dims + 1,
                         params->window.kernel + WINDOW_DIMS - rank, ret_window);
    *ret_y = *x;
    for (int i = 0; i < rank && problem == NULL; i++)
        ret_y->dims[1 + i] = ret_window->out[WINDOW_DIMS - rank + i];
    ret_y->dims[x->rank - 1] = params->form.groups * params->form.outputs;
    if (problem == NULL && params->winograd > 0 && !winograd_fits(ret_window))
        return "these windows are not for Winograd's form";
    return problem;
}

static size_t own_scratch(const struct packed_conv_params *params, const struct window *window,
                          int64_t images, int threads)
{
    if (params->winograd > 0)
        return winograd_scratch(&params->form, params->winograd, window, images, threads);
    return conv_last_scratch(&params->form, window, images, threads);
}

static enum engine_status packed_infer(struct op_infer *infer, struct engine_error *err)
{
    const struct packed_conv_params *params = infer->params;
    const struct shape *x = &infer->inputs[0].shape;
    char text[SHAPE_TEXT_MAX];
    struct window window;
    struct shape y;
    int64_t floats;
    size_t scratch;
    enum engine_status status;
    const char *problem = packed_shapes(params, x, &window, &y);

    if (problem != NULL)
        return op_fail(infer->node, err, "%s (input %s, channels last)", problem,
                       shape_text(x, text, sizeof(text)));
    if (!packed_floats(&params->form, params->winograd, &floats) ||
        floats != shape_elements(&infer->inputs[1].shape))
        return op_fail(infer->node, err, "weights were not packed for this");
    infer->flops = op_flops(shape_product(&y, 0, y.rank), params->form.channels, params->form.taps);
    status = epilogue_infer(infer, &y, err);
    scratch = infer->scratch_bytes;
    if (__builtin_add_overflow(scratch, own_scratch(params, &window, x->dims[0], infer->threads),
                               &infer->scratch_bytes))
        return op_fail(infer->node, err, "padding is too large");
    return status;
}

static enum engine_status packed_run(const struct op_call *call, struct engine_error *err)
{
    const struct packed_conv_params *params = call->params;
    const struct tensor *x = call->inputs[0];
    struct conv_last conv = {.form = params->form, .images = x->shape.dims[0], .x = x->data,
                             .weights = call->inputs[1]->data};
    struct shape y;
    struct epilogue_call epilogue;
    size_t own;
    const char *problem = packed_shapes(params, &x->shape, &conv.window, &y);

    if (problem != NULL)
        return op_fail(call->node, err, "%s", problem);
    own = own_scratch(params, &conv.window, conv.images, pool_threads(call->pool));
    epilogue = epilogue_start(call, &params->activation, &y, (float *)(void *)((char *)call->scratch + own));
    conv.y = epilogue.product;
    conv.epilogue = epilogue.epilogue;
    if (params->winograd > 0)
        winograd_run(&conv, params->winograd, call->scratch, call->pool);
    else
        conv_last_run(&conv, call->scratch, call->pool);
    epilogue_finish(call, &params->activation, &y, &epilogue);
    return ENGINE_OK;
}

const struct op_def ops_packed_conv[] = {
    {.domain = "inferd", .name = "PackConv", .since = 1, .inputs_min = 1, .inputs_max = 1,
     .outputs_min = 1, .outputs_max = 1, .dtypes = DTYPE_BIT(DTYPE_F32),
     .params_size = sizeof(struct pack_params), .init = pack_init, .infer = pack_infer,
     .run = pack_run},
    {.domain = "inferd", .name = "PackedConv", .since = 1, .inputs_min = 2, .inputs_max = 4,
     .outputs_min = 1, .outputs_max = 1, .flags = OP_PARALLEL, .dtypes = DTYPE_BIT(DTYPE_F32),
     .params_size = sizeof(struct packed_conv_params), .init = packed_init, .infer = packed_infer,
     .run = packed_run},
    {0},
};
