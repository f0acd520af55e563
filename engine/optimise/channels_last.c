/* SPDX-License-Identifier: Apache-2.0
 * Convolutions with constant weights compute on images whose channels come last. So do the operators
 * between them, as far as they can follow: each value that has a channels-last twin is remembered, and
 * an operator all of whose images have twins is made again for the twins. The value itself becomes a
 * Transpose of its twin, which is dropped when nobody reads it. */
#include "engine/kernels/winograd.h"
#include "engine/optimise/optimise.h"
#include "engine/optimise/order.h"
#include "engine/optimise/pattern.h"

#include <stdio.h>
#include <string.h>

enum {
    INPUTS_MAX = 64,
    WINOGRAD_CHANNELS_MIN = 16,
    WINOGRAD_LARGE_MAX = 512 * 512
};

struct layout {
    struct graph *graph;
    int n_values;               /* that `twin` has room for: those of the graph before the pass */
    int *twin;                  /* by value: its channels-last form, or -1 */
    signed char *rank;          /* by value: dimensions, where there is a twin */
};

static bool remember(struct layout *layout, int value, int twin, int rank)
{
    if (twin < 0)
        return false;
    if (value < layout->n_values) {
        layout->twin[value] = twin;
        layout->rank[value] = (signed char)rank;
    }
    return true;
}

/* A Transpose of `from`, made into `to` (-1: a new value); `last`: channels to the end. */
static int transpose(struct graph *graph, int like, int from, int to, int rank, bool last)
{
    int64_t order[SHAPE_RANK_MAX];
    int output;

    for (int i = 0; i < rank; i++)
        order[i] = i == 0 ? 0 : last ? (i + 1 < rank ? i + 1 : 1) : (i == 1 ? rank - 1 : i - 1);
    output = pattern_add(graph, like, "Transpose", 1, &from, to);
    if (output < 0 || !node_set_ints(graph, pattern_last(graph), "perm", order, (size_t)rank))
        return -1;
    return output;
}

/* Takes the node away; its only output becomes a Transpose of `twin`. */
static bool replace(struct layout *layout, int node, int twin, int rank)
{
    int output = layout->graph->nodes[node].outputs[0];

    graph_remove_node(layout->graph, node);
    return twin >= 0 && transpose(layout->graph, node, twin, output, rank, false) >= 0 &&
           remember(layout, output, twin, rank);
}

static int twin_of(const struct layout *layout, int value)
{
    return value >= 0 && value < layout->n_values ? layout->twin[value] : -1;
}

static bool conv_packs(const struct graph *graph, int node, struct shape *w)
{
    int weights = pattern_input(graph, node, 1);

    return weights >= 0 && graph->values[weights].dtype == DTYPE_F32 &&
           pattern_is_constant(graph, weights) && pattern_shape(graph, weights, w) && w->rank >= 3 &&
           w->rank <= 5 && shape_elements(w) > 0 &&
           !pattern_is_constant(graph, pattern_input(graph, node, 0)) &&
           node_int(&graph->nodes[node], "group", 1) >= 1 &&
           w->dims[0] % node_int(&graph->nodes[node], "group", 1) == 0;
}

static bool all_ones(const struct node *node, const char *name)
{
    size_t count;
    const int64_t *items = node_ints(node, name, &count);

    for (size_t i = 0; i < count; i++)
        if (items[i] != 1)
            return false;
    return true;
}

/* The size of Winograd's tiles for this convolution, 0 for the direct sum. Tiles of 4 need four times
 * the weights; where those are very large, the images are small, and reading them would cost more than
 * the products saved. */
static int winograd_tile(const struct node *node, const struct shape *w)
{
    if (w->rank != 4 || w->dims[2] != 3 || w->dims[3] != 3 || node_int(node, "group", 1) != 1 ||
        !all_ones(node, "strides") || !all_ones(node, "dilations") || w->dims[0] < WINOGRAD_CHANNELS_MIN ||
        w->dims[1] < WINOGRAD_CHANNELS_MIN)
        return 0;
    return w->dims[0] * w->dims[1] <= WINOGRAD_LARGE_MAX ? WINOGRAD_LARGE : WINOGRAD_SMALL;
}

