/* SPDX-License-Identifier: Apache-2.0
 * Nodes that hand on their first input as it is. */
#include "engine/optimise/optimise.h"
#include "engine/optimise/pattern.h"

#include <string.h>

/* Dropout whose mode is absent or a constant false, and whose mask nobody reads. */
static bool is_idle_dropout(const struct graph *graph, const struct node *node)
{
    int mode = node->n_inputs > 2 ? node->inputs[2] : VALUE_ABSENT;
    const struct tensor *constant = mode >= 0 ? graph->values[mode].constant : NULL;

    if (node->n_outputs > 1 && node->outputs[1] != VALUE_ABSENT &&
        graph_count_uses(graph, node->outputs[1]) > 0)
        return false;
    return mode == VALUE_ABSENT || (constant != NULL && shape_elements(&constant->shape) == 1 &&
                                    tensor_int_at(constant, 0) == 0);
}

static bool is_idle_transpose(const struct node *node)
{
    size_t count;
    const int64_t *order = node_ints(node, "perm", &count);

    for (size_t i = 0; i < count; i++)
        if (order[i] != (int64_t)i)
            return false;
    return count > 0;
}

/* PyTorch puts a Pad of nothing before each average pool. */
static bool is_idle_pad(const struct graph *graph, const struct node *node)
{
    int pads = node->n_inputs > 1 ? node->inputs[1] : VALUE_ABSENT;
    const struct tensor *constant = pads >= 0 ? graph->values[pads].constant : NULL;

    if (constant == NULL || !dtype_is_integer(constant->dtype))
        return false;
    for (int64_t i = 0; i < shape_elements(&constant->shape); i++)
        if (tensor_int_at(constant, i) != 0)
            return false;
    return true;
}

/* A Cast to the type that its input is known to have. */
static bool is_idle_cast(const struct graph *graph, const struct node *node)
{
    const struct value *input = &graph->values[node->inputs[0]];

    return input->dtype != DTYPE_NONE && (int64_t)input->dtype == node_int(node, "to", 0) &&
           (input->constant != NULL || input->producer < 0);
}

static bool is_no_op(const struct graph *graph, int index)
{
    const struct node *node = &graph->nodes[index];

    if (!pattern_is(graph, index, NULL) || node->n_inputs < 1 || node->inputs[0] == VALUE_ABSENT)
        return false;
    if (strcmp(node->op_type, "Identity") == 0)
        return true;
    if (strcmp(node->op_type, "Dropout") == 0)
        return is_idle_dropout(graph, node);
    if (strcmp(node->op_type, "Transpose") == 0)
        return is_idle_transpose(node);
    if (strcmp(node->op_type, "Pad") == 0)
        return is_idle_pad(graph, node);
    return strcmp(node->op_type, "Cast") == 0 && is_idle_cast(graph, node);
}

bool optimise_remove_no_ops(struct graph *graph)
{
    for (int i = 0; i < graph->n_nodes; i++) {
        const struct node *node = &graph->nodes[i];

        if (!is_no_op(graph, i) || node->outputs[0] == node->inputs[0])
            continue;
        graph_replace_uses(graph, node->outputs[0], node->inputs[0]);
        graph_remove_node(graph, i);
    }
    return true;
}
