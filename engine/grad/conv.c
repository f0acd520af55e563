/* SPDX-License-Identifier: Apache-2.0
 * Gradients of Conv and ConvTranspose. By the input, a convolution's gradient is a transposed
 * convolution, and the other way round; where it steps by one place, a transposed convolution is a
 * plain one with the kernel turned about. By the weights: engine/kernels/conv_weights.h. */
#include "engine/grad/families.h"
#include "engine/kernels/conv.h"
#include "engine/kernels/conv_planes.h"
#include "engine/kernels/conv_weights.h"
#include "engine/kernels/vec_math.h"
#include "engine/ops/conv_form.h"

enum { X, W, B };

/* A convolution read backwards: dy [images, groups * outputs, out] is spread over dx [images, groups *
 * channels, in] through w [groups * outputs, channels, taps]. */
struct spread {
    struct window window;
    int64_t images, groups, channels, outputs;
    const float *dy, *w;
    float *dx;
    bool accumulate;
    float *scratch;
};

/* Weights beyond so many floats are turned about and packed in parts, which bounds the scratch. */
enum { PART_FLOATS = 1 << 20, PARTS_MAX = 4 };

static size_t max_size(size_t a, size_t b)
{
    return a > b ? a : b;
}

/* True where a plain convolution of dy gives dx: `ret` is that window. */
static bool turns_about(const struct window *window, struct window *ret)
{
    *ret = *window;
    for (int d = 0; d < WINDOW_DIMS; d++) {
        int64_t reach = (window->kernel[d] - 1) * window->dilation[d];

        ret->in[d] = window->out[d];
        ret->out[d] = window->in[d];
        ret->pad_begin[d] = reach - window->pad_begin[d];
        ret->pad_end[d] = window->in[d] + reach - window->out[d] - ret->pad_begin[d];
        if (window->stride[d] != 1 || ret->pad_begin[d] < 0 || ret->pad_end[d] < 0)
            return false;
    }
    return true;
}

static int64_t weight_floats(const struct spread *spread, int64_t channels)
{
    return spread->groups * spread->outputs * channels * window_kernel_size(&spread->window);
}

/* Channels of dx that are made at a time. */
static int64_t part_channels(const struct spread *spread)
{
    int64_t parts = weight_floats(spread, spread->channels) / PART_FLOATS;

    if (parts < 2 || spread->groups > 1)
        return spread->channels;
    parts = parts < PARTS_MAX ? parts : PARTS_MAX;
    return (spread->channels + parts - 1) / parts;
}

/* Channels [first, first + count) of dx. */
static struct conv_planes turned_conv(const struct spread *spread, const struct window *window,
                                      int64_t first, int64_t count)
{
    return (struct conv_planes){
        .form = {.groups = spread->groups, .channels = spread->outputs, .outputs = count,
                 .taps = window_kernel_size(window)},
        .window = *window, .images = spread->images, .x = spread->dy,
        .y = spread->dx != NULL ? spread->dx + first * window_out_size(window) : NULL,
        .y_channels = count < spread->channels ? spread->channels : 0,
        .accumulate = spread->accumulate,
    };
}

static size_t turned_bytes(const struct spread *spread)
{
    return ((size_t)weight_floats(spread, part_channels(spread)) * sizeof(float) + 63) & ~(size_t)63;
}

/* The last part may be smaller and go about it in another way. */
static bool spread_scratch(const struct spread *spread, int threads, size_t *ret_bytes)
{
    const int64_t part = part_channels(spread), last = (spread->channels - 1) % part + 1;
    struct window window;
    struct conv_planes conv;
    size_t bytes;

    if (!turns_about(&spread->window, &window)) {
        *ret_bytes = (size_t)conv_scratch(&spread->window, spread->channels) * sizeof(float) *
                     (size_t)threads;
        return true;
    }
    conv = turned_conv(spread, &window, 0, part);
    if (!conv_planes_scratch(&conv, threads, ret_bytes))
        return false;
    conv.form.outputs = last;
    if (!conv_planes_scratch(&conv, threads, &bytes))
        return false;
    *ret_bytes = max_size(*ret_bytes, bytes);
    return !__builtin_add_overflow(*ret_bytes, turned_bytes(spread), ret_bytes);
}

