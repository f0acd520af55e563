/* SPDX-License-Identifier: Apache-2.0
 * Gradients of activation functions. */
#include "tests/support/grad_case.h"
#include "tests/support/run_suite.h"

static const struct grad_case cases[] = {
#define WITH(op, attributes) \
    GRAD_ROW(op " " attributes, "const a f32[41] ~d; y = " op "(a) " attributes "; out y"), \
    GRAD_ROW(op " " attributes " and on", \
     "const a f32[5,3] ~d; b = " op "(a) " attributes "; c = Mul(b,a); y = Neg(c); out y")
#define ROW(op) WITH(op, "")
    ROW("Celu"),
    WITH("Celu", "alpha=0.6"),
    WITH("Celu", "alpha=-0.6"),
    ROW("Elu"),
    WITH("Elu", "alpha=0.7"),
    WITH("Elu", "alpha=-0.7"),
    WITH("Elu", "alpha=0.0"),
    ROW("Gelu"),
    WITH("Gelu", "approximate='tanh'"),
    ROW("HardSigmoid"),
    WITH("HardSigmoid", "alpha=0.9 beta=0.3"),
    ROW("HardSwish"),
    GRAD_ROW("HardSwish past both ends", "const a f32[6] -4 -3.5 -2.9 2.9 3.1 5; y = HardSwish(a); out y"),
    ROW("LeakyRelu"),
    WITH("LeakyRelu", "alpha=0.3"),
    WITH("LeakyRelu", "alpha=-0.3"),
    WITH("LeakyRelu", "alpha=0.0"),
    ROW("Mish"),
    GRAD_ROW("Mish far out", "const a f32[5] -15 -5 8 19.5 25; y = Mish(a); out y"),
    ROW("Relu"),
    ROW("Selu"),
    WITH("Selu", "alpha=0.5 gamma=2.0"),
    WITH("Selu", "alpha=0.5 gamma=-2.0"),
    ROW("Shrink"),
    WITH("Shrink", "lambd=0.2 bias=0.1"),
    ROW("Sigmoid"),
    GRAD_ROW("Sigmoid far out", "const a f32[5] -15 -5 0 5 12; y = Sigmoid(a); out y"),
    ROW("Softplus"),
    GRAD_ROW("Softplus far out", "const a f32[5] -15 -5 0 15 40; y = Softplus(a); out y"),
    ROW("Softsign"),
    ROW("Swish"),
    WITH("Swish", "alpha=1.7"),
    ROW("ThresholdedRelu"),
    WITH("ThresholdedRelu", "alpha=0.4"),
    WITH("ThresholdedRelu", "alpha=-0.4"),
    GRAD_ROW("Gelu past a chunk", "const a f32[300] ~d; y = Gelu(a); out y"),
    GRAD_ROW("Gelu far out", "const a f32[6] -9 -6 -4 4 6 9; y = Gelu(a); out y"),
};

START_TEST(row)
{
    grad_case_check(&cases[_i]);
}
END_TEST

Suite *make_suite(void)
{
    Suite *suite = suite_create("gradients of activations");
    TCase *tc = tcase_create("rows");

    tcase_add_loop_test(tc, row, 0, sizeof(cases) / sizeof(cases[0]));
    suite_add_tcase(suite, tc);
    return suite;
}
