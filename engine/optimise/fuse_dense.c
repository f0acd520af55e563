/* SPDX-License-Identifier: Apache-2.0
 * MatMul with a constant matrix on the right, or its transpose, and a bias behind it become
 * inferd.Dense: for training, where weights are packed or transposed in vain since every step moves
 * them. */
#include "engine/optimise/optimise.h"
#include "engine/optimise/pattern.h"

/* A matrix of the file, or what transposes one; VALUE_ABSENT if `value` is neither. */
static int find_weights(const struct graph *graph, int value, bool *ret_transposed,
                        int64_t *ret_columns)
{
    int node = pattern_producer(graph, value, "Transpose");
    const struct tensor *constant;

    *ret_transposed = false;
    if (node >= 0) {
        size_t count;
        const int64_t *order = node_ints(&graph->nodes[node], "perm", &count);

        *ret_transposed = order == NULL || (count == 2 && order[0] == 1);
        value = pattern_input(graph, node, 0);
        if (!*ret_transposed)
            return VALUE_ABSENT;
    }
    constant = value >= 0 ? graph->values[value].constant : NULL;
    if (constant == NULL || constant->dtype != DTYPE_F32 || constant->shape.rank != 2)
        return VALUE_ABSENT;
    *ret_columns = constant->shape.dims[!*ret_transposed];
    return value;
}

/* A constant row that only the Add `sum` puts on the product; VALUE_ABSENT if that adds something else. */
static int find_bias(const struct graph *graph, int sum, int product, int64_t columns)
{
    int bias = sum >= 0 ? pattern_other(graph, sum, product) : -1;
    struct shape shape;

    return bias >= 0 && pattern_is_constant(graph, bias) && pattern_shape(graph, bias, &shape) &&
                   shape.rank == 1 && shape.dims[0] == columns
               ? bias
               : VALUE_ABSENT;
}

bool optimise_fuse_dense(struct graph *graph)
{
    const int n_nodes = graph->n_nodes;

    for (int i = 0; i < n_nodes; i++) {
        int inputs[3], output, sum;
        int64_t columns;
        bool transposed;

        if (!pattern_is(graph, i, "MatMul") || pattern_is_constant(graph, pattern_input(graph, i, 0)))
            continue;
        inputs[0] = pattern_input(graph, i, 0);
        inputs[1] = find_weights(graph, pattern_input(graph, i, 1), &transposed, &columns);
        if (inputs[1] == VALUE_ABSENT)
            continue;
        output = graph->nodes[i].outputs[0];
        sum = pattern_user(graph, output, "Add");
        inputs[2] = find_bias(graph, sum, output, columns);
        graph_remove_node(graph, i);
        if (inputs[2] != VALUE_ABSENT) {
            output = graph->nodes[sum].outputs[0];
            graph_remove_node(graph, sum);
        }
        if (pattern_add(graph, i, "inferd.Dense", inputs[2] != VALUE_ABSENT ? 3 : 2, inputs, output) < 0 ||
            !node_set_int(graph, pattern_last(graph), "transB", transposed))
            return false;
    }
    return true;
}
