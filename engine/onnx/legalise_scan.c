/* SPDX-License-Identifier: Apache-2.0
 * Scan of opset 8. */
#include "engine/onnx/legalise_edit.h"

#include <string.h>

enum { SCAN_EDGES_MAX = 64 };

static bool has_captures(const struct graph *body)
{
    for (int i = 0; i < body->n_values; i++)
        if (body->values[i].outer >= 0)
            return true;
    return false;
}

/* Builds the body that scans one row of the batch with the file's own body. */
static struct graph *row_body(const struct rewrite *rewrite, struct graph *body, int n_inputs,
                              int n_outputs)
{
    struct node old = *rewrite_node(rewrite);
    struct graph *row = graph_create(rewrite->graph->arena, rewrite->graph);
    int inputs[SCAN_EDGES_MAX], outputs[SCAN_EDGES_MAX];
    int index;

    if (row == NULL)
        return NULL;
    for (int i = 0; i < n_inputs; i++) {
        inputs[i] = graph_add_value(row, "");
        if (inputs[i] < 0 || !graph_add_input(row, inputs[i]))
            return NULL;
    }
    for (int i = 0; i < n_outputs; i++) {
        outputs[i] = graph_add_value(row, "");
        if (outputs[i] < 0 || !graph_add_output(row, outputs[i]))
            return NULL;
    }
    index = graph_add_node(row, "", "Scan", old.name, n_inputs, inputs, n_outputs, outputs);
    if (index < 0)
        return NULL;
    row->nodes[index].opset = 9;
    row->nodes[index].n_attributes = old.n_attributes;
    row->nodes[index].attributes = old.attributes;
    body->parent = row;
    return row;
}

/* Scan-8 has a batch axis before the sequence axis: a Scan over the rows of the batch, without
 * states, whose body is the Scan of one row. */
enum engine_status legalise_scan(const struct rewrite *rewrite)
{
    struct node *node = rewrite_node(rewrite);
    const struct attribute *body = node_attribute(node, "body");
    const struct attribute *directions = node_attribute(node, "directions");
    int n_inputs = node->n_inputs - 1, n_outputs = node->n_outputs;
    struct attribute attributes[2] = {
        {.name = "body", .type = ATTRIBUTE_GRAPH},
        {.name = "num_scan_inputs", .type = ATTRIBUTE_INT, .i = n_inputs},
    };

    if (rewrite_input(rewrite, 0) != VALUE_ABSENT)
        return rewrite_unsupported(rewrite, "sequence_lens");
    if (body == NULL || body->type != ATTRIBUTE_GRAPH || n_inputs < 1 ||
        n_inputs > SCAN_EDGES_MAX || n_outputs > SCAN_EDGES_MAX)
        return engine_error_set(rewrite->err, ENGINE_BAD_MODEL, "is malformed");
    for (int i = 0; i < n_inputs + n_outputs; i++)
        if ((i < n_inputs ? node->inputs[i + 1] : node->outputs[i - n_inputs]) == VALUE_ABSENT)
            return rewrite_unsupported(rewrite, "inputs or outputs left out");
    if (has_captures(body->g))
        return rewrite_unsupported(rewrite, "a body that captures values");
    if (directions != NULL) {
        struct attribute renamed = *directions;

        renamed.name = "scan_input_directions";
        if (!node_set_attribute(rewrite->graph, node, &renamed))
            return rewrite_no_memory(rewrite);
        body = node_attribute(node, "body");
    }
    attributes[0].g = row_body(rewrite, body->g, n_inputs, n_outputs);
    node = rewrite_node(rewrite);
    node->n_attributes = 0;
    node->attributes = NULL;
    if (attributes[0].g == NULL || !node_set_attribute(rewrite->graph, node, &attributes[0]) ||
        !node_set_attribute(rewrite->graph, node, &attributes[1]) ||
        !graph_set_inputs(rewrite->graph, rewrite->index, n_inputs, node->inputs + 1))
        return rewrite_no_memory(rewrite);
    return ENGINE_OK;
}
