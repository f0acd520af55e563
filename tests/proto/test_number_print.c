/* SPDX-License-Identifier: Apache-2.0 */
#include "proto/number_print.h"
#include "tests/support/run_suite.h"

#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    float value;
    const char *text;
} floats[] = {
    {0.0f, "0.0"},
    {-0.0f, "-0.0"},
    {1.0f, "1.0"},
    {-1.5f, "-1.5"},
    {0.1f, "0.1"},
    {0.3f, "0.3"},
    {100.0f, "100.0"},
    {16777216.0f, "16777216.0"},
    {1e10f, "10000000000.0"},
    {1e16f, "1e16"},
    {9.999999e15f, "9999999000000000.0"},
    {1e-4f, "0.0001"},
    {1.5e-4f, "0.00015"},
    {1e-5f, "1e-5"},
    {1.17549435e-38f, "1.1754944e-38"},
    {1e-45f, "1e-45"},
    {3.40282347e38f, "3.4028235e38"},
    {3.14159274f, "3.1415927"},
    {8388608.5f, "8388608.0"},
    {0.33333334f, "0.33333334"},
    {INFINITY, "Infinity"},
    {-INFINITY, "-Infinity"},
    {NAN, "NaN"},
};

START_TEST(floats_as_expected)
{
    char text[NUMBER_PRINT_BYTES_MAX + 1];

    text[number_print_float(floats[_i].value, text)] = '\0';
    ck_assert_str_eq(text, floats[_i].text);
}
END_TEST

static const struct {
    double value;
    const char *text;
} doubles[] = {
    {0.0, "0.0"},
    {-0.0, "-0.0"},
    {0.1, "0.1"},
    {0.1 + 0.2, "0.30000000000000004"},
    {123456789012345680.0, "1.2345678901234568e17"},
    {9007199254740992.0, "9007199254740992.0"},
    {1e15, "1000000000000000.0"},
    {1e16, "1e16"},
    {1e22, "1e22"},
    {1e23, "1e23"},
    {9.5367431640625e-7, "9.5367431640625e-7"},
    {5e-324, "5e-324"},
    {2.2250738585072014e-308, "2.2250738585072014e-308"},
    {2.225073858507201e-308, "2.225073858507201e-308"},
    {1.7976931348623157e308, "1.7976931348623157e308"},
    {-1.7976931348623157e-300, "-1.7976931348623157e-300"},
    {0.00012345678901234567, "0.00012345678901234567"},
    {(double)NAN, "NaN"},
    {(double)-INFINITY, "-Infinity"},
};

START_TEST(doubles_as_expected)
{
    char text[NUMBER_PRINT_BYTES_MAX + 1];

    text[number_print_double(doubles[_i].value, text)] = '\0';
    ck_assert_str_eq(text, doubles[_i].text);
}
END_TEST

START_TEST(integers_as_expected)
{
    static const int64_t values[] = {0,         1,         -1,        9,        10,
                                     99,        100,       -128,      INT64_MAX, INT64_MIN,
                                     999999999, 1000000000, 123456789012345678};
    char text[NUMBER_PRINT_BYTES_MAX + 1], expected[32];
    size_t i;

    for (i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        text[number_print_int(values[i], text)] = '\0';
        snprintf(expected, sizeof(expected), "%lld", (long long)values[i]);
        ck_assert_str_eq(text, expected);
    }
    text[number_print_uint(UINT64_MAX, text)] = '\0';
    ck_assert_str_eq(text, "18446744073709551615");
    text[number_print_uint(UINT64_C(10000000000000000000), text)] = '\0';
    ck_assert_str_eq(text, "10000000000000000000");
}
END_TEST

/* Significant digits of a printed number, without leading and trailing zeros. */
static int significant_digits(const char *text)
{
    int n = 0, zeros = 0;

    for (; *text != '\0' && *text != 'e'; text++) {
        if (*text == '0' && n > 0)
            zeros++;
        if (*text >= '1' && *text <= '9') {
            n += zeros + 1;
            zeros = 0;
        }
    }
    return n;
}

