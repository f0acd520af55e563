/* SPDX-License-Identifier: Apache-2.0
 * engine/optimise/pattern.h - what the passes ask of a graph and do to it. */
#ifndef ENGINE_OPTIMISE_PATTERN_H
#define ENGINE_OPTIMISE_PATTERN_H

#include "engine/graph.h"

/* True for a node of ONNX's own domain that is still there. `op_type` NULL: any. */
bool pattern_is(const struct graph *graph, int node, const char *op_type);
/* The node that makes `value` if it is such a one and makes nothing else; -1 otherwise. */
int pattern_producer(const struct graph *graph, int value, const char *op_type);
/* The one node that reads `value` if it is such a one; -1 otherwise. */
int pattern_user(const struct graph *graph, int value, const char *op_type);
/* Input `index` of a node, VALUE_ABSENT when it has none there. */
int pattern_input(const struct graph *graph, int node, int index);
/* Of a node with two inputs, the one that is not `value`; -1 if neither or both are. */
int pattern_other(const struct graph *graph, int node, int value);

/* True when `value` is the same in all runs with one generation of weights. */
bool pattern_is_constant(const struct graph *graph, int value);
/* Declared and complete. */
bool pattern_shape(const struct graph *graph, int value, struct shape *ret);
/* The number of a float constant of the file that has one element. */
bool pattern_scalar(const struct graph *graph, int value, float *ret);
/* True when that is within a millionth of `expected`. */
bool pattern_is_scalar(const struct graph *graph, int value, double expected);

/* A new node with a new value for its only output, or with `output` for it (-1: new); returns the
 * value, or -1 when the arena is used up. `like` gives the name of the node it stands for. Domain
 * "inferd" if op_type is preceded by "inferd.". */
int pattern_add(struct graph *graph, int like, const char *op_type, int n_inputs, const int *inputs,
                int output);
/* The node that pattern_add() made last. */
struct node *pattern_last(struct graph *graph);
/* A constant float scalar, and a list of floats' constant shape for Reshape. -1 as above. */
int pattern_add_scalar(struct graph *graph, float item);
bool pattern_set_string(struct graph *graph, struct node *node, const char *name, const char *text);

#endif
