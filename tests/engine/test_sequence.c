/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/op_case.h"
#include "tests/support/run_suite.h"

#define SEQ3 "seq{f32[1] 1; f32[2] 2 3; f32[0]}"

static const struct op_case cases[] = {
    {"construct", "SequenceConstruct", NULL, IN("f32[1] 1", "f32[2] 2 3"),
     OUT("seq{f32[1] 1; f32[2] 2 3}")},
    {"construct mixed", "SequenceConstruct", NULL, IN("f32[1] 1", "i32[1] 2"), SAYS("type int32")},
    {"empty", "SequenceEmpty", "dtype=i:7", .outputs = {"seq{}"}},
    {"at", "SequenceAt", NULL, IN(SEQ3, "i64[] 1"), OUT("f32[2] 2 3")},
    {"at the back", "SequenceAt", NULL, IN(SEQ3, "i32[] -3"), OUT("f32[1] 1")},
    {"at an empty tensor", "SequenceAt", NULL, IN(SEQ3, "i64[] -1"), OUT("f32[0]")},
    {"at past", "SequenceAt", NULL, IN(SEQ3, "i64[] 3"), SAYS("position 3 is outside")},
    {"at before", "SequenceAt", NULL, IN(SEQ3, "i64[] -4"), SAYS("position -4")},
    {"at of none", "SequenceAt", NULL, IN("seq{}", "i64[] 0"), SAYS("sequence of 0")},
    {"at of strings", "SequenceAt", NULL, IN("seq{str[2] a b}", "i64[] 0"), OUT("str[2] a b")},
    {"at of a tensor", "SequenceAt", NULL, IN("f32[1] 1", "i64[] 0"), SAYS("no sequence")},
    {"insert at the end", "SequenceInsert", NULL, IN("seq{f32[1] 1}", "f32[1] 2"),
     OUT("seq{f32[1] 1; f32[1] 2}")},
    {"insert first", "SequenceInsert", NULL, IN("seq{f32[1] 1}", "f32[1] 2", "i64[] 0"),
     OUT("seq{f32[1] 2; f32[1] 1}")},
    {"insert before the last", "SequenceInsert", NULL,
     IN("seq{i8[1] 1; i8[1] 2}", "i8[1] 3", "i64[] -1"), OUT("seq{i8[1] 1; i8[1] 3; i8[1] 2}")},
    {"insert at the length", "SequenceInsert", NULL, IN("seq{i8[1] 1}", "i8[1] 3", "i64[] 1"),
     OUT("seq{i8[1] 1; i8[1] 3}")},
    {"insert past", "SequenceInsert", NULL, IN("seq{i8[1] 1}", "i8[1] 3", "i64[] 2"),
     SAYS("position 2")},
    {"insert another type", "SequenceInsert", NULL, IN("seq{i8[1] 1}", "f32[1] 3"),
     SAYS("type float does not fit")},
    {"insert into none", "SequenceInsert", NULL, IN("seq{}", "f32[1] 3"), OUT("seq{f32[1] 3}")},
    {"erase last", "SequenceErase", NULL, IN("seq{i8[1] 1; i8[1] 2}"), OUT("seq{i8[1] 1}")},
    {"erase first", "SequenceErase", NULL, IN("seq{i8[1] 1; i8[1] 2}", "i64[] 0"),
     OUT("seq{i8[1] 2}")},
    {"erase of none", "SequenceErase", NULL, IN("seq{}"), SAYS("position -1")},
    {"length", "SequenceLength", NULL, IN(SEQ3), OUT("i64[] 3")},
    {"split to ones", "SplitToSequence", NULL, IN("f32[2,2] 1 2 3 4"),
     OUT("seq{f32[1,2] 1 2; f32[1,2] 3 4}")},
    {"split, axis dropped", "SplitToSequence", "keepdims=i:0; axis=i:1", IN("f32[2,2] 1 2 3 4"),
     OUT("seq{f32[2] 1 3; f32[2] 2 4}")},
    {"split by one size", "SplitToSequence", NULL, IN("u8[5] 1 2 3 4 5", "i64[] 2"),
     OUT("seq{u8[2] 1 2; u8[2] 3 4; u8[1] 5}")},
    {"split by sizes", "SplitToSequence", "axis=i:-1", IN("u8[1,3] 1 2 3", "i64[3] 1 0 2"),
     OUT("seq{u8[1,1] 1; u8[1,0]; u8[1,2] 2 3}")},
    {"split by zero", "SplitToSequence", NULL, IN("u8[1] 1", "i64[] 0"), SAYS("split is 0")},
    {"split misfit", "SplitToSequence", NULL, IN("u8[1] 1", "i64[1] 2"), SAYS("add up to 2")},
    {"concat", "ConcatFromSequence", "axis=i:0", IN(SEQ3), OUT("f32[3] 1 2 3")},
    {"concat columns", "ConcatFromSequence", "axis=i:-1", IN("seq{i8[2,1] 1 2; i8[2,2] 3 4 5 6}"),
     OUT("i8[2,3] 1 3 4 2 5 6")},
    {"stack", "ConcatFromSequence", "axis=i:-1; new_axis=i:1", IN("seq{i8[2] 1 2; i8[2] 3 4}"),
     OUT("i8[2,2] 1 3 2 4")},
    {"stack uneven", "ConcatFromSequence", "axis=i:0; new_axis=i:1", IN(SEQ3),
     SAYS("element 1 (float[2]) does not join float[1]")},
    {"concat none", "ConcatFromSequence", "axis=i:0", IN("seq{}"), SAYS("not empty")},
    {"optional", "Optional", NULL, IN("f32[1] 1"), OUT("opt{f32[1] 1}")},
    {"optional without", "Optional", NULL, .outputs = {"opt{}"}},
    {"get", "OptionalGetElement", NULL, IN("opt{f32[2] 1 2}"), OUT("f32[2] 1 2")},
    {"get of a tensor", "OptionalGetElement", NULL, IN("f32[2] 1 2"), OUT("f32[2] 1 2")},
    {"get of a sequence", "OptionalGetElement", NULL, IN(SEQ3), OUT(SEQ3)},
    {"get of nothing", "OptionalGetElement", NULL, IN("opt{}"), SAYS("is empty")},
    {"has", "OptionalHasElement", NULL, IN("opt{f32[2] 1 2}"), OUT("bool[] 1")},
    {"has not", "OptionalHasElement", NULL, IN("opt{}"), OUT("bool[] 0")},
    {"has no input", "OptionalHasElement", NULL, IN(""), OUT("bool[] 0")},
    {"has a tensor", "OptionalHasElement", NULL, IN("i64[0]"), OUT("bool[] 1")},
};

START_TEST(rows)
{
    op_case_check(&cases[_i]);
}
END_TEST

Suite *make_suite(void)
{
    Suite *suite = suite_create("sequence");
    TCase *tc = tcase_create("rows");

    tcase_add_loop_test(tc, rows, 0, sizeof(cases) / sizeof(cases[0]));
    suite_add_tcase(suite, tc);
    return suite;
}
