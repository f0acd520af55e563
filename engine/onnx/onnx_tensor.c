/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/onnx/onnx_tensor.h"

#include "engine/onnx/onnx_model.h"

#include <string.h>

enum engine_status onnx_wire_error(const struct protobuf_reader *reader, const char *what,
                                   struct engine_error *err)
{
    return engine_error_set(err, ENGINE_BAD_MODEL, "%s: %s", what, reader->problem);
}

enum engine_status onnx_no_memory(const char *what, struct engine_error *err)
{
    return engine_error_set(err, ENGINE_NO_MEMORY, "%s: no memory left within the model's budget",
                            what);
}

/* The typed field that holds elements of this type. */
static unsigned field_of(enum dtype dtype)
{
    switch (dtype) {
    case DTYPE_F32:
        return TENSOR_FLOATS;
    case DTYPE_F64:
        return TENSOR_DOUBLES;
    case DTYPE_STRING:
        return TENSOR_STRINGS;
    case DTYPE_I64:
        return TENSOR_INT64S;
    case DTYPE_U32:
    case DTYPE_U64:
        return TENSOR_UINT64S;
    default:
        return TENSOR_INT32S;
    }
}

static enum protobuf_wire wire_of(unsigned field)
{
    return field == TENSOR_FLOATS    ? PROTOBUF_FIXED32
           : field == TENSOR_DOUBLES ? PROTOBUF_FIXED64
                                    : PROTOBUF_VARINT;
}

static bool read_dims(struct protobuf_reader *reader, const struct protobuf_field *field,
                      struct shape *shape)
{
    uint64_t dims[SHAPE_RANK_MAX];
    size_t count;

    if (!protobuf_count(reader, field, PROTOBUF_VARINT, &count))
        return false;
    if (count > (size_t)(SHAPE_RANK_MAX - shape->rank))
        return protobuf_fail(reader, "more than 8 dims");
    if (!protobuf_varints(reader, field, dims))
        return false;
    for (size_t i = 0; i < count; i++)
        shape->dims[shape->rank++] = (int64_t)dims[i];
    return true;
}

static bool read_external(struct protobuf_reader *reader, const struct protobuf_field *field,
                          struct onnx_external *external)
{
    struct protobuf_reader entry;
    struct protobuf_field part;
    struct bytes message, key = {0}, text = {0};

    if (!protobuf_bytes(reader, field, &message))
        return false;
    protobuf_start(&entry, message.data, message.length);
    while (protobuf_next(&entry, &part)) {
        if (part.number == 1)
            protobuf_text(&entry, &part, ONNX_NAME_BYTES_MAX, &key);
        else if (part.number == 2)
            protobuf_text(&entry, &part, ONNX_NAME_BYTES_MAX, &text);
    }
    if (entry.problem != NULL)
        return protobuf_fail(reader, entry.problem);
    if (key.length == 8 && memcmp(key.data, "location", 8) == 0)
        external->location = text;
    else if (key.length == 6 && memcmp(key.data, "offset", 6) == 0)
        external->offset = text;
    else if (key.length == 6 && memcmp(key.data, "length", 6) == 0)
        external->length = text;
    return true;
}

static bool count_elements(struct protobuf_reader *reader, const struct protobuf_field *field,
                           struct onnx_tensor_header *header)
{
    size_t count = 1;
    struct bytes text;

    if (field->number == TENSOR_STRINGS) {
        if (!protobuf_bytes(reader, field, &text))
            return false;
        header->string_bytes += text.length;
    } else if (!protobuf_count(reader, field, wire_of(field->number), &count)) {
        return false;
    }
    header->counts[field->number] += count;
    return true;
}

static bool read_field(struct protobuf_reader *reader, const struct protobuf_field *field,
                       struct onnx_tensor_header *header)
{
    int64_t number = 0;
    bool ok;

    switch (field->number) {
    case TENSOR_DIMS:
        return read_dims(reader, field, &header->tensor.shape);
    case TENSOR_DATA_TYPE:
        return protobuf_int(reader, field, &header->data_type);
    case TENSOR_SEGMENT:
        return protobuf_fail(reader, "segments are not supported");
    case TENSOR_NAME:
        return protobuf_text(reader, field, ONNX_NAME_BYTES_MAX, &header->name);
    case TENSOR_RAW:
        header->has_raw = true;
        return protobuf_bytes(reader, field, &header->raw);
    case TENSOR_EXTERNAL:
        return read_external(reader, field, &header->external);
    case TENSOR_LOCATION:
        ok = protobuf_int(reader, field, &number);
        header->is_external = number == 1;
        return ok;
    case TENSOR_FLOATS:
    case TENSOR_INT32S:
    case TENSOR_STRINGS:
    case TENSOR_INT64S:
    case TENSOR_DOUBLES:
    case TENSOR_UINT64S:
        return count_elements(reader, field, header);
    default:
        return true;
    }
}

