/* SPDX-License-Identifier: Apache-2.0 */
#include "proto/number_scan.h"
#include "tests/support/run_suite.h"

#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static enum number_fault scan(enum wire_type type, const char *text, void *ret, int64_t room,
                              int64_t *ret_count, const char **ret_stop)
{
    const char *p = text;
    enum number_fault fault = number_scan_run(type, &p, text + strlen(text), room, ret, ret_count);

    *ret_stop = p;
    return fault;
}

static const struct {
    enum wire_type type;
    const char *text;
    enum number_fault fault;
    double value;
} rows[] = {
    /* the grammar */
    {WIRE_FP32, "0", NUMBER_OK, 0},
    {WIRE_FP32, "-0", NUMBER_OK, -0.0},
    {WIRE_FP32, "10", NUMBER_OK, 10},
    {WIRE_FP32, "1.5e+3", NUMBER_OK, 1500},
    {WIRE_FP32, "1.5E-1", NUMBER_OK, 0.15f},
    {WIRE_FP32, "01", NUMBER_SYNTAX, 0},
    {WIRE_FP32, "-01", NUMBER_SYNTAX, 0},
    {WIRE_FP32, "00", NUMBER_SYNTAX, 0},
    {WIRE_FP32, "+1", NUMBER_SYNTAX, 0},
    {WIRE_FP32, "-", NUMBER_SYNTAX, 0},
    {WIRE_FP32, "--1", NUMBER_SYNTAX, 0},
    {WIRE_FP32, "1.", NUMBER_SYNTAX, 0},
    {WIRE_FP32, ".5", NUMBER_SYNTAX, 0},
    {WIRE_FP32, "1e", NUMBER_SYNTAX, 0},
    {WIRE_FP32, "1e+", NUMBER_SYNTAX, 0},
    {WIRE_FP32, "1.e5", NUMBER_SYNTAX, 0},
    {WIRE_FP32, "-.5", NUMBER_SYNTAX, 0},
    {WIRE_FP32, "inf", NUMBER_KIND, 0},
    {WIRE_FP32, "nan", NUMBER_KIND, 0},
    {WIRE_FP32, "null", NUMBER_KIND, 0},
    {WIRE_FP32, "true", NUMBER_KIND, 0},
    {WIRE_FP32, "\"1\"", NUMBER_KIND, 0},
    {WIRE_FP32, "[1]", NUMBER_KIND, 0},
    {WIRE_FP32, "{}", NUMBER_KIND, 0},
    {WIRE_FP32, "", NUMBER_KIND, 0},
    {WIRE_FP32, "1,", NUMBER_KIND, 0},
    {WIRE_FP32, "1,,2", NUMBER_KIND, 0},
    {WIRE_FP32, "1, 2 ,3", NUMBER_TOO_MANY, 0},
    {WIRE_FP64, "-Infinit", NUMBER_SYNTAX, 0},
    /* not finite */
    {WIRE_FP32, "NaN", NUMBER_OK, (double)NAN},
    {WIRE_FP32, "Infinity", NUMBER_OK, (double)INFINITY},
    {WIRE_FP32, "-Infinity", NUMBER_OK, -(double)INFINITY},
    {WIRE_FP64, "NaN", NUMBER_OK, (double)NAN},
    {WIRE_FP64, "-Infinity", NUMBER_OK, -(double)INFINITY},
    {WIRE_FP16, "NaN", NUMBER_OK, 0x7e00},
    {WIRE_FP16, "-Infinity", NUMBER_OK, 0xfc00},
    {WIRE_BF16, "Infinity", NUMBER_OK, 0x7f80},
    {WIRE_INT32, "NaN", NUMBER_KIND, 0},
    /* too large, too small */
    {WIRE_FP64, "1e400", NUMBER_RANGE, 0},
    {WIRE_FP64, "-1e400", NUMBER_RANGE, 0},
    {WIRE_FP64, "1e-400", NUMBER_OK, 0},
    {WIRE_FP64, "1e99999999999999999999", NUMBER_RANGE, 0},
    {WIRE_FP64, "1e-99999999999999999999", NUMBER_OK, 0},
    {WIRE_FP64, "0e99999999999999999999", NUMBER_OK, 0},
    {WIRE_FP64, "1.7976931348623157e308", NUMBER_OK, 1.7976931348623157e308},
    {WIRE_FP64, "1.7976931348623159e308", NUMBER_RANGE, 0},
    {WIRE_FP64, "5e-324", NUMBER_OK, 5e-324},
    {WIRE_FP64, "2e-324", NUMBER_OK, 0},
    {WIRE_FP32, "3.4028235e38", NUMBER_OK, (double)3.40282347e38f},
    {WIRE_FP32, "3.4028236e38", NUMBER_RANGE, 0},
    {WIRE_FP32, "1e39", NUMBER_RANGE, 0},
    {WIRE_FP32, "1e-45", NUMBER_OK, (double)1e-45f},
    {WIRE_FP32, "1e-46", NUMBER_OK, 0},
    {WIRE_FP16, "65504", NUMBER_OK, 0x7bff},
    {WIRE_FP16, "65519.99", NUMBER_OK, 0x7bff},
    {WIRE_FP16, "65520", NUMBER_RANGE, 0},
    {WIRE_FP16, "6e-8", NUMBER_OK, 1},
    {WIRE_FP16, "-1.5", NUMBER_OK, 0xbe00},
    {WIRE_FP16, "6.097555160522461e-05", NUMBER_OK, 0x03ff},
    {WIRE_BF16, "1", NUMBER_OK, 0x3f80},
    {WIRE_BF16, "3.4e38", NUMBER_RANGE, 0},
    {WIRE_BF16, "1.00390625", NUMBER_OK, 0x3f80},
    {WIRE_BF16, "1.01171875", NUMBER_OK, 0x3f82},
    /* halfway cases: the middle of two floats, a hair above and below it */
    {WIRE_FP32, "16777217", NUMBER_OK, 16777216},
    {WIRE_FP32, "16777219", NUMBER_OK, 16777220},
    {WIRE_FP32, "16777217.0000000001", NUMBER_OK, 16777218},
    {WIRE_FP32, "16777216.9999999999", NUMBER_OK, 16777216},
    {WIRE_FP32, "1.00000005960464477539062500000000000000000000000001", NUMBER_OK,
     (double)1.00000012f},
    {WIRE_FP64, "9007199254740993", NUMBER_OK, 9007199254740992.0},
    {WIRE_FP64, "9007199254740993.0000000000000000000000000001", NUMBER_OK, 9007199254740994.0},
    {WIRE_FP64, "9007199254740995", NUMBER_OK, 9007199254740996.0},
    {WIRE_FP64, "0.1", NUMBER_OK, 0.1},
    {WIRE_FP64, "123456789012345678901234567890", NUMBER_OK, 1.2345678901234568e29},
    {WIRE_FP64, "0.000000000000000000000000000000123456789012345678", NUMBER_OK,
     1.23456789012345678e-31},
    /* integers */
    {WIRE_INT8, "127", NUMBER_OK, 127},
    {WIRE_INT8, "-128", NUMBER_OK, -128},
    {WIRE_INT8, "128", NUMBER_RANGE, 0},
    {WIRE_INT8, "-129", NUMBER_RANGE, 0},
    {WIRE_UINT8, "255", NUMBER_OK, 255},
    {WIRE_UINT8, "256", NUMBER_RANGE, 0},
    {WIRE_UINT8, "-1", NUMBER_RANGE, 0},
    {WIRE_UINT8, "-0", NUMBER_OK, 0},
    {WIRE_INT16, "-32769", NUMBER_RANGE, 0},
    {WIRE_UINT16, "65536", NUMBER_RANGE, 0},
    {WIRE_INT32, "2147483648", NUMBER_RANGE, 0},
    {WIRE_UINT32, "4294967296", NUMBER_RANGE, 0},
    {WIRE_INT64, "9223372036854775808", NUMBER_RANGE, 0},
    {WIRE_INT64, "-9223372036854775809", NUMBER_RANGE, 0},
    {WIRE_UINT64, "18446744073709551616", NUMBER_RANGE, 0},
    {WIRE_UINT64, "99999999999999999999999", NUMBER_RANGE, 0},
    {WIRE_INT64, "1.0", NUMBER_FRACTION, 0},
    {WIRE_INT32, "1.5", NUMBER_FRACTION, 0},
    {WIRE_INT32, "1e3", NUMBER_FRACTION, 0},
    {WIRE_INT32, "01", NUMBER_SYNTAX, 0},
    {WIRE_INT32, "true", NUMBER_KIND, 0},
    /* booleans */
    {WIRE_BOOL, "true", NUMBER_OK, 1},
    {WIRE_BOOL, "false", NUMBER_OK, 0},
    {WIRE_BOOL, "1", NUMBER_OK, 1},
    {WIRE_BOOL, "0", NUMBER_OK, 0},
    {WIRE_BOOL, "2", NUMBER_RANGE, 0},
    {WIRE_BOOL, "1.0", NUMBER_FRACTION, 0},
    {WIRE_BOOL, "True", NUMBER_KIND, 0},
};

