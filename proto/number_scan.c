/* SPDX-License-Identifier: Apache-2.0 */
#include "proto/number_scan.h"

#include "proto/half.h"
#include "proto/json_text.h"
#include "proto/nearest_double.h"

#include <assert.h>
#include <float.h>
#include <math.h>
#include <string.h>

/* A number token taken apart: digits * 10^exponent, but for what `truncated` left out. */
struct decimal {
    uint64_t digits;
    int exponent;
    bool negative;
    bool truncated; /* more than 19 significant digits: the true value is larger */
};

/* Where explicit exponents stop being counted: no number of digits in a body makes up for that. */
enum { EXPONENT_LIMIT = 100000000, DIGITS_MAX = 19 };

static const double exact_powers[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                      1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                      1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};

static inline bool is_digit(char c)
{
    return (unsigned char)(c - '0') < 10;
}

/* Whether eight bytes are all ASCII digits. */
static inline bool are_eight_digits(uint64_t v)
{
    uint64_t t = v ^ UINT64_C(0x3030303030303030); /* digits become 0 to 9 */

    return (((t + UINT64_C(0x7676767676767676)) | t) & UINT64_C(0x8080808080808080)) == 0;
}

/* Their value (little-endian): pairs, then fours, then all at once. */
static inline uint32_t eight_digits(uint64_t v)
{
    v = (v & UINT64_C(0x0f0f0f0f0f0f0f0f)) * (256 * 10 + 1) >> 8;
    v = (v & UINT64_C(0x00ff00ff00ff00ff)) * (65536 * 100 + 1) >> 16;
    v = (v & UINT64_C(0x0000ffff0000ffff)) * (UINT64_C(4294967296) * 10000 + 1) >> 32;
    return (uint32_t)v;
}

/* Appends the digits from p on to *digits (which wraps beyond 19) and returns where they end. */
static inline const char *read_digits(const char *p, const char *end, uint64_t *digits)
{
    uint64_t word;

    while (end - p >= 8) {
        memcpy(&word, p, 8);
        if (!are_eight_digits(word))
            break;
        *digits = *digits * 100000000 + eight_digits(word);
        p += 8;
    }
    for (; is_digit(*p); p++)
        *digits = *digits * 10 + (uint64_t)(*p - '0');
    return p;
}

/* The first 19 significant digits of a longer token, whose explicit exponent is `exponent`. */
static __attribute__((noinline)) struct decimal read_long(const char *p, int64_t exponent,
                                                          bool negative)
{
    struct decimal decimal = {.negative = negative};
    uint64_t digits = 0;
    bool fraction = false, truncated = false;
    bool counted = exponent > -EXPONENT_LIMIT && exponent < EXPONENT_LIMIT;
    int n = 0;

    for (; is_digit(*p) || *p == '.'; p++) {
        if (*p == '.') {
            fraction = true;
        } else if (n < DIGITS_MAX) {
            digits = digits * 10 + (uint64_t)(*p - '0');
            n += digits != 0;
            exponent -= fraction && counted;
        } else {
            truncated |= *p != '0';
            exponent += !fraction && counted;
        }
    }
    if (exponent > EXPONENT_LIMIT)
        exponent = EXPONENT_LIMIT;
    if (exponent < -EXPONENT_LIMIT)
        exponent = -EXPONENT_LIMIT;
    decimal.digits = digits;
    decimal.exponent = (int)exponent;
    decimal.truncated = truncated;
    return decimal;
}

/* At 'e': past the exponent, or NULL. Saturates. */
static const char *read_exponent(const char *p, int *ret_exponent)
{
    bool negative;
    int exponent = 0;

    p++;
    negative = *p == '-';
    if (*p == '-' || *p == '+')
        p++;
    if (!is_digit(*p))
        return NULL;
    for (; is_digit(*p); p++)
        if (exponent < EXPONENT_LIMIT)
            exponent = exponent * 10 + (*p - '0');
    *ret_exponent = negative ? -exponent : exponent;
    return p;
}