static bool change_conv(struct layout *layout, int node, const struct shape *w)
{
    struct graph *graph = layout->graph;
    struct node before = graph->nodes[node];
    int x = before.inputs[0], inputs[4] = {twin_of(layout, x), -1, pattern_input(graph, node, 2), -1};
    int64_t groups = node_int(&before, "group", 1);
    int twin, tile = winograd_tile(&before, w);

    if (inputs[0] < 0) {
        inputs[0] = transpose(graph, node, x, -1, w->rank, true);
        if (!remember(layout, x, inputs[0], w->rank))
            return false;
    }
    inputs[1] = pattern_add(graph, node, "inferd.PackConv", 1, &before.inputs[1], -1);
    if (inputs[1] < 0 || !node_set_int(graph, pattern_last(graph), "group", groups) ||
        !node_set_int(graph, pattern_last(graph), "winograd", tile))
        return false;
    inputs[3] = VALUE_ABSENT;
    twin = pattern_add(graph, node, "inferd.PackedConv", 4, inputs, -1);
    if (twin < 0)
        return false;
    pattern_last(graph)->attributes = before.attributes;
    pattern_last(graph)->n_attributes = before.n_attributes;
    return node_set_ints(graph, pattern_last(graph), "kernel_shape", w->dims + 2, (size_t)(w->rank - 2)) &&
           node_set_int(graph, pattern_last(graph), "channels", w->dims[1]) &&
           node_set_int(graph, pattern_last(graph), "columns", w->dims[0]) &&
           node_set_int(graph, pattern_last(graph), "winograd", tile) &&
           replace(layout, node, twin, w->rank);
}

/* The same operator on other inputs, with a new output; -1 when the arena is used up. */
static int repeat(struct graph *graph, int node, const char *op_type, int n_inputs, const int *inputs)
{
    struct node before = graph->nodes[node];
    int output = pattern_add(graph, node, op_type, n_inputs, inputs, -1);

    if (output < 0)
        return -1;
    pattern_last(graph)->attributes = before.attributes;
    pattern_last(graph)->n_attributes = before.n_attributes;
    return output;
}

/* What an operand of an elementwise operator is among images of `rank` dimensions with channels last:
 * its twin, itself if it is one number, or a constant of one number a channel reshaped. -1: none;
 * `*failed` when the arena is used up. */
static int operand(struct layout *layout, int node, int value, int rank, bool *failed)
{
    struct graph *graph = layout->graph;
    int inputs[2] = {value, -1}, twin = twin_of(layout, value), result;
    int64_t all = -1, channels = 1;
    struct shape shape;

    if (twin >= 0)
        return layout->rank[value] == rank ? twin : -1;
    if (!pattern_is_constant(graph, value) || !pattern_shape(graph, value, &shape) || shape.rank > rank)
        return -1;
    for (int i = 0; i < shape.rank; i++) {
        if (i == shape.rank - (rank - 1))
            channels = shape.dims[i];
        else if (shape.dims[i] != 1)
            return -1;
    }
    if (channels == 1)
        return value;
    inputs[1] = graph_add_ints(graph, "", &all, 1);
    result = inputs[1] >= 0 ? pattern_add(graph, node, "Reshape", 2, inputs, -1) : -1;
    *failed = result < 0;
    return result;
}

/* Every output element comes from one element of each input, which broadcast. */
static bool is_elementwise(const struct graph *graph, int node)
{
    static const char *const names[] = {
        "Abs", "Add", "Ceil", "Celu", "Clip", "Div", "Elu", "Erf", "Exp", "Floor", "Gelu", "HardSigmoid",
        "HardSwish", "LeakyRelu", "Log", "Max", "Min", "Mish", "Mul", "Neg", "PRelu", "Pow",
        "Reciprocal", "Relu", "Selu", "Sigmoid", "Softplus", "Softsign", "Sqrt", "Sub", "Sum", "Swish",
        "Tanh", "ThresholdedRelu",
    };

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (pattern_is(graph, node, names[i]))
            return true;
    return false;
}

