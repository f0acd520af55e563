/* SPDX-License-Identifier: Apache-2.0
 * LayerNormalization as exporters spell it before opset 17:
 *   d = x - ReduceMean(x);  y = d / Sqrt(ReduceMean(d^2) + epsilon) * scale + bias
 * over the last dimensions. */
#include "engine/optimise/optimise.h"
#include "engine/optimise/pattern.h"

/* The pattern's pieces, found from the square root backwards. */
struct layer_norm {
    int x, scale, bias;
    int last;                   /* the node that adds the bias */
    float epsilon;
    int64_t axis;               /* negative */
};

/* The last dimensions, as negative numbers in a row up to -1; the first of them, or 0. */
static int64_t reduced_axis(const struct graph *graph, int reduce)
{
    int axes = pattern_input(graph, reduce, 1);
    const struct tensor *constant = axes >= 0 ? graph->values[axes].constant : NULL;
    int64_t count;

    if (constant == NULL || constant->dtype != DTYPE_I64 ||
        node_int(&graph->nodes[reduce], "keepdims", 1) == 0)
        return 0;
    count = shape_elements(&constant->shape);
    for (int64_t i = 0; i < count; i++)
        if (tensor_int_at(constant, i) != i - count)
            return 0;
    return -count;
}

/* d^2 as Pow(d, 2) or Mul(d, d): gives d. */
static int squared(const struct graph *graph, int value)
{
    int node = pattern_producer(graph, value, NULL), left;

    if (node < 0)
        return -1;
    left = pattern_input(graph, node, 0);
    if ((pattern_is(graph, node, "Pow") && pattern_is_scalar(graph, pattern_input(graph, node, 1), 2)) ||
        (pattern_is(graph, node, "Mul") && pattern_input(graph, node, 1) == left)) {
        return left;
    }
    return -1;
}

/* From Sqrt back to x: the variance, the difference, the mean. */
static bool match_statistics(const struct graph *graph, int root, struct layer_norm *match, int *ret_d)
{
    int sum = pattern_producer(graph, pattern_input(graph, root, 0), "Add");
    int variance, mean, difference, d;

    if (sum < 0)
        return false;
    variance = pattern_input(graph, sum, 0);
    if (!pattern_scalar(graph, pattern_input(graph, sum, 1), &match->epsilon)) {
        variance = pattern_input(graph, sum, 1);
        if (!pattern_scalar(graph, pattern_input(graph, sum, 0), &match->epsilon))
            return false;
    }
    variance = pattern_producer(graph, variance, "ReduceMean");
    if (variance < 0)
        return false;
    d = squared(graph, pattern_input(graph, variance, 0));
    difference = pattern_producer(graph, d, "Sub");
    if (difference < 0)
        return false;
    match->x = pattern_input(graph, difference, 0);
    mean = pattern_producer(graph, pattern_input(graph, difference, 1), "ReduceMean");
    match->axis = reduced_axis(graph, variance);
    *ret_d = d;
    return mean >= 0 && pattern_input(graph, mean, 0) == match->x && match->axis < 0 &&
           reduced_axis(graph, mean) == match->axis;
}

/* A constant that has exactly the normalised dimensions. */
static bool is_parameter(const struct graph *graph, int value, int64_t axis)
{
    struct shape shape;

    return value >= 0 && pattern_is_constant(graph, value) && pattern_shape(graph, value, &shape) &&
           shape.rank == -axis;
}

static bool match_layer_norm(const struct graph *graph, int root, struct layer_norm *match)
{
    int d, divide, scaled, shifted;

    if (!match_statistics(graph, root, match, &d))
        return false;
    divide = pattern_user(graph, graph->nodes[root].outputs[0], "Div");
    if (divide < 0 || pattern_input(graph, divide, 0) != d)
        return false;
    scaled = pattern_user(graph, graph->nodes[divide].outputs[0], "Mul");
    if (scaled < 0)
        return false;
    match->scale = pattern_other(graph, scaled, graph->nodes[divide].outputs[0]);
    shifted = pattern_user(graph, graph->nodes[scaled].outputs[0], "Add");
    if (shifted < 0)
        return false;
    match->bias = pattern_other(graph, shifted, graph->nodes[scaled].outputs[0]);
    match->last = shifted;
    return is_parameter(graph, match->scale, match->axis) &&
           is_parameter(graph, match->bias, match->axis);
}

bool optimise_fuse_layer_norm(struct graph *graph)
{
    for (int i = 0; i < graph->n_nodes; i++) {
        struct layer_norm match;
        int inputs[3], output;

        if (!pattern_is(graph, i, "Sqrt") || !match_layer_norm(graph, i, &match))
            continue;
        /* The other nodes reach no output now, unless somebody else reads them: graph_seal() sees. */
        output = graph->nodes[match.last].outputs[0];
        graph_remove_node(graph, match.last);
        inputs[0] = match.x;
        inputs[1] = match.scale;
        inputs[2] = match.bias;
        if (pattern_add(graph, i, "LayerNormalization", 3, inputs, output) < 0 ||
            !node_set_int(graph, pattern_last(graph), "axis", match.axis) ||
            !node_set_float(graph, pattern_last(graph), "epsilon", match.epsilon))
            return false;
    }
    return true;
}
