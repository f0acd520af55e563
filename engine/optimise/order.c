/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/optimise/order.h"

/* Kahn's algorithm: the list of results is the queue. */
int *order_nodes(const struct graph *graph, int *ret_count)
{
    int *order = arena_calloc(graph->arena, (size_t)graph->n_nodes + 1, sizeof(*order));
    int *missing = arena_calloc(graph->arena, (size_t)graph->n_nodes + 1, sizeof(*missing));
    int count = 0;

    if (order == NULL || missing == NULL)
        return NULL;
    for (int n = 0; n < graph->n_nodes; n++) {
        const struct node *node = &graph->nodes[n];

        if (node->removed)
            continue;
        for (int i = 0; i < node->n_inputs; i++)
            if (node->inputs[i] != VALUE_ABSENT && graph->values[node->inputs[i]].producer >= 0)
                missing[n]++;
        if (missing[n] == 0)
            order[count++] = n;
    }
    for (int done = 0; done < count; done++) {
        const struct node *node = &graph->nodes[order[done]];

        for (int i = 0; i < node->n_outputs; i++) {
            int use = node->outputs[i] != VALUE_ABSENT ? graph->values[node->outputs[i]].first_use : -1;

            for (; use >= 0; use = graph->uses[use].next) {
                int reader = graph->uses[use].node;

                if (reader >= 0 && --missing[reader] == 0)
                    order[count++] = reader;
            }
        }
    }
    *ret_count = count;
    return order;
}
