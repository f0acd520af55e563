/* SPDX-License-Identifier: Apache-2.0
 * Gradients large enough to be cut into parts and shared out among threads: the harness runs each with one
 * thread and with two and wants the same bits. A few constants are repeated to make much of them. */
#include "tests/support/grad_case.h"
#include "tests/support/run_suite.h"

static const struct grad_case cases[] = {
    GRAD_ROW("a row's sums in parts",
             "const _u f32[900,1] ~; const b f32[128] ~; const s i64[2] 900 128; c = Expand(_u,s); "
             "y = Mul(c,b); out y"),
    GRAD_ROW("a row's sums, more than a block",
             "const _u f32[600,1] ~; const b f32[1,4] ~; const s i64[2] 600 300; const r i64[2] 1 75; "
             "c = Expand(_u,s); d = Tile(b,r); y = Mul(c,d); out y"),
    GRAD_ROW("a column's sums in parts",
             "const _u f32[500] ~; const b f32[3,1] ~; const s i64[2] 3 60000; const r i64[1] 120; "
             "c = Tile(_u,r); d = Expand(c,s); y = Mul(d,b); out y"),
    GRAD_ROW("a scalar's sum in parts",
             "const _u f32[500] ~; const b f32[] ~; const r i64[1] 300; c = Tile(_u,r); y = Mul(c,b); "
             "out y"),
    GRAD_ROW("channels",
             "const _u f32[1,1,400] ~; const b f32[6,1] ~; const s i64[3] 40 6 400; c = Expand(_u,s); "
             "d = Mul(c,b); y = Tanh(d); out y"),
    GRAD_ROW("elements",
             "const a f32[16] ~; const s i64[2] 8000 16; b = Expand(a,s); c = Sigmoid(b); d = Gelu(c); "
             "y = Mul(d,b); out y"),
    GRAD_ROW("a product",
             "const a f32[1,4] ~; const b f32[4,1] ~; const r i64[2] 512 64; const t i64[2] 64 128; "
             "x = Tile(a,r); w = Tile(b,t); y = MatMul(x,w); out y"),
    GRAD_ROW("a wide product",
             "const a f32[1,4] ~; const b f32[4,1] ~; const r i64[2] 40 64; const t i64[2] 64 2000; "
             "x = Tile(a,r); w = Tile(b,t); y = Gemm(x,w) alpha=0.5; out y"),
    GRAD_ROW("a stack of products",
             "const a f32[12,1,4] ~; const b f32[12,4,1] ~; const r i64[3] 1 30 5; const t i64[3] 1 5 30; "
             "x = Tile(a,r); w = Tile(b,t); y = MatMul(x,w); out y"),
    GRAD_ROW("a convolution, whose weights are turned in parts",
             "const a f32[1,5,3,3] ~; const _k f32[8,5,3,3] ~; const r i64[4] 1 13 1 1; "
             "const t i64[4] 500 13 1 1; x = Tile(a,r); w = Tile(_k,t); y = Conv(x,w) pads=1,1,1,1; out y"),
    GRAD_ROW("softmax over the last axis",
             "const a f32[50] ~d; const s i64[2] 700 50; b = Expand(a,s); c = Softmax(b); "
             "y = Mul(c,b); out y"),
    GRAD_ROW("log-softmax over a middle axis",
             "const a f32[20,1] ~d; const s i64[3] 40 20 30; b = Expand(a,s); c = LogSoftmax(b) axis=1; "
             "y = Mul(c,b); out y"),
    GRAD_ROW("an embedding",
             "const a f32[5,4] ~; const i i64[5] 0 3 3 1 4; const r i64[1] 300; const t i64[2] 1 64; "
             "w = Tile(a,t); j = Tile(i,r); y = Gather(w,j); out y"),
    GRAD_ROW("a maximum of many lines",
             "const a f32[40] ~d; const s i64[2] 2000 40; const x i64[1] 1; b = Expand(a,s); "
             "y = ReduceMax(b,x); out y"),
    GRAD_ROW("a mean of many lines",
             "const a f32[40] ~d; const s i64[2] 2000 40; const x i64[1] 0; b = Expand(a,s); c = Exp(b); "
             "y = ReduceMean(c,x); out y"),
    GRAD_ROW("a transposition",
             "const a f32[6,1,5] ~; const s i64[4] 4 6 200 5; b = Expand(a,s); "
             "c = Transpose(b) perm=0,2,1,3; y = Mul(c,c); out y"),
};

START_TEST(row)
{
    grad_case_check(&cases[_i]);
}
END_TEST

Suite *make_suite(void)
{
    Suite *suite = suite_create("large gradients");
    TCase *tc = tcase_create("rows");

    tcase_set_timeout(tc, 60);
    tcase_add_loop_test(tc, row, 0, sizeof(cases) / sizeof(cases[0]));
    suite_add_tcase(suite, tc);
    return suite;
}
