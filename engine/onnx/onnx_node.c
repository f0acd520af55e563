/* SPDX-License-Identifier: Apache-2.0
 * NodeProto: an operator, a constant, or the call of a local function. */
#include "engine/onnx/onnx_reader.h"

#include <stdio.h>
#include <string.h>

enum {
    FIELD_INPUT = 1,
    FIELD_OUTPUT = 2,
    FIELD_NAME = 3,
    FIELD_OP_TYPE = 4,
    FIELD_ATTRIBUTE = 5,
    FIELD_DOMAIN = 7,
    FIELD_OVERLOAD = 8
};

enum { EDGES_MAX = 1 << 20, ATTRIBUTES_MAX = 4096, NAME_JOINED_MAX = 256 };

struct node_header {
    struct bytes message;
    struct bytes name, op_type, domain, overload;
    size_t n_inputs, n_outputs, n_attributes;
};

static enum engine_status read_header(struct onnx_reader *reader, const struct bytes *message,
                                      struct node_header *header)
{
    struct protobuf_reader fields;
    struct protobuf_field field;

    memset(header, 0, sizeof(*header));
    header->message = *message;
    protobuf_start(&fields, message->data, message->length);
    while (protobuf_next(&fields, &field)) {
        switch (field.number) {
        case FIELD_INPUT:
            header->n_inputs++;
            break;
        case FIELD_OUTPUT:
            header->n_outputs++;
            break;
        case FIELD_ATTRIBUTE:
            header->n_attributes++;
            break;
        case FIELD_NAME:
            protobuf_text(&fields, &field, ONNX_NAME_BYTES_MAX, &header->name);
            break;
        case FIELD_OP_TYPE:
            protobuf_text(&fields, &field, ONNX_NAME_BYTES_MAX, &header->op_type);
            break;
        case FIELD_DOMAIN:
            protobuf_text(&fields, &field, ONNX_NAME_BYTES_MAX, &header->domain);
            break;
        case FIELD_OVERLOAD:
            protobuf_text(&fields, &field, ONNX_NAME_BYTES_MAX, &header->overload);
            break;
        default:
            break;
        }
    }
    if (fields.problem != NULL)
        return onnx_wire_error(&fields, "NodeProto", reader->err);
    if (header->op_type.length == 0)
        return engine_error_set(reader->err, ENGINE_BAD_MODEL, "a node has no op_type");
    if (header->n_inputs > EDGES_MAX || header->n_outputs > EDGES_MAX ||
        header->n_attributes > ATTRIBUTES_MAX)
        return engine_error_set(reader->err, ENGINE_BAD_MODEL,
                                "%zu inputs, %zu outputs and %zu attributes are too many",
                                header->n_inputs, header->n_outputs, header->n_attributes);
    header->domain = onnx_domain(&header->domain);
    return ENGINE_OK;
}

/* Ids of the node's inputs (`number` FIELD_INPUT) or outputs. */
static enum engine_status read_edges(struct onnx_reader *reader, struct onnx_frame *frame,
                                     const struct node_header *header, uint32_t number,
                                     size_t count, const int **ret)
{
    int *ids = arena_calloc(reader->scratch, count, sizeof(*ids));
    enum engine_status status = ENGINE_OK;
    struct protobuf_reader fields;
    struct protobuf_field field;
    size_t at = 0;

    if (ids == NULL)
        return onnx_no_memory("nodes", reader->err);
    protobuf_start(&fields, header->message.data, header->message.length);
    while (status == ENGINE_OK && protobuf_next(&fields, &field)) {
        struct bytes name;
        bool found;

        if (field.number != number || !protobuf_text(&fields, &field, ONNX_NAME_BYTES_MAX, &name))
            continue;
        status = onnx_scope_find(reader, frame, &name, &found, &ids[at++]);
        if (status == ENGINE_OK && !found)
            status = engine_error_set(reader->err, ENGINE_BAD_MODEL,
                                      "reads '%.*s', which nothing defines", ONNX_NAME(name));
    }
    if (status == ENGINE_OK && fields.problem != NULL)
        return onnx_wire_error(&fields, "NodeProto", reader->err);
    *ret = ids;
    return status;
}

static enum engine_status read_attributes(struct onnx_reader *reader, struct onnx_frame *frame,
                                          const struct node_header *header, int *ret_count,
                                          struct attribute **ret)
{
    struct attribute *items = arena_calloc(reader->arena, header->n_attributes, sizeof(*items));
    enum engine_status status = ENGINE_OK;
    struct protobuf_reader fields;
    struct protobuf_field field;
    int count = 0;

    if (items == NULL)
        return onnx_no_memory("attributes", reader->err);
    protobuf_start(&fields, header->message.data, header->message.length);
    while (status == ENGINE_OK && protobuf_next(&fields, &field)) {
        struct bytes message;
        bool present;

        if (field.number != FIELD_ATTRIBUTE || !protobuf_bytes(&fields, &field, &message))
            continue;
        status = onnx_attribute_read(reader, frame, &message, &items[count], &present);
        count += present;
    }
    if (status == ENGINE_OK && fields.problem != NULL)
        return onnx_wire_error(&fields, "NodeProto", reader->err);
    *ret_count = count;
    *ret = items;
    return status;
}

