/* SPDX-License-Identifier: Apache-2.0
 * ModelProto, and the loop that reads its graph without recursion. */
#include "engine/onnx/onnx_model.h"

#include "engine/onnx/onnx_reader.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

enum {
    FIELD_IR_VERSION = 1,
    FIELD_PRODUCER = 2,
    FIELD_PRODUCER_VERSION = 3,
    FIELD_DOMAIN = 4,
    FIELD_MODEL_VERSION = 5,
    FIELD_DOC = 6,
    FIELD_GRAPH = 7,
    FIELD_OPSET = 8,
    FIELD_METADATA = 14,
    FIELD_FUNCTION = 25
};

enum { IMPORTS_MAX = 256, METADATA_MAX = 65536, FUNCTIONS_MAX = 65536, IR_WITHOUT_OPSETS = 3 };

/* Views of the file. */
struct model_header {
    struct bytes producer, producer_version, domain, doc, graph;
    int64_t ir_version, model_version;
    size_t n_graphs, n_opsets, n_metadata, n_functions;
};

struct bytes onnx_domain(const struct bytes *domain)
{
    if (domain->length == 7 && memcmp(domain->data, "ai.onnx", 7) == 0)
        return (struct bytes){.data = "", .length = 0};
    return *domain;
}

const char *onnx_text(struct onnx_reader *reader, const struct bytes *text)
{
    const char *copy =
        text->length == 0 ? "" : arena_strndup(reader->arena, text->data, text->length);

    if (copy == NULL)
        onnx_no_memory("texts", reader->err);
    return copy;
}

enum engine_status onnx_texts(struct onnx_reader *reader, const struct bytes *message,
                              uint32_t number, const char *what, size_t *ret_count,
                              const struct bytes **ret)
{
    struct protobuf_reader fields;
    struct protobuf_field field;
    struct bytes *items;
    size_t count = 0;

    protobuf_start(&fields, message->data, message->length);
    while (protobuf_next(&fields, &field))
        count += field.number == number;
    items = arena_calloc(reader->scratch, count, sizeof(*items));
    if (items == NULL)
        return onnx_no_memory(what, reader->err);
    count = 0;
    protobuf_start(&fields, message->data, message->length);
    while (protobuf_next(&fields, &field))
        if (field.number == number)
            protobuf_text(&fields, &field, ONNX_NAME_BYTES_MAX, &items[count++]);
    if (fields.problem != NULL)
        return onnx_wire_error(&fields, what, reader->err);
    *ret_count = count;
    *ret = items;
    return ENGINE_OK;
}

static void read_model_field(struct protobuf_reader *fields, const struct protobuf_field *field,
                             struct model_header *header)
{
    struct bytes ignored;

    switch (field->number) {
    case FIELD_IR_VERSION:
        protobuf_int(fields, field, &header->ir_version);
        break;
    case FIELD_MODEL_VERSION:
        protobuf_int(fields, field, &header->model_version);
        break;
    case FIELD_PRODUCER:
        protobuf_text(fields, field, ONNX_NAME_BYTES_MAX, &header->producer);
        break;
    case FIELD_PRODUCER_VERSION:
        protobuf_text(fields, field, ONNX_NAME_BYTES_MAX, &header->producer_version);
        break;
    case FIELD_DOMAIN:
        protobuf_text(fields, field, ONNX_NAME_BYTES_MAX, &header->domain);
        break;
    case FIELD_DOC:
        protobuf_text(fields, field, INT_MAX, &header->doc);
        break;
    case FIELD_GRAPH:
        header->n_graphs += protobuf_bytes(fields, field, &header->graph);
        break;
    case FIELD_OPSET:
        header->n_opsets += protobuf_bytes(fields, field, &ignored);
        break;
    case FIELD_METADATA:
        header->n_metadata += protobuf_bytes(fields, field, &ignored);
        break;
    case FIELD_FUNCTION:
        header->n_functions += protobuf_bytes(fields, field, &ignored);
        break;
    default:
        break;
    }
}

static enum engine_status read_model_header(const struct bytes *message,
                                            struct model_header *header, struct engine_error *err)
{
    struct protobuf_reader fields;
    struct protobuf_field field;