/* Past the number token at p, or NULL if the grammar has no number there. */
static inline __attribute__((always_inline)) const char *
read_decimal(const char *p, const char *end, struct decimal *ret_decimal)
{
    const char *first;
    uint64_t digits = 0;
    int64_t n;
    int explicit_exponent = 0, fraction_digits = 0;

    ret_decimal->negative = *p == '-';
    p += ret_decimal->negative;
    for (first = p; is_digit(*p); p++)
        digits = digits * 10 + (uint64_t)(*p - '0');
    n = p - first;
    if (n == 0 || (n > 1 && *first == '0'))
        return NULL;
    if (*p == '.') {
        const char *fraction = ++p;

        p = read_digits(p, end, &digits);
        if (p == fraction)
            return NULL;
        n += p - fraction;
        fraction_digits = p - fraction > EXPONENT_LIMIT ? EXPONENT_LIMIT : (int)(p - fraction);
    }
    if ((*p | 0x20) == 'e') {
        p = read_exponent(p, &explicit_exponent);
        if (p == NULL)
            return NULL;
    }
    ret_decimal->truncated = false;
    ret_decimal->digits = digits;
    ret_decimal->exponent = explicit_exponent - fraction_digits;
    if (__builtin_expect(n > DIGITS_MAX, 0))
        *ret_decimal = read_long(first, explicit_exponent, ret_decimal->negative);
    return p;
}

static inline double scale(uint64_t digits, int exponent)
{
    double value = (double)digits;

    return exponent < 0 ? value / exact_powers[-exponent] : value * exact_powers[exponent];
}

/* Whether a positive double that is off by up to 4 units of its last place rounds to the right
 * float: not where the middle of two floats may lie that near, nor where it is a denormal. */
static inline bool rounds_safely(double value)
{
    uint64_t bits;

    memcpy(&bits, &value, sizeof(bits));
    return (bits & 0x1fffffff) - 0x0ffffffc > 8 && value >= (double)FLT_MIN &&
           value <= (double)FLT_MAX;
}

static bool decimal_to_double(const struct decimal *decimal, const char *token, double *ret_value)
{
    double value, above;

    if (decimal->digits == 0) {
        value = 0;
    } else if (!decimal->truncated && decimal->digits <= UINT64_C(1) << 53 &&
               decimal->exponent >= -22 && decimal->exponent <= 22) {
        value = scale(decimal->digits, decimal->exponent);
    } else if (!nearest_double(decimal->digits, decimal->exponent, &value) ||
               (decimal->truncated &&
                (!nearest_double(decimal->digits + 1, decimal->exponent, &above) ||
                 above != value))) {
        *ret_value = exact_double(token);
        return isfinite(*ret_value);
    }
    *ret_value = decimal->negative ? -value : value;
    return true;
}

/* What decimal_to_float() leaves: zeros, denormals, large exponents, near-middles. */
static __attribute__((noinline)) float uncommon_float(struct decimal decimal, const char *token)
{
    double value;

    if (decimal.digits == 0)
        return decimal.negative ? -0.0f : 0.0f;
    if (!decimal.truncated && nearest_double(decimal.digits, decimal.exponent, &value) &&
        rounds_safely(value))
        return (float)(decimal.negative ? -value : value);
    return exact_float(token);
}

static inline bool decimal_to_float(struct decimal decimal, const char *token, float *ret_value)
{
    double value;
    float single;
    uint32_t bits;

    if (__builtin_expect(!decimal.truncated && decimal.exponent >= -22 && decimal.exponent <= 22,
                         1)) {
        value = scale(decimal.digits, decimal.exponent);
        if (__builtin_expect(rounds_safely(value), 1)) {
            single = (float)value;
            memcpy(&bits, &single, sizeof(bits));
            bits |= (uint32_t)decimal.negative << 31; /* signs come at random: no branch */
            memcpy(ret_value, &bits, sizeof(bits));
            return true;
        }
    }
    *ret_value = uncommon_float(decimal, token);
    return isfinite(*ret_value);
}

/* NaN, Infinity, -Infinity at p: past it, else NULL. */
static const char *read_special(const char *p, const char *end, double *ret_value)
{
    static const struct {
        const char *text;
        size_t length;
        double value;
    } specials[] = {{"NaN", 3, (double)NAN},
                    {"Infinity", 8, (double)INFINITY},
                    {"-Infinity", 9, -(double)INFINITY}};
    size_t i;

    for (i = 0; i < sizeof(specials) / sizeof(specials[0]); i++) {
        if ((size_t)(end - p) >= specials[i].length &&
            memcmp(p, specials[i].text, specials[i].length) == 0) {
            *ret_value = specials[i].value;
            return p + specials[i].length;
        }
    }
    return NULL;
}

