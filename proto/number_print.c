/* SPDX-License-Identifier: Apache-2.0
 * Names follow Giulietti's paper: a finite value is v = c * 2^q; k is the decimal exponent of the
 * candidates; vbl, vb, vbr are 4 * 10^-k times the lower end of v's rounding interval, v, and the
 * upper end, rounded to odd. */
#include "proto/number_print.h"

#include "proto/power_table.h"

#include <stdbool.h>
#include <string.h>

struct decimal {
    uint64_t digits;
    int exponent; /* value = digits * 10^exponent */
};

static const char digit_pairs[] = "00010203040506070809101112131415161718192021222324"
                                  "25262728293031323334353637383940414243444546474849"
                                  "50515253545556575859606162636465666768697071727374"
                                  "75767778798081828384858687888990919293949596979899";

/* floor(log10(2^q)), or floor(log10(3/4 * 2^q)) where the lower neighbour is closer. */
static int log10_floor(int q, bool lower_is_closer)
{
    return (q * 1262611 - (lower_is_closer ? 524031 : 0)) >> 22;
}

/* floor(g * cp / 2^128), the last bit set if anything was cut off beyond the guard bits. */
static uint64_t round_to_odd64(struct power g, uint64_t cp)
{
    unsigned __int128 x = (unsigned __int128)g.low * cp;
    unsigned __int128 y = (unsigned __int128)g.high * cp + (uint64_t)(x >> 64);

    return (uint64_t)(y >> 64) | ((uint64_t)y > 1);
}

static uint64_t round_to_odd32(struct power g, uint64_t cp)
{
    unsigned __int128 product = (unsigned __int128)g.high * cp;

    return (uint64_t)(product >> 64) | ((uint32_t)(product >> 32) > 1);
}

/* The shortest decimal in the interval, given its scaled ends; `even`: the ends belong to it. */
static struct decimal shortest_between(uint64_t vbl, uint64_t vb, uint64_t vbr, bool even, int k)
{
    uint64_t lower = vbl + !even;
    uint64_t upper = vbr - !even;
    uint64_t s = vb / 4;
    uint64_t tenth, middle;
    bool down_fits, up_fits;

    if (s >= 10) {
        tenth = s / 10;
        down_fits = lower <= 40 * tenth;
        up_fits = 40 * tenth + 40 <= upper;
        if (down_fits != up_fits)
            return (struct decimal){tenth + up_fits, k + 1};
    }
    down_fits = lower <= 4 * s;
    up_fits = 4 * s + 4 <= upper;
    if (down_fits != up_fits)
        return (struct decimal){s + up_fits, k};
    middle = 4 * s + 2;
    return (struct decimal){s + (vb > middle || (vb == middle && (s & 1) != 0)), k};
}

static struct decimal shortest_double(uint64_t fraction, int exponent)
{
    bool lower_is_closer = fraction == 0 && exponent > 1;
    uint64_t c = exponent != 0 ? fraction | UINT64_C(1) << 52 : fraction;
    int q = exponent != 0 ? exponent - 1075 : -1074;
    struct power g;
    uint64_t vbl, vb, vbr;
    int k, h;

    if (q <= 0 && q > -53 && (c & ((UINT64_C(1) << -q) - 1)) == 0)
        return (struct decimal){c >> -q, 0};
    k = log10_floor(q, lower_is_closer);
    h = q + power_log2(-k) + 1;
    g = power_table[-k - POWER_MIN];
    g.low++; /* the paper's g is rounded up; no entry's low half is all ones */
    vbl = round_to_odd64(g, (4 * c - 2 + lower_is_closer) << h);
    vb = round_to_odd64(g, 4 * c << h);
    vbr = round_to_odd64(g, (4 * c + 2) << h);
    return shortest_between(vbl, vb, vbr, (c & 1) == 0, k);
}

static struct decimal shortest_float(uint32_t fraction, int exponent)
{
    bool lower_is_closer = fraction == 0 && exponent > 1;
    uint64_t c = exponent != 0 ? fraction | UINT32_C(1) << 23 : fraction;
    int q = exponent != 0 ? exponent - 150 : -149;
    struct power g;
    uint64_t vbl, vb, vbr;
    int k, h;

    if (q <= 0 && q > -24 && (c & ((UINT64_C(1) << -q) - 1)) == 0)
        return (struct decimal){c >> -q, 0};
    k = log10_floor(q, lower_is_closer);
    h = q + power_log2(-k) + 1;
    g = power_table[-k - POWER_MIN];
    g.high++;
    vbl = round_to_odd32(g, (4 * c - 2 + lower_is_closer) << h);
    vb = round_to_odd32(g, 4 * c << h);
    vbr = round_to_odd32(g, (4 * c + 2) << h);
    return shortest_between(vbl, vb, vbr, (c & 1) == 0, k);
}

/* Decimal digits of a value; 1 for 0. */
static int digits_of(uint64_t value)
{
    static const uint64_t powers[] = {0,
                                      10,
                                      100,
                                      1000,
                                      10000,
                                      100000,
                                      1000000,
                                      10000000,
                                      100000000,
                                      1000000000,
                                      UINT64_C(10000000000),
                                      UINT64_C(100000000000),
                                      UINT64_C(1000000000000),
                                      UINT64_C(10000000000000),
                                      UINT64_C(100000000000000),
                                      UINT64_C(1000000000000000),
                                      UINT64_C(10000000000000000),
                                      UINT64_C(100000000000000000),
                                      UINT64_C(1000000000000000000),
                                      UINT64_C(10000000000000000000)};
    int n = ((64 - __builtin_clzll(value | 1)) * 1233) >> 12; /* floor(bits * log10(2)) */

    return n + (value >= powers[n]);
}