/* The node's name, behind that of the call it was inlined for. */
static const char *node_name(struct onnx_reader *reader, const struct onnx_frame *frame,
                             const struct bytes *name)
{
    char joined[NAME_JOINED_MAX];
    struct bytes text = *name;

    if (frame->call_name != NULL && name->length + strlen(frame->call_name) + 2 < sizeof(joined)) {
        int length =
            snprintf(joined, sizeof(joined), "%s/%.*s", frame->call_name, ONNX_NAME(*name));

        text = (struct bytes){.data = joined, .length = (size_t)length};
    }
    return arena_strndup(reader->scratch, text.data, text.length);
}

/* One tensor from the form of value that a Constant node uses. */
static enum engine_status constant_tensor(struct onnx_reader *reader,
                                          const struct attribute *attribute, struct tensor *ret)
{
    size_t size;

    memset(ret, 0, sizeof(*ret));
    ret->shape.rank = attribute->type == ATTRIBUTE_INTS || attribute->type == ATTRIBUTE_FLOATS ||
                      attribute->type == ATTRIBUTE_STRINGS;
    ret->shape.dims[0] = (int64_t)attribute->count;
    switch (attribute->type) {
    case ATTRIBUTE_TENSOR:
        *ret = *attribute->t;
        return ENGINE_OK;
    case ATTRIBUTE_FLOATS:
        ret->dtype = DTYPE_F32;
        ret->data = (void *)attribute->floats;
        return ENGINE_OK;
    case ATTRIBUTE_INTS:
        ret->dtype = DTYPE_I64;
        ret->data = (void *)attribute->ints;
        return ENGINE_OK;
    case ATTRIBUTE_STRINGS:
        ret->dtype = DTYPE_STRING;
        ret->data = (void *)attribute->strings;
        return ENGINE_OK;
    case ATTRIBUTE_FLOAT:
        ret->dtype = DTYPE_F32;
        break;
    case ATTRIBUTE_INT:
        ret->dtype = DTYPE_I64;
        break;
    case ATTRIBUTE_STRING:
        ret->dtype = DTYPE_STRING;
        break;
    default:
        return engine_error_set(reader->err, ENGINE_BAD_MODEL, "attribute '%.200s' is no value",
                                attribute->name);
    }
    size = dtype_size(ret->dtype);
    ret->data = arena_alloc(reader->arena, size);
    if (ret->data == NULL)
        return onnx_no_memory("constants", reader->err);
    memcpy(ret->data,
           ret->dtype == DTYPE_F32   ? (const void *)&attribute->f
           : ret->dtype == DTYPE_I64 ? (const void *)&attribute->i
                                     : (const void *)&attribute->s,
           size);
    return ENGINE_OK;
}

static enum engine_status add_constant(struct onnx_reader *reader, struct onnx_frame *frame,
                                       const struct node_header *header, const int *outputs)
{
    struct attribute *attributes;
    struct tensor tensor;
    enum engine_status status;
    int count;

    if (header->n_inputs != 0 || header->n_outputs != 1 || outputs[0] == VALUE_ABSENT)
        return engine_error_set(reader->err, ENGINE_BAD_MODEL, "takes no input and has one output");
    status = read_attributes(reader, frame, header, &count, &attributes);
    if (status != ENGINE_OK)
        return status;
    if (count != 1)
        return engine_error_set(reader->err, ENGINE_BAD_MODEL, "has %d values, not one", count);
    status = constant_tensor(reader, &attributes[0], &tensor);
    if (status != ENGINE_OK)
        return status;
    if (frame->graph->values[outputs[0]].constant != NULL)
        return engine_error_set(reader->err, ENGINE_BAD_MODEL, "its output is defined twice");
    return onnx_value_set_constant(reader, frame->graph, outputs[0], &tensor);
}

/* The version of the domain that counts where the node stands; 0 if it is not imported. */
static int opset_of(const struct onnx_reader *reader, const struct onnx_frame *frame,
                    const char *domain)
{
    const struct onnx_imports *tables[] = {frame->imports, &reader->imports};

    for (size_t t = 0; t < 2; t++)
        for (size_t k = 0; k < tables[t]->count; k++)
            if (strcmp(tables[t]->items[k].domain, domain) == 0)
                return tables[t]->items[k].version;
    return 0;
}

