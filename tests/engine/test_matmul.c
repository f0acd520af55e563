/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/op_case.h"
#include "tests/support/run_suite.h"

static const struct op_case rows[] = {
    {"plain", "MatMul", NULL, IN("f32[2,3] 1 2 3 4 5 6", "f32[3,2] 1 2 3 4 5 6"),
     OUT("f32[2,2] 22 28 49 64")},
    {"row on the left", "MatMul", NULL, IN("f32[3] 1 2 3", "f32[3,2] 1 2 3 4 5 6"), OUT("f32[2] 22 28")},
    {"column on the right", "MatMul", NULL, IN("f32[2,3] 1 2 3 4 5 6", "f32[3] 1 1 2"),
     OUT("f32[2] 9 21")},
    {"dot", "MatMul", NULL, IN("f32[2] 1 2", "f32[2] 3 4"), OUT("f32[] 11")},
    {"stack times matrix", "MatMul", NULL, IN("f32[2,1,2] 1 2 3 4", "f32[2,1] 1 10"),
     OUT("f32[2,1,1] 21 43")},
    {"matrix times stack", "MatMul", NULL, IN("f32[1,2] 1 2", "f32[2,2,1] 1 10 2 20"),
     OUT("f32[2,1,1] 21 42")},
    {"broadcast both", "MatMul", NULL,
     IN("f32[2,1,1,2] 1 2 3 4", "f32[3,2,1] 1 1 1 0 0 1"), OUT("f32[2,3,1,1] 3 1 2 7 3 4")},
    {"int32", "MatMul", NULL, IN("i32[1,2] -1 2", "i32[2,1] 3 4"), OUT("i32[1,1] 5")},
    {"int64 past double", "MatMul", NULL, IN("i64[1,2] 9007199254740993 1", "i64[2,1] 1 1"),
     OUT("i64[1,1] 9007199254740994")},
    {"uint64 wraps", "MatMul", NULL, IN("u64[1,1] 18446744073709551615", "u64[1,1] 2"),
     OUT("u64[1,1] 18446744073709551614")},
    {"double", "MatMul", NULL, IN("f64[1,2] 1 2", "f64[2,1] 3 4"), OUT("f64[1,1] 11")},
    {"half", "MatMul", NULL, IN("f16[1,2] 1 2", "f16[2,1] 3 4"), OUT("f16[1,1] 11")},
    {"bfloat16", "MatMul", NULL, IN("bf16[1,2] 1 2", "bf16[2,1] 3 4"), OUT("bf16[1,1] 11")},
    {"nothing to sum", "MatMul", NULL, IN("f32[2,0]", "f32[0,2]"), OUT("f32[2,2] 0 0 0 0")},
    {"no rows", "MatMul", NULL, IN("f32[0,2]", "f32[2,2] 1 2 3 4"), OUT("f32[0,2]")},
    {"no batches", "MatMul", NULL, IN("f32[0,1,2]", "f32[2,2] 1 2 3 4"), OUT("f32[0,1,2]")},
    {"depth", "MatMul", NULL, IN("f32[2,3] 1 2 3 4 5 6", "f32[2,2] 1 2 3 4"), SAYS("do not multiply")},
    {"stacks", "MatMul", NULL, IN("f32[2,1,1] 1 2", "f32[3,1,1] 1 2 3"), SAYS("do not multiply")},
    {"scalar", "MatMul", NULL, IN("f32[] 1", "f32[1] 1"), SAYS("do not multiply")},
    {"types", "MatMul", NULL, IN("f32[1] 1", "f64[1] 1"), SAYS("differ")},

    {"gemm", "Gemm", NULL, IN("f32[1,2] 1 2", "f32[2,2] 1 2 3 4"), OUT("f32[1,2] 7 10")},
    {"gemm, both transposed", "Gemm", "transA=i:1;transB=i:1", IN("f32[2,1] 1 2", "f32[3,2] 1 2 3 4 5 6"),
     OUT("f32[1,3] 5 11 17")},
    {"alpha, beta, row", "Gemm", "alpha=f:2;beta=f:0.5",
     IN("f32[2,1] 1 2", "f32[1,2] 3 4", "f32[2] 10 20"), OUT("f32[2,2] 11 18 17 26")},
    {"column", "Gemm", NULL, IN("f32[2,1] 1 2", "f32[1,2] 3 4", "f32[2,1] 10 20"),
     OUT("f32[2,2] 13 14 26 28")},
    {"whole", "Gemm", NULL, IN("f32[1,1] 2", "f32[1,2] 3 4", "f32[1,2] 1 2"), OUT("f32[1,2] 7 10")},
    {"scalar", "Gemm", NULL, IN("f32[1,1] 2", "f32[1,2] 3 4", "f32[] 1"), OUT("f32[1,2] 7 9")},
    {"double", "Gemm", "alpha=f:0.5", IN("f64[1,1] 2", "f64[1,2] 3 4", "f64[1] 1"),
     OUT("f64[1,2] 4 5")},
    {"half", "Gemm", NULL, IN("f16[1,1] 2", "f16[1,2] 3 4", "f16[2] 1 2"), OUT("f16[1,2] 7 10")},
    {"int32", "Gemm", NULL, IN("i32[1,1] 2", "i32[1,2] 3 4", "i32[2] -1 2"), OUT("i32[1,2] 5 10")},
    {"int64 past double", "Gemm", NULL, IN("i64[1,1] 1", "i64[1,1] 9007199254740993", "i64[1] 2"),
     OUT("i64[1,1] 9007199254740995")},
    {"uint32, scaled", "Gemm", "alpha=f:0.5", IN("u32[1,1] 2", "u32[1,1] 8"), OUT("u32[1,1] 8")},
    {"too large a C", "Gemm", NULL, IN("f32[1,1] 2", "f32[1,2] 3 4", "f32[2,2] 1 1 1 1"),
     SAYS("does not broadcast")},
    {"rank", "Gemm", NULL, IN("f32[1,1,1] 2", "f32[1,2] 3 4"), SAYS("do not multiply")},
};

START_TEST(rows_hold)
{
    op_case_check(&rows[_i]);
}
END_TEST

Suite *make_suite(void)
{
    Suite *suite = suite_create("matmul");
    TCase *tc = tcase_create("matmul");

    tcase_add_loop_test(tc, rows_hold, 0, (int)(sizeof(rows) / sizeof(rows[0])));
    suite_add_tcase(suite, tc);
    return suite;
}
