/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/error.h"
#include "tests/support/run_suite.h"

#include <string.h>

START_TEST(first_failure_is_kept)
{
    struct engine_error err = {0};

    ck_assert_int_eq(engine_error_set(&err, ENGINE_BAD_INPUT, "first %d", 1), ENGINE_BAD_INPUT);
    ck_assert_int_eq(engine_error_set(&err, ENGINE_NO_MEMORY, "second"), ENGINE_NO_MEMORY);
    ck_assert_int_eq(err.status, ENGINE_BAD_INPUT);
    ck_assert_str_eq(err.text, "first 1");
}
END_TEST

START_TEST(prefix_goes_before_the_text)
{
    struct engine_error err = {0};

    engine_error_set(&err, ENGINE_BAD_INPUT, "K is 3, expected 4");
    engine_error_prefix(&err, "MatMul (node '%s')", "fc1");
    ck_assert_str_eq(err.text, "MatMul (node 'fc1'): K is 3, expected 4");
}
END_TEST

START_TEST(long_text_is_cut_and_terminated)
{
    struct engine_error err = {0};
    char text[2 * sizeof(err.text)];

    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    engine_error_set(&err, ENGINE_BAD_MODEL, "%s", text);
    ck_assert_uint_eq(strlen(err.text), sizeof(err.text) - 1);
    engine_error_prefix(&err, "p");
    ck_assert_uint_eq(strlen(err.text), sizeof(err.text) - 1);
    ck_assert_int_eq(strncmp(err.text, "p: xxx", 6), 0);
}
END_TEST

START_TEST(every_status_has_a_text)
{
    ck_assert_str_eq(engine_status_text(ENGINE_OK), "ok");
    ck_assert_str_ne(engine_status_text(ENGINE_IO), "unknown status");
    ck_assert_str_eq(engine_status_text((enum engine_status)99), "unknown status");
}
END_TEST

Suite *make_suite(void)
{
    Suite *suite = suite_create("error");
    TCase *tc = tcase_create("error");

    tcase_add_test(tc, first_failure_is_kept);
    tcase_add_test(tc, prefix_goes_before_the_text);
    tcase_add_test(tc, long_text_is_cut_and_terminated);
    tcase_add_test(tc, every_status_has_a_text);
    suite_add_tcase(suite, tc);
    return suite;
}
