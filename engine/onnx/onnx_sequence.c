/* SPDX-License-Identifier: Apache-2.0
 * SequenceProto and OptionalProto. They nest in each other, so reading recurses; the depth is
 * bounded by ONNX_DEPTH_MAX, whatever the bytes say. */
#include "engine/onnx/onnx_model.h"
#include "engine/onnx/onnx_tensor.h"

#include <string.h>

enum element { TENSOR = 1, SPARSE = 2, SEQUENCE = 3, MAP = 4, OPTIONAL = 5 };

static enum engine_status read_container(const struct bytes *message, enum dtype dtype, int depth,
                                         struct arena *arena, struct tensor *ret,
                                         struct engine_error *err);

/* What a field holds: both messages number them alike. 0 for name, elem_type and the unknown. */
static enum element element_of(uint32_t number)
{
    return number >= 3 && number <= 7 ? (enum element)(number - 2) : 0;
}

static enum engine_status read_element(enum element element, const struct bytes *message, int depth,
                                       struct arena *arena, struct tensor *ret,
                                       struct engine_error *err)
{
    switch (element) {
    case TENSOR:
        return onnx_tensor_parse(message, -1, arena, NULL, ret, err);
    case SPARSE:
        return onnx_sparse_parse(message, -1, arena, NULL, ret, err);
    case SEQUENCE:
        return read_container(message, DTYPE_SEQUENCE, depth + 1, arena, ret, err);
    case OPTIONAL:
        return read_container(message, DTYPE_OPTIONAL, depth + 1, arena, ret, err);
    default:
        return engine_error_set(err, ENGINE_UNSUPPORTED, "maps are not supported");
    }
}

static enum engine_status read_elements(const struct bytes *message, int depth, struct arena *arena,
                                        struct tensor *items, struct engine_error *err)
{
    struct protobuf_reader reader;
    struct protobuf_field field;
    size_t index = 0;

    protobuf_start(&reader, message->data, message->length);
    while (protobuf_next(&reader, &field)) {
        enum element element = element_of(field.number);
        enum engine_status status;

        if (element == 0)
            continue;
        status = read_element(element, &field.bytes, depth, arena, &items[index++], err);
        if (status != ENGINE_OK)
            return status;
    }
    return ENGINE_OK;
}

static enum engine_status read_container(const struct bytes *message, enum dtype dtype, int depth,
                                         struct arena *arena, struct tensor *ret,
                                         struct engine_error *err)
{
    struct protobuf_reader reader;
    struct protobuf_field field;
    struct bytes ignored;
    size_t count = 0;

    if (depth > ONNX_DEPTH_MAX)
        return engine_error_set(err, ENGINE_BAD_MODEL, "sequences nest deeper than %d",
                                ONNX_DEPTH_MAX);
    protobuf_start(&reader, message->data, message->length);
    while (protobuf_next(&reader, &field))
        if (element_of(field.number) != 0)
            count += protobuf_bytes(&reader, &field, &ignored);
    if (reader.problem != NULL)
        return onnx_wire_error(&reader, dtype == DTYPE_SEQUENCE ? "SequenceProto" : "OptionalProto",
                               err);
    if (dtype == DTYPE_OPTIONAL && count > 1)
        return engine_error_set(err, ENGINE_BAD_MODEL, "OptionalProto: more than one value");
    memset(ret, 0, sizeof(*ret));
    ret->dtype = dtype;
    ret->shape.rank = 1;
    ret->shape.dims[0] = (int64_t)count;
    ret->data = arena_calloc(arena, count, sizeof(struct tensor));
    if (ret->data == NULL)
        return onnx_no_memory("sequence", err);
    return read_elements(message, depth, arena, ret->data, err);
}

enum engine_status onnx_sequence_read(const void *bytes, size_t size, struct arena *arena,
                                      struct tensor *ret, struct engine_error *err)
{
    struct bytes message = {.data = bytes, .length = size};

    return read_container(&message, DTYPE_SEQUENCE, 1, arena, ret, err);
}

enum engine_status onnx_optional_read(const void *bytes, size_t size, struct arena *arena,
                                      struct tensor *ret, struct engine_error *err)
{
    struct bytes message = {.data = bytes, .length = size};

    return read_container(&message, DTYPE_OPTIONAL, 1, arena, ret, err);
}
