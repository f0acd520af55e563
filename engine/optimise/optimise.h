/* SPDX-License-Identifier: Apache-2.0
 * engine/optimise/optimise.h - rewriting a resolved graph into a faster one that computes the same:
 * fewer nodes, fused nodes, weights in the form that kernels want. A pass is a function in a file of
 * its own and a line in optimise.c; what it adds it resolves (graph_resolve()). */
#ifndef ENGINE_OPTIMISE_OPTIMISE_H
#define ENGINE_OPTIMISE_OPTIMISE_H

#include "engine/error.h"
#include "engine/graph.h"

/* All passes, on the graph and on its bodies. Before graph_seal(). */
enum engine_status optimise_graph(struct graph *graph, struct engine_error *err);

/* The passes; each works on one graph and not on bodies. */
/* identity.c: Identity nodes go, their readers read what they copied. */
enum engine_status optimise_identity(struct graph *graph, struct engine_error *err);

#endif
