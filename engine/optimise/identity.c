/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/optimise/optimise.h"

#include <string.h>

enum engine_status optimise_identity(struct graph *graph, struct engine_error *err)
{
    (void)err;
    for (int n = 0; n < graph->n_nodes; n++) {
        const struct node *node = &graph->nodes[n];

        if (node->removed || strcmp(node->op_type, "Identity") != 0 || node->domain[0] != '\0' ||
            node->outputs[0] == node->inputs[0])
            continue;
        graph_replace_uses(graph, node->outputs[0], node->inputs[0]);
        graph_remove_node(graph, n);
    }
    return ENGINE_OK;
}
