/* SPDX-License-Identifier: Apache-2.0
 * tests/support/graph_case.h - a graph written as text, so that a test shows it at a glance:
 *
 *   "in x f32[N,4]; const w f32[2] 1 2; y = Add(x,w); z = Transpose(y) perm=1,0; out z"
 *
 * Statements end with ';'. A dimension is a number, a symbol or '?'. An operator may have several
 * outputs ("a,b = Op(x)"), absent inputs ("Op(x,,y)"), a domain ("inferd.Op(x)") and attributes: ints
 * (axis=1), floats (with a point), lists of either (perm=1,0 scales=1.0,2.0), words (mode='linear').
 * In a body "cap v x" captures x of the parent as v. Tensors are written as in op_case.h. */
#ifndef TESTS_SUPPORT_GRAPH_CASE_H
#define TESTS_SUPPORT_GRAPH_CASE_H

#include "engine/graph.h"
#include "engine/model.h"

/* A graph that is not resolved yet. A malformed text fails the test. */
struct graph *graph_case(struct arena *arena, struct graph *parent, const char *text);
/* Id of the value of that name; fails the test if there is none. */
int graph_case_value(const struct graph *graph, const char *name);
/* The node that makes the named value gets `body` as the attribute `attribute`. */
void graph_case_body(struct graph *graph, const char *value, const char *attribute,
                     struct graph *body);
/* Resolved and made into a model, which owns the arena. `options` NULL: no bounds. NULL sets `err`. */
struct model *graph_case_try(struct arena *arena, struct graph *graph,
                             const struct model_options *options, struct engine_error *err);
/* From the text alone; fails the test if that fails. */
struct model *graph_case_model(const char *text, const struct model_options *options);

#endif