    memset(header, 0, sizeof(*header));
    if (message->length == 0)
        return engine_error_set(err, ENGINE_BAD_MODEL, "the file is empty");
    protobuf_start(&fields, message->data, message->length);
    while (protobuf_next(&fields, &field))
        read_model_field(&fields, &field, header);
    if (fields.problem != NULL)
        return onnx_wire_error(&fields, "not an ONNX file", err);
    if (header->n_graphs != 1 || header->ir_version < 1)
        return engine_error_set(err, ENGINE_BAD_MODEL,
                                "not an ONNX model: it has %zu graphs and IR version %lld",
                                header->n_graphs, (long long)header->ir_version);
    if (header->ir_version > ONNX_IR_NEWEST)
        return engine_error_set(err, ENGINE_UNSUPPORTED, "IR version %lld is newer than %d",
                                (long long)header->ir_version, ONNX_IR_NEWEST);
    if (header->n_opsets > IMPORTS_MAX || header->n_metadata > METADATA_MAX ||
        header->n_functions > FUNCTIONS_MAX)
        return engine_error_set(err, ENGINE_BAD_MODEL,
                                "%zu opset imports, %zu properties and %zu functions are too many",
                                header->n_opsets, header->n_metadata, header->n_functions);
    return ENGINE_OK;
}

enum engine_status onnx_opset_read(struct onnx_reader *reader, const struct bytes *message,
                                   struct onnx_opset *ret)
{
    struct protobuf_reader fields;
    struct protobuf_field field;
    struct bytes domain = {0};
    int64_t version = 0;

    protobuf_start(&fields, message->data, message->length);
    while (protobuf_next(&fields, &field)) {
        if (field.number == 1)
            protobuf_text(&fields, &field, ONNX_NAME_BYTES_MAX, &domain);
        else if (field.number == 2)
            protobuf_int(&fields, &field, &version);
    }
    if (fields.problem != NULL)
        return onnx_wire_error(&fields, "OperatorSetIdProto", reader->err);
    domain = onnx_domain(&domain);
    if (version < 1 || version > INT_MAX)
        return engine_error_set(reader->err, ENGINE_BAD_MODEL, "opset %lld of domain '%.*s'",
                                (long long)version, ONNX_NAME(domain));
    if (domain.length == 0 && version > ONNX_OPSET_NEWEST)
        return engine_error_set(reader->err, ENGINE_UNSUPPORTED,
                                "opset %lld is newer than %d, the newest known", (long long)version,
                                ONNX_OPSET_NEWEST);
    ret->version = (int)version;
    ret->domain = onnx_text(reader, &domain);
    return ret->domain != NULL ? ENGINE_OK : ENGINE_NO_MEMORY;
}

static enum engine_status read_property(struct onnx_reader *reader, const struct bytes *message,
                                        struct onnx_property *ret)
{
    struct protobuf_reader fields;
    struct protobuf_field field;
    struct bytes key = {0}, text = {0};

    protobuf_start(&fields, message->data, message->length);
    while (protobuf_next(&fields, &field)) {
        if (field.number == 1)
            protobuf_text(&fields, &field, ONNX_NAME_BYTES_MAX, &key);
        else if (field.number == 2)
            protobuf_text(&fields, &field, INT_MAX, &text);
    }
    if (fields.problem != NULL)
        return onnx_wire_error(&fields, "metadata_props", reader->err);
    ret->key = onnx_text(reader, &key);
    ret->text = onnx_text(reader, &text);
    return ret->key != NULL && ret->text != NULL ? ENGINE_OK : ENGINE_NO_MEMORY;
}

/* Opset imports, properties and functions. */
static enum engine_status read_tables(struct onnx_reader *reader, const struct bytes *message,
                                      const struct model_header *header, struct onnx_info *info)
{
    struct onnx_opset *opsets = arena_calloc(reader->arena, header->n_opsets + 1, sizeof(*opsets));
    struct onnx_property *properties =
        arena_calloc(reader->arena, header->n_metadata, sizeof(*properties));
    enum engine_status status = ENGINE_OK;
    struct protobuf_reader fields;
    struct protobuf_field field;

    reader->functions =
        arena_calloc(reader->scratch, header->n_functions, sizeof(*reader->functions));
    if (opsets == NULL || properties == NULL || reader->functions == NULL)
        return onnx_no_memory("model tables", reader->err);
    protobuf_start(&fields, message->data, message->length);
    while (status == ENGINE_OK && protobuf_next(&fields, &field)) {
        if (field.number == FIELD_OPSET)
            status = onnx_opset_read(reader, &field.bytes, &opsets[info->n_opsets++]);
        else if (field.number == FIELD_METADATA)
            status = read_property(reader, &field.bytes, &properties[info->n_metadata++]);
        else if (field.number == FIELD_FUNCTION)
            status = onnx_function_add(reader, &field.bytes);
    }
    if (info->n_opsets == 0 && header->ir_version < IR_WITHOUT_OPSETS)
        opsets[info->n_opsets++] = (struct onnx_opset){.domain = "", .version = 1};
    info->opsets = opsets;
    info->metadata = properties;
    reader->imports = (struct onnx_imports){.count = info->n_opsets, .items = opsets};
    for (size_t k = 0; k < info->n_opsets && status == ENGINE_OK; k++)
        if (opsets[k].domain[0] == '\0')
            info->opset = opsets[k].version;
    reader->opset = info->opset;
    return status;
}

