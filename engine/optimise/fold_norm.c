/* SPDX-License-Identifier: Apache-2.0
 * BatchNormalization behind a Conv or Gemm becomes part of its weights: with s = scale /
 * sqrt(var + epsilon), W' = W s and b' = (b - mean) s + B, all of it as nodes on constants. */
#include "engine/optimise/optimise.h"
#include "engine/optimise/pattern.h"

#include <string.h>

/* The axis of W that the normalised channels are on, or -1 when this producer does not fold. */
static int channel_axis(const struct graph *graph, int producer, const struct shape *w)
{
    const struct node *node = &graph->nodes[producer];

    if (strcmp(node->op_type, "Conv") == 0)
        return w->rank >= 3 ? 0 : -1;
    if (strcmp(node->op_type, "ConvTranspose") == 0)
        return w->rank >= 3 && node_int(node, "group", 1) == 1 ? 1 : -1;
    if (strcmp(node->op_type, "Gemm") == 0)
        return w->rank == 2 && node_float(node, "beta", 1) == 1 ? !node_int(node, "transB", 0) : -1;
    return -1;
}

/* A bias of one number for each channel, or none. */
static bool bias_folds(const struct graph *graph, int producer, int64_t channels)
{
    int bias = pattern_input(graph, producer, 2);
    struct shape shape;

    return bias == VALUE_ABSENT ||
           (pattern_is_constant(graph, bias) && pattern_shape(graph, bias, &shape) &&
            shape.rank == 1 && shape.dims[0] == channels);
}

static bool norm_folds(const struct graph *graph, int norm)
{
    const struct node *node = &graph->nodes[norm];

    if (node->n_outputs != 1 || node->n_inputs != 5 || node_int(node, "training_mode", 0) != 0)
        return false;
    for (int i = 1; i < 5; i++)
        if (node->inputs[i] == VALUE_ABSENT || graph->values[node->inputs[i]].dtype != DTYPE_F32 ||
            !pattern_is_constant(graph, node->inputs[i]))
            return false;
    return true;
}

static int add2(struct graph *graph, int like, const char *op_type, int a, int b)
{
    int inputs[2] = {a, b};

    return a >= 0 && b >= 0 ? pattern_add(graph, like, op_type, 2, inputs, -1) : -1;
}

/* s along `axis` of a tensor of `rank` dimensions. */
static int along(struct graph *graph, int like, int s, int axis, int rank)
{
    int64_t dims[SHAPE_RANK_MAX];

    for (int i = 0; i < rank; i++)
        dims[i] = i == axis ? -1 : 1;
    return add2(graph, like, "Reshape", s, graph_add_ints(graph, "", dims, (size_t)rank));
}

static bool fold(struct graph *graph, int producer, int norm, int axis, const struct shape *w)
{
    struct node before = graph->nodes[producer];
    const int *n = graph->nodes[norm].inputs;
    float epsilon = node_float(&graph->nodes[norm], "epsilon", 1e-5f);
    int bias = pattern_input(graph, producer, 2), output = graph->nodes[norm].outputs[0];
    int sum = add2(graph, norm, "Add", n[4], pattern_add_scalar(graph, epsilon));
    int root = sum >= 0 ? pattern_add(graph, norm, "Sqrt", 1, &sum, -1) : -1;
    int factor = add2(graph, norm, "Div", n[1], root);
    int inputs[3] = {before.inputs[0], -1, -1};

    if (factor < 0)
        return false;
    inputs[1] = add2(graph, norm, "Mul", before.inputs[1], along(graph, norm, factor, axis, w->rank));
    sum = bias != VALUE_ABSENT ? add2(graph, norm, "Sub", bias, n[3])
                               : pattern_add(graph, norm, "Neg", 1, &n[3], -1);
    inputs[2] = add2(graph, norm, "Add", add2(graph, norm, "Mul", sum, factor), n[2]);
    if (inputs[1] < 0 || inputs[2] < 0)
        return false;
    graph->values[inputs[1]].dtype = graph->values[inputs[2]].dtype = DTYPE_F32;
    graph->values[inputs[1]].shape = graph->values[before.inputs[1]].shape;
    graph->values[inputs[2]].shape = (struct declared_shape){.rank = 1, .dims = {w->dims[axis]}};
    graph_remove_node(graph, producer);
    graph_remove_node(graph, norm);
    if (pattern_add(graph, producer, before.op_type, 3, inputs, output) < 0)
        return false;
    pattern_last(graph)->attributes = before.attributes;
    pattern_last(graph)->n_attributes = before.n_attributes;
    return true;
}

bool optimise_fold_norm(struct graph *graph)
{
    for (int i = 0; i < graph->n_nodes; i++) {
        int producer, axis, weights;
        struct shape w, mean;

        if (!pattern_is(graph, i, "BatchNormalization") || !norm_folds(graph, i))
            continue;
        producer = pattern_producer(graph, pattern_input(graph, i, 0), NULL);
        if (producer < 0 || graph->nodes[producer].n_inputs < 2 ||
            graph_single_user(graph, graph->nodes[i].inputs[0]) != i)
            continue;
        weights = pattern_input(graph, producer, 1);
        if (!pattern_is_constant(graph, weights) || graph->values[weights].dtype != DTYPE_F32 ||
            !pattern_shape(graph, weights, &w) || !pattern_shape(graph, pattern_input(graph, i, 3), &mean))
            continue;
        axis = channel_axis(graph, producer, &w);
        if (axis < 0 || mean.rank != 1 || mean.dims[0] != w.dims[axis] ||
            !bias_folds(graph, producer, w.dims[axis]))
            continue;
        if (!fold(graph, producer, i, axis, &w))
            return false;
    }
    return true;
}
