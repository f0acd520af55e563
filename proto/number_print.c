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
    int exponent;           /* value = digits * 10^exponent */
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
    g.low++;                /* the paper's g is rounded up; no entry's low half is all ones */
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

static int digits_of(uint64_t value)
{
    uint64_t bound = 10;
    int n = 1;

    while (value >= bound) {
        n++;
        if (n == 20)
            break;
        bound *= 10;
    }
    return n;
}

/* Writes exactly n digits. */
static void put_digits(uint64_t value, int n, char *ret_text)
{
    char *p = ret_text + n;

    while (n >= 2) {
        p -= 2;
        memcpy(p, digit_pairs + value % 100 * 2, 2);
        value /= 100;
        n -= 2;
    }
    if (n == 1)
        p[-1] = (char)('0' + value);
}

static size_t put_positional(const char *digits, int n, int point, char *ret_text)
{
    char *p = ret_text;

    if (point <= 0) {
        memcpy(p, "0.0000", 6);
        p += 2 - point;
        memcpy(p, digits, (size_t)n);
        return (size_t)(p + n - ret_text);
    }
    if (n <= point) {
        memcpy(p, digits, (size_t)n);
        memset(p + n, '0', (size_t)(point - n));
        memcpy(p + point, ".0", 2);
        return (size_t)point + 2;
    }
    memcpy(p, digits, (size_t)point);
    p[point] = '.';
    memcpy(p + point + 1, digits + point, (size_t)(n - point));
    return (size_t)n + 1;
}

static size_t put_scientific(const char *digits, int n, int point, char *ret_text)
{
    char *p = ret_text;

    *p++ = digits[0];
    if (n > 1) {
        *p++ = '.';
        memcpy(p, digits + 1, (size_t)n - 1);
        p += n - 1;
    }
    *p++ = 'e';
    return (size_t)(p - ret_text) + number_print_int(point - 1, p);
}

static size_t put_decimal(struct decimal decimal, char *ret_text)
{
    char digits[24];
    int n, point;

    n = digits_of(decimal.digits);
    put_digits(decimal.digits, n, digits);
    point = n + decimal.exponent;       /* value = 0.DIGITS * 10^point */
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
    int n = digits_of(value);

    put_digits(value, n, ret_text);
    return (size_t)n;
}

size_t number_print_int(int64_t value, char *ret_text)
{
    if (value >= 0)
        return number_print_uint((uint64_t)value, ret_text);
    ret_text[0] = '-';
    return 1 + number_print_uint(0 - (uint64_t)value, ret_text + 1);
}
