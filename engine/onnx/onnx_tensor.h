/* SPDX-License-Identifier: Apache-2.0
 * engine/onnx/onnx_tensor.h - TensorProto and SparseTensorProto to tensors in an arena. */
#ifndef ENGINE_ONNX_ONNX_TENSOR_H
#define ENGINE_ONNX_ONNX_TENSOR_H

#include "engine/arena.h"
#include "engine/error.h"
#include "engine/onnx/onnx_external.h"
#include "engine/onnx/protobuf_reader.h"
#include "engine/tensor.h"

/* Fields of TensorProto. */
enum {
    TENSOR_DIMS = 1,
    TENSOR_DATA_TYPE = 2,
    TENSOR_SEGMENT = 3,
    TENSOR_FLOATS = 4,
    TENSOR_INT32S = 5,
    TENSOR_STRINGS = 6,
    TENSOR_INT64S = 7,
    TENSOR_NAME = 8,
    TENSOR_RAW = 9,
    TENSOR_DOUBLES = 10,
    TENSOR_UINT64S = 11,
    TENSOR_EXTERNAL = 13,
    TENSOR_LOCATION = 14
};

/* A TensorProto before its data is touched. Texts and `raw` are views of the message. */
struct onnx_tensor_header {
    struct bytes name;
    struct tensor tensor; /* type and shape */
    int64_t data_type;
    bool has_raw, is_external;
    struct bytes raw;
    struct onnx_external external;
    size_t counts[TENSOR_UINT64S + 1]; /* elements in each typed field */
    size_t string_bytes;
};

/* Checks type and dims, and that the data is there once and as long as they say. *ret_bytes is what
 * the data takes in memory. */
enum engine_status onnx_tensor_header_read(const struct bytes *message,
                                           struct onnx_tensor_header *ret, size_t *ret_bytes,
                                           struct engine_error *err);
/* `message` is the TensorProto. `ret_name` (may be NULL) is a view of the message. The data is
 * copied to `arena`. `dir_fd` as for onnx_read(). */
enum engine_status onnx_tensor_parse(const struct bytes *message, int dir_fd, struct arena *arena,
                                     struct bytes *ret_name, struct tensor *ret,
                                     struct engine_error *err);
/* A SparseTensorProto as a dense tensor; its name is that of its values. */
enum engine_status onnx_sparse_parse(const struct bytes *message, int dir_fd, struct arena *arena,
                                     struct bytes *ret_name, struct tensor *ret,
                                     struct engine_error *err);

/* BAD_MODEL "what: problem of the reader". */
enum engine_status onnx_wire_error(const struct protobuf_reader *reader, const char *what,
                                   struct engine_error *err);
/* NO_MEMORY: the arena is used up. */
enum engine_status onnx_no_memory(const char *what, struct engine_error *err);

/* For "%.*s": the name, cut to what an error text can take. */
#define ONNX_NAME(name)                                                                            \
    ((int)((name).length < 200 ? (name).length : 200)), ((name).length > 0 ? (name).data : "")

#endif
