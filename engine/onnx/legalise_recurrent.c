/* SPDX-License-Identifier: Apache-2.0
 * RNN, GRU and LSTM with the batch first, and Scan of opset 8. */
#include "engine/onnx/legalise_edit.h"

#include <string.h>

enum { SCAN_EDGES_MAX = 64 };

static int transpose(const struct rewrite *rewrite, int from, const int64_t *perm, size_t rank,
                     int to)
{
    int id = to == VALUE_ABSENT ? rewrite_add(rewrite, "Transpose", 1, &from)
                                : rewrite_add_to(rewrite, "Transpose", 1, &from, to);

    if (id != VALUE_ABSENT &&
        !node_set_ints(rewrite->graph, rewrite_producer(rewrite, id), "perm", perm, rank))
        return VALUE_ABSENT;
    return id;
}

/* The node that computes with the sequence first, its outputs new values. */
static enum engine_status replace_outputs(const struct rewrite *rewrite)
{
    /* Y: [sequence, direction, batch, hidden] to [batch, sequence, direction, hidden];
     * Y_h and Y_c: [direction, batch, hidden] to [batch, direction, hidden]. */
    static const int64_t whole[] = {2, 0, 1, 3}, last[] = {1, 0, 2};
    struct node old = *rewrite_node(rewrite);
    int outputs[3] = {VALUE_ABSENT, VALUE_ABSENT, VALUE_ABSENT};
    int index;

    if (old.n_outputs > 3)
        return engine_error_set(rewrite->err, ENGINE_BAD_MODEL, "has %d outputs", old.n_outputs);
    for (int i = 0; i < old.n_outputs; i++) {
        if (old.outputs[i] == VALUE_ABSENT)
            continue;
        outputs[i] = graph_add_value(rewrite->graph, "");
        if (outputs[i] < 0)
            return rewrite_no_memory(rewrite);
    }
    rewrite_remove(rewrite);
    index = graph_add_node(rewrite->graph, old.domain, old.op_type, old.name, old.n_inputs,
                           old.inputs, old.n_outputs, outputs);
    if (index < 0)
        return rewrite_no_memory(rewrite);
    rewrite->graph->nodes[index].opset = old.opset;
    rewrite->graph->nodes[index].attributes = old.attributes;
    rewrite->graph->nodes[index].n_attributes = old.n_attributes;
    for (int i = 0; i < old.n_outputs; i++)
        if (outputs[i] != VALUE_ABSENT &&
            transpose(rewrite, outputs[i], i == 0 ? whole : last, i == 0 ? 4 : 3,
                      old.outputs[i]) == VALUE_ABSENT)
            return rewrite_no_memory(rewrite);
    return ENGINE_OK;
}

enum engine_status legalise_recurrent(const struct rewrite *rewrite)
{
    static const int64_t swap[] = {1, 0, 2};
    static const int batched[] = {0, 5, 6};     /* X, initial_h, initial_c */
    enum engine_status status = ENGINE_OK;

    if (node_int(rewrite_node(rewrite), "layout", 0) == 0)
        return ENGINE_OK;
    for (int k = 0; k < 3 && status == ENGINE_OK; k++) {
        int from = rewrite_input(rewrite, batched[k]);

        if (from != VALUE_ABSENT)
            status = rewrite_set_input(rewrite, batched[k],
                                       transpose(rewrite, from, swap, 3, VALUE_ABSENT));
    }
    if (status == ENGINE_OK)
        status = rewrite_set_int(rewrite, "layout", 0);
    return status == ENGINE_OK ? replace_outputs(rewrite) : status;
}

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
    if (attributes[0].g == NULL ||
        !node_set_attribute(rewrite->graph, node, &attributes[0]) ||
        !node_set_attribute(rewrite->graph, node, &attributes[1]) ||
        !graph_set_inputs(rewrite->graph, rewrite->index, n_inputs, node->inputs + 1))
        return rewrite_no_memory(rewrite);
    return ENGINE_OK;
}
