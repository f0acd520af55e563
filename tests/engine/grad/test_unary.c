/* SPDX-License-Identifier: Apache-2.0
 * Gradients of the mathematics of one input. */
#include "tests/support/grad_case.h"
#include "tests/support/run_suite.h"

static const struct grad_case cases[] = {
#define ROW(op, kind) \
    GRAD_ROW(op, "const a f32[3,7] " kind "; y = " op "(a); out y"), \
    GRAD_ROW(op ", then", "const a f32[3,7] " kind "; b = " op "(a); c = Mul(b,a); y = Neg(c); out y")
    ROW("Abs", "~"),
    ROW("Acos", "~"),
    GRAD_ROW("Acosh", "const a f32[3,7] ~p; const _b f32[] 1; c = Add(a,_b); y = Acosh(c); out y"),
    ROW("Asin", "~"),
    ROW("Asinh", "~d"),
    ROW("Atan", "~d"),
    ROW("Atanh", "~"),
    ROW("Cos", "~d"),
    ROW("Cosh", "~d"),
    ROW("Erf", "~d"),
    ROW("Exp", "~d"),
    ROW("Log", "~p"),
    ROW("Neg", "~"),
    ROW("Reciprocal", "~p"),
    ROW("Sin", "~d"),
    ROW("Sinh", "~d"),
    ROW("Sqrt", "~p"),
    ROW("Tan", "~"),
    ROW("Tanh", "~d"),
    GRAD_ROW("Erf, past a chunk", "const a f32[300] ~d; y = Erf(a); out y"),
    GRAD_ROW("a scalar", "const a f32[] ~+; b = Exp(a); c = Log(b); d = Sqrt(c); y = Tanh(d); out y"),
    /* Steps let nothing through: what goes round them remains. */
    GRAD_ROW("Floor", "const a f32[5] ~d; b = Floor(a); y = Mul(a,b); out y"),
    GRAD_ROW("Ceil", "const a f32[5] ~d; b = Ceil(a); y = Mul(a,b); out y"),
    GRAD_ROW("Round", "const a f32[5] ~d; b = Round(a); y = Mul(a,b); out y"),
    GRAD_ROW("Sign", "const a f32[5] ~d; b = Sign(a); y = Mul(a,b); out y"),
};

START_TEST(row)
{
    grad_case_check(&cases[_i]);
}
END_TEST

Suite *make_suite(void)
{
    Suite *suite = suite_create("gradients of unary mathematics");
    TCase *tc = tcase_create("rows");

    tcase_add_loop_test(tc, row, 0, sizeof(cases) / sizeof(cases[0]));
    suite_add_tcase(suite, tc);
    return suite;
}
