/* SPDX-License-Identifier: Apache-2.0
 * Gradients of the Reduce operators. */
#include "tests/support/grad_case.h"
#include "tests/support/run_suite.h"

static const struct grad_case cases[] = {
#define ROW(op, kind) \
    GRAD_ROW(op ", all", "const a f32[2,3,4] " kind "; y = " op "(a); out y"), \
    GRAD_ROW(op ", all, no dimensions", "const a f32[2,3] " kind "; y = " op "(a) keepdims=0; out y"), \
    GRAD_ROW(op ", last", \
             "const a f32[2,3,4] " kind "; const i i64[1] -1; y = " op "(a,i); out y"), \
    GRAD_ROW(op ", first", \
             "const a f32[3,4] " kind "; const i i64[1] 0; y = " op "(a,i) keepdims=0; out y"), \
    GRAD_ROW(op ", middle", \
             "const a f32[2,3,4] " kind "; const i i64[1] 1; y = " op "(a,i) keepdims=0; out y"), \
    GRAD_ROW(op ", ends", \
             "const a f32[2,3,4] " kind "; const i i64[2] 0 2; y = " op "(a,i); out y"), \
    GRAD_ROW(op ", none", \
             "const a f32[2,3] " kind "; y = " op "(a) noop_with_empty_axes=1; out y"), \
    GRAD_ROW(op ", within a chain", \
             "const a f32[3,4] " kind "; const i i64[1] 1; b = " op "(a,i); c = Mul(b,a); " \
             "y = Mul(c,b); out y")
    ROW("ReduceL1", "~"),
    ROW("ReduceL2", "~"),
    ROW("ReduceLogSum", "~p"),
    ROW("ReduceLogSumExp", "~d"),
    ROW("ReduceMax", "~d"),
    ROW("ReduceMean", "~"),
    ROW("ReduceMin", "~d"),
    ROW("ReduceProd", "~p"),
    ROW("ReduceSum", "~"),
    ROW("ReduceSumSquare", "~"),
    GRAD_ROW("ReduceProd, a zero",
             "const a f32[2,3] 2 0 3 4 5 6; const i i64[1] 1; y = ReduceProd(a,i); out y"),
    GRAD_ROW("ReduceProd, two zeros",
             "const a f32[2,3] 0 0 3 0 5 6; const i i64[1] 1; y = ReduceProd(a,i); out y"),
    GRAD_ROW("ReduceLogSumExp, far out",
     "const a f32[2,3] 90 91 89 -80 -82 -79; const i i64[1] 1; y = ReduceLogSumExp(a,i); out y"),
};

START_TEST(row)
{
    grad_case_check(&cases[_i]);
}
END_TEST

Suite *make_suite(void)
{
    Suite *suite = suite_create("gradients of reductions");
    TCase *tc = tcase_create("rows");

    tcase_add_loop_test(tc, row, 0, sizeof(cases) / sizeof(cases[0]));
    suite_add_tcase(suite, tc);
    return suite;
}
