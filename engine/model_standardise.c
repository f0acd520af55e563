/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/model_standardise.h"

#include "engine/model_private.h"
#include "engine/onnx/onnx_standardise.h"

#include <stdlib.h>

struct model *model_standardise(const struct model *model, int input, const struct tensor *mean,
                                const struct tensor *deviation, struct engine_error *err)
{
    const struct model_io *io = model_input(model, input);
    struct model *made = NULL;
    void *bytes;
    size_t size;

    if (io->dtype != DTYPE_F32) {
        engine_error_set(err, ENGINE_UNSUPPORTED,
                         "input '%.64s' is %s: only float32 inputs can be standardised", io->name,
                         dtype_name(io->dtype));
        return NULL;
    }
    if (model->source.bytes == NULL) {
        engine_error_set(err, ENGINE_BAD_INPUT, "the model did not keep its file");
        return NULL;
    }
    if (onnx_standardise(model->source.bytes, model->source.size, io->name, mean, deviation, &bytes,
                         &size, err) == ENGINE_OK) {
        made = model_load_bytes(bytes, size, &model->options, err);
        free(bytes);
    }
    return made;
}
