/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/kernels/convert.h"

#include "engine/kernels/cpu.h"

#include <assert.h>
#if defined(__x86_64__)
#include <cpuid.h>
#endif
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

static float float_of_bits(uint32_t bits)
{
    float value;

    memcpy(&value, &bits, sizeof(value));
    return value;
}

/* As bf16_to_f32() and f32_to_bf16(), where the compiler can see into them and use vectors. */
static inline float widen_bf16(uint16_t half)
{
    return float_of_bits((uint32_t)half << 16);
}

static inline uint16_t narrow_bf16(float value)
{
    uint32_t bits;

    memcpy(&bits, &value, sizeof(bits));
    return (uint16_t)((bits & 0x7fffffffu) > 0x7f800000u
                          ? bits >> 16 | 0x40u
                          : (bits + 0x7fffu + (bits >> 16 & 1u)) >> 16);
}

/* float16 by the processor's own instructions, eight at a time; they return how many were done. */
#if defined(__x86_64__) && defined(__GNUC__)
typedef int16_t halves __attribute__((vector_size(16), aligned(2), may_alias));
typedef float floats __attribute__((vector_size(32), aligned(4), may_alias));
typedef int16_t half_vector __attribute__((vector_size(16)));
typedef float float_vector __attribute__((vector_size(32)));

/* By CPUID: clang's __builtin_cpu_supports() does not know the name. */
static bool has_f16c(void)
{
    unsigned a, b, c, d;

    return cpu_isa() >= ISA_AVX2 && __get_cpuid(1, &a, &b, &c, &d) != 0 && (c & bit_F16C) != 0;
}

__attribute__((target("avx,f16c"))) static int64_t widen_eights(int64_t n, const uint16_t *in,
                                                                float *out)
{
    int64_t i = 0;

    for (; i + 8 <= n; i += 8)
        *(floats *)(out + i) = __builtin_ia32_vcvtph2ps256((half_vector)*(const halves *)(in + i));
    return i;
}

__attribute__((target("avx,f16c"))) static int64_t narrow_eights(int64_t n, const float *in,
                                                                 uint16_t *out)
{
    int64_t i = 0;

    for (; i + 8 <= n; i += 8)
        *(halves *)(out + i) =
            (halves)__builtin_ia32_vcvtps2ph256((float_vector)*(const floats *)(in + i), 0);
    return i;
}
#else
static bool has_f16c(void)
{
    return false;
}

static int64_t widen_eights(int64_t n, const uint16_t *in, float *out)
{
    (void)n;
    (void)in;
    (void)out;
    return 0;
}

static int64_t narrow_eights(int64_t n, const float *in, uint16_t *out)
{
    (void)n;
    (void)in;
    (void)out;
    return 0;
}
#endif

static void widen_f16(int64_t n, const uint16_t *in, float *out)
{
    for (int64_t i = has_f16c() ? widen_eights(n, in, out) : 0; i < n; i++)
        out[i] = f16_to_f32(in[i]);
}

static void narrow_f16(int64_t n, const float *in, uint16_t *out)
{
    for (int64_t i = has_f16c() ? narrow_eights(n, in, out) : 0; i < n; i++)
        out[i] = f32_to_f16(in[i]);
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
        widen_f16(n, src, dst);
        return;
    case DTYPE_BF16:
        EACH(uint16_t, widen_bf16(in[i]));
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
        narrow_f16(n, src, dst);
        return;
    case DTYPE_BF16:
        EACH(uint16_t, narrow_bf16(src[i]));
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
