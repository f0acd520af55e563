/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/kernels/convert.h"

#include <assert.h>
#include <math.h>
#include <string.h>

/* X(type name, C type) of every number but the 16-bit floats. */
#define PLAIN_TYPES(X) \
    X(F32, float) \
    X(F64, double) \
    X(U8, uint8_t) \
    X(I8, int8_t) \
    X(U16, uint16_t) \
    X(I16, int16_t) \
    X(I32, int32_t) \
    X(U32, uint32_t) \
    X(I64, int64_t) \
    X(U64, uint64_t)

/* X(type name, C type, least, first number beyond) of the integers, the bounds as doubles. */
#define INTEGER_TYPES(X) \
    X(U8, uint8_t, 0.0, 256.0) \
    X(I8, int8_t, -128.0, 128.0) \
    X(U16, uint16_t, 0.0, 65536.0) \
    X(I16, int16_t, -32768.0, 32768.0) \
    X(I32, int32_t, -2147483648.0, 2147483648.0) \
    X(U32, uint32_t, 0.0, 4294967296.0) \
    X(I64, int64_t, -9223372036854775808.0, 9223372036854775808.0) \
    X(U64, uint64_t, 0.0, 18446744073709551616.0)

#define X(name, type, least, beyond) \
    static inline type saturate_##name(double value) \
    { \
        type all_ones = (type)-1; \
        type highest = all_ones > 0 ? all_ones \
                                    : (type)((UINT64_C(1) << (8 * sizeof(type) - 1)) - 1); \
        if (value >= (beyond)) \
            return highest; \
        if (value >= (least) || value > (least) - 1.0) \
            return (type)value; \
        return value != value ? (type)0 : (type)(-highest - 1); \
    }
INTEGER_TYPES(X)
#undef X

enum dtype compute_dtype(enum dtype dtype)
{
    if (dtype == DTYPE_F32 || dtype == DTYPE_F16 || dtype == DTYPE_BF16)
        return DTYPE_F32;
    if (dtype == DTYPE_F64 || dtype == DTYPE_U64)
        return dtype;
    return dtype_is_integer(dtype) || dtype == DTYPE_BOOL ? DTYPE_I64 : DTYPE_NONE;
}

/* The float next to `value` whose last bit is set unless it is exact: rounding it again to fewer
 * bits then gives what rounding once would have ("round to odd"). */
static float round_to_odd(double value)
{
    float near = (float)value;
    uint32_t bits;

    if (!isfinite(near) || (double)near == value)
        return near;
    memcpy(&bits, &near, sizeof(bits));
    if (fabs((double)near) > fabs(value))
        bits--;
    bits |= 1;
    memcpy(&near, &bits, sizeof(bits));
    return near;
}

uint16_t f64_to_f16(double value)
{
    return f32_to_f16(round_to_odd(value));
}

uint16_t f64_to_bf16(double value)
{
    return f32_to_bf16(round_to_odd(value));
}

#define EACH(type, expression) \
    do { \
        const type *in = src; \
        for (int64_t i = 0; i < n; i++) \
            dst[i] = (expression); \
    } while (0); \
    return

void load_f32(enum dtype from, int64_t n, const void *src, float *dst)
{
    switch (from) {
#define X(name, type) \
    case DTYPE_##name: \
        EACH(type, (float)in[i]);
        PLAIN_TYPES(X)
#undef X
    case DTYPE_F16:
        EACH(uint16_t, f16_to_f32(in[i]));
    case DTYPE_BF16:
        EACH(uint16_t, bf16_to_f32(in[i]));
    case DTYPE_BOOL:
        EACH(uint8_t, in[i] != 0);
    default:
        assert(!"a number");
    }
}

void load_f64(enum dtype from, int64_t n, const void *src, double *dst)
{
    switch (from) {
#define X(name, type) \
    case DTYPE_##name: \
        EACH(type, (double)in[i]);
        PLAIN_TYPES(X)
#undef X
    case DTYPE_F16:
        EACH(uint16_t, (double)f16_to_f32(in[i]));
    case DTYPE_BF16:
        EACH(uint16_t, (double)bf16_to_f32(in[i]));
    case DTYPE_BOOL:
        EACH(uint8_t, in[i] != 0);
    default:
        assert(!"a number");
    }
}

