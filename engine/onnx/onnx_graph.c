/* SPDX-License-Identifier: Apache-2.0
 * GraphProto: what stands around its nodes. */
#include "engine/onnx/onnx_reader.h"

#include <string.h>

enum {
    FIELD_NODE = 1,
    FIELD_NAME = 2,
    FIELD_INITIALIZER = 5,
    FIELD_INPUT = 11,
    FIELD_OUTPUT = 12,
    FIELD_VALUE_INFO = 13,
    FIELD_SPARSE = 15
};

struct onnx_frame *onnx_graph_frame(struct onnx_reader *reader, const struct bytes *message,
                                    struct onnx_frame *outer)
{
    struct onnx_frame *frame = arena_calloc(reader->scratch, 1, sizeof(*frame));

    if (frame == NULL)
        return NULL;
    if (outer != NULL) {
        *frame = *outer; /* a body shares the call that it stands in */
        frame->below = NULL;
        frame->depth = outer->depth + 1;
        frame->function = NULL;
        frame->caller = outer;
    }
    frame->imports = outer != NULL ? outer->imports : &reader->imports;
    frame->graph = graph_create(reader->arena, outer != NULL ? outer->graph : NULL);
    frame->outer = outer;
    frame->message = *message;
    frame->node_field = FIELD_NODE;
    protobuf_start(&frame->nodes, message->data, message->length);
    onnx_names_init(&frame->names, reader->scratch);
    return frame->graph != NULL ? frame : NULL;
}

enum engine_status onnx_graph_name(struct onnx_reader *reader, const struct bytes *message,
                                   const char **ret)
{
    struct protobuf_reader fields;
    struct protobuf_field field;
    struct bytes name = {.data = "", .length = 0};

    protobuf_start(&fields, message->data, message->length);
    while (protobuf_next(&fields, &field))
        if (field.number == FIELD_NAME)
            protobuf_text(&fields, &field, ONNX_NAME_BYTES_MAX, &name);
    if (fields.problem != NULL)
        return onnx_wire_error(&fields, "GraphProto", reader->err);
    *ret = onnx_text(reader, &name);
    return *ret != NULL ? ENGINE_OK : ENGINE_NO_MEMORY;
}

/* Calls `read` with every message in field `number`. */
static enum engine_status
each(struct onnx_reader *reader, struct onnx_frame *frame, uint32_t number,
     enum engine_status (*read)(struct onnx_reader *reader, struct onnx_frame *frame,
                                const struct bytes *message))
{
    enum engine_status status = ENGINE_OK;
    struct protobuf_reader fields;
    struct protobuf_field field;
    struct bytes message;

    protobuf_start(&fields, frame->message.data, frame->message.length);
    while (status == ENGINE_OK && protobuf_next(&fields, &field))
        if (field.number == number && protobuf_bytes(&fields, &field, &message))
            status = read(reader, frame, &message);
    if (status == ENGINE_OK && fields.problem != NULL)
        return onnx_wire_error(&fields, "GraphProto", reader->err);
    return status;
}

static enum engine_status read_input(struct onnx_reader *reader, struct onnx_frame *frame,
                                     const struct bytes *message)
{
    struct bytes name;
    enum engine_status status = onnx_value_info_name(reader, message, &name);
    int id;

    if (status != ENGINE_OK)
        return status;
    if (name.length == 0)
        return engine_error_set(reader->err, ENGINE_BAD_MODEL, "a graph input has no name");
    status = onnx_scope_declare(reader, frame, &name, &id);
    if (status != ENGINE_OK)
        return status;
    if (!graph_add_input(frame->graph, id))
        return onnx_no_memory("graph inputs", reader->err);
    return onnx_value_info_type(reader, message, true, &frame->graph->values[id]);
}

/* Before IR version 4 each initializer is a graph input too. */
static enum engine_status add_initializer(struct onnx_reader *reader, struct onnx_frame *frame,
                                          const struct bytes *name, const struct tensor *tensor)
{
    enum engine_status status;
    int id;

    if (name->length == 0)
        return engine_error_set(reader->err, ENGINE_BAD_MODEL, "an initializer has no name");
    if (!onnx_names_find(&frame->names, name, &id)) {
        status = onnx_scope_declare(reader, frame, name, &id);
        if (status != ENGINE_OK)
            return status;
    } else if (frame->outer != NULL || frame->graph->values[id].constant != NULL) {
        return engine_error_set(reader->err, ENGINE_BAD_MODEL, "'%.*s' is defined twice",
                                ONNX_NAME(*name));
    }
    return onnx_value_set_constant(reader, frame->graph, id, tensor);
}

