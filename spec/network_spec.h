/* SPDX-License-Identifier: Apache-2.0
 * spec/network_spec.h - what a network is made of, as plain structs: a specification. proto/ reads
 * one from JSON and writes it as JSON (proto/layer_spec.h), engine/build/ makes presets of it and
 * builds the network. This folder holds structs and tables alone, so that both may include it.
 *
 * Texts and lists are borrowed: whoever made the specification says how long they live. */
#ifndef SPEC_NETWORK_SPEC_H
#define SPEC_NETWORK_SPEC_H

#include <stdbool.h>
#include <stdint.h>

enum {
    NETWORK_RANK_MAX = 4,       /* of one example */
    NETWORK_LAYERS_MAX = 2000,  /* those in residual blocks included */
    NETWORK_DEPTH_MAX = 4,      /* of residual blocks within one another */
    NETWORK_CLASSES_MAX = 1000000,
    NETWORK_NAME_MAX = 64,      /* bytes of a layer's name */
    NETWORK_UNKNOWN = -1        /* a dimension that each request chooses: the length of a sequence */
};

enum layer_type {
    LAYER_DENSE, LAYER_CONV, LAYER_MAX_POOL, LAYER_AVG_POOL, LAYER_GLOBAL_POOL, LAYER_BATCH_NORM,
    LAYER_LAYER_NORM, LAYER_DROPOUT, LAYER_ACTIVATION, LAYER_FLATTEN, LAYER_RESHAPE, LAYER_PERMUTE,
    LAYER_EMBEDDING, LAYER_POSITION, LAYER_RNN, LAYER_LSTM, LAYER_GRU, LAYER_ATTENTION,
    LAYER_RESIDUAL,
    LAYER_TYPES
};

enum activation {
    ACTIVATION_NONE, ACTIVATION_RELU, ACTIVATION_LEAKY_RELU, ACTIVATION_SIGMOID, ACTIVATION_TANH,
    ACTIVATION_GELU, ACTIVATION_SWISH, ACTIVATION_SOFTMAX,
    ACTIVATIONS
};

/* Distributions from which first weights are drawn; fan_in and fan_out are a matrix's inputs and
 * outputs (for a convolution: times the kernel's places). */
enum initialiser {
    INIT_AUTO, /* he_normal before a relu-like activation, else glorot_uniform; normal 0.02 for tables */
    INIT_HE_NORMAL, INIT_HE_UNIFORM, INIT_GLOROT_NORMAL, INIT_GLOROT_UNIFORM, INIT_LECUN_NORMAL,
    INIT_LECUN_UNIFORM, INIT_ORTHOGONAL, INIT_NORMAL, INIT_ZEROS, INIT_CONSTANT,
    INITIALISERS
};

enum padding { PADDING_VALID, PADDING_SAME };
enum global_pool_kind { GLOBAL_POOL_AVG, GLOBAL_POOL_MAX, GLOBAL_POOL_FIRST, GLOBAL_POOL_LAST };
enum global_pool_over { POOL_OVER_SPACE, POOL_OVER_TIME };
enum position_kind { POSITION_SINUSOIDAL, POSITION_LEARNT };
enum shortcut { SHORTCUT_AUTO, SHORTCUT_IDENTITY, SHORTCUT_PROJECTION };
enum network_task { TASK_CLASSIFICATION, TASK_BINARY, TASK_MULTILABEL, TASK_REGRESSION };
enum input_type { INPUT_AUTO, INPUT_FLOAT, INPUT_INT64 }; /* AUTO: int64 before an embedding */

/* One number for each dimension; a single one stands for all. */
struct layer_dims {
    int count;
    int64_t items[NETWORK_RANK_MAX];
};

/* How the weights of a layer begin. Of `choice` CONSTANT, `scale` is the number; of NORMAL the
 * standard deviation; the others are multiplied by it. */
struct layer_init {
    int choice; /* enum initialiser */
    double scale;
};

struct layer_list {
    int count;
    struct layer *items;
};

struct dense_layer {
    int64_t units;
    bool bias;
    int activation;
    struct layer_init init;
};

struct conv_layer {
    int64_t filters;
    struct layer_dims kernel, stride, dilation, pad;
    int padding; /* enum padding */
    int64_t groups;
    bool bias;
    int activation;
    struct layer_init init;
};

struct pool_layer {
    struct layer_dims kernel, stride, pad; /* stride 0: the kernel's */
    int padding;
};

struct global_pool_layer {
    int kind, over;
};

struct norm_layer {
    double epsilon, momentum; /* momentum: batch_norm alone */
    int activation;
};

struct dropout_layer {
    double rate;
};

struct activation_layer {
    int function; /* enum activation */
    double alpha; /* leaky_relu alone */
};

struct shape_layer { /* reshape and permute */
    struct layer_dims shape;
};

struct embedding_layer {
    int64_t vocabulary, units;
    struct layer_init init;
};

struct position_layer {
    int kind;
    int64_t max_length; /* 0: the length of the input */
    struct layer_init init;
};

struct recurrent_layer { /* rnn, lstm, gru */
    int64_t units;
    bool sequences, bidirectional;
    double forget_bias; /* lstm alone */
    struct layer_init init, recurrent_init;
};

struct attention_layer {
    int64_t heads, key_units; /* key_units: of one head; 0: width / heads */
    bool causal, bias;
    double dropout;
    struct layer_init init, output_init;
};

struct residual_layer {
    struct layer_list layers;
    int shortcut, activation;
};

struct layer {
    int type;         /* enum layer_type */
    const char *name; /* prefix of its tensors' names; NULL: type and number */
    union {
        struct dense_layer dense;
        struct conv_layer conv;
        struct pool_layer pool; /* max_pool and avg_pool */
        struct global_pool_layer global_pool;
        struct norm_layer norm; /* batch_norm and layer_norm */
        struct dropout_layer dropout;
        struct activation_layer activation;
        struct shape_layer shape;
        struct embedding_layer embedding;
        struct position_layer position;
        struct recurrent_layer recurrent;
        struct attention_layer attention;
        struct residual_layer residual;
    };
};

/* Shapes are those of one example: features [D], a sequence [time, features] (or token ids [time]), a
 * signal [channels, length], an image [channels, height, width]. */
struct network_input {
    const char *name; /* NULL: "input" */
    int type;         /* enum input_type */
    int rank;
    int64_t dims[NETWORK_RANK_MAX]; /* NETWORK_UNKNOWN is allowed in a sequence's first */
};

struct network_spec {
    const char *name; /* of the graph; NULL: "network" */
    struct network_input input;
    int task;              /* enum network_task */
    int64_t n_classes;     /* 0: as many as the last layer gives */
    const char *const *classes; /* their names, or NULL */
    uint64_t seed;
    struct layer_list layers;
};

/* A preset's options by name, as a user gives them. */
struct preset_setting {
    const char *name;
    double number;
};

/* A request for a preset: what is not given keeps the preset's default. */
struct preset_spec {
    const char *preset;
    struct network_input input;  /* rank 0: the preset's */
    int task;                    /* -1: the preset's */
    int64_t n_classes;           /* 0: the preset's */
    const char *const *classes;
    uint64_t seed;
    int n_settings;
    const struct preset_setting *settings;
};

#endif
