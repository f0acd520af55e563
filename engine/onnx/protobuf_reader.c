/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/onnx/protobuf_reader.h"

#include <string.h>

enum { FIELD_NUMBER_MAX = (1 << 29) - 1 };

void protobuf_start(struct protobuf_reader *reader, const void *bytes, size_t size)
{
    reader->at = bytes;
    reader->end = size > 0 ? reader->at + size : reader->at;
    reader->problem = NULL;
}

bool protobuf_fail(struct protobuf_reader *reader, const char *problem)
{
    if (reader->problem == NULL)
        reader->problem = problem;
    reader->at = reader->end;
    return false;
}

/* Advances *at. False when the varint passes `end` or 64 bits. */
static bool read_varint(const unsigned char **at, const unsigned char *end, uint64_t *ret)
{
    const unsigned char *p = *at;
    uint64_t number = 0;

    for (int shift = 0; shift < 70 && p < end; shift += 7) {
        unsigned char byte = *p++;

        if (shift == 63 && byte > 1)
            return false;
        number |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80) {
            *at = p;
            *ret = number;
            return true;
        }
    }
    return false;
}

static bool read_fixed(struct protobuf_reader *reader, size_t size, uint64_t *ret)
{
    uint64_t number = 0;

    if ((size_t)(reader->end - reader->at) < size)
        return protobuf_fail(reader, "a fixed-width number passes the end");
    memcpy(&number, reader->at, size);
    reader->at += size;
    *ret = number;
    return true;
}

static bool read_length(struct protobuf_reader *reader, struct bytes *ret)
{
    uint64_t length;

    if (!read_varint(&reader->at, reader->end, &length))
        return protobuf_fail(reader, "a length is cut short or too long");
    if (length > (uint64_t)(reader->end - reader->at))
        return protobuf_fail(reader, "a length passes the end");
    ret->data = (const char *)reader->at;
    ret->length = (size_t)length;
    reader->at += length;
    return true;
}

bool protobuf_next(struct protobuf_reader *reader, struct protobuf_field *ret_field)
{
    uint64_t tag;

    if (reader->at >= reader->end)
        return false;
    if (!read_varint(&reader->at, reader->end, &tag))
        return protobuf_fail(reader, "a field tag is cut short or too long");
    if (tag >> 3 == 0 || tag >> 3 > FIELD_NUMBER_MAX)
        return protobuf_fail(reader, "a field number is out of range");
    memset(ret_field, 0, sizeof(*ret_field));
    ret_field->number = (uint32_t)(tag >> 3);
    ret_field->wire = (enum protobuf_wire)(tag & 7);
    switch (tag & 7) {
    case PROTOBUF_VARINT:
        if (!read_varint(&reader->at, reader->end, &ret_field->number_value))
            return protobuf_fail(reader, "a number is cut short or too long");
        return true;
    case PROTOBUF_FIXED64:
        return read_fixed(reader, 8, &ret_field->number_value);
    case PROTOBUF_FIXED32:
        return read_fixed(reader, 4, &ret_field->number_value);
    case PROTOBUF_BYTES:
        return read_length(reader, &ret_field->bytes);
    default:
        return protobuf_fail(reader, "a wire type is unknown");
    }
}

bool protobuf_bytes(struct protobuf_reader *reader, const struct protobuf_field *field,
                    struct bytes *ret)
{
    if (field->wire != PROTOBUF_BYTES)
        return protobuf_fail(reader, "a field has the wrong wire type");
    *ret = field->bytes;
    return true;
}

bool protobuf_text(struct protobuf_reader *reader, const struct protobuf_field *field,
                   size_t bytes_max, struct bytes *ret)
{
    if (field->wire != PROTOBUF_BYTES)
        return protobuf_fail(reader, "a field has the wrong wire type");
    if (field->bytes.length > bytes_max)
        return protobuf_fail(reader, "a name is too long");
    if (field->bytes.length > 0 && memchr(field->bytes.data, '\0', field->bytes.length) != NULL)
        return protobuf_fail(reader, "a name has a NUL in it");
    if (!protobuf_utf8(&field->bytes))
        return protobuf_fail(reader, "a name is not UTF-8");
    *ret = field->bytes;
    return true;
}

bool protobuf_int(struct protobuf_reader *reader, const struct protobuf_field *field, int64_t *ret)
{
    if (field->wire != PROTOBUF_VARINT)
        return protobuf_fail(reader, "a field has the wrong wire type");
    *ret = (int64_t)field->number_value;
    return true;
}

