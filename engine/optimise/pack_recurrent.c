/* SPDX-License-Identifier: Apache-2.0
 * RNN, GRU and LSTM with constant matrices become inferd.PackedRNN and so on over matrices that nodes
 * of the prologue pack. */
#include "engine/optimise/optimise.h"
#include "engine/optimise/pattern.h"

#include <string.h>

enum { OPERANDS_MAX = 8 };

/* A float matrix for each direction, the same in all runs. */
static bool weights_pack(const struct graph *graph, int value, struct shape *ret)
{
    return value >= 0 && graph->values[value].dtype == DTYPE_F32 && pattern_is_constant(graph, value) &&
           pattern_shape(graph, value, ret) && ret->rank == 3 && shape_elements(ret) > 0;
}

static int pack_weights(struct graph *graph, int node, int value, int64_t split)
{
    int packed = pattern_add(graph, node, "inferd.PackRecurrent", 1, &value, -1);

    return packed >= 0 && node_set_int(graph, pattern_last(graph), "split", split) ? packed : -1;
}

static bool pack(struct graph *graph, int index, const struct shape *r)
{
    struct node before = graph->nodes[index];
    bool resets_first = strcmp(before.op_type, "GRU") == 0 && !node_int(&before, "linear_before_reset", 0);
    char op_type[16] = "Packed";
    int inputs[OPERANDS_MAX], outputs[OPERANDS_MAX];

    memcpy(inputs, before.inputs, (size_t)before.n_inputs * sizeof(*inputs));
    memcpy(outputs, before.outputs, (size_t)before.n_outputs * sizeof(*outputs));
    inputs[1] = pack_weights(graph, index, inputs[1], 0);
    inputs[2] = pack_weights(graph, index, inputs[2], resets_first ? 2 * r->dims[2] : 0);
    if (inputs[1] < 0 || inputs[2] < 0)
        return false;
    strncat(op_type, before.op_type, sizeof(op_type) - strlen(op_type) - 1);
    graph_remove_node(graph, index);
    if (graph_add_node(graph, "inferd", op_type, before.name, before.n_inputs, inputs, before.n_outputs,
                       outputs) < 0)
        return false;
    pattern_last(graph)->opset = before.opset;
    pattern_last(graph)->attributes = before.attributes;
    pattern_last(graph)->n_attributes = before.n_attributes;
    return node_set_int(graph, pattern_last(graph), "hidden_size", r->dims[2]);
}

bool optimise_pack_recurrent(struct graph *graph)
{
    for (int i = 0; i < graph->n_nodes; i++) {
        const struct node *node = &graph->nodes[i];
        struct shape w, r;

        if (!pattern_is(graph, i, "RNN") && !pattern_is(graph, i, "GRU") && !pattern_is(graph, i, "LSTM"))
            continue;
        if (node->n_inputs < 3 || node->n_inputs > OPERANDS_MAX || node->n_outputs > OPERANDS_MAX ||
            pattern_is_constant(graph, node->inputs[0]) || !weights_pack(graph, node->inputs[1], &w) ||
            !weights_pack(graph, node->inputs[2], &r))
            continue;
        if (!pack(graph, i, &r))
            return false;
    }
    return true;
}
