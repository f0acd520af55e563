/* SPDX-License-Identifier: Apache-2.0
 * engine/ops/text_case.h - upper and lower case of UTF-8 text, the same on every machine: Unicode's
 * simple mappings as the C library's C.UTF-8 locale has them, ASCII's alone where it has none. */
#ifndef ENGINE_OPS_TEXT_CASE_H
#define ENGINE_OPS_TEXT_CASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { TEXT_CASE_GROWTH = 4 };     /* no text becomes longer than this many times its length */

/* Writes the mapped text to `to` (length * TEXT_CASE_GROWTH bytes) and returns its length. Bytes that
 * are no UTF-8 stay as they are. Any thread. */
size_t text_case(const char *from, size_t length, bool upper, char *to);

/* One code point's mapping. */
uint32_t text_case_point(uint32_t point, bool upper);

/* The code point at the front of `text` (length > 0) and its bytes, at least 1: a byte that is no
 * UTF-8 is a code point of its own, past Unicode's last. */
size_t text_decode(const char *text, size_t length, uint32_t *ret_point);

#endif
