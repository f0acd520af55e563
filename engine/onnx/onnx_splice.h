/* SPDX-License-Identifier: Apache-2.0
 * engine/onnx/onnx_splice.h - an ONNX file with other weights: the data of named tensors and
 * metadata_props are replaced, every other byte stays as it is, whether this engine knows what it
 * means or not. The bytes are as hostile as for onnx_read(): nothing recurses, every length is
 * checked. Any thread.
 *
 * engine/model_export.h is the way from a weight generation to this. */
#ifndef ENGINE_ONNX_ONNX_SPLICE_H
#define ENGINE_ONNX_ONNX_SPLICE_H

#include "engine/error.h"
#include "engine/onnx/onnx_model.h"
#include "engine/tensor.h"

/* New data for the initializer, or the Constant node's output, of this name. Type and shape must be
 * those of the file. A name that the outermost graph has means that one; else the only one in all
 * bodies (If, Loop, Scan). */
struct onnx_change {
    const char *name;
    struct tensor tensor;
};

struct onnx_splice {
    const void *bytes; /* of the file */
    size_t size;
    /* Where external data lies: all of it then moves into the new file, which stands alone. -1:
     * external tensors that do not change stay references; the file needs its companions. */
    int dir_fd;
    size_t n_changes;
    const struct onnx_change *changes;
    size_t n_properties;
    const struct onnx_property *properties; /* replaced or added; `text` NULL: removed */
};

/* `*ret_bytes` is for free(). BAD_INPUT names a tensor that the file lacks, has several times or has
 * with another type or shape; tensors inside local functions, and sparse values of Constant nodes,
 * are not found. BAD_MODEL: the bytes are malformed. OVER_BUDGET: the result has 2 GiB or more.
 * Memory: the result, and some 100 bytes for each tensor changed. */
enum engine_status onnx_splice(const struct onnx_splice *splice, void **ret_bytes, size_t *ret_size,
                               struct engine_error *err);

#endif