static enum engine_status add_node(struct onnx_reader *reader, struct onnx_frame *frame,
                                   const struct node_header *header, const int *inputs,
                                   const int *outputs)
{
    const char *domain = arena_strndup(reader->scratch, header->domain.data, header->domain.length);
    const char *op_type =
        arena_strndup(reader->scratch, header->op_type.data, header->op_type.length);
    const char *name = node_name(reader, frame, &header->name);
    struct attribute *attributes;
    enum engine_status status;
    int id, opset, n_attributes;
    struct node *node;

    if (domain == NULL || op_type == NULL || name == NULL)
        return onnx_no_memory("nodes", reader->err);
    opset = opset_of(reader, frame, domain);
    if (strcmp(domain, "inferd") == 0)
        return engine_error_set(reader->err, ENGINE_UNSUPPORTED,
                                "domain 'inferd' is not for model files");
    if (opset == 0 && domain[0] == '\0')
        return engine_error_set(reader->err, ENGINE_BAD_MODEL,
                                "no opset of the default domain is imported");
    status = read_attributes(reader, frame, header, &n_attributes, &attributes);
    if (status != ENGINE_OK)
        return status;
    id = graph_add_node(frame->graph, domain, op_type, name, (int)header->n_inputs, inputs,
                        (int)header->n_outputs, outputs);
    if (id < 0)
        return onnx_no_memory("nodes", reader->err);
    node = &frame->graph->nodes[id];
    node->opset = opset > 0 ? opset : 1;
    node->attributes = attributes;
    node->n_attributes = n_attributes;
    return ENGINE_OK;
}

static enum engine_status start_call(struct onnx_reader *reader, struct onnx_frame *frame,
                                     const struct onnx_function *function,
                                     const struct node_header *header, const int *inputs,
                                     const int *outputs)
{
    struct onnx_call call = {
        .function = function,
        .inputs = inputs,
        .outputs = outputs,
        .n_inputs = (int)header->n_inputs,
        .n_outputs = (int)header->n_outputs,
    };
    enum engine_status status =
        read_attributes(reader, frame, header, &call.n_attributes, &call.attributes);

    if (status != ENGINE_OK)
        return status;
    call.name =
        node_name(reader, frame, header->name.length > 0 ? &header->name : &header->op_type);
    if (call.name == NULL)
        return onnx_no_memory("calls", reader->err);
    return onnx_function_start(reader, frame, &call);
}

static enum engine_status read_node(struct onnx_reader *reader, struct onnx_frame *frame,
                                    const struct node_header *header)
{
    const struct onnx_function *function;
    const int *inputs, *outputs;
    enum engine_status status =
        read_edges(reader, frame, header, FIELD_INPUT, header->n_inputs, &inputs);

    if (status == ENGINE_OK)
        status = read_edges(reader, frame, header, FIELD_OUTPUT, header->n_outputs, &outputs);
    if (status != ENGINE_OK)
        return status;
    status =
        onnx_function_find(reader, &header->domain, &header->op_type, &header->overload, &function);
    if (status != ENGINE_OK)
        return status;
    if (function != NULL)
        return start_call(reader, frame, function, header, inputs, outputs);
    if (header->domain.length == 0 && header->op_type.length == 8 &&
        memcmp(header->op_type.data, "Constant", 8) == 0)
        return add_constant(reader, frame, header, outputs);
    return add_node(reader, frame, header, inputs, outputs);
}

enum engine_status onnx_node_read(struct onnx_reader *reader, struct onnx_frame *frame,
                                  const struct bytes *message)
{
    struct node_header header;
    enum engine_status status;

    if (reader->n_nodes++ >= ONNX_NODES_MAX)
        return engine_error_set(reader->err, ENGINE_BAD_MODEL, "more than %d nodes",
                                ONNX_NODES_MAX);
    status = read_header(reader, message, &header);
    if (status == ENGINE_OK)
        status = read_node(reader, frame, &header);
    if (status != ENGINE_OK)
        engine_error_prefix(reader->err, "%.*s (node '%.*s')", ONNX_NAME(header.op_type),
                            ONNX_NAME(header.name));
    return status;
}

enum engine_status onnx_node_outputs(struct onnx_reader *reader, struct onnx_frame *frame,
                                     enum engine_status (*bind)(struct onnx_reader *reader,
                                                                struct onnx_frame *frame,
                                                                const struct bytes *name))
{
    enum engine_status status = ENGINE_OK;
    struct protobuf_reader nodes, fields;
    struct protobuf_field node, field;
    int count = 0;

    protobuf_start(&nodes, frame->message.data, frame->message.length);
    while (status == ENGINE_OK && protobuf_next(&nodes, &node)) {
        if (node.number != frame->node_field || node.wire != PROTOBUF_BYTES)
            continue;
        if (count++ >= ONNX_NODES_MAX)
            return engine_error_set(reader->err, ENGINE_BAD_MODEL, "more than %d nodes",
                                    ONNX_NODES_MAX);
        protobuf_start(&fields, node.bytes.data, node.bytes.length);
        while (status == ENGINE_OK && protobuf_next(&fields, &field)) {
            struct bytes name;

            if (field.number == FIELD_OUTPUT &&
                protobuf_text(&fields, &field, ONNX_NAME_BYTES_MAX, &name) && name.length > 0)
                status = bind(reader, frame, &name);
        }
        if (status == ENGINE_OK && fields.problem != NULL)
            status = onnx_wire_error(&fields, "NodeProto", reader->err);
    }
    return status;
}
