/* SPDX-License-Identifier: Apache-2.0
 * Layers over channels: convolution, pooling, normalisation. */
#include "engine/build/network_build.h"

#include <stdio.h>

/* A window over the dimensions behind the channels, each field given for each of them. */
struct window {
    int rank;
    int64_t kernel[2], stride[2], dilation[2], pads[4], result[2];
};

static bool is_spatial(struct build *build)
{
    char text[128];

    if (build->shape.rank == 2 || build->shape.rank == 3)
        return build_is_known(build);
    build_fail(build, NULL, "expected [channels, length] or [channels, height, width], got %s",
               example_text(&build->shape, text));
    return false;
}

static void spread(struct build *build, const char *field, const struct layer_dims *dims, int rank,
                   int64_t *ret)
{
    if (dims->count != 1 && dims->count != rank)
        build_fail(build, field, "expected one number or %d, got %d", rank, dims->count);
    for (int d = 0; d < rank; d++)
        ret[d] = dims->items[dims->count == rank ? d : 0];
}

/* Pads and result of dimension `d`; SAME pads as much more behind as before, or one more. */
static void place(struct build *build, struct window *window, int d, int padding, int64_t pad)
{
    int64_t in = build->shape.dims[d + 1];
    int64_t reach = (window->kernel[d] - 1) * window->dilation[d] + 1;
    int64_t total;

    if (padding == PADDING_SAME) {
        total = ((in + window->stride[d] - 1) / window->stride[d] - 1) * window->stride[d] + reach - in;
        total = total > 0 ? total : 0;
        window->pads[d] = total / 2;
        window->pads[d + window->rank] = total - total / 2;
    } else {
        window->pads[d] = window->pads[d + window->rank] = pad;
        total = 2 * pad;
    }
    if (in + total < reach) {
        build_fail(build, "kernel", "reaches over %lld, the padded input has %lld", (long long)reach,
                   (long long)(in + total));
        return;
    }
    window->result[d] = (in + total - reach) / window->stride[d] + 1;
}

static void find_window(struct build *build, struct window *window, const struct layer_dims *kernel,
                        const struct layer_dims *stride, const struct layer_dims *dilation,
                        int padding, const struct layer_dims *pad)
{
    int64_t pads[2];
    int rank = build->shape.rank - 1;

    window->rank = rank;
    spread(build, "kernel", kernel, rank, window->kernel);
    spread(build, "stride", stride, rank, window->stride);
    spread(build, "pad", pad, rank, pads);
    window->dilation[0] = window->dilation[1] = 1;
    if (dilation != NULL)
        spread(build, "dilation", dilation, rank, window->dilation);
    for (int d = 0; d < rank; d++) {
        if (window->stride[d] == 0)
            window->stride[d] = window->kernel[d];
        if (pads[d] > 0 && padding == PADDING_SAME)
            build_fail(build, "pad", "padding same has its own");
        if (dilation == NULL && pads[d] >= window->kernel[d])
            build_fail(build, "pad", "expected less than the window, %lld",
                       (long long)window->kernel[d]);
        if (build->status == ENGINE_OK)
            place(build, window, d, padding, pads[d]);
    }
}

static void put_window(struct build *build, const struct window *window)
{
    build_ints(build, "kernel_shape", window->kernel, window->rank);
    build_ints(build, "strides", window->stride, window->rank);
    build_ints(build, "pads", window->pads, 2 * window->rank);
}

static void move_shape(struct build *build, const struct window *window, int64_t channels)
{
    build->shape.dims[0] = channels;
    for (int d = 0; d < window->rank; d++)
        build->shape.dims[d + 1] = window->result[d];
}

void build_conv(struct build *build, const struct layer *layer)
{
    const struct conv_layer *conv = &layer->conv;
    struct window window = {0};
    struct shape shape = {2, {conv->filters}};
    int64_t channels = build->shape.dims[0], places = 1;
    struct weight_matrix matrix = {.rows = conv->filters};
    int inputs[3], n_inputs = 2;

    if (!is_spatial(build))
        return;
    find_window(build, &window, &conv->kernel, &conv->stride, &conv->dilation, conv->padding,
                &conv->pad);
    if (channels % conv->groups != 0 || conv->filters % conv->groups != 0)
        build_fail(build, "groups", "%lld divides not both %lld channels and %lld filters",
                   (long long)conv->groups, (long long)channels, (long long)conv->filters);
    if (build->status != ENGINE_OK)
        return;
    shape.dims[1] = channels / conv->groups;
    for (int d = 0; d < window.rank; d++) {
        shape.dims[shape.rank++] = window.kernel[d];
        places *= window.kernel[d];
    }
    matrix.columns = matrix.fan_in = shape.dims[1] * places;
    matrix.fan_out = conv->filters / conv->groups * places;
    inputs[0] = build->at;
    inputs[1] = build_matrices(build, "weight", &shape, 1, &matrix, &conv->init,
                               build_automatic(build, conv->activation));
    if (conv->bias)
        inputs[n_inputs++] = build_vector(build, "bias", conv->filters, 0);
    build->at = build_node(build, "Conv", "", n_inputs, inputs);
    put_window(build, &window);
    build_ints(build, "dilations", window.dilation, window.rank);
    build_int(build, "group", conv->groups);
    move_shape(build, &window, conv->filters);
    build_function(build, conv->activation, 0.01);
}

