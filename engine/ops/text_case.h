/* SPDX-License-Identifier: Apache-2.0
 * engine/ops/text_case.h - upper and lower case of UTF-8 text, the same on every machine: Unicode's
 * simple mappings as the C library's C.UTF-8 locale has them, ASCII's alone where it has none. */
#ifndef ENGINE_OPS_TEXT_CASE_H
#define ENGINE_OPS_TEXT_CASE_H

#include <stdbool.h>
#include <stddef.h>

enum { TEXT_CASE_GROWTH = 4 };     /* no text becomes longer than this many times its length */

/* Writes the mapped text to `to` (length * TEXT_CASE_GROWTH bytes) and returns its length. Bytes that
 * are no UTF-8 stay as they are. Any thread. */
size_t text_case(const char *from, size_t length, bool upper, char *to);

#endif
