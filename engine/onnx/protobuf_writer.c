/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/onnx/protobuf_writer.h"

#include "engine/onnx/protobuf_reader.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { LENGTHS_FIRST = 64 };

size_t protobuf_varint(uint64_t number, unsigned char *to)
{
    size_t size = 0;

    while (number >= 0x80) {
        to[size++] = (unsigned char)(number | 0x80);
        number >>= 7;
    }
    to[size++] = (unsigned char)number;
    return size;
}

size_t protobuf_head(uint32_t field, size_t length, unsigned char *to)
{
    size_t size = protobuf_varint((uint64_t)field << 3 | PROTOBUF_BYTES, to);

    return size + protobuf_varint(length, to + size);
}

void protobuf_writer_init(struct protobuf_writer *writer, size_t bytes_max)
{
    memset(writer, 0, sizeof(*writer));
    writer->bytes_max = bytes_max;
}

static void fail(struct protobuf_writer *writer, const char *problem)
{
    if (writer->problem == NULL)
        writer->problem = problem;
}

bool protobuf_writer_again(struct protobuf_writer *writer)
{
    assert(writer->problem != NULL || writer->depth == 0);
    if (writer->problem != NULL)
        return false;
    if (writer->bytes != NULL) {
        assert(writer->size == writer->bytes_max && writer->next == writer->n_lengths);
        return false;
    }
    writer->bytes = malloc(writer->size > 0 ? writer->size : 1);
    if (writer->bytes == NULL) {
        fail(writer, "out of memory");
        return false;
    }
    writer->bytes_max = writer->size;
    writer->size = 0;
    return true;
}

void *protobuf_writer_finish(struct protobuf_writer *writer, size_t *ret_size)
{
    void *bytes = writer->bytes;

    free(writer->lengths);
    writer->lengths = NULL;
    writer->bytes = NULL;
    if (writer->problem != NULL) {
        free(bytes);
        return NULL;
    }
    *ret_size = writer->size;
    return bytes;
}

static void put(struct protobuf_writer *writer, const void *data, size_t size)
{
    if (writer->problem != NULL)
        return;
    if (size > writer->bytes_max - writer->size) {
        fail(writer, "the message is too large");
        return;
    }
    if (writer->bytes != NULL && size > 0)
        memcpy(writer->bytes + writer->size, data, size);
    writer->size += size;
}

static void put_varint(struct protobuf_writer *writer, uint64_t number)
{
    unsigned char bytes[PROTOBUF_VARINT_MAX];

    put(writer, bytes, protobuf_varint(number, bytes));
}

static void put_tag(struct protobuf_writer *writer, uint32_t field, enum protobuf_wire wire)
{
    put_varint(writer, (uint64_t)field << 3 | wire);
}

void protobuf_put_int(struct protobuf_writer *writer, uint32_t field, int64_t number)
{
    put_tag(writer, field, PROTOBUF_VARINT);
    put_varint(writer, (uint64_t)number);
}

void protobuf_put_float(struct protobuf_writer *writer, uint32_t field, float number)
{
    put_tag(writer, field, PROTOBUF_FIXED32);
    put(writer, &number, sizeof(number));
}

void protobuf_put_bytes(struct protobuf_writer *writer, uint32_t field, const void *data,
                        size_t size)
{
    put_tag(writer, field, PROTOBUF_BYTES);
    put_varint(writer, size);
    put(writer, data, size);
}

void protobuf_put_text(struct protobuf_writer *writer, uint32_t field, const char *text)
{
    protobuf_put_bytes(writer, field, text, strlen(text));
}

void protobuf_put_raw(struct protobuf_writer *writer, const void *field, size_t size)
{
    put(writer, field, size);
}

static bool note_length(struct protobuf_writer *writer)
{
    size_t capacity = writer->cap_lengths > 0 ? 2 * writer->cap_lengths : LENGTHS_FIRST;
    size_t *lengths;

    if (writer->n_lengths == writer->cap_lengths) {
        lengths = reallocarray(writer->lengths, capacity, sizeof(*lengths));
        if (lengths == NULL) {
            fail(writer, "out of memory");
            return false;
        }
        writer->lengths = lengths;
        writer->cap_lengths = capacity;
    }
    writer->lengths[writer->n_lengths++] = 0;
    return true;
}

/* In the first pass the length is not known: the end adds what it takes. */
void protobuf_put_begin(struct protobuf_writer *writer, uint32_t field)
{
    size_t length;

    if (writer->depth == PROTOBUF_DEPTH_MAX)
        fail(writer, "messages nest too deep");
    put_tag(writer, field, PROTOBUF_BYTES);
    if (writer->problem != NULL || (writer->bytes == NULL && !note_length(writer)))
        return;
    length = writer->bytes == NULL ? writer->n_lengths - 1 : writer->next++;
    if (writer->bytes != NULL)
        put_varint(writer, writer->lengths[length]);
    writer->open[writer->depth].start = writer->size;
    writer->open[writer->depth].length = length;
    writer->depth++;
}

void protobuf_put_end(struct protobuf_writer *writer)
{
    size_t size;

    if (writer->problem != NULL)
        return;
    assert(writer->depth > 0);
    writer->depth--;
    size = writer->size - writer->open[writer->depth].start;
    if (writer->bytes == NULL) {
        writer->lengths[writer->open[writer->depth].length] = size;
        put_varint(writer, size);
    }
    assert(writer->lengths[writer->open[writer->depth].length] == size);
}
