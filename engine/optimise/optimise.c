/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/optimise/optimise.h"

/* In bodies too: what packs or folds weights there is moved to the prologue by graph_seal(). */
static bool (*const passes[])(struct graph *graph) = {
    optimise_remove_no_ops,   optimise_fold_norm,
    optimise_fuse_layer_norm, optimise_fuse_gelu,
    optimise_fuse_swish,      optimise_remove_dead,
    optimise_pack_gemm,       optimise_fuse_attention,
    optimise_pack_recurrent,  optimise_channels_last,
    optimise_remove_dead,     optimise_fuse_epilogue,
    optimise_fuse_bottleneck,
};

static bool (*const training_passes[])(struct graph *graph) = {
    optimise_fuse_layer_norm, optimise_fuse_gelu,  optimise_fuse_swish,
    optimise_fuse_dense,      optimise_remove_dead,
};

/* Depth is bounded by the reader. */
static bool optimise_bodies(const struct node *node);

static bool run_passes(struct graph *graph)
{
    for (int n = 0; n < graph->n_nodes; n++)
        if (!graph->nodes[n].removed && !optimise_bodies(&graph->nodes[n]))
            return false;
    for (size_t i = 0; i < sizeof(passes) / sizeof(passes[0]); i++)
        if (!passes[i](graph))
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

static enum engine_status finish(struct graph *graph, bool fits, struct engine_error *err)
{
    if (!fits)
        return engine_error_set(err, ENGINE_NO_MEMORY, "graph is larger than its memory budget");
    return graph_resolve(graph, err);
}

enum engine_status optimise_graph(struct graph *graph, struct engine_error *err)
{
    return finish(graph, run_passes(graph), err);
}

enum engine_status optimise_for_training(struct graph *graph, struct engine_error *err)
{
    bool fits = true;

    for (size_t i = 0; i < sizeof(training_passes) / sizeof(training_passes[0]) && fits; i++)
        fits = training_passes[i](graph);
    return finish(graph, fits, err);
}