bool protobuf_float(struct protobuf_reader *reader, const struct protobuf_field *field, float *ret)
{
    uint32_t bits = (uint32_t)field->number_value;

    if (field->wire != PROTOBUF_FIXED32)
        return protobuf_fail(reader, "a field has the wrong wire type");
    memcpy(ret, &bits, sizeof(*ret));
    return true;
}

static bool count_packed_varints(struct protobuf_reader *reader, const struct protobuf_field *field,
                                 size_t *ret_count)
{
    size_t count = 0;

    /* The last byte of each varint is the one below 0x80; overlong ones fail when read. */
    for (size_t i = 0; i < field->bytes.length; i++)
        count += (unsigned char)field->bytes.data[i] < 0x80;
    if (field->bytes.length > 0 &&
        (unsigned char)field->bytes.data[field->bytes.length - 1] >= 0x80)
        return protobuf_fail(reader, "a packed number is cut short");
    *ret_count = count;
    return true;
}

bool protobuf_count(struct protobuf_reader *reader, const struct protobuf_field *field,
                    enum protobuf_wire element, size_t *ret_count)
{
    size_t size = element == PROTOBUF_FIXED64 ? 8 : 4;

    if (field->wire == element) {
        *ret_count = 1;
        return true;
    }
    if (field->wire != PROTOBUF_BYTES)
        return protobuf_fail(reader, "a field has the wrong wire type");
    if (element == PROTOBUF_VARINT)
        return count_packed_varints(reader, field, ret_count);
    if (field->bytes.length % size != 0)
        return protobuf_fail(reader, "a packed list is cut short");
    *ret_count = field->bytes.length / size;
    return true;
}

bool protobuf_packed_next(struct protobuf_reader *list, uint64_t *ret)
{
    if (list->at >= list->end)
        return false;
    if (!read_varint(&list->at, list->end, ret))
        return protobuf_fail(list, "a packed number is cut short or too long");
    return true;
}

bool protobuf_varints(struct protobuf_reader *reader, const struct protobuf_field *field,
                      uint64_t *ret)
{
    struct protobuf_reader list;

    if (field->wire == PROTOBUF_VARINT) {
        *ret = field->number_value;
        return true;
    }
    if (field->wire != PROTOBUF_BYTES)
        return protobuf_fail(reader, "a field has the wrong wire type");
    protobuf_start(&list, field->bytes.data, field->bytes.length);
    while (protobuf_packed_next(&list, ret))
        ret++;
    return list.problem == NULL || protobuf_fail(reader, list.problem);
}

static bool copy_fixed(struct protobuf_reader *reader, const struct protobuf_field *field,
                       enum protobuf_wire element, size_t size, void *ret)
{
    if (field->wire == element)
        memcpy(ret, &field->number_value, size);
    else if (field->wire != PROTOBUF_BYTES || field->bytes.length % size != 0)
        return protobuf_fail(reader, "a field has the wrong wire type");
    else if (field->bytes.length > 0)
        memcpy(ret, field->bytes.data, field->bytes.length);
    return true;
}

bool protobuf_floats(struct protobuf_reader *reader, const struct protobuf_field *field, float *ret)
{
    return copy_fixed(reader, field, PROTOBUF_FIXED32, sizeof(*ret), ret);
}

bool protobuf_doubles(struct protobuf_reader *reader, const struct protobuf_field *field,
                      double *ret)
{
    return copy_fixed(reader, field, PROTOBUF_FIXED64, sizeof(*ret), ret);
}

bool protobuf_utf8(const struct bytes *text)
{
    const unsigned char *p = (const unsigned char *)text->data;
    size_t length = text->length, i = 0;

    while (i < length) {
        unsigned char lead = p[i];
        size_t tail = lead < 0x80 ? 0 : lead < 0xe0 ? 1 : lead < 0xf0 ? 2 : 3;
        /* The second byte's range keeps out overlong forms, surrogates and what is past U+10FFFF.
         */
        unsigned char low = lead == 0xe0 ? 0xa0 : lead == 0xf0 ? 0x90 : 0x80;
        unsigned char high = lead == 0xed ? 0x9f : lead == 0xf4 ? 0x8f : 0xbf;

        if ((lead >= 0x80 && lead < 0xc2) || lead > 0xf4 || length - i <= tail)
            return false;
        if (tail > 0 && (p[i + 1] < low || p[i + 1] > high))
            return false;
        for (size_t k = 2; k <= tail; k++)
            if ((p[i + k] & 0xc0) != 0x80)
                return false;
        i += tail + 1;
    }
    return true;
}
