/* SPDX-License-Identifier: Apache-2.0
 * Convolutional networks. Images below 64 pixels get a stem that does not shrink them. */
#include "engine/build/preset_maker.h"

enum { SMALL_IMAGE = 64 };

static bool is_image(struct preset_maker *maker)
{
    if (maker->spec->input.rank != 3)
        preset_fail(maker, "expected an input [channels, height, width]");
    return maker->status == ENGINE_OK;
}

static bool is_small(const struct preset_maker *maker)
{
    const int64_t *dims = maker->spec->input.dims;

    return dims[1] < SMALL_IMAGE || dims[2] < SMALL_IMAGE;
}

static struct layer_dims one(int64_t number)
{
    return (struct layer_dims){1, {number}};
}

static struct conv_layer *add_conv(struct preset_maker *maker, struct layer_list *list,
                                   int64_t filters, int64_t kernel, enum activation activation)
{
    struct conv_layer *conv = &preset_add(maker, list, LAYER_CONV)->conv;

    conv->filters = filters;
    conv->kernel = one(kernel);
    conv->padding = PADDING_SAME;
    conv->activation = (int)activation;
    return conv;
}

static void add_pool(struct preset_maker *maker, struct layer_list *list, int64_t kernel,
                     int64_t stride)
{
    struct pool_layer *pool = &preset_add(maker, list, LAYER_MAX_POOL)->pool;

    pool->kernel = one(kernel);
    pool->stride = one(stride);
}

static int64_t scaled(const struct preset_maker *maker, int64_t size)
{
    int64_t result = (int64_t)((double)size * preset_number(maker, "width") + 0.5);

    return result > 0 ? result : 1;
}

void preset_lenet5(struct preset_maker *maker)
{
    struct layer_list *layers = &maker->spec->layers;

    if (!is_image(maker))
        return;
    add_conv(maker, layers, scaled(maker, 6), 5, ACTIVATION_RELU);
    add_pool(maker, layers, 2, 2);
    add_conv(maker, layers, scaled(maker, 16), 5, ACTIVATION_RELU)->padding = PADDING_VALID;
    add_pool(maker, layers, 2, 2);
    preset_add(maker, layers, LAYER_FLATTEN);
    preset_dense(maker, layers, scaled(maker, 120), ACTIVATION_RELU);
    preset_dropout(maker, layers, preset_number(maker, "dropout"));
    preset_dense(maker, layers, scaled(maker, 84), ACTIVATION_RELU);
    preset_dropout(maker, layers, preset_number(maker, "dropout"));
    preset_head(maker);
}

void preset_alexnet(struct preset_maker *maker)
{
    static const int64_t filters[] = {384, 256, 256};
    struct layer_list *layers = &maker->spec->layers;
    struct conv_layer *stem;

    if (!is_image(maker))
        return;
    stem = add_conv(maker, layers, scaled(maker, 64), is_small(maker) ? 5 : 11, ACTIVATION_RELU);
    if (!is_small(maker)) {
        stem->stride = one(4);
        stem->padding = PADDING_VALID;
        stem->pad = one(2);
    }
    add_pool(maker, layers, 3, 2);
    add_conv(maker, layers, scaled(maker, 192), 5, ACTIVATION_RELU);
    add_pool(maker, layers, 3, 2);
    for (int i = 0; i < 3; i++)
        add_conv(maker, layers, scaled(maker, filters[i]), 3, ACTIVATION_RELU);
    add_pool(maker, layers, 3, 2);
    preset_add(maker, layers, LAYER_FLATTEN);
    for (int i = 0; i < 2; i++) {
        preset_dropout(maker, layers, preset_number(maker, "dropout"));
        preset_dense(maker, layers, scaled(maker, 4096), ACTIVATION_RELU);
    }
    preset_head(maker);
}

static void add_norm(struct preset_maker *maker, struct layer_list *list,
                     enum activation activation)
{
    preset_add(maker, list, LAYER_BATCH_NORM)->norm.activation = (int)activation;
}

