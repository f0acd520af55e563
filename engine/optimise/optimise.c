/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/optimise/optimise.h"

/* Bodies have no prologue: what packs or folds weights would run in each iteration there. */
static const struct {
    bool (*run)(struct graph *graph);
    bool in_bodies;
} passes[] = {
    {optimise_remove_no_ops, true},
    {optimise_fold_norm, false},
    {optimise_fuse_layer_norm, true},
    {optimise_fuse_gelu, true},
    {optimise_fuse_swish, true},
    {optimise_remove_dead, true},
    {optimise_pack_gemm, false},
    {optimise_fuse_epilogue, false},
};

/* Depth is bounded by the reader. */
static bool optimise_bodies(const struct node *node);

static bool run_passes(struct graph *graph)
{
    for (int n = 0; n < graph->n_nodes; n++)
        if (!graph->nodes[n].removed && !optimise_bodies(&graph->nodes[n]))
            return false;
    for (size_t i = 0; i < sizeof(passes) / sizeof(passes[0]); i++)
        if ((graph->parent == NULL || passes[i].in_bodies) && !passes[i].run(graph))
            return false;
    return true;
}

static bool optimise_bodies(const struct node *node)
{
    for (int a = 0; a < node->n_attributes; a++) {
        const struct attribute *attribute = &node->attributes[a];

        if (attribute->type == ATTRIBUTE_GRAPH && !run_passes(attribute->g))
            return false;
        for (size_t i = 0; i < attribute->count && attribute->type == ATTRIBUTE_GRAPHS; i++)
            if (!run_passes(attribute->graphs[i]))
                return false;
    }
    return true;
}

enum engine_status optimise_graph(struct graph *graph, struct engine_error *err)
{
    if (!run_passes(graph))
        return engine_error_set(err, ENGINE_NO_MEMORY, "graph is larger than its memory budget");
    return graph_resolve(graph, err);
}
