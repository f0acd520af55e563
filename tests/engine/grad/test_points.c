/* SPDX-License-Identifier: Apache-2.0
 * Gradients as PyTorch has them where mathematics leaves a choice: points_cases.h, which make_points.py
 * writes. */
#include "tests/support/grad_case.h"
#include "tests/support/run_suite.h"

static const struct grad_case cases[] = {
#include "tests/engine/grad/points_cases.h"
};

START_TEST(row)
{
    grad_case_check(&cases[_i]);
}
END_TEST

Suite *make_suite(void)
{
    Suite *suite = suite_create("gradients at contestable points");
    TCase *tc = tcase_create("rows");

    tcase_add_loop_test(tc, row, 0, sizeof(cases) / sizeof(cases[0]));
    suite_add_tcase(suite, tc);
    return suite;
}
