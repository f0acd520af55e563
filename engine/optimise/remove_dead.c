/* SPDX-License-Identifier: Apache-2.0
 * Nodes that nobody reads any more since a pass found another way. graph_seal() would drop them too,
 * but until then their reads hide patterns from the passes that follow. */
#include "engine/op.h"
#include "engine/optimise/optimise.h"

static bool is_dead(const struct graph *graph, int index)
{
    const struct node *node = &graph->nodes[index];

    if (node->removed)
        return false;
    for (int i = 0; i < node->n_outputs; i++)
        if (node->outputs[i] != VALUE_ABSENT && graph_count_uses(graph, node->outputs[i]) > 0)
            return false;
    return true;
}

bool optimise_remove_dead(struct graph *graph)
{
    size_t mark = arena_mark(graph->arena);
    int *stack = arena_alloc(graph->arena, (size_t)graph->n_nodes * sizeof(*stack));
    int depth = 0;

    if (stack == NULL)
        return false;
    /* Each node dies once, so the stack never overflows. */
    for (int i = 0; i < graph->n_nodes; i++) {
        if (!is_dead(graph, i))
            continue;
        graph_remove_node(graph, i);
        stack[depth++] = i;
        while (depth > 0) {
            const struct node *node = &graph->nodes[stack[--depth]];

            for (int k = 0; k < node->n_inputs; k++) {
                int producer = node->inputs[k] >= 0 ? graph->values[node->inputs[k]].producer : -1;

                if (producer < 0 || !is_dead(graph, producer))
                    continue;
                graph_remove_node(graph, producer);
                stack[depth++] = producer;
            }
        }
    }
    arena_reset(graph->arena, mark);
    return true;
}
