/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/optimise/optimise.h"

static enum engine_status (*const passes[])(struct graph *graph, struct engine_error *err) = {
    optimise_identity,
};

static enum engine_status optimise_bodies(const struct node *node, struct engine_error *err)
{
    enum engine_status status = ENGINE_OK;

    for (int a = 0; a < node->n_attributes && status == ENGINE_OK; a++) {
        const struct attribute *attribute = &node->attributes[a];

        if (attribute->type == ATTRIBUTE_GRAPH)
            status = optimise_graph(attribute->g, err);
        for (size_t i = 0; i < attribute->count && attribute->type == ATTRIBUTE_GRAPHS; i++)
            if (status == ENGINE_OK)
                status = optimise_graph(attribute->graphs[i], err);
    }
    return status;
}

enum engine_status optimise_graph(struct graph *graph, struct engine_error *err)
{
    enum engine_status status = ENGINE_OK;

    for (int n = 0; n < graph->n_nodes && status == ENGINE_OK; n++)
        if (!graph->nodes[n].removed)
            status = optimise_bodies(&graph->nodes[n], err);
    for (size_t i = 0; i < sizeof(passes) / sizeof(passes[0]) && status == ENGINE_OK; i++)
        status = passes[i](graph, err);
    return status;
}
