/* SPDX-License-Identifier: Apache-2.0
 * engine/onnx/protobuf_reader.h - walks the fields of one protobuf message without copying: a
 * cursor over a byte range. An embedded message is a byte range again, for another reader, so
 * nothing here recurses. Whatever the bytes are, no read passes the end.
 *
 *     protobuf_start(&reader, bytes, size);
 *     while (protobuf_next(&reader, &field))
 *         switch (field.number) { ... protobuf_text(&reader, &field, &name) ... }
 *     if (reader.problem != NULL) ...
 *
 * The first problem sticks: the reader then says that there is no next field.
 * Source: protobuf.dev, "Encoding". Groups (wire types 3 and 4) are refused: no ONNX schema has
 * any. */
#ifndef ENGINE_ONNX_PROTOBUF_READER_H
#define ENGINE_ONNX_PROTOBUF_READER_H

#include "engine/dtype.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum protobuf_wire {
    PROTOBUF_VARINT = 0,
    PROTOBUF_FIXED64 = 1,
    PROTOBUF_BYTES = 2,
    PROTOBUF_FIXED32 = 5
};

struct protobuf_reader {
    const unsigned char *at, *end;
    const char *problem; /* static text, or NULL */
};

struct protobuf_field {
    uint32_t number;
    enum protobuf_wire wire;
    uint64_t number_value; /* VARINT, FIXED64, FIXED32 */
    struct bytes bytes;    /* BYTES: a view of the message */
};

void protobuf_start(struct protobuf_reader *reader, const void *bytes, size_t size);
/* True with the next field; false at the end or at a problem. */
bool protobuf_next(struct protobuf_reader *reader, struct protobuf_field *ret_field);

/* The field as a value of one kind; false, with a problem set, if the file has another wire type
 * there. Message and bytes fields: a view. */
bool protobuf_bytes(struct protobuf_reader *reader, const struct protobuf_field *field,
                    struct bytes *ret);
/* Valid UTF-8 without a NUL, at most `bytes_max` long. */
bool protobuf_text(struct protobuf_reader *reader, const struct protobuf_field *field,
                   size_t bytes_max, struct bytes *ret);
bool protobuf_int(struct protobuf_reader *reader, const struct protobuf_field *field, int64_t *ret);
bool protobuf_float(struct protobuf_reader *reader, const struct protobuf_field *field, float *ret);

/* Sets the problem if there is none yet, ends the walk, and returns false. `problem` is static. */
bool protobuf_fail(struct protobuf_reader *reader, const char *problem);

/* A repeated number comes packed (one BYTES field) or one by one, as the writer likes.
 * How many numbers this field holds: */
bool protobuf_count(struct protobuf_reader *reader, const struct protobuf_field *field,
                    enum protobuf_wire element, size_t *ret_count);
/* The numbers of this field into `ret`, which has room for protobuf_count() of them. */
bool protobuf_varints(struct protobuf_reader *reader, const struct protobuf_field *field,
                      uint64_t *ret);
bool protobuf_floats(struct protobuf_reader *reader, const struct protobuf_field *field,
                     float *ret);
bool protobuf_doubles(struct protobuf_reader *reader, const struct protobuf_field *field,
                      double *ret);

/* The next varint of a packed list that was started like a message; false at the end or at a
 * problem. */
bool protobuf_packed_next(struct protobuf_reader *list, uint64_t *ret);

/* True for well-formed UTF-8 (RFC 3629: no overlong forms, no surrogates). */
bool protobuf_utf8(const struct bytes *text);

#endif