/* Element 0 as a double; the halves as their bits. */
static double element(enum wire_type type, const void *data)
{
    switch (type) {
    case WIRE_BOOL:
    case WIRE_UINT8:
        return *(const uint8_t *)data;
    case WIRE_INT8:
        return *(const int8_t *)data;
    case WIRE_FP32:
        return (double)*(const float *)data;
    case WIRE_FP64:
        return *(const double *)data;
    case WIRE_FP16:
    case WIRE_BF16:
        return *(const uint16_t *)data;
    default:
        return 0;
    }
}

START_TEST(values_and_faults)
{
    double data[2] = {0}, value;
    const char *stop;
    int64_t n;
    enum number_fault fault = scan(rows[_i].type, rows[_i].text, data, 2, &n, &stop);

    ck_assert_msg(fault == rows[_i].fault, "%s as %s: fault %d, expected %d", rows[_i].text,
                  wire_type_name(rows[_i].type), fault, rows[_i].fault);
    if (fault != NUMBER_OK)
        return;
    value = element(rows[_i].type, data);
    ck_assert_msg(n == 1 && *stop == '\0', "%s: stopped at '%s'", rows[_i].text, stop);
    ck_assert_msg(memcmp(&value, &rows[_i].value, sizeof(value)) == 0 ||
                      (isnan(value) && isnan(rows[_i].value)),
                  "%s as %s: %.17g, expected %.17g", rows[_i].text,
                  wire_type_name(rows[_i].type), value, rows[_i].value);
}
END_TEST

