/* SPDX-License-Identifier: Apache-2.0
 * proto/base64.h - RFC 4648's standard and URL-safe alphabets, padded or not. */
#ifndef PROTO_BASE64_H
#define PROTO_BASE64_H

#include "proto/text.h"

/* Bytes that `length` characters decode to, at most. */
static inline size_t base64_decoded_max(size_t length)
{
    return length / 4 * 3 + 3;
}

/* False if the text is no base64: foreign characters, white space, bits left over. `ret_bytes` has
 * room for base64_decoded_max(length). */
bool base64_decode(const char *data, size_t length, char *ret_bytes, size_t *ret_length);
/* Appends the padded standard form. */
void base64_encode(struct text *text, const char *data, size_t length);

#endif
