/* SPDX-License-Identifier: Apache-2.0 */
#include "server/serving/batcher.h"
#include "tests/support/run_suite.h"

START_TEST(cost_is_a_line_through_recent_runs)
{
    struct cost_model cost = {0};

    ck_assert_double_eq(cost_model_estimate(&cost, 1), 0);
    cost_model_learn(&cost, 4, 900);
    ck_assert_double_eq_tol(cost_model_estimate(&cost, 64), 900, 1e-6);
    for (int i = 0; i < 100; i++) {
        int64_t rows = 1 + i % 32;

        cost_model_learn(&cost, rows, 5000 + 100 * (uint64_t)rows);
    }
    ck_assert_double_eq_tol(cost_model_estimate(&cost, 1), 5100, 300);
    ck_assert_double_eq_tol(cost_model_estimate(&cost, 64), 11400, 600);
    for (int i = 0; i < 400; i++) {      /* it forgets */
        int64_t rows = 1 + i % 32;

        cost_model_learn(&cost, rows, 1000 + 10 * (uint64_t)rows);
    }
    ck_assert_double_eq_tol(cost_model_estimate(&cost, 64), 1640, 30);
    for (int i = 0; i < 200; i++)        /* larger runs that cost less: never a negative slope */
        cost_model_learn(&cost, 1 + i % 8, 10000 - 1000 * (uint64_t)(i % 8));
    ck_assert_double_ge(cost_model_estimate(&cost, 1000), cost_model_estimate(&cost, 1));
}
END_TEST

START_TEST(cost_of_what_is_far_larger_is_not_underrated)
{
    struct cost_model cost = {0};

    ck_assert_double_eq(cost_model_upper(&cost, 5), 0);
    for (int i = 0; i < 10; i++)
        cost_model_learn(&cost, 1, 1000);
    ck_assert_double_eq(cost_model_upper(&cost, 2), 1000);
    ck_assert_double_eq_tol(cost_model_upper(&cost, 40000), 40e6, 1);
    for (int i = 0; i < 10; i++)         /* rows that seem to be free: two sizes do not prove it */
        cost_model_learn(&cost, 2, 1000);
    ck_assert_double_ge(cost_model_upper(&cost, 40000), 20e6);
    cost_model_learn(&cost, 40000, 50000);
    ck_assert_double_lt(cost_model_upper(&cost, 40000), 100e3);
}
END_TEST

Suite *make_suite(void)
{
    Suite *suite = suite_create("cost_model");
    TCase *tc = tcase_create("cost_model");

    tcase_add_test(tc, cost_is_a_line_through_recent_runs);
    tcase_add_test(tc, cost_of_what_is_far_larger_is_not_underrated);
    suite_add_tcase(suite, tc);
    return suite;
}
