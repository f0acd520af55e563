/* SPDX-License-Identifier: Apache-2.0
 * proto/nearest_double.h - decimal numbers to binary, correctly rounded. Any thread. */
#ifndef PROTO_NEAREST_DOUBLE_H
#define PROTO_NEAREST_DOUBLE_H

#include <stdbool.h>
#include <stdint.h>

/* digits * 10^exponent (digits > 0) to the nearest double, by D. Lemire, "Number parsing at a
 * gigabyte per second" (2021). False when 128 bits of the power do not decide it, or the result is
 * not a normal number. */
bool nearest_double(uint64_t digits, int exponent, double *ret_value);

/* The number token at `token`, which must be one of JSON's grammar and end in a byte that does not
 * continue it: slowly, whatever its length, whatever the locale. Infinite when too large. */
double exact_double(const char *token);
float exact_float(const char *token);

#endif
