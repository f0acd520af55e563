/* SPDX-License-Identifier: Apache-2.0
 * Gradients of operators that choose among their inputs. */
#include "tests/support/grad_case.h"
#include "tests/support/run_suite.h"

static const struct grad_case cases[] = {
    GRAD_ROW("Max", "const a f32[2,3] ~d; const b f32[2,3] ~; y = Max(a,b); out y"),
    GRAD_ROW("Max, row", "const a f32[4,3] ~d; const b f32[3] ~; y = Max(a,b); out y"),
    GRAD_ROW("Max, scalar", "const a f32[4,3] ~d; const b f32[] 0.1; y = Max(a,b); out y"),
    GRAD_ROW("Max, one", "const a f32[4,3] ~d; y = Max(a); out y"),
    GRAD_ROW("Max, three",
             "const a f32[4,3] ~d; const b f32[3] ~; const c f32[4,1] ~; y = Max(a,b,c); out y"),
    GRAD_ROW("Max, of itself", "const a f32[4,3] ~d; y = Max(a,a); out y"),
    GRAD_ROW("Max, thrice itself", "const a f32[4,3] ~d; y = Max(a,a,a); out y"),
    GRAD_ROW("Min", "const a f32[2,3] ~d; const b f32[2,3] ~; y = Min(a,b); out y"),
    GRAD_ROW("Min, column", "const a f32[4,3] ~d; const b f32[4,1] ~; y = Min(a,b); out y"),
    GRAD_ROW("Min, four",
             "const a f32[4,3] ~d; const b f32[3] ~; const c f32[4,1] ~; const d f32[1,1] ~; "
             "y = Min(a,b,c,d); out y"),
    GRAD_ROW("Sum", "const a f32[2,3] ~; const b f32[3] ~; const c f32[2,1] ~; y = Sum(a,b,c); out y"),
    GRAD_ROW("Sum, one", "const a f32[2,3] ~; y = Sum(a); out y"),
    GRAD_ROW("Mean", "const a f32[2,3] ~; const b f32[3] ~; const c f32[2,1] ~; y = Mean(a,b,c); out y"),
    GRAD_ROW("Where",
             "const i bool[2,3] 1 0 1 0 0 1; const a f32[2,3] ~; const b f32[2,3] ~; y = Where(i,a,b); "
             "out y"),
    GRAD_ROW("Where, all broadcast",
             "const i bool[2,1] 1 0; const a f32[1,3] ~; const b f32[4,1,1] ~; y = Where(i,a,b); out y"),
    GRAD_ROW("Where, a scalar",
             "const i bool[2,3] 1 0 1 0 0 1; const a f32[2,3] ~; const b f32[] ~; y = Where(i,a,b); out y"),
    GRAD_ROW("Where, one learns",
             "const i bool[3] 1 0 1; const _a f32[2,3] ~; const b f32[2,3] ~; y = Where(i,_a,b); out y"),
    GRAD_ROW("Clip", "const a f32[12] ~d; const l f32[] -0.7; const h f32[] 0.9; y = Clip(a,l,h); out y"),
    GRAD_ROW("Clip, below", "const a f32[12] ~d; const l f32[] -0.7; y = Clip(a,l); out y"),
    GRAD_ROW("Clip, above", "const a f32[3,4] ~d; const h f32[1] 0.7; y = Clip(a,,h); out y"),
    GRAD_ROW("Clip, nothing", "const a f32[3,4] ~d; y = Clip(a); out y"),
    GRAD_ROW("Clip, crossed",
             "const a f32[12] ~d; const l f32[] 0.7; const h f32[] -0.9; y = Clip(a,l,h); out y"),
    GRAD_ROW("Clip within a chain",
             "const a f32[12] ~d; const l f32[] -0.7; const h f32[] 0.9; b = Mul(a,a); c = Clip(b,l,h); "
             "d = Mul(c,b); y = Neg(d); out y"),
    GRAD_ROW("PRelu", "const a f32[3,4] ~d; const s f32[3,4] ~; y = PRelu(a,s); out y"),
    GRAD_ROW("PRelu, channels", "const a f32[2,3,4] ~d; const s f32[3,1] ~; y = PRelu(a,s); out y"),
    GRAD_ROW("PRelu, one slope", "const a f32[2,3,4] ~d; const s f32[1] ~; y = PRelu(a,s); out y"),
    GRAD_ROW("PRelu, by itself", "const a f32[6] ~d; y = PRelu(a,a); out y"),
    GRAD_ROW("PRelu within a chain",
             "const a f32[3,4] ~d; const s f32[4] ~; b = Mul(a,a); c = Sub(b,s); d = PRelu(c,s); "
             "e = Mul(d,c); y = Neg(e); out y"),
};

START_TEST(row)
{
    grad_case_check(&cases[_i]);
}
END_TEST

Suite *make_suite(void)
{
    Suite *suite = suite_create("gradients of choices");
    TCase *tc = tcase_create("rows");

    tcase_add_loop_test(tc, row, 0, sizeof(cases) / sizeof(cases[0]));
    suite_add_tcase(suite, tc);
    return suite;
}
