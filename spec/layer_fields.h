/* SPDX-License-Identifier: Apache-2.0
 * spec/layer_fields.h - the one table of layers and their fields: JSON names, kinds, ranges, defaults
 * and help. proto/ decodes and encodes by it, engine/build/ checks ranges by it, and
 * `inferd create --list` prints it. Data alone: included by the few files that walk the table. */
#ifndef SPEC_LAYER_FIELDS_H
#define SPEC_LAYER_FIELDS_H

#include "spec/network_spec.h"

#include <stddef.h>

enum field_kind {
    FIELD_INT,    /* int64_t */
    FIELD_REAL,   /* double */
    FIELD_FLAG,   /* bool */
    FIELD_CHOICE, /* int: index of a name in `choices` */
    FIELD_DIMS,   /* struct layer_dims: a number or a list of them */
    FIELD_LAYERS  /* struct layer_list */
};

struct layer_field {
    int layer; /* enum layer_type */
    const char *name;
    enum field_kind kind;
    size_t offset; /* in struct layer */
    const char *const *choices; /* ends with NULL */
    double least, most;         /* of each number */
    bool required;
    double fallback; /* default; of CHOICE an index, of DIMS one number */
    const char *help;
};

struct layer_kind {
    const char *name, *help;
};

static const struct layer_kind layer_kinds[LAYER_TYPES] = {
    [LAYER_DENSE] = {"dense", "matrix and bias, on the last dimension"},
    [LAYER_CONV] = {"conv", "convolution over [channels, length] or [channels, height, width]"},
    [LAYER_MAX_POOL] = {"max_pool", "largest number under each window"},
    [LAYER_AVG_POOL] = {"avg_pool", "mean under each window; padding does not count"},
    [LAYER_GLOBAL_POOL] = {"global_pool", "one number for each channel, or for each feature of a sequence"},
    [LAYER_BATCH_NORM] = {"batch_norm", "normalises each channel (dimension 1) over the batch"},
    [LAYER_LAYER_NORM] = {"layer_norm", "normalises the last dimension of each example"},
    [LAYER_DROPOUT] = {"dropout", "zeroes at random while training, does nothing when serving"},
    [LAYER_ACTIVATION] = {"activation", "a function of each number (softmax: of the last dimension)"},
    [LAYER_FLATTEN] = {"flatten", "all dimensions of an example into one"},
    [LAYER_RESHAPE] = {"reshape", "another shape for each example"},
    [LAYER_PERMUTE] = {"permute", "another order of an example's dimensions"},
    [LAYER_EMBEDDING] = {"embedding", "a row of a table for each token id"},
    [LAYER_POSITION] = {"position", "adds a table of positions to a sequence"},
    [LAYER_RNN] = {"rnn", "Elman network over a sequence, tanh"},
    [LAYER_LSTM] = {"lstm", "long short-term memory over a sequence"},
    [LAYER_GRU] = {"gru", "gated recurrent unit over a sequence"},
    [LAYER_ATTENTION] = {"attention", "multi-head self-attention over a sequence"},
    [LAYER_RESIDUAL] = {"residual", "layers whose result is added to their input"},
};

static const char *const activation_names[] = {"none", "relu", "leaky_relu", "sigmoid", "tanh",
                                               "gelu", "swish", "softmax", NULL};
static const char *const initialiser_names[] = {
    "auto", "he_normal", "he_uniform", "glorot_normal", "glorot_uniform", "lecun_normal",
    "lecun_uniform", "orthogonal", "normal", "zeros", "constant", NULL};
static const char *const padding_names[] = {"valid", "same", NULL};
static const char *const pool_kind_names[] = {"avg", "max", "first", "last", NULL};
static const char *const pool_over_names[] = {"space", "time", NULL};
static const char *const position_names[] = {"sinusoidal", "learnt", NULL};
static const char *const shortcut_names[] = {"auto", "identity", "projection", NULL};
static const char *const task_names[] = {"classification", "binary", "multilabel", "regression",
                                         NULL};
static const char *const input_type_names[] = {"auto", "FP32", "INT64", NULL};

#define FIELD_AT(member) offsetof(struct layer, member)
#define FIELD_INIT(layer, name, member, text) \
    {layer, name, FIELD_CHOICE, FIELD_AT(member.choice), initialiser_names, 0, 0, false, INIT_AUTO, \
     text}, \
    {layer, name "_scale", FIELD_REAL, FIELD_AT(member.scale), NULL, -1e6, 1e6, false, 1, \
     "factor; of constant the number, of normal the standard deviation"}
#define FIELD_ACTIVATION(layer, member) \
    {layer, "activation", FIELD_CHOICE, FIELD_AT(member), activation_names, 0, 0, false, \
     ACTIVATION_NONE, "function of the result"}