/* Reads back to the same bits; no decimal with one digit less does; none of as many is closer. */
static void check_float(uint32_t bits)
{
    char text[NUMBER_PRINT_BYTES_MAX + 1], other[64];
    float value, back;
    int digits, wanted;

    memcpy(&value, &bits, sizeof(value));
    text[number_print_float(value, text)] = '\0';
    back = strtof(text, NULL);
    ck_assert_msg(memcmp(&back, &value, sizeof(value)) == 0, "float %08x printed as %s", bits,
                  text);
    digits = significant_digits(text);
    for (wanted = 1; wanted <= 9; wanted++) {
        snprintf(other, sizeof(other), "%.*e", wanted - 1, (double)value);
        if (strtof(other, NULL) == value)
            break;
    }
    /* printf rounds to nearest: the first precision at which that reads back is either the
     * shortest, or one more than it (the nearest of that length lies outside, another inside). */
    ck_assert_msg(digits <= wanted, "float %08x: %s has %d digits, %s fewer", bits, text, digits,
                  other);
    if (digits == wanted)
        ck_assert_msg(strtod(text, NULL) == strtod(other, NULL) ||
                          fabs(strtod(text, NULL) - (double)value) <=
                              fabs(strtod(other, NULL) - (double)value),
                      "float %08x: %s is farther than %s", bits, text, other);
}

START_TEST(random_floats_are_shortest_and_read_back)
{
    uint64_t state = test_seed();
    int i, n = 100000 * test_scale();

    for (i = 0; i < n; i++) {
        uint32_t bits = (uint32_t)test_random(&state);

        if ((bits >> 23 & 0xff) != 0xff && (bits & 0x7fffffff) != 0)
            check_float(bits);
    }
    /* Powers of two have uneven gaps; denormals few digits. */
    for (i = 0; i < 0xff; i++) {
        check_float((uint32_t)i << 23 | 1);
        if (i > 0)
            check_float((uint32_t)i << 23);
        check_float((uint32_t)i << 23 | 0x7fffff);
    }
    for (i = 1; i < 2000; i++)
        check_float((uint32_t)i);
}
END_TEST

static void check_double(uint64_t bits)
{
    char text[NUMBER_PRINT_BYTES_MAX + 1], other[64];
    double value, back;
    int digits, wanted;

    memcpy(&value, &bits, sizeof(value));
    text[number_print_double(value, text)] = '\0';
    back = strtod(text, NULL);
    ck_assert_msg(memcmp(&back, &value, sizeof(value)) == 0, "double %016llx printed as %s",
                  (unsigned long long)bits, text);
    digits = significant_digits(text);
    for (wanted = 1; wanted <= 17; wanted++) {
        snprintf(other, sizeof(other), "%.*e", wanted - 1, value);
        if (strtod(other, NULL) == value)
            break;
    }
    ck_assert_msg(digits <= wanted, "double %016llx: %s has %d digits, %s fewer",
                  (unsigned long long)bits, text, digits, other);
}

START_TEST(random_doubles_are_shortest_and_read_back)
{
    uint64_t state = test_seed() + 1;
    int i, n = 50000 * test_scale();

    for (i = 0; i < n; i++) {
        uint64_t bits = test_random(&state);

        if ((bits >> 52 & 0x7ff) != 0x7ff && bits << 1 != 0)
            check_double(bits);
    }
    for (i = 0; i < 0x7ff; i++) {
        check_double((uint64_t)i << 52 | 1);
        if (i > 0)
            check_double((uint64_t)i << 52);
        check_double((uint64_t)i << 52 | UINT64_C(0xfffffffffffff));
    }
}
END_TEST

START_TEST(locale_does_not_matter)
{
    char text[NUMBER_PRINT_BYTES_MAX + 1];

    if (setlocale(LC_ALL, "de_DE.UTF-8") == NULL)
        setlocale(LC_ALL, "C.UTF-8");
    text[number_print_float(1.5f, text)] = '\0';
    ck_assert_str_eq(text, "1.5");
}
END_TEST

Suite *make_suite(void)
{
    Suite *suite = suite_create("number_print");
    TCase *tc = tcase_create("number_print");

    tcase_set_timeout(tc, 300);
    tcase_add_loop_test(tc, floats_as_expected, 0, sizeof(floats) / sizeof(floats[0]));
    tcase_add_loop_test(tc, doubles_as_expected, 0, sizeof(doubles) / sizeof(doubles[0]));
    tcase_add_test(tc, integers_as_expected);
    tcase_add_test(tc, random_floats_are_shortest_and_read_back);
    tcase_add_test(tc, random_doubles_are_shortest_and_read_back);
    tcase_add_test(tc, locale_does_not_matter);
    suite_add_tcase(suite, tc);
    return suite;
}
