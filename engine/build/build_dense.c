/* SPDX-License-Identifier: Apache-2.0
 * Layers that work on the last dimension: dense, embedding, position, dropout, functions. */
#include "engine/build/network_build.h"

#include <math.h>
#include <stdio.h>

int build_product(struct build *build, const char *suffix, int value, int64_t from, int64_t to,
                  bool bias, const struct layer_init *init, enum initialiser automatic)
{
    struct shape shape = {2, {from, to}};
    struct weight_matrix matrix = {from, to, from, to};
    bool nameless = suffix[0] == '\0';
    char weight_name[32], bias_name[32], product_name[32];
    int weight, vector = NO_VALUE;

    snprintf(weight_name, sizeof(weight_name), "%s%sweight", suffix, nameless ? "" : "_");
    snprintf(bias_name, sizeof(bias_name), "%s%sbias", suffix, nameless ? "" : "_");
    snprintf(product_name, sizeof(product_name), "%s%sproduct", suffix, nameless ? "" : "_");
    weight = build_matrices(build, weight_name, &shape, 1, &matrix, init, automatic);
    if (bias)
        vector = build_vector(build, bias_name, to, 0);
    if (build->shape.rank == 1)
        return bias ? BUILD_NODE(build, "Gemm", suffix, value, weight, vector)
                    : BUILD_NODE(build, "MatMul", suffix, value, weight);
    value = BUILD_NODE(build, "MatMul", bias ? product_name : suffix, value, weight);
    return bias ? BUILD_NODE(build, "Add", suffix, value, vector) : value;
}

void build_dense(struct build *build, const struct layer *layer)
{
    const struct dense_layer *dense = &layer->dense;
    int64_t *last = &build->shape.dims[build->shape.rank - 1];

    if (*last == NETWORK_UNKNOWN) {
        build_fail(build, NULL, "the last dimension of its input is not known");
        return;
    }
    build->at = build_product(build, "", build->at, *last, dense->units, dense->bias, &dense->init,
                              build_automatic(build, dense->activation));
    *last = dense->units;
    build_function(build, dense->activation, 0.01);
}

void build_embedding(struct build *build, const struct layer *layer)
{
    const struct embedding_layer *embedding = &layer->embedding;
    struct shape shape = {2, {embedding->vocabulary, embedding->units}};
    struct weight_matrix matrix = {shape.dims[0], shape.dims[1], shape.dims[0], shape.dims[1]};
    struct layer_init init = embedding->init;
    char text[128];
    int table;

    if (build->dtype != DTYPE_I64) {
        build_fail(build, NULL, "expected token ids (an input of type INT64), got numbers");
        return;
    }
    if (build->shape.rank >= NETWORK_RANK_MAX) {
        build_fail(build, NULL, "expected ids of at most %d dimensions, got %s",
                   NETWORK_RANK_MAX - 1, example_text(&build->shape, text));
        return;
    }
    if (init.choice == INIT_AUTO)
        init = (struct layer_init){INIT_NORMAL, 0.02 * init.scale};
    table = build_matrices(build, "weight", &shape, 1, &matrix, &init, INIT_NORMAL);
    build->at = BUILD_NODE(build, "Gather", "", table, build->at);
    build_int(build, "axis", 0);
    build->shape.dims[build->shape.rank++] = embedding->units;
    build->dtype = DTYPE_F32;
}

/* sin and cos of position / 10000^(2 i / width), side by side (Vaswani et al. 2017), from numbers
 * alone: it is computed once for each loaded model, and nobody takes it for a weight. */
static int sinusoidal_table(struct build *build, int64_t length, int64_t width)
{
    const int64_t shape[] = {length, width};
    int zero = build_scalar(build, "zero", DTYPE_F32, 0);
    int one = build_scalar(build, "one", DTYPE_F32, 1);
    int rows = build_scalar(build, "length", DTYPE_F32, (double)length);
    int pairs = build_scalar(build, "pairs", DTYPE_F32, (double)(width / 2));
    int decay = build_scalar(build, "decay", DTYPE_F32, -log(10000.0) * 2 / (double)width);
    int axis = build_list(build, "last", (int64_t[]){-1}, 1);
    int positions = BUILD_NODE(build, "Range", "steps", zero, rows, one);
    int indexes = BUILD_NODE(build, "Range", "indexes", zero, pairs, one);
    int exponents = BUILD_NODE(build, "Mul", "exponents", indexes, decay);
    int rates = BUILD_NODE(build, "Exp", "rates", exponents);
    int column = BUILD_NODE(build, "Unsqueeze", "column", positions, axis);
    int angles = BUILD_NODE(build, "Mul", "angles", column, rates);
    int sines = BUILD_NODE(build, "Sin", "sin", angles);
    int cosines = BUILD_NODE(build, "Cos", "cos", angles);
    int left = BUILD_NODE(build, "Unsqueeze", "sin_column", sines, axis);
    int right = BUILD_NODE(build, "Unsqueeze", "cos_column", cosines, axis);
    int both = BUILD_NODE(build, "Concat", "pairs_of_both", left, right);

    build_int(build, "axis", -1);
    return BUILD_NODE(build, "Reshape", "table", both, build_list(build, "shape", shape, 2));
}

