/* SPDX-License-Identifier: Apache-2.0
 * engine/model_export.h - a weight generation as an ONNX file: the bytes that the model was loaded
 * from, in which the tensors that changed, and the properties asked for, are replaced; all else
 * survives byte by byte, unknown fields too (engine/onnx/onnx_splice.h). Any thread.
 *
 * The original bytes come from one of two places. A model loaded with options.keep_source holds
 * them (they count in model_bytes(), and in memory_bytes_max as they do while any model loads): for
 * models that learn. For others the caller opens the file again, with model_file_open(), and answers
 * for its being the same; memory is then taken for the time of the export only. */
#ifndef ENGINE_MODEL_EXPORT_H
#define ENGINE_MODEL_EXPORT_H

#include "engine/model.h"
#include "engine/model_file.h"

struct model_property {
    const char *key;
    const char *text; /* NULL: removed */
};

/* `file` NULL: the bytes that the model kept (BAD_INPUT if it did not). `*ret_bytes` is for free(),
 * and is as large as the file. External data (weights beside the model file) moves into the result.
 * BAD_INPUT names a changed tensor that the file does not have as a tensor of its own: made when the
 * graph was read, or inside a local function. */
enum engine_status model_export(const struct model *model, const struct model_file *file,
                                const struct weights *weights, size_t n_properties,
                                const struct model_property *properties, void **ret_bytes,
                                size_t *ret_size, struct engine_error *err);

#endif
