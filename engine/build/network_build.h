/* SPDX-License-Identifier: Apache-2.0
 * engine/build/network_build.h - the state of one network_write(), shared by the files of this folder
 * and by nobody else. Layers are added one after the other to a graph; `at` and `shape` say where the
 * last one left off.
 *
 * The first failure sticks in `status`: everything below does nothing from then on and returns
 * NO_VALUE, so a layer is a straight list of steps. */
#ifndef ENGINE_BUILD_NETWORK_BUILD_H
#define ENGINE_BUILD_NETWORK_BUILD_H

#include "engine/build/initialise.h"
#include "engine/error.h"
#include "engine/graph.h"
#include "spec/network_spec.h"

enum { NO_VALUE = VALUE_ABSENT, BUILD_NAME_MAX = 4 * NETWORK_NAME_MAX };

/* Of one example; NETWORK_UNKNOWN only in front. */
struct example_shape {
    int rank;
    int64_t dims[NETWORK_RANK_MAX];
};

/* A list of layers that is being added: the network's own, or a residual block's. */
struct build_frame {
    const struct layer_list *list;
    int index;                   /* of the layer being added */
    char prefix[BUILD_NAME_MAX]; /* of its layers' names: "" or the block's */
    int start;                   /* value and shape before the block */
    struct example_shape start_shape;
    bool has_batch_norm;
};

struct build {
    struct graph *graph;
    const struct network_spec *spec;
    bool is_trial;               /* shapes and counts alone: weights have no data */
    enum engine_status status;
    struct engine_error *err;
    int at; /* value that the next layer reads */
    enum dtype dtype;
    struct example_shape shape;
    int depth;
    struct build_frame frames[NETWORK_DEPTH_MAX + 1];
    char name[BUILD_NAME_MAX];   /* of the layer being added: prefix of its values */
    int counts[LAYER_TYPES];     /* for names */
    int n_layers;
    uint64_t n_tensors;          /* weights so far: each has a random stream of its own */
    int64_t n_parameters, parameters_max;
    int mask;                    /* causal mask, or NO_VALUE */
    int64_t mask_length;
};

/* build_error.c */
/* BAD_INPUT "layers[3].field (type): ..."; `field` NULL: of the layer as a whole. Returns NO_VALUE. */
int build_fail(struct build *build, const char *field, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
int build_no_memory(struct build *build);
/* Ranges of all fields by the table of spec/layer_fields.h, and a usable name. */
void build_check(struct build *build, const struct layer *layer);
/* "[16,28,28]" with "?" for what is not known; returns `text`. */
const char *example_text(const struct example_shape *shape, char text[128]);
/* Fails unless all dimensions are known, for a layer that needs to know them. */
bool build_is_known(struct build *build);
/* The layer that is being added. */
const struct layer *build_layer(const struct build *build);

/* build_graph.c */
/* A node "<layer>/<suffix>" (suffix "": "<layer>") whose one output has that name too. */
int build_node(struct build *build, const char *op_type, const char *suffix, int n_inputs,
               const int *inputs);
/* One whose output `index` of `n_outputs` is wanted alone. */
int build_node_output(struct build *build, const char *op_type, const char *suffix, int n_inputs,
                      const int *inputs, int n_outputs, int index);
#define BUILD_NODE(build, op_type, suffix, ...) \
    build_node((build), (op_type), (suffix), (int)(sizeof((int[]){__VA_ARGS__}) / sizeof(int)), \
               (int[]){__VA_ARGS__})
/* Attributes of the node added last. */
void build_int(struct build *build, const char *name, int64_t item);
void build_float(struct build *build, const char *name, double item);
void build_ints(struct build *build, const char *name, const int64_t *items, int count);
void build_text(struct build *build, const char *name, const char *text);
/* Constants: a list of int64; a number without a dimension. */
int build_list(struct build *build, const char *suffix, const int64_t *items, int count);
int build_scalar(struct build *build, const char *suffix, enum dtype dtype, double number);
/* A weight "<layer>.<suffix>", counted against the limit; `*ret_data` is to be filled unless NULL. */
int build_weight(struct build *build, const char *suffix, const struct shape *shape,
                 float **ret_data);
/* One of `parts` matrices one behind the other, each drawn alone (AUTO: by `automatic`). */
int build_matrices(struct build *build, const char *suffix, const struct shape *shape, int parts,
                   const struct weight_matrix *matrix, const struct layer_init *init,
                   enum initialiser automatic);
/* A vector of one number. */
int build_vector(struct build *build, const char *suffix, int64_t size, float number);
/* He's distribution if what follows the layer being added cuts negative numbers, else Glorot's. */
enum initialiser build_automatic(const struct build *build, int own_activation);

/* Each adds one layer behind build->at and moves it and the shape. */
typedef void build_layer_fn(struct build *build, const struct layer *layer);
/* build_dense.c */
build_layer_fn build_dense, build_embedding, build_position, build_dropout, build_activation;
/* Applies a function to build->at. */
void build_function(struct build *build, int function, double alpha);
/* Dropout of `value`. */
int build_dropout_of(struct build *build, const char *suffix, double rate, int value);
/* build->at times a matrix, over the last dimension, plus a vector. */
int build_product(struct build *build, const char *suffix, int value, int64_t from, int64_t to,
                  bool bias, const struct layer_init *init, enum initialiser automatic);
/* build_image.c */
build_layer_fn build_conv, build_pool, build_global_pool, build_batch_norm, build_layer_norm;
/* 1 x 1 convolution of `value`, which has `channels`; no bias. */
int build_projection(struct build *build, int value, int rank, int64_t channels, int64_t filters,
                     const int64_t *strides);
/* BatchNormalization of `value` with `channels`. */
int build_norm_of(struct build *build, const char *suffix, int value, int64_t channels,
                  double epsilon, double momentum);
/* build_shape_layers.c */
build_layer_fn build_flatten, build_reshape, build_permute;
/* build_recurrent.c */
build_layer_fn build_recurrent;
/* build_attention.c */
build_layer_fn build_attention;
/* build_residual.c: the start of a block pushes a frame; its end, when the frame is through, pops it. */
build_layer_fn build_residual;
void build_residual_end(struct build *build);

#endif
