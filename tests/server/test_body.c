/* SPDX-License-Identifier: Apache-2.0 */
#include "server/http/body.h"
#include "tests/support/run_suite.h"

#include <stdlib.h>
#include <string.h>

static int64_t counted;

static void count(void *arg, int64_t amount)
{
    (void)arg;
    counted += amount;
}

START_TEST(pieces_join)
{
    struct body_budget budget = {0, 1000000, count, NULL};
    struct body body = {0};
    char expected[5000];

    for (size_t announced = 0; announced <= sizeof(expected); announced += sizeof(expected)) {
        ck_assert_int_eq(body_init(&body, &budget, announced, 10000), BODY_STATUS_OK);
        for (size_t at = 0; at < sizeof(expected); at += 1000) {
            memset(expected + at, 'a' + (int)(at / 1000), 1000);
            ck_assert_int_eq(body_add(&body, expected + at, 1000), BODY_STATUS_OK);
        }
        ck_assert_uint_eq(body.length, sizeof(expected));
        ck_assert_int_eq(memcmp(body.data, expected, sizeof(expected)), 0);
        ck_assert_int_eq(body.data[sizeof(expected)], '\0');
        ck_assert_int_eq(counted, body.charged);
        ck_assert_int_ge(body.charged, (int64_t)sizeof(expected));
        body_finish(&body);
        ck_assert_int_eq(budget.used, 0);
        ck_assert_int_eq(counted, 0);
    }
    body_finish(&body);
}
END_TEST

START_TEST(announcing_much_charges_nothing)
{
    struct body_budget budget = {0, 1000, NULL, NULL};
    struct body body = {0};

    ck_assert_int_eq(body_init(&body, &budget, 900, 900), BODY_STATUS_OK);
    ck_assert_int_eq(budget.used, 0);
    ck_assert_int_eq(body_add(&body, "x", 1), BODY_STATUS_OK);
    ck_assert_int_le(budget.used, 2);
    body_finish(&body);
}
END_TEST

START_TEST(limits_hold)
{
    static const char data[2000];
    struct body_budget budget = {0, 3000, NULL, NULL};
    struct body one = {0}, two = {0};

    ck_assert_int_eq(body_init(&one, &budget, 2001, 2000), BODY_STATUS_TOO_LARGE);
    body_finish(&one);
    ck_assert_int_eq(body_init(&one, &budget, 0, 1999), BODY_STATUS_OK);
    ck_assert_int_eq(body_add(&one, data, 2000), BODY_STATUS_TOO_LARGE);
    ck_assert_int_eq(body_add(&one, data, 1999), BODY_STATUS_OK);
    ck_assert_int_eq(body_add(&one, data, 1), BODY_STATUS_TOO_LARGE);
    ck_assert_int_eq(body_init(&two, &budget, 0, 2000), BODY_STATUS_OK);
    ck_assert_int_eq(body_add(&two, data, 1500), BODY_STATUS_OVER_BUDGET);
    body_finish(&one);
    ck_assert_int_eq(body_add(&two, data, 1500), BODY_STATUS_OK);
    body_finish(&two);
    ck_assert_int_eq(budget.used, 0);
}
END_TEST

START_TEST(tiny_pieces_are_counted)
{
    struct body_budget budget = {0, 1 << 20, NULL, NULL};
    struct body body = {0};
    enum body_status status = BODY_STATUS_OK;
    int n = 0;

    ck_assert_int_eq(body_init(&body, &budget, 0, 1 << 20), BODY_STATUS_OK);
    while (status == BODY_STATUS_OK && n < 2 * BODY_SMALL_PIECES_MAX) {
        status = body_add(&body, "x", 1);
        n++;
    }
    ck_assert_int_eq(status, BODY_STATUS_TOO_MANY_PIECES);
    ck_assert_int_eq(n, BODY_SMALL_PIECES_MAX + 1);
    body_finish(&body);
}
END_TEST

START_TEST(memory_is_used_again)
{
    struct body_budget budget = {0, 1 << 20, count, NULL};
    struct body body = {0};
    const char *first;

    counted = 0;
    ck_assert_int_eq(body_init(&body, &budget, 5000, 100000), BODY_STATUS_OK);
    first = body.data;
    ck_assert_int_eq(body_add(&body, "old", 3), BODY_STATUS_OK);
    body_recycle(&body);
    ck_assert_int_eq(budget.used, 0);
    ck_assert_int_eq(counted, 0);
    ck_assert_int_eq(body_init(&body, &budget, 0, 100000), BODY_STATUS_OK);
    ck_assert_ptr_eq(body.data, first);
    ck_assert_str_eq(body.data, "");
    ck_assert_uint_eq(body.length, 0);
    body_recycle(&body);
    ck_assert_int_eq(body_init(&body, &budget, 4, 100000), BODY_STATUS_OK);
    ck_assert_int_eq(body_add(&body, "12345", 5), BODY_STATUS_TOO_LARGE);
    ck_assert_int_eq(body_add(&body, "1234", 4), BODY_STATUS_OK);
    ck_assert_str_eq(body.data, "1234");
    body_recycle(&body);
    /* What is larger than usual does not stay. */
    ck_assert_int_eq(body_init(&body, &budget, 100000, 100000), BODY_STATUS_OK);
    body_recycle(&body);
    ck_assert_ptr_eq(body.data, NULL);
    body_finish(&body);
}
END_TEST

Suite *make_suite(void)
{
    Suite *suite = suite_create("body");
    TCase *tc = tcase_create("body");

    tcase_add_test(tc, pieces_join);
    tcase_add_test(tc, announcing_much_charges_nothing);
    tcase_add_test(tc, limits_hold);
    tcase_add_test(tc, tiny_pieces_are_counted);
    tcase_add_test(tc, memory_is_used_again);
    suite_add_tcase(suite, tc);
    return suite;
}
