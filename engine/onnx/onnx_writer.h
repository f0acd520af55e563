/* SPDX-License-Identifier: Apache-2.0
 * engine/onnx/onnx_writer.h - a graph to ONNX bytes. It is for graphs that this engine built itself
 * (engine/build/); a loaded file with other weights is written by onnx_splice.h, which keeps what
 * the reader does not know. Any thread.
 *
 * Sources: onnx.proto3 of onnx/onnx (field numbers), docs/IR.md. */
#ifndef ENGINE_ONNX_ONNX_WRITER_H
#define ENGINE_ONNX_ONNX_WRITER_H

#include "engine/error.h"
#include "engine/graph.h"
#include "engine/onnx/onnx_model.h"

enum { ONNX_WRITER_IR = 8 };

/* A ModelProto must stay below this: readers refuse more. */
#define ONNX_FILE_BYTES_MAX ((UINT64_C(1) << 31) - 1)

/* What a file says of itself besides its graph. */
struct onnx_header {
    const char *producer, *producer_version;
    const char *doc;                        /* may be NULL */
    size_t n_opsets;
    const struct onnx_opset *opsets;
    size_t n_metadata;
    const struct onnx_property *metadata;
};

/* The graph as a file: its constants are the initializers, its interface has the declared types and
 * shapes (a dimension DIM_UNKNOWN by its symbol), nodes are written in their order, which must be
 * topological. Every value that a node reads or makes has a name, unlike all others. Bodies (If,
 * Loop, Scan) and lists of tensors are UNSUPPORTED. `*ret_bytes` is for free(). */
enum engine_status onnx_write(const struct graph *graph, const struct onnx_header *header,
                              void **ret_bytes, size_t *ret_size, struct engine_error *err);

#endif
