/* SPDX-License-Identifier: Apache-2.0
 * x Sigmoid(x) is Swish; x HardSigmoid(x) with the slope of 1/6 is HardSwish. */
#include "engine/optimise/optimise.h"
#include "engine/optimise/pattern.h"

#include <math.h>
#include <string.h>

static const char *fused_name(const struct graph *graph, int gate)
{
    const struct node *node = &graph->nodes[gate];

    if (pattern_is(graph, gate, "Sigmoid"))
        return "Swish";
    if (pattern_is(graph, gate, "HardSigmoid") &&
        fabsf(node_float(node, "alpha", 0.2f) - 1.0f / 6) < 1e-6f &&
        fabsf(node_float(node, "beta", 0.5f) - 0.5f) < 1e-6f)
        return "HardSwish";
    return NULL;
}

bool optimise_fuse_swish(struct graph *graph)
{
    for (int i = 0; i < graph->n_nodes; i++) {
        const char *fused = pattern_is(graph, i, NULL) ? fused_name(graph, i) : NULL;
        int input, product, output;

        if (fused == NULL)
            continue;
        input = graph->nodes[i].inputs[0];
        product = pattern_user(graph, graph->nodes[i].outputs[0], "Mul");
        if (product < 0 || pattern_other(graph, product, graph->nodes[i].outputs[0]) != input)
            continue;
        output = graph->nodes[product].outputs[0];
        graph_remove_node(graph, product);
        graph_remove_node(graph, i);
        if (pattern_add(graph, product, fused, 1, &input, output) < 0)
            return false;
    }
    return true;
}
