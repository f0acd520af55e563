#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes power_table.c to standard output: 10^q to 128 bits, rounded down."""

POWER_MIN, POWER_MAX = -342, 324


def significand(q):
    if q >= 0:
        power = 10**q
        shift = power.bit_length() - 128
        return power >> shift if shift > 0 else power << -shift
    divisor = 10**-q
    bits = divisor.bit_length() + 127
    value = (1 << bits) // divisor
    return value if value >> 127 else (1 << (bits + 1)) // divisor


def entry(q):
    value = significand(q)
    assert value >> 127 == 1
    return "{0x%016x, 0x%016x}" % (value >> 64, value & (2**64 - 1))


print("/* SPDX-License-Identifier: Apache-2.0")
print(" * Written by power_table.py. */")
print('#include "proto/power_table.h"')
print()
print("const struct power power_table[POWER_MAX - POWER_MIN + 1] = {")
for q in range(POWER_MIN, POWER_MAX + 1, 2):
    pair = [entry(i) for i in range(q, min(q + 2, POWER_MAX + 1))]
    print("    %s," % ", ".join(pair))
print("};")
