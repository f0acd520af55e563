/* SPDX-License-Identifier: Apache-2.0
 * engine/onnx/legalise_edit.h - what the rewriting functions of legalise_*.c have in common. Each
 * rewrites one node in place or replaces it by others. */
#ifndef ENGINE_ONNX_LEGALISE_EDIT_H
#define ENGINE_ONNX_LEGALISE_EDIT_H

#include "engine/error.h"
#include "engine/graph.h"

/* One node being rewritten. Nodes move when one is added: always go through rewrite_node(). */
struct rewrite {
    struct graph *graph;
    int index;
    struct engine_error *err;
};

struct node *rewrite_node(const struct rewrite *rewrite);
/* The value at an input or output; VALUE_ABSENT past the end. */
int rewrite_input(const struct rewrite *rewrite, int index);
int rewrite_output(const struct rewrite *rewrite, int index);
/* What is declared of a value; NULL for VALUE_ABSENT. */
const struct value *rewrite_value(const struct rewrite *rewrite, int id);

enum engine_status rewrite_no_memory(const struct rewrite *rewrite);
enum engine_status rewrite_unsupported(const struct rewrite *rewrite, const char *why);

/* Sets input `index`, growing the list with absent ones. */
enum engine_status rewrite_set_input(const struct rewrite *rewrite, int index, int value);
/* A list of ints that was attribute `name` becomes input `index`, unless that is there already or
 * there is no such attribute. A single int becomes a list of one. */
enum engine_status rewrite_ints_to_input(const struct rewrite *rewrite, const char *name,
                                         int index);
enum engine_status rewrite_set_int(const struct rewrite *rewrite, const char *name, int64_t item);
enum engine_status rewrite_set_string(const struct rewrite *rewrite, const char *name,
                                      const char *text);
/* NULL if absent. */
const char *rewrite_string(const struct rewrite *rewrite, const char *name);

/* New values and nodes. All return VALUE_ABSENT when the arena is used up. */
int rewrite_add_ints(const struct rewrite *rewrite, const int64_t *items, size_t count);
int rewrite_add_int_scalar(const struct rewrite *rewrite, int64_t item);
/* A scalar of the type of the value `like`. */
int rewrite_add_float_scalar(const struct rewrite *rewrite, float item, int like);
/* A node of the same name and opset with one new output, whose id is returned; VALUE_ABSENT among
 * the inputs that stems from an earlier failure makes this one fail too. */
int rewrite_add(const struct rewrite *rewrite, const char *op_type, int n_inputs,
                const int *inputs);
/* Likewise, with a given output. */
int rewrite_add_to(const struct rewrite *rewrite, const char *op_type, int n_inputs,
                   const int *inputs, int output);
/* The node that makes a value, to set attributes; the value was returned by rewrite_add(). */
struct node *rewrite_producer(const struct rewrite *rewrite, int value);
/* Removes the node being rewritten, so that its outputs can be made by others. */
void rewrite_remove(const struct rewrite *rewrite);

/* legalise_broadcast.c */
enum engine_status legalise_binary(const struct rewrite *rewrite);
enum engine_status legalise_prelu(const struct rewrite *rewrite);
/* legalise_image.c */
enum engine_status legalise_upsample(const struct rewrite *rewrite);
enum engine_status legalise_resize_10(const struct rewrite *rewrite);
enum engine_status legalise_resize(const struct rewrite *rewrite);
enum engine_status legalise_grid_sample(const struct rewrite *rewrite);
enum engine_status legalise_roi_align(const struct rewrite *rewrite);
enum engine_status legalise_lp_pool(const struct rewrite *rewrite);
/* legalise_norm.c */
enum engine_status legalise_softmax(const struct rewrite *rewrite);
enum engine_status legalise_dropout(const struct rewrite *rewrite);
enum engine_status legalise_batch_norm(const struct rewrite *rewrite);
enum engine_status legalise_group_norm(const struct rewrite *rewrite);
/* legalise_scan.c */
enum engine_status legalise_scan(const struct rewrite *rewrite);
/* legalise_shape.c */
enum engine_status legalise_axes(const struct rewrite *rewrite);
enum engine_status legalise_split(const struct rewrite *rewrite);
enum engine_status legalise_slice(const struct rewrite *rewrite);
enum engine_status legalise_pad(const struct rewrite *rewrite);
enum engine_status legalise_clip(const struct rewrite *rewrite);
enum engine_status legalise_top_k(const struct rewrite *rewrite);
enum engine_status legalise_reshape(const struct rewrite *rewrite);
enum engine_status legalise_tile(const struct rewrite *rewrite);
enum engine_status legalise_concat(const struct rewrite *rewrite);
enum engine_status legalise_cast(const struct rewrite *rewrite);
enum engine_status legalise_scatter(const struct rewrite *rewrite);
enum engine_status legalise_dft(const struct rewrite *rewrite);
enum engine_status legalise_selu(const struct rewrite *rewrite);

#endif
