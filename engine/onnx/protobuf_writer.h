/* SPDX-License-Identifier: Apache-2.0
 * engine/onnx/protobuf_writer.h - writes one protobuf message in two equal passes: the first only
 * counts, so that every embedded length is known and the buffer is taken once, of exactly the right
 * size; the second writes. What is put must be the same in both.
 *
 *     protobuf_writer_init(&writer, bytes_max);
 *     do
 *         put_everything(&writer, ...);
 *     while (protobuf_writer_again(&writer));
 *     bytes = protobuf_writer_finish(&writer, &size);
 *
 * Problems (too large, no memory, too deep) stick in writer.problem. Source: protobuf.dev, "Encoding". */
#ifndef ENGINE_ONNX_PROTOBUF_WRITER_H
#define ENGINE_ONNX_PROTOBUF_WRITER_H

#include "engine/dtype.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { PROTOBUF_DEPTH_MAX = 16, PROTOBUF_VARINT_MAX = 10 };

struct protobuf_writer {
    unsigned char *bytes; /* NULL in the first pass */
    size_t size;          /* put so far */
    size_t bytes_max;
    size_t *lengths; /* of embedded messages, in the order in which they begin */
    size_t n_lengths, cap_lengths;
    size_t next; /* of `lengths`, in the second pass */
    int depth;
    struct {
        size_t start, length; /* place of its first byte; index of its length */
    } open[PROTOBUF_DEPTH_MAX];
    const char *problem; /* static text, or NULL */
};

/* `bytes_max` bounds the message. */
void protobuf_writer_init(struct protobuf_writer *writer, size_t bytes_max);
/* After the first pass: true, ready for the second. After the second, or a problem: false. */
bool protobuf_writer_again(struct protobuf_writer *writer);
/* The message, for free(), and the writer's memory given back. NULL if there was a problem. */
void *protobuf_writer_finish(struct protobuf_writer *writer, size_t *ret_size);

void protobuf_put_int(struct protobuf_writer *writer, uint32_t field, int64_t number);
void protobuf_put_float(struct protobuf_writer *writer, uint32_t field, float number);
void protobuf_put_bytes(struct protobuf_writer *writer, uint32_t field, const void *data,
                        size_t size);
void protobuf_put_text(struct protobuf_writer *writer, uint32_t field, const char *text);
/* A whole field, tag and all, as another message has it. */
void protobuf_put_raw(struct protobuf_writer *writer, const void *field, size_t size);
/* An embedded message: what is put in between. */
void protobuf_put_begin(struct protobuf_writer *writer, uint32_t field);
void protobuf_put_end(struct protobuf_writer *writer);

/* The varint of `number` into `to` (PROTOBUF_VARINT_MAX bytes); returns how many bytes it takes. */
size_t protobuf_varint(uint64_t number, unsigned char *to);
/* A tag and the length of what follows it into `to` (twice PROTOBUF_VARINT_MAX bytes). */
size_t protobuf_head(uint32_t field, size_t length, unsigned char *to);

#endif
