/* SPDX-License-Identifier: Apache-2.0
 * proto/power_table.h - powers of ten to 128 bits, shared by the number scanner and the printer.
 *
 * Entry q is the significand of 10^q: 2^127 <= g < 2^128 with g = floor(10^q / 2^s),
 * s = floor(log2(10^q)) - 127. Exact for 0 <= q <= 55, else the value lies between g and g + 1.
 * power_table.c is written by power_table.py. */
#ifndef PROTO_POWER_TABLE_H
#define PROTO_POWER_TABLE_H

#include <stdint.h>

enum { POWER_MIN = -342, POWER_MAX = 324 };

struct power {
    uint64_t high, low;
};

extern const struct power power_table[POWER_MAX - POWER_MIN + 1];

/* floor(log2(10^q)) for |q| <= 1233. */
static inline int power_log2(int q)
{
    return (q * 1741647) >> 19;
}

#endif
