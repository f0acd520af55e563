/* SPDX-License-Identifier: Apache-2.0
 * Gradients of operators that put elements elsewhere. */
#include "tests/support/grad_case.h"
#include "tests/support/run_suite.h"

static const struct grad_case cases[] = {
    GRAD_ROW("Transpose", "const a f32[3,4] ~; y = Transpose(a); out y"),
    GRAD_ROW("Transpose, perm", "const a f32[2,3,4] ~; y = Transpose(a) perm=1,2,0; out y"),
    GRAD_ROW("Transpose, heads", "const a f32[2,3,2,4] ~; y = Transpose(a) perm=0,2,1,3; out y"),
    GRAD_ROW("Transpose, shared",
             "const a f32[3,3] ~; b = Transpose(a); y = Mul(a,b); out y"),
    GRAD_ROW("Transpose, twice",
             "const a f32[3,4] ~; b = Transpose(a); c = Transpose(b); y = Mul(c,a); out y"),
    GRAD_ROW("DepthToSpace", "const a f32[2,8,2,3] ~; y = DepthToSpace(a) blocksize=2; out y"),
    GRAD_ROW("DepthToSpace, CRD",
             "const a f32[1,8,2,3] ~; y = DepthToSpace(a) blocksize=2 mode='CRD'; out y"),
    GRAD_ROW("SpaceToDepth", "const a f32[2,2,4,6] ~; y = SpaceToDepth(a) blocksize=2; out y"),

    GRAD_ROW("Slice",
             "const a f32[4,5] ~; const s i64[2] 1 0; const e i64[2] 3 4; y = Slice(a,s,e); out y"),
    GRAD_ROW("Slice, steps",
             "const a f32[4,7] ~; const s i64[1] 1; const e i64[1] 7; const x i64[1] 1; "
             "const t i64[1] 2; y = Slice(a,s,e,x,t); out y"),
    GRAD_ROW("Slice, backwards",
             "const a f32[4,5] ~; const s i64[1] -1; const e i64[1] -10; const x i64[1] 0; "
             "const t i64[1] -2; y = Slice(a,s,e,x,t); out y"),
    GRAD_ROW("Slice, all",
             "const a f32[2,3] ~; const s i64[1] 0; const e i64[1] 9; y = Slice(a,s,e); out y"),
    GRAD_ROW("Slice, twice of one",
             "const a f32[2,6] ~; const s i64[1] 0; const m i64[1] 4; const k i64[1] 2; const e i64[1] 6; "
             "const x i64[1] 1; b = Slice(a,s,m,x); c = Slice(a,k,e,x); y = Mul(b,c); out y"),

    GRAD_ROW("Pad", "const a f32[2,3] ~; const p i64[4] 1 2 0 1; y = Pad(a,p); out y"),
    GRAD_ROW("Pad, constant",
             "const a f32[2,3] ~; const p i64[4] 1 2 0 1; const c f32[] 0.5; y = Pad(a,p,c); out y"),
    GRAD_ROW("Pad, constant and cropped",
             "const a f32[3,4] ~; const p i64[4] -1 2 1 -1; const c f32[1] 0.5; y = Pad(a,p,c); out y"),
    GRAD_ROW("Pad, axes",
             "const a f32[2,3] ~; const p i64[2] 1 2; const x i64[1] 1; y = Pad(a,p,,x); out y"),
    GRAD_ROW("Pad, crop alone", "const a f32[4,3] ~; const p i64[4] -1 0 -2 -1; y = Pad(a,p); out y"),
    GRAD_ROW("Pad, edge",
             "const a f32[2,3,2] ~; const p i64[6] 1 2 1 2 1 0; y = Pad(a,p) mode='edge'; out y"),
    GRAD_ROW("Pad, reflect",
             "const a f32[3,4] ~; const p i64[4] 2 3 1 2; y = Pad(a,p) mode='reflect'; out y"),
    GRAD_ROW("Pad, reflect more than there is",
             "const a f32[3,2] ~; const p i64[4] 5 0 4 3; y = Pad(a,p) mode='reflect'; out y"),
    GRAD_ROW("Pad, wrap", "const a f32[3,4] ~; const p i64[4] 2 3 4 5; y = Pad(a,p) mode='wrap'; out y"),
    GRAD_ROW("Pad, edge of what was cropped",
             "const a f32[4,3] ~; const p i64[4] -1 1 2 -1; y = Pad(a,p) mode='edge'; out y"),
    GRAD_ROW("CenterCropPad, crops",
             "const a f32[5,4] ~; const s i64[2] 2 3; y = CenterCropPad(a,s); out y"),
    GRAD_ROW("CenterCropPad, pads and crops",
             "const a f32[2,5] ~; const s i64[2] 5 2; y = CenterCropPad(a,s); out y"),

    GRAD_ROW("Expand", "const a f32[3,1] ~; const s i64[2] 3 4; y = Expand(a,s); out y"),
    GRAD_ROW("Expand, rank", "const a f32[3] ~; const s i64[3] 2 4 3; y = Expand(a,s); out y"),
    GRAD_ROW("Expand, a scalar", "const a f32[] ~; const s i64[2] 2 3; y = Expand(a,s); out y"),
    GRAD_ROW("Expand, nothing", "const a f32[2,3] ~; const s i64[1] 1; y = Expand(a,s); out y"),
    GRAD_ROW("Tile", "const a f32[2,3] ~; const r i64[2] 2 3; y = Tile(a,r); out y"),
    GRAD_ROW("Tile, ones", "const a f32[2,1,3] ~; const r i64[3] 1 4 1; y = Tile(a,r); out y"),
    GRAD_ROW("Tile, all of five dimensions",
             "const a f32[2,1,2,1,2] ~; const r i64[5] 2 2 2 2 2; y = Tile(a,r); out y"),
    GRAD_ROW("Tile, more than the loop nest holds",
             "const a f32[2,2,2,2,2] ~; const r i64[5] 2 2 2 2 2; y = Tile(a,r); out y"),
    GRAD_ROW("Tile, the last", "const a f32[4,1] ~; const r i64[2] 1 5; y = Tile(a,r); out y"),

    GRAD_ROW("Concat", "const a f32[2,3] ~; const b f32[2,2] ~; y = Concat(a,b) axis=1; out y"),
    GRAD_ROW("Concat, first axis",
             "const a f32[1,3] ~; const b f32[2,3] ~; const c f32[3,3] ~; y = Concat(a,b,c) axis=0; out y"),
    GRAD_ROW("Concat, middle, one learns",
             "const _a f32[2,1,3] ~; const b f32[2,2,3] ~; y = Concat(_a,b) axis=-2; out y"),
    GRAD_ROW("Concat, of itself", "const a f32[2,3] ~; y = Concat(a,a,a) axis=1; out y"),
    GRAD_ROW("Split",
             "const a f32[2,6] ~; b,c,d = Split(a) axis=1 num_outputs=3; e = Mul(b,c); y = Add(e,d); "
             "out y"),
    GRAD_ROW("Split, a last one smaller",
             "const a f32[7,2] ~; b,c,d = Split(a) num_outputs=3; e = Mul(b,c); out e; out d"),
    GRAD_ROW("Split, sizes",
             "const a f32[2,6] ~; const s i64[3] 1 3 2; b,c,d = Split(a,s) axis=1; e = Mul(b,c); out e; "
             "out d"),
    GRAD_ROW("Split, a part that nobody needs",
             "const a f32[2,6] ~; const s i64[3] 1 3 2; b,c,d = Split(a,s) axis=1; out b; out d"),
    GRAD_ROW("Split, joined again",
             "const a f32[2,6] ~; b,c = Split(a) axis=1 num_outputs=2; d = Concat(c,b) axis=1; "
             "y = Mul(a,d); out y"),
    GRAD_ROW("Reshape within a chain",
             "const a f32[2,6] ~; const s i64[3] 3 2 2; const t i64[2] 2 6; b = Reshape(a,s); "
             "c = Transpose(b) perm=2,0,1; d = Reshape(c,t); y = Mul(a,d); out y"),
    GRAD_ROW("Squeeze, Unsqueeze, Flatten, Identity",
             "const a f32[2,1,3] ~; const x i64[1] 1; b = Squeeze(a,x); c = Unsqueeze(b,x); "
             "d = Flatten(c); "
             "e = Identity(d); y = Mul(e,b); out y"),
    GRAD_ROW("CastLike from float to float",
             "const a f32[2,3] ~; const _l f32[] 0; b = CastLike(a,_l); y = Mul(a,b); out y"),
};

START_TEST(row)
{
    grad_case_check(&cases[_i]);
}
END_TEST

Suite *make_suite(void)
{
    Suite *suite = suite_create("gradients of moves");
    TCase *tc = tcase_create("rows");

    tcase_add_loop_test(tc, row, 0, sizeof(cases) / sizeof(cases[0]));
    suite_add_tcase(suite, tc);
    return suite;
}