#define FIELD_WINDOW(layer, member, kernel_required, kernel_default, stride_least, stride_default) \
    {layer, "kernel", FIELD_DIMS, FIELD_AT(member.kernel), NULL, 1, 1024, kernel_required, \
     kernel_default, "size of the window"}, \
    {layer, "stride", FIELD_DIMS, FIELD_AT(member.stride), NULL, stride_least, 1024, false, \
     stride_default, "step of the window; of a pool, 0 is the window's size"}, \
    {layer, "padding", FIELD_CHOICE, FIELD_AT(member.padding), padding_names, 0, 0, false, \
     PADDING_VALID, "same: zeros around, so that stride 1 keeps the size"}, \
    {layer, "pad", FIELD_DIMS, FIELD_AT(member.pad), NULL, 0, 1023, false, 0, \
     "zeros on each side; not with padding same"}
#define FIELD_RECURRENT(layer) \
    {layer, "units", FIELD_INT, FIELD_AT(recurrent.units), NULL, 1, 65536, true, 0, \
     "size of the state"}, \
    {layer, "sequences", FIELD_FLAG, FIELD_AT(recurrent.sequences), NULL, 0, 1, false, 0, \
     "the state of each step; false: the last alone"}, \
    {layer, "bidirectional", FIELD_FLAG, FIELD_AT(recurrent.bidirectional), NULL, 0, 1, false, 0, \
     "a second one runs backwards; states are joined"}, \
    FIELD_INIT(layer, "init", recurrent.init, "weights of the input (auto: glorot_uniform)"), \
    FIELD_INIT(layer, "recurrent_init", recurrent.recurrent_init, \
               "weights of the state (auto: orthogonal)")

