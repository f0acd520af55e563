/* SPDX-License-Identifier: Apache-2.0
 * MatMul and Gemm with a constant float matrix on the right become inferd.PackedGemm over weights
 * that a node of the prologue packs. */
#include "engine/optimise/optimise.h"
#include "engine/optimise/pattern.h"

#include <string.h>

/* The matrix's shape, if it can be packed. */
static bool weights_pack(const struct graph *graph, int node, struct shape *ret)
{
    int w = pattern_input(graph, node, 1);

    return w >= 0 && graph->values[w].dtype == DTYPE_F32 && pattern_is_constant(graph, w) &&
           pattern_shape(graph, w, ret) && ret->rank == 2 && ret->dims[0] > 0 && ret->dims[1] > 0;
}

/* beta * C; C itself where beta is 1. -1 when the arena is used up. */
static int scaled_addend(struct graph *graph, int node, int c)
{
    float beta = node_float(&graph->nodes[node], "beta", 1);
    int inputs[2] = {c, -1};

    if (beta == 1)
        return c;
    inputs[1] = pattern_add_scalar(graph, beta);
    return inputs[1] >= 0 ? pattern_add(graph, node, "Mul", 2, inputs, -1) : -1;
}

static bool pack(struct graph *graph, int node, const struct shape *w)
{
    struct node before = graph->nodes[node];
    bool is_gemm = strcmp(before.op_type, "Gemm") == 0;
    bool trans_b = is_gemm && node_int(&before, "transB", 0) != 0;
    float alpha = is_gemm ? node_float(&before, "alpha", 1) : 1;
    int addend = is_gemm ? pattern_input(graph, node, 2) : VALUE_ABSENT, output = before.outputs[0];
    int inputs[4] = {before.inputs[0], -1, VALUE_ABSENT, VALUE_ABSENT};
    int64_t columns = w->dims[!trans_b];
    struct shape shape;

    inputs[1] = pattern_add(graph, node, "inferd.PackGemm", 1, &before.inputs[1], -1);
    if (inputs[1] < 0 || !node_set_int(graph, pattern_last(graph), "transB", trans_b) ||
        !node_set_float(graph, pattern_last(graph), "alpha", alpha))
        return false;
    if (addend != VALUE_ABSENT) {
        bool is_row = pattern_shape(graph, addend, &shape) && shape.rank >= 1 && shape.rank <= 2 &&
                      shape.dims[shape.rank - 1] == columns && shape_elements(&shape) == columns;

        addend = scaled_addend(graph, node, addend);
        if (addend < 0)
            return false;
        inputs[is_row ? 2 : 3] = addend;
    }
    graph_remove_node(graph, node);
    return pattern_add(graph, node, "inferd.PackedGemm", 4, inputs, output) >= 0 &&
           node_set_int(graph, pattern_last(graph), "depth", w->dims[trans_b]) &&
           node_set_int(graph, pattern_last(graph), "columns", columns);
}

bool optimise_pack_gemm(struct graph *graph)
{
    for (int i = 0; i < graph->n_nodes; i++) {
        const struct node *node = &graph->nodes[i];
        struct shape w;

        if (!pattern_is(graph, i, "MatMul") &&
            !(pattern_is(graph, i, "Gemm") && node_int(node, "transA", 0) == 0))
            continue;
        /* A product of constants alone belongs to the prologue as it is. */
        if (!weights_pack(graph, i, &w) || pattern_is_constant(graph, node->inputs[0]))
            continue;
        if (!pack(graph, i, &w))
            return false;
    }
    return true;
}