static const struct {
    const char *text;
    int64_t count;
    const char *stop;
} stops[] = {
    {"1]", 1, "]"},
    {"1 , 2\n,\t3 ]", 3, "]"},
    {"1x", 1, "x"},
    {"0x10", 1, "x10"},
    {"1 2", 1, "2"},
    {"1}", 1, "}"},
    {"1.5.5", 1, ".5"},
    {"NaNa", 1, "a"},
    {"1e5e5", 1, "e5"},
};

START_TEST(a_run_stops_at_what_is_no_comma)
{
    float data[8];
    const char *stop;
    int64_t n;

    ck_assert_int_eq(scan(WIRE_FP32, stops[_i].text, data, 8, &n, &stop), NUMBER_OK);
    ck_assert_msg(n == stops[_i].count && strcmp(stop, stops[_i].stop) == 0, "%s: %lld, '%s'",
                  stops[_i].text, (long long)n, stop);
}
END_TEST

START_TEST(integers_are_exact)
{
    static const char text[] = "-9223372036854775808,9223372036854775807,-1,1234567890123456789";
    static const int64_t expected[] = {INT64_MIN, INT64_MAX, -1, 1234567890123456789};
    int64_t data[4], n;
    uint64_t large[1];
    const char *stop;

    ck_assert_int_eq(scan(WIRE_INT64, text, data, 4, &n, &stop), NUMBER_OK);
    ck_assert_int_eq(n, 4);
    ck_assert_int_eq(memcmp(data, expected, sizeof(data)), 0);
    ck_assert_int_eq(scan(WIRE_UINT64, "18446744073709551615", large, 1, &n, &stop), NUMBER_OK);
    ck_assert_uint_eq(large[0], UINT64_MAX);
}
END_TEST

