/* SPDX-License-Identifier: Apache-2.0
 * A 1x1 convolution, a depthwise one and a 1x1 convolution in a row, each of whose results only the next
 * reads, become inferd.PackedBottleneck, which keeps what lies between them in the cache. After the
 * epilogues have been fused. */
#include "engine/ops/epilogue.h"
#include "engine/optimise/optimise.h"
#include "engine/optimise/pattern.h"

#include <string.h>

static bool is_packed_conv(const struct graph *graph, int index)
{
    const struct node *node = index >= 0 ? &graph->nodes[index] : NULL;

    return node != NULL && !node->removed && strcmp(node->domain, "inferd") == 0 &&
           strcmp(node->op_type, "PackedConv") == 0;
}

/* Every entry of a list attribute, if it is there. */
static bool all_are(const struct node *node, const char *name, int64_t item)
{
    size_t count;
    const int64_t *items = node_ints(node, name, &count);

    for (size_t i = 0; i < count; i++)
        if (items[i] != item)
            return false;
    return true;
}

/* Of two spatial dimensions, stride 1, no padding, one group, the direct sum. */
static bool is_pointwise(const struct graph *graph, int index)
{
    const struct node *node = &graph->nodes[index];
    size_t count;

    return node_ints(node, "kernel_shape", &count) != NULL && count == 2 &&
           all_are(node, "kernel_shape", 1) && all_are(node, "strides", 1) && all_are(node, "pads", 0) &&
           node_int(node, "group", 1) == 1 && node_int(node, "winograd", 0) == 0;
}

/* Whose windows engine/kernels/depthwise.h has strips for. */
static bool is_depthwise(const struct graph *graph, int index)
{
    const struct node *node = &graph->nodes[index];
    size_t count, n_strides, n_dilations;
    const int64_t *kernel = node_ints(node, "kernel_shape", &count);
    const int64_t *strides = node_ints(node, "strides", &n_strides);
    const int64_t *dilations = node_ints(node, "dilations", &n_dilations);
    int64_t groups = node_int(node, "group", 1);

    return groups > 1 && node_int(node, "columns", 0) == groups && node_int(node, "channels", 0) == 1 &&
           kernel != NULL && count == 2 && kernel[0] <= 5 && (kernel[1] == 3 || kernel[1] == 5) &&
           (n_strides < 2 || strides[1] <= 2) && (n_dilations < 2 || dilations[1] == 1) &&
           pattern_input(graph, index, EPILOGUE_RESIDUAL) == VALUE_ABSENT;
}

static bool copy_activation(struct graph *graph, const struct node *from, const char *const names[3])
{
    struct node *to = pattern_last(graph);

    return pattern_set_string(graph, to, names[0], node_string(from, "activation", "None")) &&
           node_set_float(graph, to, names[1], node_float(from, "alpha", 0)) &&
           node_set_float(graph, to, names[2], node_float(from, "beta", 0));
}

static bool fuse(struct graph *graph, int expand, int depthwise, int project)
{
    static const char *const expand_names[] = {"expand_activation", "expand_alpha", "expand_beta"};
    static const char *const depthwise_names[] = {"depthwise_activation", "depthwise_alpha",
                                                  "depthwise_beta"};
    static const char *const project_names[] = {"activation", "alpha", "beta"};
    const struct node first = graph->nodes[expand], second = graph->nodes[depthwise];
    const struct node third = graph->nodes[project];
    int inputs[8] = {first.inputs[0], third.inputs[1], pattern_input(graph, project, EPILOGUE_BIAS),
                     pattern_input(graph, project, EPILOGUE_RESIDUAL), first.inputs[1],
                     pattern_input(graph, expand, EPILOGUE_BIAS), second.inputs[1],
                     pattern_input(graph, depthwise, EPILOGUE_BIAS)};
    int output = third.outputs[0];

    graph_remove_node(graph, expand);
    graph_remove_node(graph, depthwise);
    graph_remove_node(graph, project);
    if (pattern_add(graph, expand, "inferd.PackedBottleneck", 8, inputs, output) < 0)
        return false;
    pattern_last(graph)->attributes = second.attributes;
    pattern_last(graph)->n_attributes = second.n_attributes;
    return node_set_int(graph, pattern_last(graph), "channels", node_int(&first, "channels", 0)) &&
           node_set_int(graph, pattern_last(graph), "middle", node_int(&first, "columns", 0)) &&
           node_set_int(graph, pattern_last(graph), "columns", node_int(&third, "columns", 0)) &&
           copy_activation(graph, &first, expand_names) &&
           copy_activation(graph, &second, depthwise_names) &&
           copy_activation(graph, &third, project_names);
}

bool optimise_fuse_bottleneck(struct graph *graph)
{
    for (int i = 0; i < graph->n_nodes; i++) {
        int depthwise, project;

        if (!is_packed_conv(graph, i) || !is_pointwise(graph, i) ||
            pattern_input(graph, i, EPILOGUE_RESIDUAL) != VALUE_ABSENT)
            continue;
        depthwise = graph_single_user(graph, graph->nodes[i].outputs[0]);
        if (!is_packed_conv(graph, depthwise) || !is_depthwise(graph, depthwise) ||
            graph->nodes[depthwise].inputs[0] != graph->nodes[i].outputs[0])
            continue;
        project = graph_single_user(graph, graph->nodes[depthwise].outputs[0]);
        if (!is_packed_conv(graph, project) || !is_pointwise(graph, project) ||
            graph->nodes[project].inputs[0] != graph->nodes[depthwise].outputs[0] ||
            pattern_input(graph, project, EPILOGUE_RESIDUAL) == graph->nodes[depthwise].outputs[0])
            continue;
        if (!fuse(graph, i, depthwise, project))
            return false;
    }
    return true;
}
