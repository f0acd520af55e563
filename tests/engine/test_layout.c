/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/op_case.h"
#include "tests/support/run_suite.h"

static const struct op_case cases[] = {
    {"reshape", "Reshape", NULL, IN("f32[2,3] 1 2 3 4 5 6", "i64[2] 3 -1"), OUT("f32[3,2] 1 2 3 4 5 6")},
    {"reshape copies zeros", "Reshape", NULL, IN("u8[2,3,1] 1 2 3 4 5 6", "i64[3] 0 0 -1"),
     OUT("u8[2,3,1] 1 2 3 4 5 6")},
    {"reshape to scalar", "Reshape", NULL, IN("f32[1,1] 7", "i64[0]"), OUT("f32[] 7")},
    {"reshape of nothing", "Reshape", "allowzero=i:1", IN("f32[0,3]", "i64[2] 3 0"), OUT("f32[3,0]")},
    {"reshape two open", "Reshape", NULL, IN("f32[2] 1 2", "i64[2] -1 -1"), SAYS("two dimensions of -1")},
    {"reshape mismatch", "Reshape", NULL, IN("f32[2] 1 2", "i64[2] 2 2"), SAYS("[2] does not fit [2,2]")},
    {"reshape open mismatch", "Reshape", NULL, IN("f32[3] 1 2 3", "i64[2] 2 -1"), SAYS("does not fit")},
    {"reshape negative", "Reshape", NULL, IN("f32[2] 1 2", "i64[1] -2"), SAYS("is -2")},
    {"reshape overflow", "Reshape", NULL,
     IN("f32[2] 1 2", "i64[3] 4294967296 4294967296 4294967296"), SAYS("too large")},
    {"reshape zero past rank", "Reshape", NULL, IN("f32[2] 1 2", "i64[2] 2 0"), SAYS("dimension 1")},
    {"reshape float shape", "Reshape", NULL, IN("f32[2] 1 2", "f32[1] 2"), SAYS("expected int64")},
    {"flatten", "Flatten", NULL, IN("f32[2,1,3] 1 2 3 4 5 6"), OUT("f32[2,3] 1 2 3 4 5 6")},
    {"flatten axis 0", "Flatten", "axis=i:0", IN("f32[2,2] 1 2 3 4"), OUT("f32[1,4] 1 2 3 4")},
    {"flatten axis -1", "Flatten", "axis=i:-1", IN("f32[2,1,2] 1 2 3 4"), OUT("f32[2,2] 1 2 3 4")},
    {"flatten outside", "Flatten", "axis=i:3", IN("f32[2,2] 1 2 3 4"), SAYS("axis 3")},
    {"squeeze all", "Squeeze", NULL, IN("i32[1,2,1] 4 5"), OUT("i32[2] 4 5")},
    {"squeeze axes", "Squeeze", NULL, IN("i32[1,2,1] 4 5", "i64[1] -1"), OUT("i32[1,2] 4 5")},
    {"squeeze wide", "Squeeze", NULL, IN("i32[1,2,1] 4 5", "i64[1] 1"), SAYS("expected 1")},
    {"squeeze twice", "Squeeze", NULL, IN("i32[1,2,1] 4 5", "i64[2] 0 -3"), SAYS("twice")},
    {"unsqueeze", "Unsqueeze", NULL, IN("i32[2] 4 5", "i64[2] 2 0"), OUT("i32[1,2,1] 4 5")},
    {"unsqueeze negative", "Unsqueeze", NULL, IN("i32[2] 4 5", "i64[1] -1"), OUT("i32[2,1] 4 5")},
    {"unsqueeze outside", "Unsqueeze", NULL, IN("i32[2] 4 5", "i64[1] 2"), SAYS("axis 2")},
    {"transpose", "Transpose", "perm=I:1,0", IN("f32[2,3] 1 2 3 4 5 6"), OUT("f32[3,2] 1 4 2 5 3 6")},
    {"transpose default", "Transpose", NULL, IN("u8[2,1,2] 1 2 3 4"), OUT("u8[2,1,2] 1 3 2 4")},
    {"transpose strings", "Transpose", NULL, IN("str[2,2] a b c d"), OUT("str[2,2] a c b d")},
    {"transpose bad perm", "Transpose", "perm=I:0,0", IN("f32[1,1] 1"), SAYS("no permutation")},
    {"transpose other rank", "Transpose", "perm=I:0,1", IN("f32[1] 1"), SAYS("perm names 2")},
    {"depth to space", "DepthToSpace", "blocksize=i:2", IN("f32[1,8,1,1] 0 1 2 3 4 5 6 7"),
     OUT("f32[1,2,2,2] 0 2 4 6 1 3 5 7")},
    {"depth to space crd", "DepthToSpace", "blocksize=i:2; mode=s:CRD",
     IN("f32[1,8,1,1] 0 1 2 3 4 5 6 7"), OUT("f32[1,2,2,2] 0 1 2 3 4 5 6 7")},
    {"depth to space odd", "DepthToSpace", "blocksize=i:2", IN("f32[1,2,1,1] 0 1"), SAYS("2 channels")},
    {"space to depth", "SpaceToDepth", "blocksize=i:2", IN("f32[1,2,2,2] 0 2 4 6 1 3 5 7"),
     OUT("f32[1,8,1,1] 0 1 2 3 4 5 6 7")},
    {"block of zero", "SpaceToDepth", "blocksize=i:0", IN("f32[1,1,1,1] 0"), SAYS("blocksize")},
};

START_TEST(rows)
{
    op_case_check(&cases[_i]);
}
END_TEST

Suite *make_suite(void)
{
    Suite *suite = suite_create("layout");
    TCase *tc = tcase_create("rows");

    tcase_add_loop_test(tc, rows, 0, sizeof(cases) / sizeof(cases[0]));
    suite_add_tcase(suite, tc);
    return suite;
}