/* A token of the grammar with `digits` significant digits or so. */
static void random_token(uint64_t *state, char *text)
{
    int whole = (int)(test_random(state) % 12), fraction = (int)(test_random(state) % 24);
    uint64_t kind = test_random(state);
    int i;

    if (kind % 2 == 0)
        *text++ = '-';
    if (whole == 0)
        *text++ = '0';
    for (i = 0; i < whole; i++)
        *text++ = (char)((i == 0 ? '1' : '0') + test_random(state) % (i == 0 ? 9 : 10));
    if (fraction > 0) {
        *text++ = '.';
        for (i = 0; i < fraction; i++)
            *text++ = (char)('0' + test_random(state) % 10);
    }
    *text = '\0';
    kind = kind >> 8;
    if (kind % 4 == 0)
        sprintf(text, "e%d", (int)(test_random(state) % 60) - 30);
    else if (kind % 16 == 1)
        sprintf(text, "E%+d", (int)(test_random(state) % 700) - 350);
}

static void check_token(const char *token)
{
    double value = 0, expected = strtod(token, NULL);
    float single = 0, expected_single = strtof(token, NULL);
    const char *stop;
    int64_t n;
    enum number_fault fault;

    fault = scan(WIRE_FP64, token, &value, 1, &n, &stop);
    if (isinf(expected))
        ck_assert_msg(fault == NUMBER_RANGE, "%s: fault %d", token, fault);
    else
        ck_assert_msg(fault == NUMBER_OK && memcmp(&value, &expected, sizeof(value)) == 0,
                      "%s: FP64 %a, strtod %a", token, value, expected);
    fault = scan(WIRE_FP32, token, &single, 1, &n, &stop);
    if (isinf(expected_single))
        ck_assert_msg(fault == NUMBER_RANGE, "%s: fault %d", token, fault);
    else
        ck_assert_msg(fault == NUMBER_OK && memcmp(&single, &expected_single, sizeof(single)) == 0,
                      "%s: FP32 %a, strtof %a", token, (double)single, (double)expected_single);
}

START_TEST(random_tokens_read_as_strtod_reads_them)
{
    uint64_t state = test_seed();
    char token[96];
    int i, n = 300000 * test_scale();

    for (i = 0; i < n; i++) {
        random_token(&state, token);
        check_token(token);
    }
}
END_TEST

/* Exactly between two floats, written out in full, and one digit to either side. */
START_TEST(middles_of_floats_read_as_strtof_reads_them)
{
    uint64_t state = test_seed() + 7;
    char token[256];
    int i, n = 20000 * test_scale();

    for (i = 0; i < n; i++) {
        uint32_t bits = (uint32_t)(test_random(&state) & 0x7fffffff);
        double low, high;
        float f;
        size_t length;

        if (bits >= 0x7f000000)
            continue;
        memcpy(&f, &bits, sizeof(f));
        low = (double)f;
        bits++;
        memcpy(&f, &bits, sizeof(f));
        high = (double)f;
        snprintf(token, sizeof(token), "%.*e", (int)(test_random(&state) % 120), (low + high) / 2);
        check_token(token);
        length = (size_t)(strchr(token, 'e') - token);
        token[length - 1] = (char)('0' + test_random(&state) % 10);
        check_token(token);
    }
}
END_TEST

START_TEST(round_trips_at_every_precision)
{
    uint64_t state = test_seed() + 13;
    char token[64];
    int i, n = 50000 * test_scale();

    for (i = 0; i < n; i++) {
        uint64_t bits = test_random(&state);
        double value;

        memcpy(&value, &bits, sizeof(value));
        if (!isfinite(value))
            continue;
        snprintf(token, sizeof(token), "%.*e", (int)(bits % 25), value);
        check_token(token);
    }
}
END_TEST