/* [groups, outputs, channels, taps] to [groups, channels, outputs, taps from the last], of some channels. */
static void turn_weights(const struct spread *spread, int64_t first, int64_t count, float *to)
{
    int64_t taps = window_kernel_size(&spread->window), row = spread->channels * taps;

    for (int64_t g = 0; g < spread->groups; g++)
        for (int64_t c = first; c < first + count; c++)
            for (int64_t o = 0; o < spread->outputs; o++, to += taps) {
                const float *from = spread->w + (g * spread->outputs + o) * row + c * taps;

                for (int64_t t = 0; t < taps; t++)
                    to[t] = from[taps - 1 - t];
            }
}

/* One group of one image, by columns. */
static void spread_task(void *arg, int task, int thread)
{
    const struct spread *s = arg;
    int64_t in = window_in_size(&s->window), out = window_out_size(&s->window);
    int64_t group = task % s->groups;
    float *columns = s->scratch + (int64_t)thread * conv_scratch(&s->window, s->channels);

    conv_transposed_f32(&s->window, s->outputs, s->channels, s->dy + task * s->outputs * out,
                        s->w + group * s->outputs * s->channels * window_kernel_size(&s->window), NULL,
                        s->accumulate, columns, s->dx + task * s->channels * in);
}

static void spread_run(struct spread *spread, void *scratch, struct pool *pool)
{
    struct window window;
    struct conv_planes conv;

    spread->scratch = scratch;
    if (!turns_about(&spread->window, &window)) {
        pool_run(pool, (int)(spread->images * spread->groups), spread_task, spread);
        return;
    }
    for (int64_t first = 0, part = part_channels(spread); first < spread->channels; first += part) {
        int64_t count = spread->channels - first < part ? spread->channels - first : part;

        conv = turned_conv(spread, &window, first, count);
        conv.w = scratch;
        turn_weights(spread, first, count, scratch);
        conv_planes_run(&conv, (char *)scratch + turned_bytes(spread), pool);
    }
}

/* The sum of each channel over all images. */
struct bias_sum {
    int64_t images, channels, places;
    const float *dy;
    float *db;
    bool accumulate;
};

static void bias_task(void *arg, int task, int thread)
{
    const struct bias_sum *b = arg;
    double sum = b->accumulate ? (double)b->db[task] : 0;

    (void)thread;
    for (int64_t image = 0; image < b->images; image++)
        sum += (double)vec_sum_f32((size_t)b->places, b->dy + (image * b->channels + task) * b->places);
    b->db[task] = (float)sum;
}

static void sum_bias(const struct grad_call *call)
{
    const struct tensor *dy = call->out_grads[0];
    struct bias_sum sum = {.images = dy->shape.dims[0], .channels = dy->shape.dims[1],
                           .places = shape_product(&dy->shape, 2, dy->shape.rank), .dy = dy->data,
                           .db = call->in_grads[B]->data, .accumulate = call->accumulate[B]};

    pool_run(call->pool, (int)sum.channels, bias_task, &sum);
}

/* The parts of the backward pass, without their data. */
static struct spread spread_of(const struct conv_sizes *s)
{
    return (struct spread){s->window, s->images, s->groups, s->channels, s->outputs, NULL, NULL, NULL,
                           false, NULL};
}

static struct conv_weights weights_of(const struct conv_sizes *s, bool transposed)
{
    return (struct conv_weights){.window = s->window, .images = s->images, .groups = s->groups,
                                 .channels = transposed ? s->outputs : s->channels,
                                 .outputs = transposed ? s->channels : s->outputs};
}

/* The convolution itself, or for a transposed one that which its input's gradient is. */
static struct conv_planes planes_of(const struct conv_sizes *s, bool transposed)
{
    return (struct conv_planes){.form = {.groups = s->groups,
                                         .channels = transposed ? s->outputs : s->channels,
                                         .outputs = transposed ? s->channels : s->outputs,
                                         .taps = window_kernel_size(&s->window)},
                                .window = s->window, .images = s->images};
}

static enum engine_status conv_prepare(struct grad_prepare *prepare, struct engine_error *err)
{
    const struct conv_form *form = prepare->params;
    const struct shape *x = &prepare->inputs[X].shape, *w = &prepare->inputs[W].shape;
    size_t weights = 0, input = 0, planes;
    struct conv_sizes s;
    struct conv_planes conv;
    struct conv_weights by_weights;
    struct spread spread;
    const char *problem = conv_form_sizes(form, x, w, NULL, &s);
    bool fits;

