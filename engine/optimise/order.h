/* SPDX-License-Identifier: Apache-2.0
 * engine/optimise/order.h - for passes that carry what they know of a value to its readers. */
#ifndef ENGINE_OPTIMISE_ORDER_H
#define ENGINE_OPTIMISE_ORDER_H

#include "engine/graph.h"

/* The nodes that are there, each after those that make its inputs (captures of its bodies aside); a
 * cycle's nodes are left out. In the graph's arena; NULL when that is used up. */
int *order_nodes(const struct graph *graph, int *ret_count);

#endif
