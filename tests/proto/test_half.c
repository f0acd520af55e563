/* SPDX-License-Identifier: Apache-2.0
 * 16-bit floats over all their values, and the table of powers against exact arithmetic. */
#include "proto/half.h"
#include "proto/power_table.h"
#include "tests/support/run_suite.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

/* The value of a half, from its definition. */
static double defined(uint16_t bits, int exponent_bits, int fraction_bits)
{
    int bias = (1 << (exponent_bits - 1)) - 1;
    int exponent = bits >> fraction_bits & ((1 << exponent_bits) - 1);
    int fraction = bits & ((1 << fraction_bits) - 1);
    double value = exponent == 0 ? ldexp(fraction, 1 - bias - fraction_bits)
                                 : ldexp(fraction + (1 << fraction_bits),
                                         exponent - bias - fraction_bits);

    return bits >> 15 ? -value : value;
}

/* Each value is kept; between two neighbours the nearer is taken, the even one from the middle. */
static void check_all(uint16_t (*narrow)(double), float (*widen)(uint16_t), int exponent_bits,
                      int fraction_bits)
{
    uint16_t infinity = (uint16_t)(((1 << exponent_bits) - 1) << fraction_bits);
    uint32_t bits;

    for (bits = 0; bits < infinity; bits++) {
        double low = defined((uint16_t)bits, exponent_bits, fraction_bits);
        double high = defined((uint16_t)(bits + 1), exponent_bits, fraction_bits);
        double middle = (low + high) / 2;

        ck_assert_msg((double)widen((uint16_t)bits) == low, "%04x widens wrongly", bits);
        ck_assert_msg(narrow(low) == bits, "%04x is not kept", bits);
        ck_assert_msg(narrow(-low) == (bits | 0x8000), "-%04x is not kept", bits);
        ck_assert_msg(narrow(middle) == ((bits & 1) ? bits + 1 : bits), "middle above %04x", bits);
        ck_assert_msg(narrow(nextafter(middle, 0)) == bits, "below the middle above %04x", bits);
        ck_assert_msg(narrow(nextafter(middle, INFINITY)) == bits + 1, "above that of %04x", bits);
    }
    ck_assert_uint_eq(narrow((double)INFINITY), infinity);
    ck_assert_uint_eq(narrow(1e300), infinity);
    ck_assert_uint_eq(narrow(5e-324), 0);
    ck_assert_uint_eq(narrow(-1e-300), 0x8000);
    ck_assert(isinf(widen(infinity)));
    for (bits = infinity + 1u; bits < 0x8000; bits++)
        ck_assert(isnan(widen((uint16_t)bits)));
    ck_assert(isnan(widen(narrow((double)NAN))));
}

START_TEST(fp16_over_all_values)
{
    check_all(fp16_from_double, fp16_to_float, 5, 10);
}
END_TEST

START_TEST(bf16_over_all_values)
{
    check_all(bf16_from_double, bf16_to_float, 8, 7);
}
END_TEST

/* Exact integers of up to 40 * 32 bits, least word first. */
enum { WORDS = 40 };
struct big {
    uint32_t words[WORDS];
};

static void big_multiply(struct big *n, uint32_t factor)
{
    uint64_t carry = 0;
    int i;

    for (i = 0; i < WORDS; i++) {
        carry += (uint64_t)n->words[i] * factor;
        n->words[i] = (uint32_t)carry;
        carry >>= 32;
    }
    ck_assert_uint_eq(carry, 0);
}

static int big_bits(const struct big *n)
{
    int i = WORDS - 1;

    while (n->words[i] == 0)
        i--;
    return i * 32 + 32 - __builtin_clz(n->words[i]);
}

static bool big_bit(const struct big *n, int bit)
{
    return bit >= 0 && (n->words[bit / 32] >> bit % 32 & 1) != 0;
}

static int big_compare(const struct big *a, const struct big *b)
{
    int i;

    for (i = WORDS - 1; i >= 0; i--)
        if (a->words[i] != b->words[i])
            return a->words[i] < b->words[i] ? -1 : 1;
    return 0;
}

static void big_subtract(struct big *a, const struct big *b)
{
    int64_t borrow = 0;
    int i;

    for (i = 0; i < WORDS; i++) {
        borrow += (int64_t)a->words[i] - b->words[i];
        a->words[i] = (uint32_t)borrow;
        borrow >>= 32;
    }
}

static void check_entry(int q, unsigned __int128 expected)
{
    struct power entry = power_table[q - POWER_MIN];

    ck_assert_msg(entry.high == (uint64_t)(expected >> 64) && entry.low == (uint64_t)expected,
                  "10^%d", q);
    ck_assert_msg(entry.low != UINT64_MAX && entry.high != UINT64_MAX, "10^%d: no room above", q);
}

START_TEST(powers_are_exact_to_128_bits)
{
    struct big power = {{1}};       /* 5^|q| */
    int q, i;

    for (q = 0; q <= -POWER_MIN; q++) {
        int bits = big_bits(&power);
        unsigned __int128 significand = 0;
        struct big rest = {{0}};

        if (q <= POWER_MAX) {
            for (i = 1; i <= 128; i++)
                significand = significand << 1 | big_bit(&power, bits - i);
            check_entry(q, significand);
        }
        /* 1 / 5^q by long division: the first 128 bits of the quotient from its leading one. */
        rest.words[(bits - 1) / 32] = UINT32_C(1) << (bits - 1) % 32;
        significand = 0;
        while (significand >> 127 == 0) {
            bool one = big_compare(&rest, &power) >= 0;

            significand = significand << 1 | one;
            if (one)
                big_subtract(&rest, &power);
            big_multiply(&rest, 2);
        }
        if (q > 0)
            check_entry(-q, significand);
        big_multiply(&power, 5);
    }
}
END_TEST

START_TEST(binary_exponents_of_powers)
{
    int q;

    for (q = POWER_MIN; q <= POWER_MAX; q++)
        ck_assert_int_eq(power_log2(q), (int)floorl((long double)q * 3.32192809488736234787L));
}
END_TEST

Suite *make_suite(void)
{
    Suite *suite = suite_create("half");
    TCase *tc = tcase_create("half");

    tcase_set_timeout(tc, 120);
    tcase_add_test(tc, fp16_over_all_values);
    tcase_add_test(tc, bf16_over_all_values);
    tcase_add_test(tc, powers_are_exact_to_128_bits);
    tcase_add_test(tc, binary_exponents_of_powers);
    suite_add_tcase(suite, tc);
    return suite;
}
