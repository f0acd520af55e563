/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/model_export.h"

#include "engine/model_private.h"
#include "engine/onnx/onnx_splice.h"

#include <stdlib.h>
#include <string.h>

static const char *slot_name(const struct graph *graph, int slot)
{
    return graph->values[graph->weight_values[slot]].name;
}

static bool is_changed(const struct model *model, const struct weights *weights, int slot)
{
    const struct tensor *now = weights_slot(weights, slot);
    const struct tensor *before = weights_slot(model->base, slot);

    return now->data != before->data && now->dtype != DTYPE_STRING &&
           memcmp(now->data, before->data, tensor_bytes(now)) != 0;
}

/* Constants of functions keep their names when calls are inlined: one name, several tensors. */
static bool is_shared(const struct graph *graph, int slot)
{
    for (int other = 0; other < graph->n_constant_slots; other++)
        if (other != slot && strcmp(slot_name(graph, other), slot_name(graph, slot)) == 0)
            return true;
    return false;
}

static enum engine_status gather_changes(const struct model *model, const struct weights *weights,
                                         struct onnx_change *changes, size_t *ret_count,
                                         struct engine_error *err)
{
    const struct graph *graph = model->graph;
    size_t count = 0;

    for (int slot = 0; slot < graph->n_constant_slots; slot++) {
        if (!is_changed(model, weights, slot))
            continue;
        if (slot_name(graph, slot)[0] == '\0' || is_shared(graph, slot))
            return engine_error_set(err, ENGINE_BAD_INPUT,
                                    "tensor '%.200s' is not one tensor of the file",
                                    slot_name(graph, slot));
        changes[count].name = slot_name(graph, slot);
        changes[count].tensor = *weights_slot(weights, slot);
        count++;
    }
    *ret_count = count;
    return ENGINE_OK;
}

enum engine_status model_export(const struct model *model, const struct model_file *file,
                                const struct weights *weights, size_t n_properties,
                                const struct model_property *properties, void **ret_bytes,
                                size_t *ret_size, struct engine_error *err)
{
    size_t room = (size_t)model->graph->n_constant_slots + 1;
    struct onnx_change *changes = calloc(room, sizeof(*changes));
    struct onnx_property *texts = calloc(n_properties + 1, sizeof(*texts));
    struct onnx_splice splice = {.changes = changes, .n_properties = n_properties,
                                 .properties = texts};
    enum engine_status status = ENGINE_OK;

    if (file == NULL)
        file = &model->source;
    if (changes == NULL || texts == NULL)
        status = engine_error_set(err, ENGINE_NO_MEMORY, "out of memory while exporting");
    else if (file->bytes == NULL)
        status = engine_error_set(err, ENGINE_BAD_INPUT,
                                  "the model was loaded without keeping its file");
    for (size_t i = 0; i < n_properties && status == ENGINE_OK; i++)
        texts[i] = (struct onnx_property){properties[i].key, properties[i].text};
    if (status == ENGINE_OK)
        status = gather_changes(model, weights, changes, &splice.n_changes, err);
    splice.bytes = file->bytes;
    splice.size = file->size;
    splice.dir_fd = file->dir_fd;
    if (status == ENGINE_OK)
        status = onnx_splice(&splice, ret_bytes, ret_size, err);
    free(texts);
    free(changes);
    return status;
}