static enum engine_status describe(struct onnx_reader *reader, const struct model_header *header,
                                   struct onnx_info *info)
{
    char text[256];
    int length =
        snprintf(text, sizeof(text), "%.*s%s%.*s", ONNX_NAME(header->producer),
                 header->producer.length > 0 && header->producer_version.length > 0 ? " " : "",
                 (int)(header->producer_version.length < 40 ? header->producer_version.length : 40),
                 header->producer_version.length > 0 ? header->producer_version.data : "");
    struct bytes producer = {.data = text, .length = (size_t)length};

    info->ir_version = header->ir_version;
    info->model_version = header->model_version;
    info->producer = onnx_text(reader, &producer);
    info->domain = onnx_text(reader, &header->domain);
    info->doc = onnx_text(reader, &header->doc);
    if (info->producer == NULL || info->domain == NULL || info->doc == NULL)
        return ENGINE_NO_MEMORY;
    return onnx_graph_name(reader, &header->graph, &info->graph_name);
}

/* The top frame's next node, or its end. */
static enum engine_status step(struct onnx_reader *reader)
{
    struct onnx_frame *frame = reader->stack;
    struct protobuf_field field;
    struct bytes message;

    while (protobuf_next(&frame->nodes, &field))
        if (field.number == frame->node_field && protobuf_bytes(&frame->nodes, &field, &message))
            return onnx_node_read(reader, frame, &message);
    if (frame->nodes.problem != NULL)
        return onnx_wire_error(&frame->nodes, "nodes", reader->err);
    reader->stack = frame->below;
    return frame->function != NULL ? onnx_function_finish(reader, frame)
                                   : onnx_graph_finish(reader, frame);
}

/* The graph and, once it is complete, its bodies, theirs, and so on. */
static enum engine_status read_graphs(struct onnx_reader *reader, const struct bytes *message,
                                      struct graph **ret)
{
    struct onnx_frame *frame = onnx_graph_frame(reader, message, NULL);
    enum engine_status status = ENGINE_OK;

    if (frame == NULL)
        return onnx_no_memory("graph", reader->err);
    *ret = frame->graph;
    while (status == ENGINE_OK && frame != NULL) {
        reader->stack = frame;
        status = onnx_graph_start(reader, frame);
        while (status == ENGINE_OK && reader->stack != NULL)
            status = step(reader);
        frame = reader->queue;
        if (frame != NULL) {
            reader->queue = frame->below;
            if (reader->queue == NULL)
                reader->queue_last = NULL;
            frame->below = NULL;
        }
    }
    return status;
}

enum engine_status onnx_read(const void *bytes, size_t size, int dir_fd, struct arena *arena,
                             struct graph **ret_graph, struct onnx_info *ret_info,
                             struct engine_error *err)
{
    struct bytes message = {.data = bytes, .length = size};
    struct onnx_reader reader = {.arena = arena, .dir_fd = dir_fd, .err = err};
    struct onnx_info info = {0};
    struct model_header header;
    struct graph *graph = NULL;
    enum engine_status status = read_model_header(&message, &header, err);

    if (status != ENGINE_OK)
        return status;
    reader.scratch = arena_create(arena_left(arena));
    if (reader.scratch == NULL)
        return onnx_no_memory("reader", err);
    onnx_names_init(&reader.function_names, reader.scratch);
    status = read_tables(&reader, &message, &header, &info);
    if (status == ENGINE_OK)
        status = describe(&reader, &header, &info);
    if (status == ENGINE_OK)
        status = read_graphs(&reader, &header.graph, &graph);
    arena_destroy(reader.scratch);
    if (status != ENGINE_OK)
        return status;
    *ret_graph = graph;
    *ret_info = info;
    return ENGINE_OK;
}
