/* SPDX-License-Identifier: Apache-2.0
 * Gradients of Softmax and LogSoftmax along each axis. */
#include "tests/support/grad_case.h"
#include "tests/support/run_suite.h"

static const struct grad_case cases[] = {
#define BOTH(title, data, attributes) \
    GRAD_ROW("Softmax, " title, "const a " data "; y = Softmax(a) " attributes "; out y"), \
    GRAD_ROW("LogSoftmax, " title, "const a " data "; y = LogSoftmax(a) " attributes "; out y")
    BOTH("a vector", "f32[5] ~", ""),
    BOTH("last axis", "f32[3,5] ~d", "axis=-1"),
    BOTH("first axis", "f32[3,5] ~d", "axis=0"),
    BOTH("middle axis", "f32[2,4,3] ~d", "axis=1"),
    BOTH("long lines", "f32[2,300] ~d", ""),
    BOTH("many lines side by side", "f32[2,300] ~d", "axis=0"),
    BOTH("one element", "f32[3,1] ~", ""),
    BOTH("a scalar", "f32[] ~", ""),
    BOTH("sure of itself", "f32[2,4] 30 0 -30 1 0 0 60 2", ""),
    GRAD_ROW("Softmax within a chain",
     "const a f32[3,5] ~d; b = Mul(a,a); c = Softmax(b); d = Mul(c,b); y = Neg(d); out y"),
    GRAD_ROW("LogSoftmax within a chain",
     "const a f32[3,5] ~d; b = Mul(a,a); c = LogSoftmax(b); d = Mul(c,b); y = Neg(d); out y"),
    GRAD_ROW("Hardmax lets nothing through", "const a f32[3,4] ~d; b = Hardmax(a); y = Mul(a,b); out y"),
};

START_TEST(row)
{
    grad_case_check(&cases[_i]);
}
END_TEST

Suite *make_suite(void)
{
    Suite *suite = suite_create("gradients of softmax");
    TCase *tc = tcase_create("rows");

    tcase_add_loop_test(tc, row, 0, sizeof(cases) / sizeof(cases[0]));
    suite_add_tcase(suite, tc);
    return suite;
}
