/* SPDX-License-Identifier: Apache-2.0
 * proto/text.h - a growing byte buffer, and JSON's pieces written into it. Failure to grow latches:
 * check text_failed() once at the end. */
#ifndef PROTO_TEXT_H
#define PROTO_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct text {
    char *data;
    size_t length, capacity;
    bool failed;
};

void text_init(struct text *text);
void text_free(struct text *text);
/* Room for `bytes` more; false (latched) when out of memory. */
bool text_reserve(struct text *text, size_t bytes);
void text_append(struct text *text, const void *data, size_t length);
void text_puts(struct text *text, const char *string);
void text_printf(struct text *text, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* A JSON string with its quotes; bytes that are not UTF-8 become U+FFFD. */
void text_json_string(struct text *text, const char *data, size_t length);
/* Shortest decimal that reads back to the same float (double). Not finite: NaN, Infinity,
 * -Infinity bare, as TensorFlow Serving and Triton write them. */
void text_json_float(struct text *text, float value);
void text_json_double(struct text *text, double value);
/* The same, but null for what is not finite, as JSON has it. */
void text_json_finite(struct text *text, double value);
void text_json_int(struct text *text, int64_t value);
void text_json_uint(struct text *text, uint64_t value);

#endif
