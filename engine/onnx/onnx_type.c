/* SPDX-License-Identifier: Apache-2.0
 * ValueInfoProto and TypeProto. Only the outermost level of a type is looked at: what a sequence
 * holds shows when the model runs. */
#include "engine/onnx/onnx_reader.h"

#include <string.h>

enum { TYPE_TENSOR = 1, TYPE_SEQUENCE = 4, TYPE_MAP = 5, TYPE_SPARSE = 8, TYPE_OPTIONAL = 9 };

enum engine_status onnx_value_info_name(struct onnx_reader *reader, const struct bytes *message,
                                        struct bytes *ret_name)
{
    struct protobuf_reader fields;
    struct protobuf_field field;

    memset(ret_name, 0, sizeof(*ret_name));
    protobuf_start(&fields, message->data, message->length);
    while (protobuf_next(&fields, &field))
        if (field.number == 1)
            protobuf_text(&fields, &field, ONNX_NAME_BYTES_MAX, ret_name);
    if (fields.problem != NULL)
        return onnx_wire_error(&fields, "ValueInfoProto", reader->err);
    return ENGINE_OK;
}

/* A TensorShapeProto.Dimension: *ret_symbol has length 0 if there is none. */
static enum engine_status read_dim(struct onnx_reader *reader, const struct bytes *message,
                                   int64_t *ret_dim, struct bytes *ret_symbol)
{
    struct protobuf_reader fields;
    struct protobuf_field field;

    *ret_dim = DIM_UNKNOWN;
    memset(ret_symbol, 0, sizeof(*ret_symbol));
    protobuf_start(&fields, message->data, message->length);
    while (protobuf_next(&fields, &field)) {
        if (field.number == 1)
            protobuf_int(&fields, &field, ret_dim);
        else if (field.number == 2)
            protobuf_text(&fields, &field, ONNX_NAME_BYTES_MAX, ret_symbol);
    }
    if (fields.problem != NULL)
        return onnx_wire_error(&fields, "TensorShapeProto.Dimension", reader->err);
    if (*ret_dim < 0)
        *ret_dim = DIM_UNKNOWN; /* exporters write -1 for "any" */
    return ENGINE_OK;
}

static enum engine_status read_shape(struct onnx_reader *reader, const struct bytes *message,
                                     bool is_interface, struct declared_shape *shape)
{
    struct protobuf_reader fields;
    struct protobuf_field field;

    shape->rank = 0;
    protobuf_start(&fields, message->data, message->length);
    while (protobuf_next(&fields, &field)) {
        struct bytes dim, symbol;
        enum engine_status status;

        if (field.number != 1 || !protobuf_bytes(&fields, &field, &dim))
            continue;
        if (shape->rank == SHAPE_RANK_MAX) {
            shape->rank = RANK_UNKNOWN;
            if (!is_interface)
                return ENGINE_OK;
            return engine_error_set(reader->err, ENGINE_UNSUPPORTED, "more than %d dims",
                                    SHAPE_RANK_MAX);
        }
        status = read_dim(reader, &dim, &shape->dims[shape->rank], &symbol);
        if (status != ENGINE_OK)
            return status;
        shape->symbols[shape->rank] = NULL;
        if (symbol.length > 0 && is_interface) {
            shape->symbols[shape->rank] = onnx_text(reader, &symbol);
            if (shape->symbols[shape->rank] == NULL)
                return ENGINE_NO_MEMORY;
        }
        shape->rank++;
    }
    if (fields.problem != NULL)
        return onnx_wire_error(&fields, "TensorShapeProto", reader->err);
    return ENGINE_OK;
}

static enum engine_status read_tensor_type(struct onnx_reader *reader, const struct bytes *message,
                                           bool is_interface, struct value *value)
{
    struct protobuf_reader fields;
    struct protobuf_field field;
    struct bytes shape = {0};
    bool has_shape = false;
    int64_t number = 0;

    protobuf_start(&fields, message->data, message->length);
    while (protobuf_next(&fields, &field)) {
        if (field.number == 1)
            protobuf_int(&fields, &field, &number);
        else if (field.number == 2)
            has_shape = protobuf_bytes(&fields, &field, &shape);
    }
    if (fields.problem != NULL)
        return onnx_wire_error(&fields, "TypeProto.Tensor", reader->err);
    if (number > 0 && number <= DTYPE_BF16 && dtype_size((enum dtype)number) > 0)
        value->dtype = (enum dtype)number;
    else if (is_interface && number != 0)
        return engine_error_set(reader->err, ENGINE_UNSUPPORTED, "element type %lld",
                                (long long)number);
    return has_shape ? read_shape(reader, &shape, is_interface, &value->shape) : ENGINE_OK;
}

static enum engine_status read_type(struct onnx_reader *reader, const struct bytes *message,
                                    bool is_interface, struct value *value)
{
    struct protobuf_reader fields;
    struct protobuf_field field;
    enum engine_status status = ENGINE_OK;
    struct bytes inner = {0};

    protobuf_start(&fields, message->data, message->length);
    while (status == ENGINE_OK && protobuf_next(&fields, &field)) {
        switch (field.number) {
        case TYPE_TENSOR:
            if (protobuf_bytes(&fields, &field, &inner))
                status = read_tensor_type(reader, &inner, is_interface, value);
            break;
        case TYPE_SEQUENCE:
            value->dtype = DTYPE_SEQUENCE;
            break;
        case TYPE_OPTIONAL:
            value->dtype = DTYPE_OPTIONAL;
            break;
        case TYPE_MAP:
        case TYPE_SPARSE:
            if (is_interface)
                status = engine_error_set(reader->err, ENGINE_UNSUPPORTED,
                                          "maps and sparse tensors are not supported");
            break;
        default:
            break;
        }
    }
    if (status == ENGINE_OK && fields.problem != NULL)
        return onnx_wire_error(&fields, "TypeProto", reader->err);
    return status;
}

enum engine_status onnx_value_info_type(struct onnx_reader *reader, const struct bytes *message,
                                        bool is_interface, struct value *value)
{
    struct protobuf_reader fields;
    struct protobuf_field field;
    struct bytes type = {0};
    enum engine_status status;

    protobuf_start(&fields, message->data, message->length);
    while (protobuf_next(&fields, &field))
        if (field.number == 2)
            protobuf_bytes(&fields, &field, &type);
    if (fields.problem != NULL)
        return onnx_wire_error(&fields, "ValueInfoProto", reader->err);
    status = read_type(reader, &type, is_interface, value);
    if (status != ENGINE_OK)
        engine_error_prefix(reader->err, "value '%.200s'", value->name);
    return status;
}