int build_projection(struct build *build, int value, int rank, int64_t channels, int64_t filters,
                     const int64_t *strides)
{
    static const struct layer_init init = {INIT_HE_NORMAL, 1};
    static const int64_t ones[] = {1, 1};
    struct shape shape = {2 + rank, {filters, channels, 1, 1}};
    struct weight_matrix matrix = {filters, channels, channels, filters};
    int weight = build_matrices(build, "shortcut_weight", &shape, 1, &matrix, &init, INIT_HE_NORMAL);
    int result = BUILD_NODE(build, "Conv", "shortcut", value, weight);

    build_ints(build, "kernel_shape", ones, rank);
    build_ints(build, "strides", strides, rank);
    return result;
}

void build_pool(struct build *build, const struct layer *layer)
{
    const struct pool_layer *pool = &layer->pool;
    bool is_max = layer->type == LAYER_MAX_POOL;
    struct window window = {0};

    if (!is_spatial(build))
        return;
    find_window(build, &window, &pool->kernel, &pool->stride, NULL, pool->padding, &pool->pad);
    if (build->status != ENGINE_OK)
        return;
    build->at = BUILD_NODE(build, is_max ? "MaxPool" : "AveragePool", "", build->at);
    put_window(build, &window);
    move_shape(build, &window, build->shape.dims[0]);
}

static void pool_space(struct build *build, int kind)
{
    if (kind == GLOBAL_POOL_FIRST || kind == GLOBAL_POOL_LAST) {
        build_fail(build, "kind", "first and last are for a sequence: set over to time");
        return;
    }
    if (!is_spatial(build))
        return;
    build->at = BUILD_NODE(build, kind == GLOBAL_POOL_MAX ? "GlobalMaxPool" : "GlobalAveragePool",
                           "pooled", build->at);
    build->at = BUILD_NODE(build, "Flatten", "", build->at);
    build_int(build, "axis", 1);
    build->shape.rank = 1;
}

static void pool_time(struct build *build, int kind)
{
    static const int64_t time = 1;
    char text[128];

    if (build->shape.rank != 2 || build->dtype != DTYPE_F32) {
        build_fail(build, NULL, "expected a sequence [time, features], got %s",
                   example_text(&build->shape, text));
        return;
    }
    if (kind == GLOBAL_POOL_FIRST || kind == GLOBAL_POOL_LAST) {
        build->at = BUILD_NODE(build, "Gather", "", build->at,
                               build_scalar(build, "step", DTYPE_I64,
                                            kind == GLOBAL_POOL_FIRST ? 0 : -1));
        build_int(build, "axis", time);
    } else {
        build->at = BUILD_NODE(build, kind == GLOBAL_POOL_MAX ? "ReduceMax" : "ReduceMean", "",
                               build->at);
        build_ints(build, "axes", &time, 1);
        build_int(build, "keepdims", 0);
    }
    build->shape = (struct example_shape){1, {build->shape.dims[1]}};
}

void build_global_pool(struct build *build, const struct layer *layer)
{
    if (layer->global_pool.over == POOL_OVER_TIME)
        pool_time(build, layer->global_pool.kind);
    else
        pool_space(build, layer->global_pool.kind);
}

static void name_of(char text[48], const char *prefix, const char *suffix)
{
    snprintf(text, 48, "%s%s%s", prefix, prefix[0] != '\0' ? "_" : "", suffix);
}

int build_norm_of(struct build *build, const char *suffix, int value, int64_t channels,
                  double epsilon, double momentum)
{
    static const struct {
        const char *name;
        float number;
    } vectors[] = {{"scale", 1}, {"bias", 0}, {"mean", 0}, {"variance", 1}};
    int inputs[5] = {value};
    char name[48];
    int result;

    for (int i = 0; i < 4; i++) {
        name_of(name, suffix, vectors[i].name);
        inputs[i + 1] = build_vector(build, name, channels, vectors[i].number);
    }
    result = build_node(build, "BatchNormalization", suffix, 5, inputs);
    build_float(build, "epsilon", epsilon);
    build_float(build, "momentum", momentum);
    build_int(build, "training_mode", 0);
    return result;
}

void build_batch_norm(struct build *build, const struct layer *layer)
{
    const struct norm_layer *norm = &layer->norm;
    char text[128];

    if (build->shape.dims[0] == NETWORK_UNKNOWN || build->dtype != DTYPE_F32) {
        build_fail(build, NULL, "expected channels in front, got %s; layer_norm is for sequences",
                   example_text(&build->shape, text));
        return;
    }
    build->frames[build->depth - 1].has_batch_norm = true;
    build->at = build_norm_of(build, "", build->at, build->shape.dims[0], norm->epsilon,
                              norm->momentum);
    build_function(build, norm->activation, 0.01);
}

void build_layer_norm(struct build *build, const struct layer *layer)
{
    int64_t width = build->shape.dims[build->shape.rank - 1];
    int scale, bias;

    if (width == NETWORK_UNKNOWN) {
        build_fail(build, NULL, "the last dimension of its input is not known");
        return;
    }
    scale = build_vector(build, "scale", width, 1);
    bias = build_vector(build, "bias", width, 0);
    build->at = BUILD_NODE(build, "LayerNormalization", "", build->at, scale, bias);
    build_int(build, "axis", -1);
    build_float(build, "epsilon", layer->norm.epsilon);
    build_function(build, layer->norm.activation, 0.01);
}