START_TEST(very_long_tokens)
{
    enum { DIGITS = 300000 };
    char *token = malloc(DIGITS + 64);
    double value;
    const char *stop;
    int64_t n;

    ck_assert_ptr_nonnull(token);
    memset(token, '9', 400);
    token[400] = '\0';
    ck_assert_int_eq(scan(WIRE_FP64, token, &value, 1, &n, &stop), NUMBER_RANGE);
    ck_assert_int_eq(scan(WIRE_INT64, token, &value, 1, &n, &stop), NUMBER_RANGE);
    strcpy(token + 400, "e-400");
    ck_assert_int_eq(scan(WIRE_FP64, token, &value, 1, &n, &stop), NUMBER_OK);
    ck_assert_double_eq(value, 1.0);
    /* 0.000...01 with an exponent that makes up for it, and one that does not */
    memset(token, '0', DIGITS);
    token[1] = '.';
    sprintf(token + DIGITS, "1e%d", DIGITS - 1);
    ck_assert_int_eq(scan(WIRE_FP64, token, &value, 1, &n, &stop), NUMBER_OK);
    ck_assert_double_eq(value, 1.0);
    sprintf(token + DIGITS, "1e%d000000", DIGITS - 1);
    ck_assert_int_eq(scan(WIRE_FP64, token, &value, 1, &n, &stop), NUMBER_RANGE);
    free(token);
}
END_TEST

START_TEST(locale_does_not_matter)
{
    double value;
    const char *stop;
    int64_t n;

    if (setlocale(LC_ALL, "de_DE.UTF-8") == NULL)
        setlocale(LC_ALL, "C.UTF-8");
    ck_assert_int_eq(scan(WIRE_FP64, "1.5000000000000000000000000001e-310", &value, 1, &n, &stop),
                     NUMBER_OK);
    ck_assert_double_eq(value, 1.5e-310);
}
END_TEST

START_TEST(faults_are_put_in_words)
{
    static const struct {
        enum wire_type type;
        const char *text, *words;
    } cases[] = {
        {WIRE_FP32, "1,1e400", "element 1: 1e400 does not fit FP32"},
        {WIRE_UINT8, "300]", "element 0: 300 does not fit UINT8"},
        {WIRE_INT32, "1,2,2.5]", "element 2: 2.5 is not written as an integer, expected INT32"},
        {WIRE_FP32, "01]", "element 0: '01' is not a JSON number"},
        {WIRE_FP32, "\"a\"]", "element 0 is a string, expected a number (FP32)"},
        {WIRE_BOOL, "null]", "element 0 is null, expected true or false (BOOL)"},
        {WIRE_FP32, "1,]", "element 1 is missing, expected a number (FP32)"},
    };
    size_t i;

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct problem problem = {0};
        double data[8];
        const char *stop;
        int64_t n;
        enum number_fault fault = scan(cases[i].type, cases[i].text, data, 8, &n, &stop);

        ck_assert(!number_fault_explain(fault, cases[i].type, stop,
                                        cases[i].text + strlen(cases[i].text), n, &problem));
        ck_assert_int_eq(problem.status, 400);
        ck_assert_str_eq(problem.text, cases[i].words);
    }
}
END_TEST

Suite *make_suite(void)
{
    Suite *suite = suite_create("number_scan");
    TCase *tc = tcase_create("number_scan");

    tcase_set_timeout(tc, 300);
    tcase_add_loop_test(tc, values_and_faults, 0, sizeof(rows) / sizeof(rows[0]));
    tcase_add_loop_test(tc, a_run_stops_at_what_is_no_comma, 0, sizeof(stops) / sizeof(stops[0]));
    tcase_add_test(tc, integers_are_exact);
    tcase_add_test(tc, random_tokens_read_as_strtod_reads_them);
    tcase_add_test(tc, middles_of_floats_read_as_strtof_reads_them);
    tcase_add_test(tc, round_trips_at_every_precision);
    tcase_add_test(tc, very_long_tokens);
    tcase_add_test(tc, locale_does_not_matter);
    tcase_add_test(tc, faults_are_put_in_words);
    suite_add_tcase(suite, tc);
    return suite;
}
