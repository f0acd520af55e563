/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/dtype.h"

#include "engine/tensor.h"

#include <string.h>

size_t dtype_size(enum dtype dtype)
{
    switch (dtype) {
#define X(name, number, size, text) \
    case DTYPE_##name: \
        return size;
        DTYPE_MAP(X)
#undef X
    case DTYPE_SEQUENCE:
    case DTYPE_OPTIONAL:
        return sizeof(struct tensor);
    case DTYPE_NONE:
        break;
    }
    return 0;
}

const char *dtype_name(enum dtype dtype)
{
    switch (dtype) {
#define X(name, number, size, text) \
    case DTYPE_##name: \
        return text;
        DTYPE_MAP(X)
#undef X
    case DTYPE_SEQUENCE:
        return "sequence";
    case DTYPE_OPTIONAL:
        return "optional";
    case DTYPE_NONE:
        break;
    }
    return "undefined";
}

bool dtype_is_float(enum dtype dtype)
{
    return dtype == DTYPE_F32 || dtype == DTYPE_F64 || dtype == DTYPE_F16 || dtype == DTYPE_BF16;
}

bool dtype_is_integer(enum dtype dtype)
{
    return (dtype >= DTYPE_U8 && dtype <= DTYPE_I64) || dtype == DTYPE_U32 || dtype == DTYPE_U64;
}

bool dtype_is_signed(enum dtype dtype)
{
    return dtype_is_float(dtype) || dtype == DTYPE_I8 || dtype == DTYPE_I16 || dtype == DTYPE_I32 ||
           dtype == DTYPE_I64;
}

static float float_of_bits(uint32_t bits)
{
    float value;

    memcpy(&value, &bits, sizeof(value));
    return value;
}

static uint32_t bits_of_float(float value)
{
    uint32_t bits;

    memcpy(&bits, &value, sizeof(bits));
    return bits;
}

float f16_to_f32(uint16_t half)
{
    uint32_t sign = (uint32_t)(half & 0x8000u) << 16;
    uint32_t exponent = (half >> 10) & 0x1fu;
    uint32_t mantissa = half & 0x3ffu;
    int shift = 0;

    if (exponent == 31)
        return float_of_bits(sign | 0x7f800000u | mantissa << 13);
    if (exponent != 0)
        return float_of_bits(sign | (exponent + 112) << 23 | mantissa << 13);
    if (mantissa == 0)
        return float_of_bits(sign);
    while ((mantissa & 0x400u) == 0) {   /* a subnormal half is a normal float */
        mantissa <<= 1;
        shift++;
    }
    return float_of_bits(sign | (uint32_t)(113 - shift) << 23 | (mantissa & 0x3ffu) << 13);
}

uint16_t f32_to_f16(float value)
{
    uint32_t bits = bits_of_float(value);
    uint16_t sign = (uint16_t)(bits >> 16 & 0x8000u);
    uint32_t magnitude = bits & 0x7fffffffu;
    uint32_t mantissa, rest, half_way;
    int shift;

    if (magnitude > 0x7f800000u)
        return (uint16_t)(sign | 0x7e00u);                       /* NaN */
    if (magnitude >= 0x477ff000u)
        return (uint16_t)(sign | 0x7c00u);                       /* rounds past the largest half */
    if (magnitude >= 0x38800000u) {                              /* normal half */
        magnitude += 0xfffu + (magnitude >> 13 & 1u);
        return (uint16_t)(sign | ((magnitude - 0x38000000u) >> 13));
    }
    if (magnitude < 0x33000000u)
        return sign;                                             /* less than half the smallest */
    shift = 126 - (int)(magnitude >> 23);                        /* 14 .. 24 */
    mantissa = (magnitude & 0x7fffffu) | 0x800000u;
    rest = mantissa & ((1u << shift) - 1);
    half_way = 1u << (shift - 1);
    mantissa >>= shift;
    if (rest > half_way || (rest == half_way && (mantissa & 1u) != 0))
        mantissa++;
    return (uint16_t)(sign | mantissa);
}

float bf16_to_f32(uint16_t half)
{
    return float_of_bits((uint32_t)half << 16);
}

uint16_t f32_to_bf16(float value)
{
    uint32_t bits = bits_of_float(value);

    if ((bits & 0x7fffffffu) > 0x7f800000u)
        return (uint16_t)(bits >> 16 | 0x40u);
    return (uint16_t)((bits + 0x7fffu + (bits >> 16 & 1u)) >> 16);
}
