/* SPDX-License-Identifier: Apache-2.0
 * server/http/raw_header.h - what libmicrohttpd 0.9.75 to 0.9.77 accepts and hides: bare LF as a line
 * end, folded lines, NUL inside a value or the URL, several blanks in the request line.
 *
 * These versions keep the header where it was received and put NULs over each line end and colon
 * (get_next_header_line() and process_header_line() in src/microhttpd/connection.c), so strings that
 * should be neighbours must be two bytes apart, CR and LF. Where they are not, something was hidden. */
#ifndef SERVER_HTTP_RAW_HEADER_H
#define SERVER_HTTP_RAW_HEADER_H

#include "server/http/gate.h"

/* True when this libmicrohttpd is known to keep the header in place. */
bool raw_header_is_known(const char *mhd_version);
/* `request` as libmicrohttpd gave it: all its strings point into the receive buffer. False sets a 400
 * in `problem`. On success *ret_bytes is the header's length without the empty line. */
bool raw_header_check(const struct gate_request *request, size_t *ret_bytes,
                      struct problem *problem);

#endif
