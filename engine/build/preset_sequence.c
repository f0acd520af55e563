/* SPDX-License-Identifier: Apache-2.0
 * Networks over sequences: token ids [time], which get an embedding, or features [time, features]. */
#include "engine/build/preset_maker.h"

#include <math.h>

static bool is_sequence(struct preset_maker *maker, bool features_too)
{
    struct network_input *input = &maker->spec->input;

    if (input->rank == 1 && input->type == INPUT_AUTO)
        input->type = INPUT_INT64;
    if (input->rank == 1 ? input->type != INPUT_INT64 : input->rank != 2 || !features_too)
        preset_fail(maker, features_too
                               ? "expected an input of token ids [time] or of features [time, features]"
                               : "expected an input of token ids [time]");
    return maker->status == ENGINE_OK;
}

static void add_embedding(struct preset_maker *maker, int64_t units)
{
    struct layer *layer = preset_add(maker, &maker->spec->layers, LAYER_EMBEDDING);

    layer->embedding.vocabulary = preset_whole(maker, "vocabulary");
    layer->embedding.units = units;
}

static void add_recurrent(struct preset_maker *maker, int type)
{
    struct layer_list *layers = &maker->spec->layers;
    int64_t depth = preset_whole(maker, "depth");

    if (!is_sequence(maker, true))
        return;
    if (maker->spec->input.rank == 1)
        add_embedding(maker, preset_whole(maker, "embedding"));
    for (int64_t i = 0; i < depth; i++) {
        struct recurrent_layer *recurrent = &preset_add(maker, layers, type)->recurrent;

        recurrent->units = preset_whole(maker, "units");
        recurrent->bidirectional = preset_whole(maker, "bidirectional") != 0;
        recurrent->sequences = i + 1 < depth;
        preset_dropout(maker, layers, preset_number(maker, "dropout"));
    }
    preset_head(maker);
}

void preset_lstm(struct preset_maker *maker)
{
    add_recurrent(maker, LAYER_LSTM);
}

void preset_gru(struct preset_maker *maker)
{
    add_recurrent(maker, LAYER_GRU);
}

/* Normalised before each half, as GPT-2 (Radford et al. 2019) and Xiong et al. 2020 have it. A causal
 * one begins with small numbers, and those of what is added to the stream smaller still. */
static void add_block(struct preset_maker *maker, bool causal)
{
    struct layer_list *layers = &maker->spec->layers;
    int64_t width = preset_whole(maker, "width"), hidden = preset_whole(maker, "hidden");
    double dropout = preset_number(maker, "dropout");
    struct layer_init inner = {INIT_NORMAL, 0.02};
    struct layer_init outer = {INIT_NORMAL, 0.02 / sqrt(2.0 * preset_number(maker, "depth"))};
    struct layer_list attention = {0}, dense = {0};
    struct layer *layer;

    preset_add(maker, &attention, LAYER_LAYER_NORM);
    layer = preset_add(maker, &attention, LAYER_ATTENTION);
    layer->attention.heads = preset_whole(maker, "heads");
    layer->attention.causal = causal;
    layer->attention.dropout = dropout;
    if (causal) {
        layer->attention.init = inner;
        layer->attention.output_init = outer;
    }
    preset_dropout(maker, &attention, dropout);
    preset_add(maker, layers, LAYER_RESIDUAL)->residual.layers = attention;

    preset_add(maker, &dense, LAYER_LAYER_NORM);
    preset_dense(maker, &dense, hidden > 0 ? hidden : 4 * width, ACTIVATION_GELU);
    if (causal && maker->status == ENGINE_OK)
        dense.items[dense.count - 1].dense.init = inner;
    preset_dense(maker, &dense, width, ACTIVATION_NONE);
    if (causal && maker->status == ENGINE_OK)
        dense.items[dense.count - 1].dense.init = outer;
    preset_dropout(maker, &dense, dropout);
    preset_add(maker, layers, LAYER_RESIDUAL)->residual.layers = dense;
}

static void add_transformer(struct preset_maker *maker, bool causal)
{
    struct layer_list *layers = &maker->spec->layers;
    const struct network_input *input = &maker->spec->input;
    int64_t width = preset_whole(maker, "width"), heads = preset_whole(maker, "heads");
    struct position_layer *position;

    if (width % heads != 0)
        preset_fail(maker, "option 'heads': expected a divisor of the width, %lld, got %lld",
                    (long long)width, (long long)heads);
    if (!is_sequence(maker, !causal))
        return;
    if (input->rank == 1)
        add_embedding(maker, width);
    else
        preset_dense(maker, layers, width, ACTIVATION_NONE);
    position = &preset_add(maker, layers, LAYER_POSITION)->position;
    position->kind = POSITION_LEARNT;
    if (input->dims[0] == NETWORK_UNKNOWN)
        position->max_length = preset_whole(maker, "length");
    preset_dropout(maker, layers, preset_number(maker, "dropout"));
    for (int64_t i = 0; i < preset_whole(maker, "depth"); i++)
        add_block(maker, causal);
    preset_add(maker, layers, LAYER_LAYER_NORM);
}

void preset_transformer(struct preset_maker *maker)
{
    struct layer *pool;

    add_transformer(maker, false);
    pool = preset_add(maker, &maker->spec->layers, LAYER_GLOBAL_POOL);
    pool->global_pool.over = POOL_OVER_TIME;
    preset_head(maker);
}

void preset_gpt(struct preset_maker *maker)
{
    add_transformer(maker, true);
    preset_head(maker);
    if (maker->status == ENGINE_OK)
        maker->spec->layers.items[maker->spec->layers.count - 1].dense.init =
            (struct layer_init){INIT_NORMAL, 0.02};
}