static enum engine_status read_initializer(struct onnx_reader *reader, struct onnx_frame *frame,
                                           const struct bytes *message)
{
    struct tensor tensor;
    struct bytes name;
    enum engine_status status =
        onnx_tensor_parse(message, reader->dir_fd, reader->arena, &name, &tensor, reader->err);

    return status == ENGINE_OK ? add_initializer(reader, frame, &name, &tensor) : status;
}

static enum engine_status read_sparse(struct onnx_reader *reader, struct onnx_frame *frame,
                                      const struct bytes *message)
{
    struct tensor tensor;
    struct bytes name;
    enum engine_status status =
        onnx_sparse_parse(message, reader->dir_fd, reader->arena, &name, &tensor, reader->err);

    return status == ENGINE_OK ? add_initializer(reader, frame, &name, &tensor) : status;
}

static void drop_constant_inputs(struct graph *graph)
{
    int kept = 0;

    for (int k = 0; k < graph->n_inputs; k++)
        if (graph->values[graph->inputs[k]].constant == NULL)
            graph->inputs[kept++] = graph->inputs[k];
    graph->n_inputs = kept;
}

static enum engine_status bind_output(struct onnx_reader *reader, struct onnx_frame *frame,
                                      const struct bytes *name)
{
    int id;

    return onnx_scope_declare(reader, frame, name, &id);
}

/* Types of values inside the graph are hints; constants know better. */
static enum engine_status read_value_info(struct onnx_reader *reader, struct onnx_frame *frame,
                                          const struct bytes *message)
{
    struct bytes name;
    enum engine_status status = onnx_value_info_name(reader, message, &name);
    int id;

    if (status != ENGINE_OK || !onnx_names_find(&frame->names, &name, &id) ||
        frame->graph->values[id].constant != NULL)
        return status;
    return onnx_value_info_type(reader, message, false, &frame->graph->values[id]);
}

enum engine_status onnx_graph_start(struct onnx_reader *reader, struct onnx_frame *frame)
{
    enum engine_status status = onnx_graph_name(reader, &frame->message, &frame->graph->name);

    if (status == ENGINE_OK)
        status = each(reader, frame, FIELD_INPUT, read_input);
    if (status == ENGINE_OK)
        status = each(reader, frame, FIELD_INITIALIZER, read_initializer);
    if (status == ENGINE_OK)
        status = each(reader, frame, FIELD_SPARSE, read_sparse);
    if (status == ENGINE_OK)
        status = onnx_node_outputs(reader, frame, bind_output);
    if (status == ENGINE_OK)
        status = each(reader, frame, FIELD_VALUE_INFO, read_value_info);
    drop_constant_inputs(frame->graph);
    return status;
}

static enum engine_status read_output(struct onnx_reader *reader, struct onnx_frame *frame,
                                      const struct bytes *message)
{
    struct bytes name;
    enum engine_status status = onnx_value_info_name(reader, message, &name);
    const struct value *value;
    bool found;
    int id;

    if (status == ENGINE_OK)
        status = onnx_scope_find(reader, frame, &name, &found, &id);
    if (status != ENGINE_OK)
        return status;
    value = found && id != VALUE_ABSENT ? &frame->graph->values[id] : NULL;
    if (value == NULL)
        return engine_error_set(reader->err, ENGINE_BAD_MODEL, "output '%.*s' is never produced",
                                ONNX_NAME(name));
    if (!graph_add_output(frame->graph, id))
        return onnx_no_memory("graph outputs", reader->err);
    if (value->constant != NULL)
        return ENGINE_OK;
    return onnx_value_info_type(reader, message, frame->outer == NULL, &frame->graph->values[id]);
}

enum engine_status onnx_graph_finish(struct onnx_reader *reader, struct onnx_frame *frame)
{
    enum engine_status status = each(reader, frame, FIELD_OUTPUT, read_output);

    if (status == ENGINE_OK && frame->graph->n_outputs == 0 && frame->outer == NULL)
        return engine_error_set(reader->err, ENGINE_BAD_MODEL, "the graph has no outputs");
    return status;
}
