/* SPDX-License-Identifier: Apache-2.0
 * proto/utf8.h - UTF-8 as RFC 3629 has it: no overlong forms, no surrogates, nothing above
 * U+10FFFF. */
#ifndef PROTO_UTF8_H
#define PROTO_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bytes of the valid sequence at `p` (p < end): 1 to 4, or 0 if there is none. */
size_t utf8_sequence(const char *p, const char *end);
bool utf8_valid(const char *data, size_t length);
/* Writes code point `rune` (valid, not a surrogate) and returns its bytes, 1 to 4. */
size_t utf8_write(uint32_t rune, char *ret_bytes);

#endif