static enum engine_status read_header(const struct bytes *message, struct onnx_tensor_header *header,
                                      struct engine_error *err)
{
    struct protobuf_reader reader;
    struct protobuf_field field;

    memset(header, 0, sizeof(*header));
    protobuf_start(&reader, message->data, message->length);
    while (protobuf_next(&reader, &field))
        if (!read_field(&reader, &field, header))
            break;
    if (reader.problem != NULL) {
        enum engine_status status = onnx_wire_error(&reader, "TensorProto", err);

        if (header->name.length > 0)
            engine_error_prefix(err, "tensor '%.*s'", ONNX_NAME(header->name));
        return status;
    }
    return ENGINE_OK;
}

/* Checks type and dims, and that the data is there once and is as long as they say. */
static enum engine_status check_header(struct onnx_tensor_header *header, size_t *ret_bytes,
                                       struct engine_error *err)
{
    struct tensor *tensor = &header->tensor;
    unsigned own;
    size_t typed = 0;
    int64_t elements;

    if (header->data_type <= 0 || header->data_type > DTYPE_BF16 ||
        dtype_size((enum dtype)header->data_type) == 0)
        return engine_error_set(err, ENGINE_UNSUPPORTED, "element type %lld is not supported",
                                (long long)header->data_type);
    tensor->dtype = (enum dtype)header->data_type;
    if (!shape_check(&tensor->shape, dtype_size(tensor->dtype), ret_bytes))
        return engine_error_set(err, ENGINE_BAD_MODEL, "dims are negative or too large");
    own = field_of(tensor->dtype);
    elements = shape_elements(&tensor->shape);
    for (unsigned i = 0; i <= TENSOR_UINT64S; i++)
        typed += i != own ? header->counts[i] : 0;
    if (typed > 0)
        return engine_error_set(err, ENGINE_BAD_MODEL, "data is not in the field of its type, %s",
                                dtype_name(tensor->dtype));
    if (header->is_external) {
        if (header->has_raw || header->counts[own] > 0 || tensor->dtype == DTYPE_STRING)
            return engine_error_set(err, ENGINE_BAD_MODEL,
                                    "external data beside data in the file, or of strings");
        return ENGINE_OK;
    }
    if (header->has_raw && (header->counts[own] > 0 || tensor->dtype == DTYPE_STRING))
        return engine_error_set(err, ENGINE_BAD_MODEL,
                                "raw_data beside typed data, or raw_data of strings");
    if (header->has_raw && header->raw.length != *ret_bytes)
        return engine_error_set(err, ENGINE_BAD_MODEL,
                                "raw_data has %zu bytes, its dims and type need %zu",
                                header->raw.length, *ret_bytes);
    if (!header->has_raw && header->counts[own] != (uint64_t)elements)
        return engine_error_set(err, ENGINE_BAD_MODEL, "data has %zu elements, its dims need %lld",
                                header->counts[own], (long long)elements);
    return ENGINE_OK;
}

/* Writes element `index` of an integer-coded type; false if `number` does not fit it. */
static bool store_int(enum dtype dtype, void *data, size_t index, uint64_t number)
{
    int64_t as_signed = (int64_t)number;

    switch (dtype) {
    case DTYPE_I8:
        ((int8_t *)data)[index] = (int8_t)as_signed;
        return as_signed >= INT8_MIN && as_signed <= INT8_MAX;
    case DTYPE_U8:
        ((uint8_t *)data)[index] = (uint8_t)number;
        return number <= UINT8_MAX;
    case DTYPE_BOOL:
        ((uint8_t *)data)[index] = number != 0;
        return true;
    case DTYPE_I16:
        ((int16_t *)data)[index] = (int16_t)as_signed;
        return as_signed >= INT16_MIN && as_signed <= INT16_MAX;
    case DTYPE_U16:
    case DTYPE_F16:
    case DTYPE_BF16:
        ((uint16_t *)data)[index] = (uint16_t)number;
        return number <= UINT16_MAX;
    case DTYPE_I32:
        /* Some writers leave out the sign extension of negative ones. */
        ((int32_t *)data)[index] = (int32_t)(uint32_t)number;
        return as_signed >= INT32_MIN && as_signed <= UINT32_MAX;
    case DTYPE_U32:
        ((uint32_t *)data)[index] = (uint32_t)number;
        return number <= UINT32_MAX;
    default:
        ((uint64_t *)data)[index] = number;
        return true;
    }
}

/* Narrows the numbers of one field. */
static bool store_ints(struct protobuf_reader *reader, const struct protobuf_field *field,
                       struct tensor *tensor, size_t *index)
{
    struct protobuf_reader list;
    uint64_t number;

    if (field->wire == PROTOBUF_VARINT)
        return store_int(tensor->dtype, tensor->data, (*index)++, field->number_value) ||
               protobuf_fail(reader, "a number does not fit its type");
    protobuf_start(&list, field->bytes.data, field->bytes.length);
    while (protobuf_packed_next(&list, &number))
        if (!store_int(tensor->dtype, tensor->data, (*index)++, number))
            return protobuf_fail(reader, "a number does not fit its type");
    return list.problem == NULL || protobuf_fail(reader, list.problem);
}

