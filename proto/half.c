/* SPDX-License-Identifier: Apache-2.0 */
#include "proto/half.h"

#include <string.h>

/* To a float of `exponent_bits` and `fraction_bits`, 16 bits together with the sign. */
static uint16_t narrow(double value, int exponent_bits, int fraction_bits)
{
    const int bias = (1 << (exponent_bits - 1)) - 1;
    const uint64_t infinity = ((UINT64_C(1) << exponent_bits) - 1) << fraction_bits;
    uint64_t bits, significand, cut, result;
    uint16_t sign;
    int exponent, shift;

    memcpy(&bits, &value, sizeof(bits));
    sign = (uint16_t)(bits >> 63 << 15);
    exponent = (int)(bits >> 52 & 0x7ff) - 1023;
    significand = bits & UINT64_C(0xfffffffffffff);
    if (exponent == 1024)
        return (uint16_t)(sign | infinity |
                          (significand != 0 ? UINT64_C(1) << (fraction_bits - 1) : 0));
    if (exponent == -1023)
        return sign; /* zero, or far below the smallest denormal */
    significand |= UINT64_C(1) << 52;
    shift = 52 - fraction_bits;
    if (exponent < 1 - bias)
        shift += 1 - bias - exponent;
    if (shift > 53)
        return sign;
    result = significand >> shift;
    cut = significand - (result << shift);
    if (cut > UINT64_C(1) << (shift - 1) ||
        (cut == UINT64_C(1) << (shift - 1) && (result & 1) != 0))
        result++;
    /* The hidden bit counts as one step of the exponent, so a carry just moves up. */
    if (exponent >= 1 - bias)
        result += (uint64_t)(exponent + bias - 1) << fraction_bits;
    return (uint16_t)(sign | (result < infinity ? result : infinity));
}

uint16_t fp16_from_double(double value)
{
    return narrow(value, 5, 10);
}

uint16_t bf16_from_double(double value)
{
    return narrow(value, 8, 7);
}

float fp16_to_float(uint16_t bits)
{
    uint32_t sign = (uint32_t)(bits >> 15) << 31;
    uint32_t exponent = bits >> 10 & 0x1f;
    uint32_t fraction = bits & 0x3ff;
    uint32_t result;
    float value;

    if (exponent == 0x1f) {
        result = sign | 0x7f800000 | fraction << 13;
    } else if (exponent != 0) {
        result = sign | (exponent + 112) << 23 | fraction << 13;
    } else if (fraction != 0) {
        exponent = 113;
        while ((fraction & 0x400) == 0) {
            fraction <<= 1;
            exponent--;
        }
        result = sign | exponent << 23 | (fraction & 0x3ff) << 13;
    } else {
        result = sign;
    }
    memcpy(&value, &result, sizeof(value));
    return value;
}

float bf16_to_float(uint16_t bits)
{
    uint32_t result = (uint32_t)bits << 16;
    float value;

    memcpy(&value, &result, sizeof(value));
    return value;
}
