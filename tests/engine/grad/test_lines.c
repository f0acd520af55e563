/* SPDX-License-Identifier: Apache-2.0
 * Gradients of running sums and products, of matrices, of loss operators. */
#include "tests/support/grad_case.h"
#include "tests/support/run_suite.h"

static const struct grad_case cases[] = {
    GRAD_ROW("CumSum", "const a f32[3,4] ~; const x i64[] 1; y = CumSum(a,x); out y"),
    GRAD_ROW("CumSum, exclusive",
             "const a f32[3,4] ~; const x i32[] 0; y = CumSum(a,x) exclusive=1; out y"),
    GRAD_ROW("CumSum, reverse", "const a f32[2,3,4] ~; const x i64[] 1; y = CumSum(a,x) reverse=1; out y"),
    GRAD_ROW("CumSum, both",
             "const a f32[2,3,4] ~; const x i64[] -1; y = CumSum(a,x) reverse=1 exclusive=1; out y"),
    GRAD_ROW("CumProd", "const a f32[3,4] ~; const x i64[] 1; y = CumProd(a,x); out y"),
    GRAD_ROW("CumProd, exclusive",
             "const a f32[3,4] ~; const x i64[] 0; y = CumProd(a,x) exclusive=1; out y"),
    GRAD_ROW("CumProd, reverse",
             "const a f32[2,3,4] ~; const x i64[] 1; y = CumProd(a,x) reverse=1; out y"),
    GRAD_ROW("CumProd, both",
             "const a f32[2,3,4] ~; const x i64[] -1; y = CumProd(a,x) reverse=1 exclusive=1; out y"),
    GRAD_ROW("CumProd, zeros",
             "const a f32[2,4] 2 0 3 4 0 5 0 6; const x i64[] 1; y = CumProd(a,x); out y"),
    GRAD_ROW("CumProd, zeros, exclusive and reverse",
             "const a f32[2,4] 2 0 3 4 0 5 0 6; const x i64[] 1; "
             "y = CumProd(a,x) exclusive=1 reverse=1; out y"),

    GRAD_ROW("Trilu", "const a f32[4,4] ~; y = Trilu(a); out y"),
    GRAD_ROW("Trilu, lower", "const a f32[2,3,4] ~; y = Trilu(a) upper=0; out y"),
    GRAD_ROW("Trilu, k", "const a f32[2,3,4] ~; const k i64[] 1; y = Trilu(a,k); out y"),
    GRAD_ROW("Trilu, lower, k", "const a f32[4,3] ~; const k i64[] -1; y = Trilu(a,k) upper=0; out y"),
    GRAD_ROW("Trilu within a chain",
             "const a f32[3,3] ~; b = Mul(a,a); c = Trilu(b); d = Mul(c,b); y = Neg(d); out y"),
    GRAD_ROW("Det", "const a f32[3,3] ~; y = Det(a); out y"),
    GRAD_ROW("Det, a stack", "const a f32[2,2,4,4] ~; y = Det(a); out y"),
    GRAD_ROW("Det, one element", "const a f32[1,1] ~; y = Det(a); out y"),
    GRAD_ROW("Det, singular", "const a f32[3,3] 1 2 3 2 4 6 1 0 1; y = Det(a); out y"),
    GRAD_ROW("Det, of rank one", "const a f32[3,3] 1 2 3 2 4 6 3 6 9; y = Det(a); out y"),

#define LOSS(op, title, data, attributes) \
    GRAD_ROW(op ", " title, "const x " data "; y = " op attributes "; out y")
#define LOSSES(op) \
    LOSS(op, "mean", "f32[4,3] ~; const c i64[4] 0 2 1 1", "(x,c)"), \
    LOSS(op, "sum", "f32[4,3] ~; const c i32[4] 0 2 1 1", "(x,c) reduction='sum'"), \
    LOSS(op, "each", "f32[4,3] ~; const c i64[4] 0 2 1 1", "(x,c) reduction='none'"), \
    LOSS(op, "weights", "f32[4,3] ~; const c i64[4] 0 2 1 1; const _w f32[3] 0.5 2 1", "(x,c,_w)"), \
    LOSS(op, "weights, each", "f32[4,3] ~; const c i64[4] 0 2 1 1; const _w f32[3] 0.5 2 1", \
         "(x,c,_w) reduction='none'"), \
    LOSS(op, "one ignored", "f32[4,3] ~; const c i64[4] 0 -1 1 1", "(x,c) ignore_index=-1"), \
    LOSS(op, "weights, one ignored", "f32[4,3] ~; const c i64[4] 0 2 1 1; const _w f32[3] 0.5 2 1", \
         "(x,c,_w) ignore_index=2"), \
    LOSS(op, "images", "f32[2,3,2,2] ~; const c i64[2,2,2] 0 2 1 1 0 1 2 0", "(x,c)"), \
    LOSS(op, "images, each", "f32[2,3,2,2] ~; const c i64[2,2,2] 0 2 1 1 0 1 2 0", \
         "(x,c) reduction='none'")
    LOSSES("NegativeLogLikelihoodLoss"),
    LOSSES("SoftmaxCrossEntropyLoss"),
    GRAD_ROW("SoftmaxCrossEntropyLoss, both outputs",
             "const x f32[2,3,2] ~; const c i64[2,2] 0 2 1 1; y,z = SoftmaxCrossEntropyLoss(x,c); "
             "out y; out z"),
    GRAD_ROW("SoftmaxCrossEntropyLoss, its log-softmax alone",
             "const x f32[2,3] ~; const c i64[2] 0 2; y,z = SoftmaxCrossEntropyLoss(x,c); out z"),
};

START_TEST(row)
{
    grad_case_check(&cases[_i]);
}
END_TEST

Suite *make_suite(void)
{
    Suite *suite = suite_create("gradients of lines, matrices and losses");
    TCase *tc = tcase_create("rows");

    tcase_add_loop_test(tc, row, 0, sizeof(cases) / sizeof(cases[0]));
    suite_add_tcase(suite, tc);
    return suite;
}
