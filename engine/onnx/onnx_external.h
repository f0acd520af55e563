/* SPDX-License-Identifier: Apache-2.0
 * engine/onnx/onnx_external.h - tensor data kept in a file of its own beside the model. The path
 * comes from the model file, so it is hostile: it is opened beneath the model's directory only,
 * through no link of any kind, and must be a regular file with one name. */
#ifndef ENGINE_ONNX_ONNX_EXTERNAL_H
#define ENGINE_ONNX_ONNX_EXTERNAL_H

#include "engine/dtype.h"
#include "engine/error.h"

struct onnx_external {
    struct bytes location; /* relative path; length 0: none given */
    struct bytes offset;   /* decimal text; length 0: not given */
    struct bytes length;
};

/* Fills `data` with exactly `size` bytes. BAD_MODEL: the entries are malformed or the range does
 * not fit the file; IO: the file cannot be opened or read. */
enum engine_status onnx_external_read(const struct onnx_external *external, int dir_fd, void *data,
                                      size_t size, struct engine_error *err);
/* All that can be checked before memory is taken for `size` bytes. */
enum engine_status onnx_external_check(const struct onnx_external *external, int dir_fd,
                                       size_t size, struct engine_error *err);

#endif