static const struct layer_field layer_fields[] = {
    {LAYER_DENSE, "units", FIELD_INT, FIELD_AT(dense.units), NULL, 1, 1 << 24, true, 0, "outputs"},
    {LAYER_DENSE, "bias", FIELD_FLAG, FIELD_AT(dense.bias), NULL, 0, 1, false, 1, "adds a vector"},
    FIELD_ACTIVATION(LAYER_DENSE, dense.activation),
    FIELD_INIT(LAYER_DENSE, "init", dense.init, "weights"),

    {LAYER_CONV, "filters", FIELD_INT, FIELD_AT(conv.filters), NULL, 1, 65536, true, 0,
     "channels of the result"},
    FIELD_WINDOW(LAYER_CONV, conv, true, 3, 1, 1),
    {LAYER_CONV, "dilation", FIELD_DIMS, FIELD_AT(conv.dilation), NULL, 1, 1024, false, 1,
     "step within the window"},
    {LAYER_CONV, "groups", FIELD_INT, FIELD_AT(conv.groups), NULL, 1, 65536, false, 1,
     "parts of the channels that do not mix"},
    {LAYER_CONV, "bias", FIELD_FLAG, FIELD_AT(conv.bias), NULL, 0, 1, false, 1, "adds a vector"},
    FIELD_ACTIVATION(LAYER_CONV, conv.activation),
    FIELD_INIT(LAYER_CONV, "init", conv.init, "weights"),

    FIELD_WINDOW(LAYER_MAX_POOL, pool, false, 2, 0, 0),
    FIELD_WINDOW(LAYER_AVG_POOL, pool, false, 2, 0, 0),

    {LAYER_GLOBAL_POOL, "kind", FIELD_CHOICE, FIELD_AT(global_pool.kind), pool_kind_names, 0, 0,
     false, GLOBAL_POOL_AVG, "mean, largest, or (over time) the first or last step"},
    {LAYER_GLOBAL_POOL, "over", FIELD_CHOICE, FIELD_AT(global_pool.over), pool_over_names, 0, 0,
     false, POOL_OVER_SPACE,
     "space: all but the channels, which come first; time: the first dimension, a sequence's"},

    {LAYER_BATCH_NORM, "epsilon", FIELD_REAL, FIELD_AT(norm.epsilon), NULL, 1e-12, 1, false, 1e-5,
     "added to the variance"},
    {LAYER_BATCH_NORM, "momentum", FIELD_REAL, FIELD_AT(norm.momentum), NULL, 0, 1, false, 0.9,
     "share of the old running statistics that training keeps"},
    FIELD_ACTIVATION(LAYER_BATCH_NORM, norm.activation),

    {LAYER_LAYER_NORM, "epsilon", FIELD_REAL, FIELD_AT(norm.epsilon), NULL, 1e-12, 1, false, 1e-5,
     "added to the variance"},
    FIELD_ACTIVATION(LAYER_LAYER_NORM, norm.activation),

    {LAYER_DROPOUT, "rate", FIELD_REAL, FIELD_AT(dropout.rate), NULL, 0, 0.99, false, 0.5,
     "share that is zeroed"},

    {LAYER_ACTIVATION, "function", FIELD_CHOICE, FIELD_AT(activation.function), activation_names, 0,
     0, true, ACTIVATION_NONE, "which"},
    {LAYER_ACTIVATION, "alpha", FIELD_REAL, FIELD_AT(activation.alpha), NULL, -10, 10, false, 0.01,
     "slope of leaky_relu below zero"},

    {LAYER_RESHAPE, "shape", FIELD_DIMS, FIELD_AT(shape.shape), NULL, -1, 1 << 24, true, 1,
     "of one example; one of them may be -1: what is left"},
    {LAYER_PERMUTE, "order", FIELD_DIMS, FIELD_AT(shape.shape), NULL, 1, NETWORK_RANK_MAX, true, 1,
     "old dimensions in the new order, counted from 1"},

    {LAYER_EMBEDDING, "vocabulary", FIELD_INT, FIELD_AT(embedding.vocabulary), NULL, 1, 1 << 24,
     true, 0, "rows: ids are 0 to vocabulary - 1"},
    {LAYER_EMBEDDING, "units", FIELD_INT, FIELD_AT(embedding.units), NULL, 1, 65536, true, 0,
     "numbers in a row"},
    FIELD_INIT(LAYER_EMBEDDING, "init", embedding.init, "table"),

    {LAYER_POSITION, "kind", FIELD_CHOICE, FIELD_AT(position.kind), position_names, 0, 0, false,
     POSITION_SINUSOIDAL, "computed, or weights of their own"},
    {LAYER_POSITION, "max_length", FIELD_INT, FIELD_AT(position.max_length), NULL, 0, 1 << 20, false,
     0, "rows of the table; 0: the input's length, if that is known"},
    FIELD_INIT(LAYER_POSITION, "init", position.init, "table of kind learnt"),

    FIELD_RECURRENT(LAYER_RNN),
    FIELD_RECURRENT(LAYER_LSTM),
    {LAYER_LSTM, "forget_bias", FIELD_REAL, FIELD_AT(recurrent.forget_bias), NULL, -100, 100, false,
     1, "first bias of the forget gate: what is remembered at the start"},
    FIELD_RECURRENT(LAYER_GRU),

    {LAYER_ATTENTION, "heads", FIELD_INT, FIELD_AT(attention.heads), NULL, 1, 1024, true, 0,
     "attentions side by side"},
    {LAYER_ATTENTION, "key_units", FIELD_INT, FIELD_AT(attention.key_units), NULL, 0, 65536, false,
     0, "width of one head; 0: the input's width over heads"},
    {LAYER_ATTENTION, "causal", FIELD_FLAG, FIELD_AT(attention.causal), NULL, 0, 1, false, 0,
     "no step sees later ones"},
    {LAYER_ATTENTION, "dropout", FIELD_REAL, FIELD_AT(attention.dropout), NULL, 0, 0.99, false, 0,
     "share of the attention that training zeroes"},
    {LAYER_ATTENTION, "bias", FIELD_FLAG, FIELD_AT(attention.bias), NULL, 0, 1, false, 1,
     "adds vectors to queries, keys, values and the result"},
    FIELD_INIT(LAYER_ATTENTION, "init", attention.init, "queries, keys and values"),
    FIELD_INIT(LAYER_ATTENTION, "output_init", attention.output_init, "matrix of the result"),

    {LAYER_RESIDUAL, "layers", FIELD_LAYERS, FIELD_AT(residual.layers), NULL, 0, 0, true, 0,
     "what is computed beside the shortcut"},
    {LAYER_RESIDUAL, "shortcut", FIELD_CHOICE, FIELD_AT(residual.shortcut), shortcut_names, 0, 0,
     false, SHORTCUT_AUTO,
     "projection: a matrix (an image: a 1 x 1 convolution); auto: only if shapes differ"},
    FIELD_ACTIVATION(LAYER_RESIDUAL, residual.activation),
};

enum { LAYER_FIELDS = sizeof(layer_fields) / sizeof(layer_fields[0]) };

/* A layer in which every field has its default; required ones are zero. */
static inline struct layer layer_with_defaults(int type)
{
    struct layer layer = {.type = type};

    for (size_t i = 0; i < LAYER_FIELDS; i++) {
        const struct layer_field *field = &layer_fields[i];
        void *at = (char *)&layer + field->offset;

        if (field->layer != type)
            continue;
        if (field->kind == FIELD_INT)
            *(int64_t *)at = (int64_t)field->fallback;
        else if (field->kind == FIELD_REAL)
            *(double *)at = field->fallback;
        else if (field->kind == FIELD_FLAG)
            *(bool *)at = field->fallback != 0;
        else if (field->kind == FIELD_CHOICE)
            *(int *)at = (int)field->fallback;
        else if (field->kind == FIELD_DIMS)
            *(struct layer_dims *)at = (struct layer_dims){1, {(int64_t)field->fallback}};
    }
    return layer;
}

#undef FIELD_AT
#undef FIELD_INIT
#undef FIELD_ACTIVATION
#undef FIELD_WINDOW
#undef FIELD_RECURRENT

#endif
