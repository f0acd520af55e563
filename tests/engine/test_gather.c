/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/op_case.h"
#include "tests/support/run_suite.h"

static const struct op_case cases[] = {
    {"gather rows", "Gather", NULL, IN("f32[3,2] 1 2 3 4 5 6", "i64[2] 2 -3"),
     OUT("f32[2,2] 5 6 1 2")},
    {"gather columns", "Gather", "axis=i:1", IN("u8[2,3] 1 2 3 4 5 6", "i32[1,2] 0 2"),
     OUT("u8[2,1,2] 1 3 4 6")},
    {"gather scalar", "Gather", NULL, IN("i64[3] 7 8 9", "i64[] 1"), OUT("i64[] 8")},
    {"gather f64", "Gather", "axis=i:-1", IN("f64[1,2] 7 8", "i64[1] 1"), OUT("f64[1,1] 8")},
    {"gather strings", "Gather", NULL, IN("str[2] a bc", "i64[3] 1 0 1"), OUT("str[3] bc a bc")},
    {"gather none", "Gather", NULL, IN("f32[2] 1 2", "i64[0]"), OUT("f32[0]")},
    {"gather past", "Gather", NULL, IN("f32[2] 1 2", "i64[2] 0 2"),
     SAYS("index 2 (element 1 of the indices) is out of range for 2 elements")},
    {"gather before", "Gather", NULL, IN("f32[2] 1 2", "i64[1] -3"), SAYS("index -3")},
    {"gather least", "Gather", NULL, IN("f32[2] 1 2", "i64[1] -9223372036854775808"),
     SAYS("out of range")},
    {"gather from nothing", "Gather", NULL, IN("f32[0,2]", "i64[1] 0"), SAYS("for 0 elements")},
    {"gather by float", "Gather", NULL, IN("f32[2] 1 2", "f32[1] 0"), SAYS("of type float")},
    {"gather axis", "Gather", "axis=i:1", IN("f32[2] 1 2", "i64[1] 0"), SAYS("axis 1")},
    {"gather elements", "GatherElements", "axis=i:1", IN("f32[2,2] 1 2 3 4", "i64[2,2] 0 0 1 -2"),
     OUT("f32[2,2] 1 1 4 3")},
    {"gather elements smaller", "GatherElements", "axis=i:0",
     IN("i32[3,3] 1 2 3 4 5 6 7 8 9", "i64[2,2] 1 2 0 2"), OUT("i32[2,2] 4 8 1 8")},
    {"gather elements wide", "GatherElements", NULL, IN("i32[1,1] 1", "i64[1,2] 0 0"),
     SAYS("reach outside")},
    {"gather elements past", "GatherElements", NULL, IN("i32[2] 1 2", "i64[1] 2"), SAYS("index 2")},
    {"gather nd", "GatherND", NULL, IN("i32[2,2] 0 1 2 3", "i64[2,2] 0 0 1 -1"), OUT("i32[2] 0 3")},
    {"gather nd rows", "GatherND", NULL, IN("i32[2,2] 0 1 2 3", "i64[2,1] 1 0"),
     OUT("i32[2,2] 2 3 0 1")},
    {"gather nd batch", "GatherND", "batch_dims=i:1",
     IN("i32[2,2,2] 0 1 2 3 4 5 6 7", "i64[2,1] 1 0"), OUT("i32[2,2] 2 3 4 5")},
    {"gather nd past", "GatherND", NULL, IN("i32[2,2] 0 1 2 3", "i64[1,2] 0 2"), SAYS("index 2")},
    {"gather nd deep", "GatherND", NULL, IN("i32[2] 0 1", "i64[1,2] 0 0"), SAYS("2 coordinates")},
    {"gather nd batch outside", "GatherND", "batch_dims=i:1", IN("i32[1] 0", "i64[1,1] 0"),
     SAYS("batch_dims is 1")},
    {"scatter elements", "ScatterElements", "axis=i:1",
     IN("f32[1,4] 1 2 3 4", "i64[1,2] 1 -1", "f32[1,2] 8 9"), OUT("f32[1,4] 1 8 3 9")},
    {"scatter elements rows", "ScatterElements", NULL,
     IN("u8[3,2] 0 0 0 0 0 0", "i32[2,2] 1 0 0 2", "u8[2,2] 1 2 3 4"), OUT("u8[3,2] 3 2 1 0 0 4")},
    {"scatter add", "ScatterElements", "reduction=s:add",
     IN("f32[2] 1 2", "i64[3] 1 1 0", "f32[3] 1 1 1"), OUT("f32[2] 2 4")},
    {"scatter mul", "ScatterElements", "reduction=s:mul",
     IN("i32[2] 3 2", "i64[2] 0 0", "i32[2] 2 5"), OUT("i32[2] 30 2")},
    {"scatter max", "ScatterElements", "reduction=s:max",
     IN("i8[2] -3 2", "i64[2] 0 1", "i8[2] -5 5"), OUT("i8[2] -3 5")},
    {"scatter min", "ScatterElements", "reduction=s:min",
     IN("f16[2] -3 2", "i64[2] 0 1", "f16[2] -5 5"), OUT("f16[2] -5 2")},
    {"scatter add wraps", "ScatterElements", "reduction=s:add",
     IN("i64[1] 9223372036854775807", "i64[1] 0", "i64[1] 1"), OUT("i64[1] -9223372036854775808")},
    {"scatter strings", "ScatterElements", NULL, IN("str[2] a b", "i64[1] 1", "str[1] c"),
     OUT("str[2] a c")},
    {"scatter add strings", "ScatterElements", "reduction=s:add",
     IN("str[2] a b", "i64[1] 1", "str[1] c"), SAYS("reduction 'add' of type string")},
    {"scatter past", "ScatterElements", NULL, IN("u8[1] 1", "i64[1] 1", "u8[1] 1"), SAYS("index 1")},
    {"scatter misfit", "ScatterElements", NULL, IN("u8[1] 1", "i64[1] 0", "u8[2] 1 1"),
     SAYS("updates [2]")},
    {"scatter reduction", "ScatterElements", "reduction=s:xor", IN("u8[1] 1", "i64[1] 0", "u8[1] 1"),
     SAYS("'xor'")},
    {"scatter nd", "ScatterND", NULL, IN("f32[4] 1 2 3 4", "i64[2,1] 3 -4", "f32[2] 9 8"),
     OUT("f32[4] 8 2 3 9")},
    {"scatter nd rows", "ScatterND", "reduction=s:add",
     IN("f64[2,2] 1 2 3 4", "i64[2,1] 0 0", "f64[2,2] 1 1 2 2"), OUT("f64[2,2] 4 5 3 4")},
    {"scatter nd past", "ScatterND", NULL, IN("f32[1] 1", "i64[1,1] -2", "f32[1] 9"),
     SAYS("index -2")},
    {"scatter nd misfit", "ScatterND", NULL, IN("f32[2,2] 1 2 3 4", "i64[1,1] 0", "f32[1] 9"),
     SAYS("updates have shape [1], expected [1,2]")},
    {"nonzero", "NonZero", NULL, IN("f32[2,2] 1 0 -0.0 nan"), OUT("i64[2,2] 0 1 0 1")},
    {"nonzero of none", "NonZero", NULL, IN("bool[2] 0 0"), OUT("i64[1,0]")},
    {"nonzero scalar", "NonZero", NULL, IN("i32[] 5"), OUT("i64[1,1] 0")},
    {"nonzero half", "NonZero", NULL, IN("f16[2] -0.0 1e-7"), OUT("i64[1,1] 1")},
    {"compress", "Compress", "axis=i:0", IN("f32[3,2] 1 2 3 4 5 6", "bool[3] 0 1 1"),
     OUT("f32[2,2] 3 4 5 6")},
    {"compress columns", "Compress", "axis=i:-1", IN("f32[3,2] 1 2 3 4 5 6", "bool[2] 0 1"),
     OUT("f32[3,1] 2 4 6")},
    {"compress flat", "Compress", NULL, IN("f32[2,2] 1 2 3 4", "bool[3] 1 0 1"), OUT("f32[2] 1 3")},
    {"compress past", "Compress", NULL, IN("f32[1] 1", "bool[2] 1 1"), SAYS("element 1 of 1")},
    {"reverse time first", "ReverseSequence", NULL, IN("f32[3,2] 1 2 3 4 5 6", "i64[2] 3 2"),
     OUT("f32[3,2] 5 4 3 2 1 6")},
    {"reverse batch first", "ReverseSequence", "batch_axis=i:0; time_axis=i:1",
     IN("f32[2,3] 1 2 3 4 5 6", "i64[2] 1 3"), OUT("f32[2,3] 1 2 3 6 5 4")},
    {"reverse too long", "ReverseSequence", NULL, IN("f32[1,1] 1", "i64[1] 2"), SAYS("length 2")},
    {"reverse axes", "ReverseSequence", "batch_axis=i:1; time_axis=i:1", IN("f32[1,1] 1", "i64[1] 1"),
     SAYS("either order")},
    {"unique", "Unique", NULL, IN("f32[6] 2 1 1 3 4 3"),
     OUT("f32[4] 1 2 3 4", "i64[4] 1 0 3 4", "i64[6] 1 0 0 2 3 2", "i64[4] 2 1 2 1")},
    {"unique unsorted", "Unique", "sorted=i:0", IN("f32[6] 2 1 1 3 4 3"),
     OUT("f32[4] 2 1 3 4", "i64[4] 0 1 3 4", "i64[6] 0 1 1 2 3 2", "i64[4] 1 2 2 1")},
    {"unique rows", "Unique", "axis=i:0", IN("i64[3,2] 1 0 1 0 -2 3"),
     OUT("i64[2,2] -2 3 1 0", "i64[2] 2 0", "i64[3] 1 1 0", "i64[2] 1 2")},
    {"unique columns", "Unique", "axis=i:-1", IN("u64[2,3] 3 1 3 0 0 0"), OUT("u64[2,2] 1 3 0 0")},
    {"unique strings", "Unique", NULL, IN("str[4] b a b ''"), OUT("str[3] '' a b", "", "", "i64[3] 1 1 2")},
    {"unique nan", "Unique", NULL, IN("f32[3] nan 1 nan"), OUT("f32[2] 1 nan")},
    {"unique of nothing", "Unique", NULL, IN("f32[0]"), OUT("f32[0]", "i64[0]", "i64[0]", "i64[0]")},
};

START_TEST(rows)
{
    op_case_check(&cases[_i]);
}
END_TEST

Suite *make_suite(void)
{
    Suite *suite = suite_create("gather");
    TCase *tc = tcase_create("rows");

    tcase_add_loop_test(tc, rows, 0, sizeof(cases) / sizeof(cases[0]));
    suite_add_tcase(suite, tc);
    return suite;
}
