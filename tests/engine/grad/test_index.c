/* SPDX-License-Identifier: Apache-2.0
 * Gradients through indices: gathers, scatters, and what data choose. */
#include "tests/support/grad_case.h"
#include "tests/support/run_suite.h"

static const struct grad_case cases[] = {
    GRAD_ROW("Gather", "const a f32[4,3] ~; const i i64[5] 0 2 2 3 -1; y = Gather(a,i); out y"),
    GRAD_ROW("Gather, an embedding of two dimensions",
             "const a f32[4,3] ~; const i i32[2,3] 0 2 2 3 1 0; y = Gather(a,i); out y"),
    GRAD_ROW("Gather, last axis",
             "const a f32[2,4] ~; const i i64[3] 1 1 -4; y = Gather(a,i) axis=1; out y"),
    GRAD_ROW("Gather, middle axis",
             "const a f32[2,3,2] ~; const i i64[2,2] 1 1 0 -1; y = Gather(a,i) axis=1; out y"),
    GRAD_ROW("Gather, a scalar index", "const a f32[4,3] ~; const i i64[] 2; y = Gather(a,i); out y"),
    GRAD_ROW("Gather, nothing", "const a f32[4,3] ~; const i i64[0]; b = Gather(a,i); c = ReduceSum(b); "
                                "y = Add(a,c); out y"),
    GRAD_ROW("Gather, tied", "const a f32[4,3] ~; const i i64[2] 1 2; b = Gather(a,i); t = Transpose(a); "
                             "y = MatMul(b,t); out y"),
    GRAD_ROW("GatherElements",
             "const a f32[3,3] ~; const i i64[2,3] 1 2 0 -1 0 0; y = GatherElements(a,i); out y"),
    GRAD_ROW("GatherElements, last axis",
             "const a f32[3,3] ~; const i i64[2,4] 1 2 0 -1 0 0 2 1; y = GatherElements(a,i) axis=1; "
             "out y"),
    GRAD_ROW("GatherElements, middle",
             "const a f32[2,3,2] ~; const i i32[2,1,2] 1 2 0 0; y = GatherElements(a,i) axis=1; out y"),
    GRAD_ROW("GatherND", "const a f32[2,3] ~; const i i64[3,2] 0 0 1 2 1 -1; y = GatherND(a,i); out y"),
    GRAD_ROW("GatherND, slices",
             "const a f32[2,3,2] ~; const i i64[2,2] 0 1 0 1; y = GatherND(a,i); out y"),
    GRAD_ROW("GatherND, batch",
             "const a f32[2,3,2] ~; const i i64[2,2,1] 0 2 1 1; y = GatherND(a,i) batch_dims=1; out y"),

    GRAD_ROW("ScatterElements",
             "const a f32[3,3] ~; const i i64[2,3] 1 2 0 -1 0 2; const u f32[2,3] ~; "
             "y = ScatterElements(a,i,u); out y"),
    GRAD_ROW("ScatterElements, axis",
             "const a f32[3,3] ~; const i i64[2,2] 1 2 0 -1; const u f32[2,2] ~; "
             "y = ScatterElements(a,i,u) axis=1; out y"),
    GRAD_ROW("ScatterElements, add",
             "const a f32[3,3] ~; const i i64[2,3] 1 1 0 1 1 2; const u f32[2,3] ~; "
             "y = ScatterElements(a,i,u) reduction='add'; out y"),
    GRAD_ROW("ScatterElements, mul",
             "const a f32[3,3] ~; const i i64[2,3] 1 1 0 1 1 2; const u f32[2,3] ~; "
             "y = ScatterElements(a,i,u) reduction='mul'; out y"),
    GRAD_ROW("ScatterElements, mul by zero",
             "const a f32[4] 2 0 3 0; const i i64[5] 0 0 1 2 3; const u f32[5] 0 3 2 5 0; "
             "y = ScatterElements(a,i,u) reduction='mul'; out y"),
    GRAD_ROW("ScatterElements, max",
             "const a f32[3,3] ~; const i i64[2,3] 1 1 0 1 1 2; const u f32[2,3] ~d; "
             "y = ScatterElements(a,i,u) reduction='max'; out y"),
    GRAD_ROW("ScatterElements, min",
             "const a f32[3,3] ~; const i i64[2,3] 1 1 0 1 1 2; const u f32[2,3] ~d; "
             "y = ScatterElements(a,i,u) reduction='min'; out y"),
    GRAD_ROW("ScatterElements, into itself",
             "const a f32[3] ~; const i i64[3] 2 0 1; y = ScatterElements(a,i,a); z = Mul(y,a); out z"),
    GRAD_ROW("ScatterElements, updates alone",
             "const _a f32[3] ~; const i i64[2] 2 0; const u f32[2] ~; y = ScatterElements(_a,i,u); out y"),
    GRAD_ROW("ScatterElements, data alone",
             "const a f32[3] ~; const i i64[2] 2 0; const _u f32[2] ~; y = ScatterElements(a,i,_u); out y"),
    GRAD_ROW("ScatterND",
             "const a f32[4,2] ~; const i i64[2,1] 1 3; const u f32[2,2] ~; y = ScatterND(a,i,u); out y"),
    GRAD_ROW("ScatterND, points",
             "const a f32[2,3] ~; const i i64[2,2] 0 1 1 -1; const u f32[2] ~; y = ScatterND(a,i,u); "
             "out y"),
    GRAD_ROW("ScatterND, add",
             "const a f32[4,2] ~; const i i64[3,1] 1 3 1; const u f32[3,2] ~; "
             "y = ScatterND(a,i,u) reduction='add'; out y"),
    GRAD_ROW("ScatterND, mul",
             "const a f32[4,2] ~; const i i64[3,1] 1 3 1; const u f32[3,2] ~; "
             "y = ScatterND(a,i,u) reduction='mul'; out y"),
    GRAD_ROW("ScatterND, max",
             "const a f32[4,2] ~; const i i64[3,1] 1 3 1; const u f32[3,2] ~d; "
             "y = ScatterND(a,i,u) reduction='max'; out y"),
    GRAD_ROW("TensorScatter",
             "const a f32[2,4,2] ~; const u f32[2,2,2] ~; const w i64[2] 1 2; y = TensorScatter(a,u,w); "
             "out y"),
    GRAD_ROW("TensorScatter, from the front",
             "const a f32[2,4,2] ~; const u f32[2,3,2] ~; y = TensorScatter(a,u); out y"),
    GRAD_ROW("TensorScatter, circular",
             "const a f32[2,4,2] ~; const u f32[2,3,2] ~; const w i64[2] 2 7; "
             "y = TensorScatter(a,u,w) mode='circular'; out y"),

    GRAD_ROW("Compress", "const a f32[3,2] ~; const c bool[3] 1 0 1; y = Compress(a,c) axis=0; out y"),
    GRAD_ROW("Compress, last axis",
             "const a f32[2,4] ~; const c bool[3] 0 1 1; y = Compress(a,c) axis=-1; out y"),
    GRAD_ROW("Compress, flat", "const a f32[2,3] ~; const c bool[6] 0 1 1 0 0 1; y = Compress(a,c); out y"),
    GRAD_ROW("ReverseSequence",
             "const a f32[4,3,2] ~; const l i64[3] 4 2 1; y = ReverseSequence(a,l); out y"),
    GRAD_ROW("ReverseSequence, batch first",
             "const a f32[3,4] ~; const l i64[3] 4 0 3; "
             "y = ReverseSequence(a,l) batch_axis=0 time_axis=1; out y"),
    GRAD_ROW("TopK", "const a f32[3,5] ~d; const k i64[1] 2; y,i = TopK(a,k); out y"),
    GRAD_ROW("TopK, smallest, first axis",
             "const a f32[5,3] ~d; const k i64[1] 2; y,i = TopK(a,k) axis=0 largest=0; out y"),
    GRAD_ROW("TopK, middle axis", "const a f32[2,4,3] ~d; const k i64[1] 3; y,i = TopK(a,k) axis=1; out y"),
    GRAD_ROW("OneHot",
             "const i i64[3] 1 0 -1; const d i64[] 4; const v f32[2] ~; y = OneHot(i,d,v); out y"),
    GRAD_ROW("OneHot, first axis, one off the end",
             "const i i64[2,2] 1 0 5 2; const d i64[] 3; const v f32[2] ~; y = OneHot(i,d,v) axis=0; "
             "out y"),
    GRAD_ROW("ArgMax lets nothing through",
             "const a f32[3,4] ~d; const _l f32[] 0; i = ArgMax(a) axis=1; f = CastLike(i,_l); "
             "y = Mul(a,f); out y"),
};

START_TEST(row)
{
    grad_case_check(&cases[_i]);
}
END_TEST

Suite *make_suite(void)
{
    Suite *suite = suite_create("gradients through indices");
    TCase *tc = tcase_create("rows");

    tcase_add_loop_test(tc, row, 0, sizeof(cases) / sizeof(cases[0]));
    suite_add_tcase(suite, tc);
    return suite;
}
