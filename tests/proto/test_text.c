/* SPDX-License-Identifier: Apache-2.0
 * The small pieces: text, problems, datatypes, UTF-8, base64. */
#include "proto/base64.h"
#include "proto/datatype.h"
#include "proto/problem.h"
#include "proto/text.h"
#include "proto/utf8.h"
#include "proto/wire_tensor.h"
#include "tests/support/run_suite.h"

#include <jansson.h>
#include <string.h>

#define COUNT(table) (sizeof(table) / sizeof(table[0]))

static const struct {
    const char *data;
    size_t length;
    const char *json;
} strings[] = {
    {"", 0, "\"\""},
    {"plain", 5, "\"plain\""},
    {"a\"b\\c/", 6, "\"a\\\"b\\\\c/\""},
    {"\b\f\n\r\t", 5, "\"\\b\\f\\n\\r\\t\""},
    {"\0\x01\x1f\x7f", 4, "\"\\u0000\\u0001\\u001f\\u007f\""},
    {"\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80", 9, "\"\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80\""},
    {"a\xff" "b", 3, "\"a\xef\xbf\xbd" "b\""},
    {"\xc3", 1, "\"\xef\xbf\xbd\""},
    {"\xed\xa0\x80", 3, "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\""},
};

START_TEST(json_strings)
{
    struct text text;
    json_t *value;

    text_init(&text);
    text_json_string(&text, strings[_i].data, strings[_i].length);
    ck_assert_uint_eq(text.length, strlen(strings[_i].json));
    ck_assert_mem_eq(text.data, strings[_i].json, text.length);
    value = json_loadb(text.data, text.length, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
    ck_assert_ptr_nonnull(value);
    json_decref(value);
    text_free(&text);
}
END_TEST

START_TEST(text_grows_and_latches)
{
    struct text text;
    int i;

    text_init(&text);
    for (i = 0; i < 1000; i++)
        text_printf(&text, "%d,", i);
    ck_assert_uint_eq(text.length, 3890);
    ck_assert(!text.failed);
    ck_assert(!text_reserve(&text, SIZE_MAX - 10));
    ck_assert(text.failed);
    text_puts(&text, "x");
    text_json_float(&text, 1.0f);
    ck_assert_uint_eq(text.length, 3890);
    text_free(&text);
    ck_assert_ptr_null(text.data);
}
END_TEST

START_TEST(problem_keeps_the_first)
{
    struct problem problem = {0};
    char text[1024];

    ck_assert(!problem_set(&problem, 400, "bad_json", "first %d", 1));
    ck_assert(!problem_set(&problem, 500, "other", "second"));
    problem_prefix(&problem, "inputs[%d]", 3);
    ck_assert_int_eq(problem.status, 400);
    ck_assert_str_eq(problem.reason, "bad_json");
    ck_assert_str_eq(problem.text, "inputs[3]: first 1");
    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    problem = (struct problem){0};
    problem_set(&problem, 400, "bad_json", "%s", text);
    problem_prefix(&problem, "p");
    ck_assert_uint_eq(strlen(problem.text), sizeof(problem.text) - 1);
}
END_TEST

START_TEST(every_type_is_found_by_its_name)
{
    int type, n = 0;

    for (type = WIRE_NONE + 1; wire_type_name((enum wire_type)type)[0] != '\0'; type++, n++) {
        const char *name = wire_type_name((enum wire_type)type);

        ck_assert_int_eq(wire_type_find(name, strlen(name)), type);
        ck_assert_int_eq(strncmp(wire_type_tf_name((enum wire_type)type), "DT_", 3), 0);
    }
    ck_assert_int_eq(n, 14);
    ck_assert_int_eq(wire_type_find("FP3", 3), WIRE_NONE);
    ck_assert_int_eq(wire_type_find("FP322", 5), WIRE_NONE);
    ck_assert_int_eq(wire_type_find("fp32", 4), WIRE_NONE);
    ck_assert_int_eq(wire_type_find("", 0), WIRE_NONE);
    ck_assert_uint_eq(wire_type_bytes(WIRE_BF16), 2);
    ck_assert_uint_eq(wire_type_bytes(WIRE_BYTES), 0);
    ck_assert_uint_eq(wire_type_bytes((enum wire_type)99), 0);
}
END_TEST

static const struct {
    int64_t dims[3];
    int rank;
    size_t element;
    bool good;
    int64_t count;
} counts[] = {
    {{0}, 0, 4, true, 1},
    {{2, 3, 4}, 3, 4, true, 24},
    {{2, 0, 4}, 3, 4, true, 0},
    {{INT64_MAX, 0, INT64_MAX}, 3, 4, true, 0},
    {{2, -1, 4}, 3, 4, false, 0},
    {{0, -1, 4}, 3, 4, false, 0},
    {{16, (INT64_C(1) << 60) + 2, 1}, 3, 4, false, 0},
    {{4, (INT64_C(1) << 60) + 2, 1}, 3, 4, false, 0},
    {{4, (INT64_C(1) << 60) + 2, 1}, 3, 1, true, (INT64_C(1) << 62) + 8},
    {{INT64_MAX, INT64_MAX, INT64_MAX}, 3, 1, false, 0},
};

START_TEST(counts_are_checked)
{
    int64_t count = -1;
    bool good = wire_count(counts[_i].dims, counts[_i].rank, counts[_i].element, &count);

    ck_assert_msg(good == counts[_i].good, "row %d", _i);
    ck_assert_int_eq(count, good ? counts[_i].count : -1);
}
END_TEST

/* Every code point there is, and no other sequence of up to three bytes. */
START_TEST(utf8_takes_all_code_points_and_nothing_else)
{
    char bytes[4];
    uint32_t rune, valid = 0;

    for (rune = 0; rune < 0x110000; rune++) {
        size_t n = utf8_write(rune, bytes);
        bool surrogate = rune >= 0xd800 && rune <= 0xdfff;

        ck_assert_msg((utf8_sequence(bytes, bytes + n) == n) == !surrogate, "U+%04X", rune);
        ck_assert_msg(n == 1 || utf8_sequence(bytes, bytes + n - 1) == 0, "U+%04X cut", rune);
    }
    for (rune = 0; rune < 1 << 24; rune++) {
        bytes[0] = (char)(rune >> 16);
        bytes[1] = (char)(rune >> 8);
        bytes[2] = (char)rune;
        valid += utf8_sequence(bytes, bytes + 3) == 3;
    }
    ck_assert_uint_eq(valid, 0x10000 - 0x800 - 0x800);
    ck_assert(utf8_valid("0123456789\xc3\xa4" "0123456789", 22));
    ck_assert(!utf8_valid("0123456789\xc3", 11));
    ck_assert(!utf8_valid("0123456\xff", 8));
    ck_assert(utf8_valid("", 0));
}
END_TEST

static const struct {
    const char *text;
    const char *bytes;      /* NULL: refused */
} base64s[] = {
    {"", ""},       {"Zg==", "f"},       {"Zm8=", "fo"},     {"Zm9v", "foo"},   {"Zm9vYg==", "foob"},
    {"Zg", "f"},    {"Zm8", "fo"},       {"-_-_", "\xfb\xff\xbf"}, {"+/+/", "\xfb\xff\xbf"},
    {"Z", NULL},    {"Zm9vY", NULL},     {"Zh==", NULL},     {"Zm9=", NULL},    {"Zg=", NULL},
    {"=", NULL},    {"====", NULL},      {"Z===", NULL},     {"Zm 9", NULL},    {"Zg==Zg==", NULL},
    {"Zm9\n", NULL},
};

START_TEST(base64_decodes_and_refuses)
{
    char bytes[32];
    size_t length = 0;
    bool good = base64_decode(base64s[_i].text, strlen(base64s[_i].text), bytes, &length);

    ck_assert_msg(good == (base64s[_i].bytes != NULL), "'%s'", base64s[_i].text);
    if (good) {
        ck_assert_uint_eq(length, strlen(base64s[_i].bytes));
        ck_assert_mem_eq(bytes, base64s[_i].bytes, length);
    }
}
END_TEST

START_TEST(base64_round_trip)
{
    uint64_t state = test_seed();
    char data[64], back[100];
    size_t i, n, length;
    struct text text;

    for (n = 0; n < sizeof(data); n++) {
        for (i = 0; i < n; i++)
            data[i] = (char)test_random(&state);
        text_init(&text);
        base64_encode(&text, data, n);
        ck_assert_uint_eq(text.length, (n + 2) / 3 * 4);
        ck_assert(n == 0 || base64_decode(text.data, text.length, back, &length));
        ck_assert(n == 0 || (length == n && memcmp(back, data, n) == 0));
        text_free(&text);
    }
}
END_TEST

Suite *make_suite(void)
{
    Suite *suite = suite_create("text");
    TCase *tc = tcase_create("text");

    tcase_set_timeout(tc, 120);
    tcase_add_loop_test(tc, json_strings, 0, COUNT(strings));
    tcase_add_test(tc, text_grows_and_latches);
    tcase_add_test(tc, problem_keeps_the_first);
    tcase_add_test(tc, every_type_is_found_by_its_name);
    tcase_add_loop_test(tc, counts_are_checked, 0, COUNT(counts));
    tcase_add_test(tc, utf8_takes_all_code_points_and_nothing_else);
    tcase_add_loop_test(tc, base64_decodes_and_refuses, 0, COUNT(base64s));
    tcase_add_test(tc, base64_round_trip);
    suite_add_tcase(suite, tc);
    return suite;
}