/* The first rows of a table, as many as the input has steps. */
static int first_rows(struct build *build, int table)
{
    int start = build_list(build, "start", (int64_t[]){0}, 1);
    int axis = build_list(build, "axis", (int64_t[]){0}, 1);
    int length = BUILD_NODE(build, "Shape", "steps_given", build->at);

    build_int(build, "start", 1);
    build_int(build, "end", 2);
    return BUILD_NODE(build, "Slice", "rows", table, start, length, axis);
}

void build_position(struct build *build, const struct layer *layer)
{
    const struct position_layer *position = &layer->position;
    int64_t length = build->shape.dims[0], width = build->shape.dims[1];
    int64_t rows = position->max_length > 0 ? position->max_length : length;
    struct layer_init init = position->init;
    struct shape shape = {2, {rows, width}};
    struct weight_matrix matrix = {rows, width, rows, width};
    char text[128];
    int table;

    if (build->shape.rank != 2 || width == NETWORK_UNKNOWN) {
        build_fail(build, NULL, "expected a sequence [time, features], got %s",
                   example_text(&build->shape, text));
        return;
    }
    if (rows == NETWORK_UNKNOWN || length > rows) {
        build_fail(build, "max_length", "expected at least the input's length, in %s",
                   example_text(&build->shape, text));
        return;
    }
    if (position->kind == POSITION_SINUSOIDAL && width % 2 != 0) {
        build_fail(build, "kind", "sinusoidal needs an even width, got %lld", (long long)width);
        return;
    }
    if (position->kind == POSITION_SINUSOIDAL && rows > build->parameters_max / width) {
        build_fail(build, "max_length", "a table of %lld rows of %lld numbers is too large",
                   (long long)rows, (long long)width);
        return;
    }
    if (init.choice == INIT_AUTO)
        init = (struct layer_init){INIT_NORMAL, 0.02 * init.scale};
    table = position->kind == POSITION_SINUSOIDAL
                ? sinusoidal_table(build, rows, width)
                : build_matrices(build, "weight", &shape, 1, &matrix, &init, INIT_NORMAL);
    if (length != rows)
        table = first_rows(build, table);
    build->at = BUILD_NODE(build, "Add", "", build->at, table);
}

int build_dropout_of(struct build *build, const char *suffix, double rate, int value)
{
    int ratio = build_scalar(build, suffix[0] != '\0' ? "dropout_ratio" : "ratio", DTYPE_F32, rate);
    int mode = build_scalar(build, suffix[0] != '\0' ? "dropout_training" : "training", DTYPE_BOOL, 0);

    return BUILD_NODE(build, "Dropout", suffix, value, ratio, mode);
}

void build_dropout(struct build *build, const struct layer *layer)
{
    build->at = build_dropout_of(build, "", layer->dropout.rate, build->at);
}

/* x / 2 (1 + Erf(x / sqrt 2)) (Hendrycks and Gimpel 2016). */
static int gelu(struct build *build, int x)
{
    int root = build_scalar(build, "sqrt2", DTYPE_F32, sqrt(2));
    int one = build_scalar(build, "gelu_one", DTYPE_F32, 1);
    int half = build_scalar(build, "half", DTYPE_F32, 0.5);
    int scaled = BUILD_NODE(build, "Div", "gelu_scaled", x, root);
    int erf = BUILD_NODE(build, "Erf", "gelu_erf", scaled);
    int sum = BUILD_NODE(build, "Add", "gelu_sum", erf, one);
    int product = BUILD_NODE(build, "Mul", "gelu_product", x, sum);

    return BUILD_NODE(build, "Mul", "gelu", product, half);
}

void build_function(struct build *build, int function, double alpha)
{
    static const char *const operators[ACTIVATIONS][2] = {
        [ACTIVATION_RELU] = {"Relu", "relu"},       [ACTIVATION_LEAKY_RELU] = {"LeakyRelu", "leaky_relu"},
        [ACTIVATION_SIGMOID] = {"Sigmoid", "sigmoid"}, [ACTIVATION_TANH] = {"Tanh", "tanh"},
        [ACTIVATION_SWISH] = {"Sigmoid", "gate"},   [ACTIVATION_SOFTMAX] = {"Softmax", "softmax"},
    };
    int x = build->at;

    if (function == ACTIVATION_NONE)
        return;
    if (function == ACTIVATION_GELU) {
        build->at = gelu(build, x);
        return;
    }
    build->at = BUILD_NODE(build, operators[function][0], operators[function][1], x);
    if (function == ACTIVATION_LEAKY_RELU)
        build_float(build, "alpha", alpha);
    if (function == ACTIVATION_SOFTMAX)
        build_int(build, "axis", -1);
    if (function == ACTIVATION_SWISH)
        build->at = BUILD_NODE(build, "Mul", "swish", x, build->at);
}

void build_activation(struct build *build, const struct layer *layer)
{
    build_function(build, layer->activation.function, layer->activation.alpha);
}