static void put_eight(uint32_t value, char *ret_text)
{
    uint32_t high = value / 10000, low = value % 10000;

    memcpy(ret_text, digit_pairs + high / 100 * 2, 2);
    memcpy(ret_text + 2, digit_pairs + high % 100 * 2, 2);
    memcpy(ret_text + 4, digit_pairs + low / 100 * 2, 2);
    memcpy(ret_text + 6, digit_pairs + low % 100 * 2, 2);
}

/* All digits of a value, at the end of DIGITS_MAX bytes; leading zeros may stand before them. */
enum { DIGITS_MAX = 24 };

static void put_digits(uint64_t value, char *ret_text)
{
    put_eight((uint32_t)(value % 100000000), ret_text + 16);
    value /= 100000000;
    if (value == 0)
        return;
    put_eight((uint32_t)(value % 100000000), ret_text + 8);
    value /= 100000000;
    if (value != 0)
        put_eight((uint32_t)value, ret_text);
}

/* Copies of fixed length are single instructions: what they write too much is written over, or lies
 * in the room that NUMBER_PRINT_BYTES_MAX leaves. */
static inline void copy_digits(char *to, const char *from)
{
    memcpy(to, from, DIGITS_MAX);
}

static size_t put_positional(const char *digits, int n, int point, char *ret_text)
{
    if (point <= 0) {
        memcpy(ret_text, "0.0000", 6);
        copy_digits(ret_text + 2 - point, digits);
        return (size_t)(2 - point + n);
    }
    copy_digits(ret_text, digits);
    if (n <= point) {
        memset(ret_text + n, '0', (size_t)(point - n));
        memcpy(ret_text + point, ".0", 2);
        return (size_t)point + 2;
    }
    ret_text[point] = '.';
    copy_digits(ret_text + point + 1, digits + point);
    return (size_t)n + 1;
}

static size_t put_scientific(const char *digits, int n, int point, char *ret_text)
{
    size_t length = 1;

    ret_text[0] = digits[0];
    if (n > 1) {
        ret_text[1] = '.';
        copy_digits(ret_text + 2, digits + 1);
        length = (size_t)n + 1;
    }
    ret_text[length++] = 'e';
    return length + number_print_int(point - 1, ret_text + length);
}

static size_t put_decimal(struct decimal decimal, char *ret_text)
{
    char buffer[2 * DIGITS_MAX + 1] = {0};
    const char *digits;
    int n, point;

    n = digits_of(decimal.digits);
    put_digits(decimal.digits, buffer);
    digits = buffer + DIGITS_MAX - n;
    point = n + decimal.exponent; /* value = 0.DIGITS * 10^point */
    while (n > 1 && digits[n - 1] == '0')
        n--;
    if (point > -4 && point <= 16)
        return put_positional(digits, n, point, ret_text);
    return put_scientific(digits, n, point, ret_text);
}

static size_t put_text(const char *text, char *ret_text)
{
    size_t length = strlen(text);

    memcpy(ret_text, text, length);
    return length;
}

size_t number_print_float(float value, char *ret_text)
{
    uint32_t bits, fraction;
    size_t sign;
    int exponent;

    memcpy(&bits, &value, sizeof(bits));
    fraction = bits & 0x7fffff;
    exponent = (int)(bits >> 23 & 0xff);
    if (exponent == 0xff && fraction != 0)
        return put_text("NaN", ret_text);
    sign = bits >> 31;
    ret_text[0] = '-';
    ret_text += sign;
    if (exponent == 0xff)
        return sign + put_text("Infinity", ret_text);
    if (exponent == 0 && fraction == 0)
        return sign + put_text("0.0", ret_text);
    return sign + put_decimal(shortest_float(fraction, exponent), ret_text);
}

size_t number_print_double(double value, char *ret_text)
{
    uint64_t bits, fraction;
    size_t sign;
    int exponent;

    memcpy(&bits, &value, sizeof(bits));
    fraction = bits & UINT64_C(0xfffffffffffff);
    exponent = (int)(bits >> 52 & 0x7ff);
    if (exponent == 0x7ff && fraction != 0)
        return put_text("NaN", ret_text);
    sign = bits >> 63;
    ret_text[0] = '-';
    ret_text += sign;
    if (exponent == 0x7ff)
        return sign + put_text("Infinity", ret_text);
    if (exponent == 0 && fraction == 0)
        return sign + put_text("0.0", ret_text);
    return sign + put_decimal(shortest_double(fraction, exponent), ret_text);
}

size_t number_print_uint(uint64_t value, char *ret_text)
{
    char buffer[2 * DIGITS_MAX] = {0};
    int n = digits_of(value);

    put_digits(value, buffer);
    copy_digits(ret_text, buffer + DIGITS_MAX - n);
    return (size_t)n;
}

size_t number_print_int(int64_t value, char *ret_text)
{
    if (value >= 0)
        return number_print_uint((uint64_t)value, ret_text);
    ret_text[0] = '-';
    return 1 + number_print_uint(0 - (uint64_t)value, ret_text + 1);
}
