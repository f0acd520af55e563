/* SPDX-License-Identifier: Apache-2.0
 * Gradients of products: MatMul, Gemm, Einsum. */
#include "tests/support/grad_case.h"
#include "tests/support/run_suite.h"

static const struct grad_case cases[] = {
    GRAD_ROW("matrices", "const a f32[3,4] ~; const b f32[4,5] ~; y = MatMul(a,b); out y"),
    GRAD_ROW("left alone", "const a f32[3,4] ~; const _b f32[4,5] ~; y = MatMul(a,_b); out y"),
    GRAD_ROW("right alone", "const _a f32[3,4] ~; const b f32[4,5] ~; y = MatMul(_a,b); out y"),
    GRAD_ROW("one row", "const a f32[1,4] ~; const b f32[4,5] ~; y = MatMul(a,b); out y"),
    GRAD_ROW("one column", "const a f32[3,4] ~; const b f32[4,1] ~; y = MatMul(a,b); out y"),
    GRAD_ROW("vector left", "const a f32[4] ~; const b f32[4,5] ~; y = MatMul(a,b); out y"),
    GRAD_ROW("vector right", "const a f32[3,4] ~; const b f32[4] ~; y = MatMul(a,b); out y"),
    GRAD_ROW("two vectors", "const a f32[4] ~; const b f32[4] ~; y = MatMul(a,b); out y"),
    GRAD_ROW("vector and stack", "const a f32[4] ~; const b f32[3,4,2] ~; y = MatMul(a,b); out y"),
    GRAD_ROW("stack and vector", "const a f32[3,2,4] ~; const b f32[4] ~; y = MatMul(a,b); out y"),
    GRAD_ROW("stack and matrix", "const a f32[2,3,4] ~; const b f32[4,5] ~; y = MatMul(a,b); out y"),
    GRAD_ROW("matrix and stack", "const a f32[3,4] ~; const b f32[2,4,5] ~; y = MatMul(a,b); out y"),
    GRAD_ROW("stacks", "const a f32[2,3,4] ~; const b f32[2,4,2] ~; y = MatMul(a,b); out y"),
    GRAD_ROW("many stacks", "const a f32[3,4,2,3] ~; const b f32[3,4,3,2] ~; y = MatMul(a,b); out y"),
    GRAD_ROW("left broadcasts", "const a f32[1,2,3] ~; const b f32[4,3,2] ~; y = MatMul(a,b); out y"),
    GRAD_ROW("right broadcasts", "const a f32[4,2,3] ~; const b f32[1,3,2] ~; y = MatMul(a,b); out y"),
    GRAD_ROW("both broadcast",
     "const a f32[3,1,2,3] ~; const b f32[1,2,3,2] ~; y = MatMul(a,b); out y"),
    GRAD_ROW("ranks differ", "const a f32[2,3,2,3] ~; const b f32[3,3,2] ~; y = MatMul(a,b); out y"),
    GRAD_ROW("inner dimension one", "const a f32[3,1] ~; const b f32[1,4] ~; y = MatMul(a,b); out y"),
    GRAD_ROW("of itself", "const a f32[3,3] ~; y = MatMul(a,a); out y"),
    GRAD_ROW("tied", "const a f32[3,3] ~; const b f32[3,3] ~; c = MatMul(b,a); y = MatMul(a,c); out y"),
    GRAD_ROW("past the library's threshold",
     "const a f32[20,17] ~; const b f32[17,19] ~; y = MatMul(a,b); out y"),

    GRAD_ROW("Gemm", "const a f32[3,4] ~; const b f32[4,5] ~; y = Gemm(a,b); out y"),
    GRAD_ROW("Gemm, A transposed", "const a f32[4,3] ~; const b f32[4,5] ~; y = Gemm(a,b) transA=1; out y"),
    GRAD_ROW("Gemm, B transposed", "const a f32[3,4] ~; const b f32[5,4] ~; y = Gemm(a,b) transB=1; out y"),
    GRAD_ROW("Gemm, both transposed",
     "const a f32[4,3] ~; const b f32[5,4] ~; y = Gemm(a,b) transA=1 transB=1; out y"),
    GRAD_ROW("Gemm, a row to add",
     "const a f32[3,4] ~; const b f32[4,5] ~; const c f32[5] ~; y = Gemm(a,b,c); out y"),
    GRAD_ROW("Gemm, a column to add",
     "const a f32[3,4] ~; const b f32[4,5] ~; const c f32[3,1] ~; y = Gemm(a,b,c); out y"),
    GRAD_ROW("Gemm, a scalar to add",
     "const a f32[3,4] ~; const b f32[4,5] ~; const c f32[] ~; y = Gemm(a,b,c); out y"),
    GRAD_ROW("Gemm, a matrix to add",
     "const a f32[3,4] ~; const b f32[4,5] ~; const c f32[3,5] ~; y = Gemm(a,b,c); out y"),
    GRAD_ROW("Gemm, alpha and beta",
     "const a f32[4,3] ~; const b f32[5,4] ~; const c f32[1,5] ~; "
     "y = Gemm(a,b,c) transA=1 transB=1 alpha=0.3 beta=-1.5; out y"),
    GRAD_ROW("Gemm, C alone",
     "const _a f32[3,4] ~; const _b f32[4,5] ~; const c f32[5] ~; y = Gemm(_a,_b,c); out y"),
    GRAD_ROW("Gemm, C and A are one",
     "const a f32[3,3] ~; const b f32[3,3] ~; y = Gemm(a,b,a) beta=0.5; out y"),

#define DENSE_ROW(title, text) {.name = title, .graph = text, .by_tape = true}
    DENSE_ROW("Dense", "const a f32[3,4] ~; const b f32[4,5] ~; y = inferd.Dense(a,b); out y"),
    DENSE_ROW("Dense, a bias",
     "const a f32[2,3,4] ~; const b f32[4,5] ~; const c f32[5] ~; y = inferd.Dense(a,b,c); out y"),
    DENSE_ROW("Dense, transposed",
     "const a f32[2,2,3,4] ~; const b f32[5,4] ~; const c f32[5] ~; y = inferd.Dense(a,b,c) transB=1; out y"),
    DENSE_ROW("Dense of one row, x alone",
     "const a f32[4] ~; const _b f32[4,5] ~; const _c f32[5] ~; y = inferd.Dense(a,_b,_c); out y"),
    DENSE_ROW("Dense, weights alone",
     "const _a f32[3,4] ~; const b f32[4,5] ~; const _c f32[5] ~; y = inferd.Dense(_a,b,_c); out y"),
    DENSE_ROW("Dense, tied",
     "const a f32[3,3] ~; b = inferd.Dense(a,a) transB=1; y = inferd.Dense(b,a); out y"),

#define EINSUM_1(equation, a) \
    GRAD_ROW("Einsum " equation, "const a f32" a " ~; y = Einsum(a) equation='" equation "'; out y")
#define EINSUM_2(equation, a, b) \
    GRAD_ROW("Einsum " equation, "const a f32" a " ~; const b f32" b " ~; " \
             "y = Einsum(a,b) equation='" equation "'; out y")
#define EINSUM_3(equation, a, b, c) \
    GRAD_ROW("Einsum " equation, "const a f32" a " ~; const b f32" b " ~; const c f32" c " ~; " \
             "y = Einsum(a,b,c) equation='" equation "'; out y")
    EINSUM_1("ij->ji", "[2,3]"),
    EINSUM_1("ij->i", "[2,3]"),
    EINSUM_1("ij->", "[2,3]"),
    EINSUM_1("ii->i", "[3,3]"),
    EINSUM_1("ii", "[3,3]"),
    EINSUM_1("...ij->...j", "[2,3,2]"),
    EINSUM_1("iji->ij", "[3,2,3]"),
    EINSUM_2("ij,jk->ik", "[2,3]", "[3,4]"),
    EINSUM_2("ij,kj->ki", "[2,3]", "[4,3]"),
    EINSUM_2("i,j->ij", "[2]", "[3]"),
    EINSUM_2("i,i->", "[3]", "[3]"),
    EINSUM_2("bij,bjk->bik", "[2,2,3]", "[2,3,2]"),
    EINSUM_2("bqhd,bkhd->bhqk", "[2,3,2,2]", "[2,2,2,2]"),
    EINSUM_2("...ij,jk->...ik", "[2,2,3]", "[3,2]"),
    EINSUM_2("...ij,...jk->...ik", "[1,2,3]", "[2,3,2]"),
    EINSUM_2("ij,jk->k", "[2,3]", "[3,4]"),
    EINSUM_2("ii,ij->j", "[3,3]", "[3,2]"),
    EINSUM_2("ij,ij->ij", "[2,3]", "[2,3]"),
    EINSUM_3("ij,jk,kl->il", "[2,3]", "[3,2]", "[2,4]"),
    EINSUM_3("i,j,k->ijk", "[2]", "[3]", "[2]"),
    EINSUM_3("bi,ij,bj->b", "[2,3]", "[3,2]", "[2,2]"),
    GRAD_ROW("Einsum of itself", "const a f32[3,3] ~; y = Einsum(a,a) equation='ij,jk->ik'; out y"),
    GRAD_ROW("Einsum, one learns",
             "const a f32[2,3] ~; const _b f32[3,4] ~; y = Einsum(a,_b) equation='ij,jk->ik'; out y"),
};

START_TEST(row)
{
    grad_case_check(&cases[_i]);
}
END_TEST

Suite *make_suite(void)
{
    Suite *suite = suite_create("gradients of products");
    TCase *tc = tcase_create("rows");

    tcase_add_loop_test(tc, row, 0, sizeof(cases) / sizeof(cases[0]));
    suite_add_tcase(suite, tc);
    return suite;
}