/* The readers below: past the value at p, or NULL with *fault (NUMBER_SYNTAX when the caller shall
 * find out what is wrong). */
static inline const char *read_fp32(const char *p, const char *end, float *ret_value,
                                    enum number_fault *fault)
{
    struct decimal decimal;
    const char *next = read_decimal(p, end, &decimal);
    double special;

    if (__builtin_expect(next == NULL, 0)) {
        *fault = NUMBER_SYNTAX;
        next = read_special(p, end, &special);
        if (next != NULL)
            *ret_value = (float)special;
        return next;
    }
    *fault = NUMBER_RANGE;
    return decimal_to_float(decimal, p, ret_value) ? next : NULL;
}

static inline const char *read_fp64(const char *p, const char *end, double *ret_value,
                                    enum number_fault *fault)
{
    struct decimal decimal;
    const char *next = read_decimal(p, end, &decimal);

    if (__builtin_expect(next == NULL, 0)) {
        *fault = NUMBER_SYNTAX;
        return read_special(p, end, ret_value);
    }
    *fault = NUMBER_RANGE;
    return decimal_to_double(&decimal, p, ret_value) ? next : NULL;
}

static const char *read_fp16(const char *p, const char *end, uint16_t *ret_value,
                             enum number_fault *fault)
{
    double value;
    const char *next = read_fp64(p, end, &value, fault);

    if (next == NULL)
        return NULL;
    *ret_value = fp16_from_double(value);
    *fault = NUMBER_RANGE;
    return isfinite(value) && (*ret_value & 0x7c00) == 0x7c00 ? NULL : next;
}

static const char *read_bf16(const char *p, const char *end, uint16_t *ret_value,
                             enum number_fault *fault)
{
    double value;
    const char *next = read_fp64(p, end, &value, fault);

    if (next == NULL)
        return NULL;
    *ret_value = bf16_from_double(value);
    *fault = NUMBER_RANGE;
    return isfinite(value) && (*ret_value & 0x7f80) == 0x7f80 ? NULL : next;
}

/* Sign and magnitude; the limit is the type's largest magnitude of that sign. */
static inline const char *read_integer(const char *p, uint64_t above, uint64_t below,
                                       uint64_t *ret_bits, enum number_fault *fault)
{
    bool negative = *p == '-';
    bool overflow = false;
    const char *first;
    uint64_t value = 0;

    p += negative;
    for (first = p; is_digit(*p); p++) {
        if (p - first < DIGITS_MAX)
            value = value * 10 + (uint64_t)(*p - '0');
        else
            overflow |= __builtin_mul_overflow(value, 10, &value) ||
                        __builtin_add_overflow(value, (uint64_t)(*p - '0'), &value);
    }
    *fault = NUMBER_SYNTAX;
    if (p == first || (p - first > 1 && *first == '0'))
        return NULL;
    *fault = NUMBER_FRACTION;
    if (*p == '.' || (*p | 0x20) == 'e')
        return NULL;
    *fault = NUMBER_RANGE;
    if (overflow || value > (negative ? below : above))
        return NULL;
    *ret_bits = negative ? 0 - value : value;
    return p;
}

#define INTEGER_READER(name, type, above, below)                                                   \
    static inline const char *name(const char *p, const char *end, type *ret_value,                \
                                   enum number_fault *fault)                                       \
    {                                                                                              \
        uint64_t bits = 0;                                                                         \
        const char *next = read_integer(p, above, below, &bits, fault);                            \
                                                                                                   \
        (void)end;                                                                                 \
        *ret_value = (type)bits;                                                                   \
        return next;                                                                               \
    }
