/* SPDX-License-Identifier: Apache-2.0
 * proto/number_print.h - numbers as JSON text, independent of the locale.
 *
 * Floats get the shortest decimal that reads back to the same value, the closest one if there are
 * several, by R. Giulietti's Schubfach ("The Schubfach way to render doubles", 2020). They are
 * written positionally from 1e-4 up to 1e16, else with an exponent; integral ones end in ".0", so
 * that a reader can tell them from integers. Not finite: NaN, Infinity, -Infinity. */
#ifndef PROTO_NUMBER_PRINT_H
#define PROTO_NUMBER_PRINT_H

#include <stddef.h>
#include <stdint.h>

/* The room these need; what they return is less. */
enum { NUMBER_PRINT_BYTES_MAX = 48 };

/* All return the bytes written to `ret_text`, not terminated. Any thread, whatever its
 * flush-to-zero mode. */
size_t number_print_float(float value, char *ret_text);
size_t number_print_double(double value, char *ret_text);
size_t number_print_int(int64_t value, char *ret_text);
size_t number_print_uint(uint64_t value, char *ret_text);

#endif
