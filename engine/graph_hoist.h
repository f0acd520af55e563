/* SPDX-License-Identifier: Apache-2.0
 * engine/graph_hoist.h - a step of graph_seal(): what a body computes from constants alone moves out
 * of it, so that it runs once in the prologue of the outermost graph and not in each iteration. */
#ifndef ENGINE_GRAPH_HOIST_H
#define ENGINE_GRAPH_HOIST_H

#include "engine/graph.h"

/* `body` has its nodes in order; its parent is not sealed yet. Moved nodes are appended to the
 * parent, their outputs become captures. */
enum engine_status graph_hoist(struct graph *body, struct engine_error *err);

#endif