INTEGER_READER(read_int8, int8_t, INT8_MAX, UINT64_C(1) << 7)
INTEGER_READER(read_int16, int16_t, INT16_MAX, UINT64_C(1) << 15)
INTEGER_READER(read_int32, int32_t, INT32_MAX, UINT64_C(1) << 31)
INTEGER_READER(read_int64, int64_t, INT64_MAX, UINT64_C(1) << 63)
INTEGER_READER(read_uint8, uint8_t, UINT8_MAX, 0)
INTEGER_READER(read_uint16, uint16_t, UINT16_MAX, 0)
INTEGER_READER(read_uint32, uint32_t, UINT32_MAX, 0)
INTEGER_READER(read_uint64, uint64_t, UINT64_MAX, 0)

static const char *read_bool(const char *p, const char *end, uint8_t *ret_value,
                             enum number_fault *fault)
{
    uint64_t bits = 0;
    const char *next;

    if (end - p >= 4 && memcmp(p, "true", 4) == 0) {
        *ret_value = 1;
        return p + 4;
    }
    if (end - p >= 5 && memcmp(p, "false", 5) == 0) {
        *ret_value = 0;
        return p + 5;
    }
    next = read_integer(p, 1, 0, &bits, fault);
    *ret_value = (uint8_t)bits;
    return next;
}

/* One loop for each type, so that the reader is inlined into it. */
#define RUN(name, type, reader)                                                                    \
    static enum number_fault name(const char **p, const char *end, int64_t room, void *ret_data,   \
                                  int64_t *ret_count)                                              \
    {                                                                                              \
        enum number_fault fault = NUMBER_OK;                                                       \
        const char *at = *p, *next;                                                                \
        type *data = ret_data;                                                                     \
        int64_t n = 0;                                                                             \
                                                                                                   \
        for (;;) {                                                                                 \
            type value;                                                                            \
                                                                                                   \
            next = reader(at, end, &value, &fault);                                                \
            if (next == NULL)                                                                      \
                break;                                                                             \
            if (n == room) {                                                                       \
                fault = NUMBER_TOO_MANY;                                                           \
                break;                                                                             \
            }                                                                                      \
            data[n++] = value;                                                                     \
            at = json_skip_space(next, end);                                                       \
            if (at >= end || *at != ',') {                                                         \
                fault = NUMBER_OK;                                                                 \
                break;                                                                             \
            }                                                                                      \
            at = json_skip_space(at + 1, end);                                                     \
        }                                                                                          \
        *p = at;                                                                                   \
        *ret_count = n;                                                                            \
        return fault;                                                                              \
    }
RUN(run_bool, uint8_t, read_bool)
RUN(run_uint8, uint8_t, read_uint8)
RUN(run_uint16, uint16_t, read_uint16)
RUN(run_uint32, uint32_t, read_uint32)
RUN(run_uint64, uint64_t, read_uint64)
RUN(run_int8, int8_t, read_int8)
RUN(run_int16, int16_t, read_int16)
RUN(run_int32, int32_t, read_int32)
RUN(run_int64, int64_t, read_int64)
RUN(run_fp16, uint16_t, read_fp16)
RUN(run_bf16, uint16_t, read_bf16)
RUN(run_fp32, float, read_fp32)
RUN(run_fp64, double, read_fp64)

static enum number_fault (*const runs[])(const char **, const char *, int64_t, void *,
                                         int64_t *) = {
    [WIRE_BOOL] = run_bool,     [WIRE_UINT8] = run_uint8,   [WIRE_UINT16] = run_uint16,
    [WIRE_UINT32] = run_uint32, [WIRE_UINT64] = run_uint64, [WIRE_INT8] = run_int8,
    [WIRE_INT16] = run_int16,   [WIRE_INT32] = run_int32,   [WIRE_INT64] = run_int64,
    [WIRE_FP16] = run_fp16,     [WIRE_BF16] = run_bf16,     [WIRE_FP32] = run_fp32,
    [WIRE_FP64] = run_fp64,
};

enum number_fault number_scan_run(enum wire_type type, const char **p, const char *end,
                                  int64_t room, void *ret_data, int64_t *ret_count)
{
    enum number_fault fault;

    assert((size_t)type < sizeof(runs) / sizeof(runs[0]) && runs[type] != NULL);
    fault = runs[type](p, end, room, ret_data, ret_count);
    if (fault == NUMBER_SYNTAX &&
        (*p >= end || (!is_digit(**p) && **p != '-' && **p != '+' && **p != '.')))
        fault = NUMBER_KIND;
    return fault;
}