static bool change_elementwise(struct layout *layout, int node)
{
    struct graph *graph = layout->graph;
    const struct node *it = &graph->nodes[node];
    int inputs[INPUTS_MAX], n_inputs = it->n_inputs, rank = 0;
    bool failed = false;

    for (int i = 0; i < n_inputs && i < INPUTS_MAX; i++)
        if (twin_of(layout, it->inputs[i]) >= 0 && layout->rank[it->inputs[i]] > rank)
            rank = layout->rank[it->inputs[i]];
    if (rank == 0 || n_inputs > INPUTS_MAX)
        return true;
    for (int i = 0; i < n_inputs; i++) {
        int value = graph->nodes[node].inputs[i];

        inputs[i] = value == VALUE_ABSENT ? VALUE_ABSENT : operand(layout, node, value, rank, &failed);
        if (value != VALUE_ABSENT && inputs[i] < 0)
            return !failed;
    }
    return replace(layout, node, repeat(graph, node, graph->nodes[node].op_type, n_inputs, inputs), rank);
}

static bool is_pool(const struct graph *graph, int node)
{
    static const char *const names[] = {"AveragePool", "GlobalAveragePool", "GlobalMaxPool", "MaxPool"};
    const struct node *it = &graph->nodes[node];

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (pattern_is(graph, node, names[i]))
            return it->n_outputs == 1 || it->outputs[1] == VALUE_ABSENT ||
                   graph_count_uses(graph, it->outputs[1]) == 0;
    return false;
}

static bool change_pool(struct layout *layout, int node)
{
    struct graph *graph = layout->graph;
    int x = graph->nodes[node].inputs[0], twin = twin_of(layout, x);
    char op_type[64];

    if (twin < 0)
        return true;
    snprintf(op_type, sizeof(op_type), "inferd.%.40sLast", graph->nodes[node].op_type);
    return replace(layout, node, repeat(graph, node, op_type, 1, &twin), layout->rank[x]);
}

static bool change_concat(struct layout *layout, int node)
{
    struct graph *graph = layout->graph;
    const struct node *it = &graph->nodes[node];
    int inputs[INPUTS_MAX], n_inputs = it->n_inputs, twin, rank;
    int64_t axis = node_int(it, "axis", 0);

    if (n_inputs < 1 || n_inputs > INPUTS_MAX || twin_of(layout, it->inputs[0]) < 0)
        return true;
    rank = layout->rank[it->inputs[0]];
    for (int i = 0; i < n_inputs; i++) {
        inputs[i] = twin_of(layout, it->inputs[i]);
        if (inputs[i] < 0 || layout->rank[it->inputs[i]] != rank)
            return true;
    }
    if (axis != 1 && axis != 1 - rank)
        return true;
    twin = repeat(graph, node, "Concat", n_inputs, inputs);
    return twin >= 0 && node_set_int(graph, pattern_last(graph), "axis", rank - 1) &&
           replace(layout, node, twin, rank);
}

static bool change(struct layout *layout, int node)
{
    const struct graph *graph = layout->graph;
    struct shape w;

    if (!pattern_is(graph, node, NULL) || graph->nodes[node].n_inputs < 1)
        return true;
    if (pattern_is(graph, node, "Conv"))
        return !conv_packs(graph, node, &w) || change_conv(layout, node, &w);
    if (is_elementwise(graph, node))
        return change_elementwise(layout, node);
    if (is_pool(graph, node))
        return change_pool(layout, node);
    return !pattern_is(graph, node, "Concat") || change_concat(layout, node);
}

bool optimise_channels_last(struct graph *graph)
{
    struct layout layout = {.graph = graph, .n_values = graph->n_values};
    int n_nodes, *order = order_nodes(graph, &n_nodes);

    layout.twin = arena_alloc(graph->arena, (size_t)graph->n_values * sizeof(*layout.twin));
    layout.rank = arena_alloc(graph->arena, (size_t)graph->n_values);
    if (order == NULL || layout.twin == NULL || layout.rank == NULL)
        return false;
    for (int i = 0; i < graph->n_values; i++)
        layout.twin[i] = -1;
    for (int i = 0; i < n_nodes; i++)
        if (!change(&layout, order[i]))
            return false;
    return true;
}
