/* SPDX-License-Identifier: Apache-2.0
 * engine/onnx/onnx_model.h - ONNX bytes to a graph. The bytes are hostile: every length, count,
 * product and depth is checked, nothing recurses on what the file says, and all memory comes from
 * the caller's arena, whose budget therefore bounds it. No global state: any thread.
 *
 * Sources: onnx.proto3 of onnx/onnx (field numbers), docs/IR.md (scoping, functions). */
#ifndef ENGINE_ONNX_ONNX_MODEL_H
#define ENGINE_ONNX_ONNX_MODEL_H

#include "engine/arena.h"
#include "engine/error.h"
#include "engine/graph.h"
#include "engine/tensor.h"

#include <stddef.h>
#include <stdint.h>

enum {
    ONNX_IR_NEWEST = 14,
    ONNX_OPSET_NEWEST = 28,   /* of the default domain; newer ones are refused by number */
    ONNX_DEPTH_MAX = 16,      /* bodies within bodies, functions within functions */
    ONNX_NODES_MAX = 1000000, /* after inlining, bodies included */
    ONNX_NAME_BYTES_MAX = 65535
};

struct onnx_opset {
    const char *domain; /* "" for ai.onnx */
    int version;
};

struct onnx_property {
    const char *key, *text;
};

/* What a model file says of itself. Strings live in the arena; none is NULL. */
struct onnx_info {
    int64_t ir_version;
    int64_t model_version;
    int opset;            /* of the default domain, 0 if it is not imported */
    const char *producer; /* "pytorch 1.13.1" */
    const char *domain;
    const char *graph_name;
    const char *doc;
    size_t n_opsets;
    const struct onnx_opset *opsets;
    size_t n_metadata;
    const struct onnx_property *metadata;
};

/* A whole ModelProto. Values, constants (initializers and Constant nodes), nodes with attributes
 * and bodies; local functions are inlined. Nodes are as the file has them: onnx_legalise() is
 * next. All is copied (tensor data 64-byte aligned), so `bytes` may go afterwards. `dir_fd` is the
 * directory beneath which external data is looked for, -1 to refuse external data. On success the
 * graph lives in `arena`. BAD_MODEL, UNSUPPORTED, NO_MEMORY (the arena is used up) or IO name the
 * node, tensor or field. */
enum engine_status onnx_read(const void *bytes, size_t size, int dir_fd, struct arena *arena,
                             struct graph **ret_graph, struct onnx_info *ret_info,
                             struct engine_error *err);

/* One TensorProto, as in the .pb files of ONNX's backend suite. */
enum engine_status onnx_tensor_read(const void *bytes, size_t size, struct arena *arena,
                                    struct tensor *ret, struct engine_error *err);
/* One SequenceProto (dtype DTYPE_SEQUENCE) or OptionalProto (DTYPE_OPTIONAL). */
enum engine_status onnx_sequence_read(const void *bytes, size_t size, struct arena *arena,
                                      struct tensor *ret, struct engine_error *err);
enum engine_status onnx_optional_read(const void *bytes, size_t size, struct arena *arena,
                                      struct tensor *ret, struct engine_error *err);

#endif
