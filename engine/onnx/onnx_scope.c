/* SPDX-License-Identifier: Apache-2.0
 * What a name means: a value of the frame's own graph, or one further out, which each graph on the
 * way in then captures. */
#include "engine/onnx/onnx_reader.h"

#include <string.h>

enum { SHARED_ELEMENTS_MAX = 1024 };

enum engine_status onnx_scope_bind(struct onnx_reader *reader, struct onnx_frame *frame,
                                   const struct bytes *name, int id)
{
    switch (onnx_names_add(&frame->names, name, id)) {
    case ONNX_NAMES_ADDED:
        return ENGINE_OK;
    case ONNX_NAMES_TWICE:
        return engine_error_set(reader->err, ENGINE_BAD_MODEL, "'%.*s' is defined twice",
                                ONNX_NAME(*name));
    default:
        return onnx_no_memory("names", reader->err);
    }
}

enum engine_status onnx_scope_declare(struct onnx_reader *reader, struct onnx_frame *frame,
                                      const struct bytes *name, int *ret)
{
    char *text = arena_strndup(reader->scratch, name->data, name->length);
    int id = text != NULL ? graph_add_value(frame->graph, text) : -1;

    if (id < 0)
        return onnx_no_memory("values", reader->err);
    *ret = id;
    return onnx_scope_bind(reader, frame, name, id);
}

/* Gives `frame` a value that stands for `outer` of the graph around it. Small constants that are
 * not weights are shared instead, so that shapes inside the body can be known early. */
static enum engine_status capture(struct onnx_reader *reader, struct onnx_frame *frame,
                                  const struct bytes *name, int outer, int *ret)
{
    struct graph *parent = frame->graph->parent;
    const struct tensor *constant = parent->values[outer].constant;
    char *text = arena_strndup(reader->scratch, name->data, name->length);
    int id = -1;

    if (text != NULL && constant != NULL && !dtype_is_float(constant->dtype) &&
        shape_elements(&constant->shape) <= SHARED_ELEMENTS_MAX)
        id = graph_add_constant(frame->graph, text, constant);
    else if (text != NULL)
        id = graph_add_capture(frame->graph, text, outer);
    if (id < 0)
        return onnx_no_memory("values", reader->err);
    *ret = id;
    return onnx_scope_bind(reader, frame, name, id);
}

enum engine_status onnx_scope_find(struct onnx_reader *reader, struct onnx_frame *frame,
                                   const struct bytes *name, bool *ret_found, int *ret)
{
    struct onnx_frame *path[ONNX_DEPTH_MAX + 2];
    enum engine_status status = ENGINE_OK;
    int length = 0, id = VALUE_ABSENT;

    *ret_found = true;
    *ret = VALUE_ABSENT;
    if (name->length == 0)
        return ENGINE_OK;
    while (frame != NULL && !onnx_names_find(&frame->names, name, &id)) {
        path[length++] = frame;
        frame = frame->outer;
    }
    *ret_found = frame != NULL;
    if (frame == NULL || id == VALUE_ABSENT)
        return ENGINE_OK;
    while (status == ENGINE_OK && length > 0)
        status = capture(reader, path[--length], name, id, &id);
    *ret = id;
    return status;
}

enum engine_status onnx_value_set_constant(struct onnx_reader *reader, struct graph *graph, int id,
                                           const struct tensor *tensor)
{
    struct value *value = &graph->values[id];
    struct tensor *constant = arena_alloc(reader->arena, sizeof(*constant));

    if (constant == NULL)
        return onnx_no_memory("constants", reader->err);
    *constant = *tensor;
    value->constant = constant;
    value->dtype = tensor->dtype;
    value->shape.rank = tensor->shape.rank;
    for (int i = 0; i < tensor->shape.rank; i++) {
        value->shape.dims[i] = tensor->shape.dims[i];
        value->shape.symbols[i] = NULL;
    }
    return ENGINE_OK;
}
