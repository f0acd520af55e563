/* SPDX-License-Identifier: Apache-2.0
 * proto/number_scan.h - runs of JSON numbers straight into typed buffers, independent of the
 * locale.
 *
 * The grammar is RFC 8259's, and for float types also the bare tokens NaN, Infinity and -Infinity.
 * FP32 and FP64 are correctly rounded (as strtof and strtod); FP16 and BF16 are rounded from the
 * nearest double. Integers must be written without fraction and exponent and fit their type. BOOL
 * takes true, false, 1 and 0. Numbers below the smallest denormal become 0; those above the largest
 * finite value are refused.
 *
 * Fast paths: W. D. Clinger, "How to read floating point numbers accurately" (1990), and D. Lemire,
 * "Number parsing at a gigabyte per second" (2021); whatever they cannot decide goes to strtod in
 * the C locale. */
#ifndef PROTO_NUMBER_SCAN_H
#define PROTO_NUMBER_SCAN_H

#include "proto/datatype.h"
#include "proto/problem.h"

#include <stdint.h>

enum number_fault {
    NUMBER_OK,
    NUMBER_KIND,     /* not a number at all: a string, array, object, literal, or nothing */
    NUMBER_SYNTAX,   /* "01", "+1", "1.", ".5", "-", ... */
    NUMBER_RANGE,    /* does not fit the type */
    NUMBER_FRACTION, /* fraction or exponent where the type is an integer */
    NUMBER_TOO_MANY, /* more than `room` values */
};

/* Reads "v, v, v" from *p, up to the first byte (or `end`) that is no comma after a value, into
 * `ret_data`: elements of `type`, any but BYTES. The byte at `end` must be readable and may not
 * continue a number. On return *p is where the scan stopped (on a fault: at the value that is
 * refused) and *ret_count says how many were stored. Any thread. */
enum number_fault number_scan_run(enum wire_type type, const char **p, const char *end,
                                  int64_t room, void *ret_data, int64_t *ret_count);

/* Puts the fault of the value at `p` in words: "element 17: 1e400 does not fit FP32". Status 400.
 * Returns false. */
bool number_fault_explain(enum number_fault fault, enum wire_type type, const char *p,
                          const char *end, int64_t element, struct problem *problem);

#endif