void load_i64(enum dtype from, int64_t n, const void *src, int64_t *dst)
{
    switch (from) {
#define X(name, type, least, beyond) \
    case DTYPE_##name: \
        EACH(type, (int64_t)in[i]);
        INTEGER_TYPES(X)
#undef X
    case DTYPE_F32:
        EACH(float, saturate_I64((double)in[i]));
    case DTYPE_F64:
        EACH(double, saturate_I64(in[i]));
    case DTYPE_F16:
        EACH(uint16_t, saturate_I64((double)f16_to_f32(in[i])));
    case DTYPE_BF16:
        EACH(uint16_t, saturate_I64((double)bf16_to_f32(in[i])));
    case DTYPE_BOOL:
        EACH(uint8_t, in[i] != 0);
    default:
        assert(!"a number");
    }
}
#undef EACH

#define EACH(type, expression) \
    do { \
        type *out = dst; \
        for (int64_t i = 0; i < n; i++) \
            out[i] = (expression); \
    } while (0); \
    return

void store_f32(enum dtype to, int64_t n, const float *src, void *dst)
{
    switch (to) {
#define X(name, type, least, beyond) \
    case DTYPE_##name: \
        EACH(type, saturate_##name((double)src[i]));
        INTEGER_TYPES(X)
#undef X
    case DTYPE_F32:
        memcpy(dst, src, (size_t)n * sizeof(*src));
        return;
    case DTYPE_F64:
        EACH(double, (double)src[i]);
    case DTYPE_F16:
        EACH(uint16_t, f32_to_f16(src[i]));
    case DTYPE_BF16:
        EACH(uint16_t, f32_to_bf16(src[i]));
    case DTYPE_BOOL:
        EACH(uint8_t, src[i] != 0.0f);
    default:
        assert(!"a number");
    }
}

void store_f64(enum dtype to, int64_t n, const double *src, void *dst)
{
    switch (to) {
#define X(name, type, least, beyond) \
    case DTYPE_##name: \
        EACH(type, saturate_##name(src[i]));
        INTEGER_TYPES(X)
#undef X
    case DTYPE_F32:
        EACH(float, (float)src[i]);
    case DTYPE_F64:
        memcpy(dst, src, (size_t)n * sizeof(*src));
        return;
    case DTYPE_F16:
        EACH(uint16_t, f64_to_f16(src[i]));
    case DTYPE_BF16:
        EACH(uint16_t, f64_to_bf16(src[i]));
    case DTYPE_BOOL:
        EACH(uint8_t, src[i] != 0.0);
    default:
        assert(!"a number");
    }
}

void store_i64(enum dtype to, int64_t n, const int64_t *src, void *dst)
{
    switch (to) {
#define X(name, type) \
    case DTYPE_##name: \
        EACH(type, (type)src[i]);
        PLAIN_TYPES(X)
#undef X
    case DTYPE_F16:
        EACH(uint16_t, f64_to_f16((double)src[i]));
    case DTYPE_BF16:
        EACH(uint16_t, f64_to_bf16((double)src[i]));
    case DTYPE_BOOL:
        EACH(uint8_t, src[i] != 0);
    default:
        assert(!"a number");
    }
}
#undef EACH

void load_as(enum dtype compute, enum dtype from, int64_t n, const void *src, void *dst)
{
    if (compute == DTYPE_F32)
        load_f32(from, n, src, dst);
    else if (compute == DTYPE_F64)
        load_f64(from, n, src, dst);
    else
        load_i64(from, n, src, dst);
}

void store_as(enum dtype compute, enum dtype to, int64_t n, const void *src, void *dst)
{
    if (compute == DTYPE_F32)
        store_f32(to, n, src, dst);
    else if (compute == DTYPE_F64)
        store_f64(to, n, src, dst);
    else
        store_i64(to, n, src, dst);
}