static bool store_field(struct protobuf_reader *reader, const struct protobuf_field *field,
                        struct tensor *tensor, size_t *index, char **text)
{
    size_t count;

    switch (field->number) {
    case TENSOR_FLOATS:
        if (!protobuf_count(reader, field, PROTOBUF_FIXED32, &count) ||
            !protobuf_floats(reader, field, (float *)tensor->data + *index))
            return false;
        *index += count;
        return true;
    case TENSOR_DOUBLES:
        if (!protobuf_count(reader, field, PROTOBUF_FIXED64, &count) ||
            !protobuf_doubles(reader, field, (double *)tensor->data + *index))
            return false;
        *index += count;
        return true;
    case TENSOR_STRINGS:
        if (field->bytes.length > 0)
            memcpy(*text, field->bytes.data, field->bytes.length);
        ((struct bytes *)tensor->data)[(*index)++] =
            (struct bytes){.data = *text, .length = field->bytes.length};
        *text += field->bytes.length;
        return true;
    default:
        return store_ints(reader, field, tensor, index);
    }
}

static enum engine_status store_typed(const struct bytes *message, const struct onnx_tensor_header *header,
                                      struct arena *arena, struct tensor *tensor,
                                      struct engine_error *err)
{
    unsigned own = field_of(tensor->dtype);
    struct protobuf_reader reader;
    struct protobuf_field field;
    size_t index = 0;
    char *text = NULL;

    if (own == TENSOR_STRINGS) {
        text = arena_alloc(arena, header->string_bytes);
        if (text == NULL)
            return onnx_no_memory("string data", err);
    }
    protobuf_start(&reader, message->data, message->length);
    while (protobuf_next(&reader, &field))
        if (field.number == own && !store_field(&reader, &field, tensor, &index, &text))
            break;
    if (reader.problem != NULL)
        return onnx_wire_error(&reader, "TensorProto", err);
    return ENGINE_OK;
}

static void normalise_bools(struct tensor *tensor, size_t count)
{
    unsigned char *data = tensor->data;

    for (size_t i = 0; i < count; i++)
        data[i] = data[i] != 0;
}

static enum engine_status load_data(const struct bytes *message, const struct onnx_tensor_header *header,
                                    size_t bytes, int dir_fd, struct arena *arena,
                                    struct tensor *tensor, struct engine_error *err)
{
    enum engine_status status = ENGINE_OK;

    if (header->is_external)
        status = onnx_external_check(&header->external, dir_fd, bytes, err);
    if (status != ENGINE_OK)
        return status;
    tensor->data = arena_alloc(arena, bytes);
    if (tensor->data == NULL)
        return onnx_no_memory("tensor data", err);
    if (header->is_external)
        status = onnx_external_read(&header->external, dir_fd, tensor->data, bytes, err);
    else if (!header->has_raw)
        return store_typed(message, header, arena, tensor, err);
    else if (bytes > 0)
        memcpy(tensor->data, header->raw.data, bytes);
    if (status == ENGINE_OK && tensor->dtype == DTYPE_BOOL)
        normalise_bools(tensor, bytes);
    return status;
}

enum engine_status onnx_tensor_header_read(const struct bytes *message,
                                           struct onnx_tensor_header *ret, size_t *ret_bytes,
                                           struct engine_error *err)
{
    enum engine_status status = read_header(message, ret, err);

    if (status != ENGINE_OK)
        return status;
    status = check_header(ret, ret_bytes, err);
    if (status != ENGINE_OK)
        engine_error_prefix(err, "tensor '%.*s'", ONNX_NAME(ret->name));
    return status;
}

enum engine_status onnx_tensor_parse(const struct bytes *message, int dir_fd, struct arena *arena,
                                     struct bytes *ret_name, struct tensor *ret,
                                     struct engine_error *err)
{
    struct onnx_tensor_header header;
    size_t bytes = 0;
    enum engine_status status = onnx_tensor_header_read(message, &header, &bytes, err);

    if (status != ENGINE_OK)
        return status;
    status = load_data(message, &header, bytes, dir_fd, arena, &header.tensor, err);
    if (status != ENGINE_OK) {
        engine_error_prefix(err, "tensor '%.*s'", ONNX_NAME(header.name));
        return status;
    }
    *ret = header.tensor;
    if (ret_name != NULL)
        *ret_name = header.name;
    return ENGINE_OK;
}

enum engine_status onnx_tensor_read(const void *bytes, size_t size, struct arena *arena,
                                    struct tensor *ret, struct engine_error *err)
{
    struct bytes message = {.data = bytes, .length = size};

    return onnx_tensor_parse(&message, -1, arena, NULL, ret, err);
}
