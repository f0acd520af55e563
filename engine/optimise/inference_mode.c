/* SPDX-License-Identifier: Apache-2.0
 * A file that was exported while training (PyTorch's TrainingMode.TRAINING) drops at random and
 * normalises by the batch. Whoever serves it wants neither, and whoever trains it decides for himself
 * (engine/grad). */
#include "engine/optimise/optimise.h"

#include <string.h>

static bool is_op(const struct node *node, const char *op_type)
{
    return !node->removed && node->domain[0] == '\0' && strcmp(node->op_type, op_type) == 0;
}

/* Running statistics stay what they are: who reads the new ones reads the old ones. */
static bool calm_norm(struct graph *graph, int index)
{
    struct node *node = &graph->nodes[index];

    if (node_int(node, "training_mode", 0) == 0 || node->n_inputs < 5)
        return true;
    for (int i = 1; i < node->n_outputs && i < 3; i++)
        if (node->outputs[i] != VALUE_ABSENT)
            graph_replace_uses(graph, node->outputs[i], node->inputs[2 + i]);
    node->n_outputs = 1;
    return node_set_int(graph, node, "training_mode", 0);
}

/* Depth of bodies is bounded by the reader. */
bool optimise_inference_mode(struct graph *graph)
{
    for (int n = 0; n < graph->n_nodes; n++) {
        struct node *node = &graph->nodes[n];

        if (is_op(node, "Dropout") && node->n_inputs > 2)
            graph_set_input(graph, n, 2, VALUE_ABSENT);
        if (is_op(node, "BatchNormalization") && !calm_norm(graph, n))
            return false;
        for (int a = 0; a < node->n_attributes; a++) {
            const struct attribute *attribute = &node->attributes[a];

            if (attribute->type == ATTRIBUTE_GRAPH && !optimise_inference_mode(attribute->g))
                return false;
            for (size_t i = 0; i < attribute->count && attribute->type == ATTRIBUTE_GRAPHS; i++)
                if (!optimise_inference_mode(attribute->graphs[i]))
                    return false;
        }
    }
    return true;
}
