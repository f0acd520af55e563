/* SPDX-License-Identifier: Apache-2.0
 * proto/json_text.h - pieces of JSON read in place: white space, spans of values, strings. Nothing
 * here allocates or recurses. */
#ifndef PROTO_JSON_TEXT_H
#define PROTO_JSON_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The text of one value, without white space around it. */
struct json_span {
    const char *start, *end;
    int64_t commas; /* outside strings, at every depth */
};

static inline const char *json_skip_space(const char *p, const char *end)
{
    while (p < end && (*p == ' ' || *p == '\n' || *p == '\r' || *p == '\t'))
        p++;
    return p;
}

/* The extent of the value that begins at p, by balancing brackets and strings; what stands between
 * is left to whoever reads the span. False if the text ends first or no value begins at p. */
bool json_span_find(const char *p, const char *end, struct json_span *ret_span);

/* A string token, validated. */
struct json_string {
    const char *start, *end; /* between the quotes */
    const char *next;        /* after the closing quote */
    bool escaped;            /* has a backslash */
};

/* The string whose opening quote is at p. Returns NULL and fills `ret_string`, or says what is
 * wrong with it: control characters, unknown escapes, lone surrogates, bytes that are not UTF-8, no
 * end. */
const char *json_string_read(const char *p, const char *end, struct json_string *ret_string);
/* Writes the string's bytes, at most end - start of them, and returns how many. */
size_t json_string_unescape(const struct json_string *string, char *ret_bytes);
bool json_string_equals(const struct json_string *string, const char *text);

#endif