void preset_vgg(struct preset_maker *maker)
{
    static const int8_t stages[][6] = {
        {11, 1, 1, 2, 2, 2}, {13, 2, 2, 2, 2, 2}, {16, 2, 2, 3, 3, 3}, {19, 2, 2, 4, 4, 4}};
    struct layer_list *layers = &maker->spec->layers;
    int64_t depth = preset_whole(maker, "depth"), width = preset_whole(maker, "width");
    bool has_norm = preset_whole(maker, "batch_norm") != 0;
    const int8_t *plan = stages[0];

    while (plan[0] != depth && plan != stages[3])
        plan += 6;
    if (plan[0] != depth) {
        preset_fail(maker, "option 'depth': expected 11, 13, 16 or 19, got %lld", (long long)depth);
        return;
    }
    if (!is_image(maker))
        return;
    for (int stage = 0; stage < 5; stage++) {
        for (int i = 0; i < plan[stage + 1]; i++) {
            struct conv_layer *conv = add_conv(maker, layers, width << (stage < 3 ? stage : 3), 3,
                                               has_norm ? ACTIVATION_NONE : ACTIVATION_RELU);

            conv->bias = !has_norm;
            if (has_norm)
                add_norm(maker, layers, ACTIVATION_RELU);
        }
        add_pool(maker, layers, 2, 2);
    }
    preset_add(maker, layers, LAYER_FLATTEN);
    for (int i = 0; i < 2; i++) {
        preset_dense(maker, layers, preset_whole(maker, "hidden"), ACTIVATION_RELU);
        preset_dropout(maker, layers, preset_number(maker, "dropout"));
    }
    preset_head(maker);
}

static void add_plain(struct preset_maker *maker, struct layer_list *list, int64_t filters,
                      int64_t kernel, int64_t stride, enum activation activation)
{
    struct conv_layer *conv = add_conv(maker, list, filters, kernel, ACTIVATION_NONE);

    conv->bias = false;
    conv->stride = one(stride);
    if (stride > 1) { /* as PyTorch pads: alike on both sides */
        conv->padding = PADDING_VALID;
        conv->pad = one(kernel / 2);
    }
    add_norm(maker, list, activation);
}

/* Two 3 x 3 convolutions, or 1 x 1, 3 x 3, 1 x 1 with four times the filters at the end. */
static void add_block(struct preset_maker *maker, int64_t filters, int64_t stride, bool is_deep)
{
    struct layer *block = preset_add(maker, &maker->spec->layers, LAYER_RESIDUAL);
    struct layer_list list = {0};

    block->residual.activation = ACTIVATION_RELU;
    if (is_deep) {
        add_plain(maker, &list, filters, 1, 1, ACTIVATION_RELU);
        add_plain(maker, &list, filters, 3, stride, ACTIVATION_RELU);
        add_plain(maker, &list, 4 * filters, 1, 1, ACTIVATION_NONE);
    } else {
        add_plain(maker, &list, filters, 3, stride, ACTIVATION_RELU);
        add_plain(maker, &list, filters, 3, 1, ACTIVATION_NONE);
    }
    block->residual.layers = list;
}

void preset_resnet(struct preset_maker *maker)
{
    static const int16_t plans[][6] = {{18, 2, 2, 2, 2, 0},   {34, 3, 4, 6, 3, 0},
                                       {50, 3, 4, 6, 3, 1},   {101, 3, 4, 23, 3, 1},
                                       {152, 3, 8, 36, 3, 1}};
    struct layer_list *layers = &maker->spec->layers;
    int64_t depth = preset_whole(maker, "depth"), width = preset_whole(maker, "width");
    int16_t small[6] = {(int16_t)depth, 0, 0, 0, 0, 0};
    const int16_t *plan = NULL;

    for (int i = 0; i < 5 && plan == NULL; i++)
        plan = plans[i][0] == depth ? plans[i] : NULL;
    if (plan == NULL && (depth - 2) % 6 == 0) {
        small[1] = small[2] = small[3] = (int16_t)((depth - 2) / 6);
        plan = small;
    }
    if (plan == NULL) {
        preset_fail(maker, "option 'depth': expected 18, 34, 50, 101, 152 or 6 n + 2, got %lld",
                    (long long)depth);
        return;
    }
    if (!is_image(maker))
        return;
    if (width == 0)
        width = plan == small ? 16 : 64;
    if (is_small(maker) || plan == small) {
        add_plain(maker, layers, width, 3, 1, ACTIVATION_RELU);
    } else {
        add_plain(maker, layers, width, 7, 2, ACTIVATION_RELU);
        add_pool(maker, layers, 3, 2);
        layers->items[layers->count - 1].pool.pad = one(1);
    }
    for (int stage = 0; stage < 4; stage++)
        for (int i = 0; i < plan[stage + 1]; i++)
            add_block(maker, width << stage, i == 0 && stage > 0 ? 2 : 1, plan[5] != 0);
    preset_add(maker, layers, LAYER_GLOBAL_POOL);
    preset_head(maker);
}
