/* SPDX-License-Identifier: Apache-2.0
 * engine/onnx/onnx_tensor.h - TensorProto and SparseTensorProto to tensors in an arena. */
#ifndef ENGINE_ONNX_ONNX_TENSOR_H
#define ENGINE_ONNX_ONNX_TENSOR_H

#include "engine/arena.h"
#include "engine/error.h"
#include "engine/onnx/protobuf_reader.h"
#include "engine/tensor.h"

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
