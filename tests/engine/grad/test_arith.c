/* SPDX-License-Identifier: Apache-2.0
 * Gradients of arithmetic, with each way of broadcasting. */
#include "tests/support/grad_case.h"
#include "tests/support/run_suite.h"

static const struct grad_case cases[] = {
    GRAD_ROW("Add", "const a f32[2,3] ~; const b f32[2,3] ~; y = Add(a,b); out y"),
    GRAD_ROW("Add, row", "const a f32[2,3] ~; const b f32[3] ~; y = Add(a,b); out y"),
    GRAD_ROW("Add, row on the left", "const a f32[3] ~; const b f32[2,3] ~; y = Add(a,b); out y"),
    GRAD_ROW("Add, column", "const a f32[4,3] ~; const b f32[4,1] ~; y = Add(a,b); out y"),
    GRAD_ROW("Add, scalar", "const a f32[4,3] ~; const b f32[] ~; y = Add(a,b); out y"),
    GRAD_ROW("Add, one element", "const a f32[4,3] ~; const b f32[1,1] ~; y = Add(a,b); out y"),
    GRAD_ROW("Add, channels", "const a f32[2,3,2,2] ~; const b f32[3,1,1] ~; y = Add(a,b); out y"),
    GRAD_ROW("Add, both broadcast", "const a f32[4,1,3] ~; const b f32[2,1] ~; y = Add(a,b); out y"),
    GRAD_ROW("Add, outer", "const a f32[4,1] ~; const b f32[1,3] ~; y = Add(a,b); out y"),
    GRAD_ROW("Add, every other one",
     "const a f32[2,3,2,3,2] ~; const b f32[2,1,2,1,2] ~; y = Add(a,b); out y"),
    GRAD_ROW("Add, the others", "const a f32[2,3,2,3] ~; const b f32[1,3,1,3] ~; y = Add(a,b); out y"),
    GRAD_ROW("Add, to itself", "const a f32[2,3] ~; y = Add(a,a); out y"),
    GRAD_ROW("Add, a tall column of sums", "const a f32[300,2] ~; const b f32[2] ~; y = Add(a,b); out y"),
    GRAD_ROW("Add, a long line of sums", "const a f32[2,600] ~; const b f32[2,1] ~; y = Add(a,b); out y"),
    GRAD_ROW("Add, more results than a block",
     "const _a f32[3,400] ~; const b f32[400] ~; y = Add(_a,b); out y"),
    GRAD_ROW("Sub", "const a f32[2,3] ~; const b f32[2,3] ~; y = Sub(a,b); out y"),
    GRAD_ROW("Sub, row", "const a f32[2,3] ~; const b f32[3] ~; y = Sub(a,b); out y"),
    GRAD_ROW("Sub, from a row", "const a f32[3] ~; const b f32[2,3] ~; y = Sub(a,b); out y"),
    GRAD_ROW("Sub, from itself", "const a f32[2,3] ~; b = Mul(a,a); y = Sub(b,a); out y"),
    GRAD_ROW("Mul", "const a f32[2,3] ~; const b f32[2,3] ~; y = Mul(a,b); out y"),
    GRAD_ROW("Mul, row", "const a f32[2,3] ~; const b f32[3] ~; y = Mul(a,b); out y"),
    GRAD_ROW("Mul, column", "const a f32[4,3] ~; const b f32[4,1] ~; y = Mul(a,b); out y"),
    GRAD_ROW("Mul, scalar on the left", "const a f32[] ~; const b f32[4,3] ~; y = Mul(a,b); out y"),
    GRAD_ROW("Mul, channels", "const a f32[2,3,2,2] ~; const b f32[3,1,1] ~; y = Mul(a,b); out y"),
    GRAD_ROW("Mul, outer", "const a f32[4,1] ~; const b f32[1,3] ~; y = Mul(a,b); out y"),
    GRAD_ROW("Mul, every other one",
     "const a f32[2,1,2,3,2] ~; const b f32[2,3,1,3,1] ~; y = Mul(a,b); out y"),
    GRAD_ROW("Mul, one factor learns", "const a f32[2,3] ~; const _b f32[3] ~; y = Mul(a,_b); out y"),
    GRAD_ROW("Mul, by itself", "const a f32[2,3] ~; y = Mul(a,a); out y"),
    GRAD_ROW("Mul, by itself, later on",
     "const a f32[2,3] ~; b = Add(a,a); y = Mul(b,b); z = Neg(y); out z"),
    GRAD_ROW("Div", "const a f32[2,3] ~; const b f32[2,3] ~+; y = Div(a,b); out y"),
    GRAD_ROW("Div, row", "const a f32[2,3] ~; const b f32[3] ~+; y = Div(a,b); out y"),
    GRAD_ROW("Div, by a column", "const a f32[4,3] ~; const b f32[4,1] ~+; y = Div(a,b); out y"),
    GRAD_ROW("Div, of a scalar", "const a f32[] ~; const b f32[4,3] ~+; y = Div(a,b); out y"),
    GRAD_ROW("Div, divisor alone", "const _a f32[4,3] ~; const b f32[4,3] ~+; y = Div(_a,b); out y"),
    GRAD_ROW("Div, dividend alone", "const a f32[4,3] ~; const _b f32[4,3] ~+; y = Div(a,_b); out y"),
    GRAD_ROW("Div, by itself plus", "const a f32[4] ~p; b = Mul(a,a); y = Div(b,a); out y"),
    GRAD_ROW("Mod, like C",
             "const a f32[6] -5.3 -2.2 0.4 1.7 3.1 7.9; const b f32[6] 2 -1.5 3 -0.7 1.3 2.5; "
                    "y = Mod(a,b) fmod=1; out y"),
    GRAD_ROW("Mod, row", "const a f32[2,3] -5.3 2.2 0.4 1.7 3.1 -7.9; const b f32[3] 2 1.5 -3; "
                 "y = Mod(a,b) fmod=1; out y"),
    GRAD_ROW("Pow", "const a f32[2,3] ~p; const b f32[2,3] ~; y = Pow(a,b); out y"),
    GRAD_ROW("Pow, row of exponents", "const a f32[2,3] ~p; const b f32[3] ~; y = Pow(a,b); out y"),
    GRAD_ROW("Pow, row of bases", "const a f32[3] ~p; const b f32[2,3] ~; y = Pow(a,b); out y"),
    GRAD_ROW("Pow, square", "const a f32[2,3] ~; const _b f32[] 2; y = Pow(a,_b); out y"),
    GRAD_ROW("Pow, cube", "const a f32[2,3] ~; const _b f32[1] 3; y = Pow(a,_b); out y"),
    GRAD_ROW("Pow, root", "const a f32[2,3] ~p; const _b f32[] 0.5; y = Pow(a,_b); out y"),
    GRAD_ROW("Pow, one", "const a f32[2,3] ~; const _b f32[] 1; y = Pow(a,_b); out y"),
    GRAD_ROW("Pow, reciprocal", "const a f32[2,3] ~p; const _b f32[] -1; y = Pow(a,_b); out y"),
    GRAD_ROW("Pow, learned exponent", "const _a f32[2,3] ~p; const b f32[] 1.7; y = Pow(_a,b); out y"),
    GRAD_ROW("Pow, integer exponents", "const a f32[2,3] ~; const _b i64[3] 2 3 1; y = Pow(a,_b); out y"),
    GRAD_ROW("Pow, integer square", "const a f32[2,3] ~; const _b i64[] 2; y = Pow(a,_b); out y"),
    GRAD_ROW("Pow, square to a larger shape",
     "const a f32[3] ~; const _b f32[2,3] 2 2 2 2 2 2; y = Pow(a,_b); out y"),
    GRAD_ROW("Pow, one exponent of higher rank",
             "const a f32[3] ~; const _b f32[1,1] 2; y = Pow(a,_b); out y"),
    GRAD_ROW("chain in place",
     "const a f32[2,3] ~; const b f32[2,3] ~; const c f32[3] ~+; d = Mul(a,b); e = Sub(d,a); "
     "f = Div(e,c); g = Add(f,d); y = Mul(g,e); out y"),
};

START_TEST(row)
{
    grad_case_check(&cases[_i]);
}
END_TEST

Suite *make_suite(void)
{
    Suite *suite = suite_create("gradients of arithmetic");
    TCase *tc = tcase_create("rows");

    tcase_add_loop_test(tc, row, 0, sizeof(cases) / sizeof(cases[0]));
    suite_add_tcase(suite, tc);
    return suite;
}