    if (problem != NULL)
        return op_fail(prepare->node, err, "%s", problem);
    if (prepare->inputs[X].dtype != DTYPE_F32)
        return ENGINE_OK;
    conv = planes_of(&s, form->transposed);
    by_weights = weights_of(&s, form->transposed);
    spread = spread_of(&s);
    fits = conv_planes_scratch(&conv, prepare->threads, &planes);
    if (prepare->wanted & GRAD_BIT(W))
        fits = fits && conv_weights_scratch(&by_weights, prepare->threads, &weights);
    else
        prepare->save_inputs &= ~GRAD_BIT(X);
    if (!(prepare->wanted & GRAD_BIT(X)))
        prepare->save_inputs &= ~GRAD_BIT(W);
    else if (form->transposed)
        input = planes;
    else
        fits = fits && spread_scratch(&spread, prepare->threads, &input);
    if (!fits)
        return op_unsupported(prepare->node, err, "images or weights are too large to train");
    if (!form->transposed)
        prepare->forward_scratch = planes;
    prepare->backward_scratch = max_size(weights, input);
    return ENGINE_OK;
}

static enum engine_status conv_forward(const struct grad_forward *forward, struct engine_error *err)
{
    const struct op_call *call = &forward->call;
    const struct tensor *bias = call->n_inputs > B ? call->inputs[B] : NULL;
    struct conv_sizes s;
    struct conv_planes conv;
    const char *problem =
        conv_form_sizes(call->params, &call->inputs[X]->shape, &call->inputs[W]->shape, NULL, &s);

    if (problem != NULL)
        return op_fail(call->node, err, "%s", problem);
    if (call->inputs[X]->dtype != DTYPE_F32)
        return call->node->op->run(call, err);
    conv = planes_of(&s, false);
    conv.x = call->inputs[X]->data;
    conv.w = call->inputs[W]->data;
    conv.bias = bias != NULL ? bias->data : NULL;
    conv.y = call->outputs[0]->data;
    conv_planes_run(&conv, call->scratch, call->pool);
    return ENGINE_OK;
}

static void by_input(const struct grad_call *call, const struct conv_sizes *s, bool transposed)
{
    struct spread spread = spread_of(s);
    struct conv_planes conv = planes_of(s, true);

    if (transposed) {
        conv.x = call->out_grads[0]->data;
        conv.w = call->inputs[W]->data;
        conv.y = call->in_grads[X]->data;
        conv.accumulate = call->accumulate[X];
        conv_planes_run(&conv, call->scratch, call->pool);
        return;
    }
    spread.dy = call->out_grads[0]->data;
    spread.w = call->inputs[W]->data;
    spread.dx = call->in_grads[X]->data;
    spread.accumulate = call->accumulate[X];
    spread_run(&spread, call->scratch, call->pool);
}

static enum engine_status conv_backward(const struct grad_call *call, struct engine_error *err)
{
    const struct conv_form *form = call->params;
    struct conv_sizes s;
    struct conv_weights weights;
    const char *problem =
        conv_form_sizes(form, &call->inputs[X]->shape, &call->inputs[W]->shape, NULL, &s);

    if (problem != NULL)
        return op_fail(call->node, err, "%s", problem);
    if (call->in_grads[X] != NULL)
        by_input(call, &s, form->transposed);
    if (call->in_grads[W] != NULL) {
        weights = weights_of(&s, form->transposed);
        weights.x = form->transposed ? call->out_grads[0]->data : call->inputs[X]->data;
        weights.dy = form->transposed ? call->inputs[X]->data : call->out_grads[0]->data;
        weights.dw = call->in_grads[W]->data;
        weights.accumulate = call->accumulate[W];
        conv_weights_run(&weights, call->scratch, call->pool);
    }
    if (call->n_inputs > B && call->in_grads[B] != NULL)
        sum_bias(call);
    return ENGINE_OK;
}

const struct grad_def grads_conv[] = {
    {.domain = "", .name = "Conv", .inputs = GRAD_BIT(X) | GRAD_BIT(W) | GRAD_BIT(B),
     .save_inputs = GRAD_BIT(X) | GRAD_BIT(W), .prepare = conv_prepare, .forward = conv_forward,
     .backward = conv_backward},
    {.domain = "", .name = "ConvTranspose", .inputs = GRAD_BIT(X) | GRAD_BIT(W) | GRAD_BIT(B),
     .save_inputs = GRAD_BIT(X) | GRAD_BIT(W), .prepare = conv_prepare, .backward = conv_backward},
    {0},
};
