/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/op_case.h"
#include "tests/support/run_suite.h"

#define ROW4 "f32[1,4] 1 2 3 4"

static const struct op_case cases[] = {
    {"nearest up", "Resize", NULL, IN("f32[1,2] 1 2", "", "f32[2] 2 2"),
     OUT("f32[2,4] 1 1 2 2 1 1 2 2")},
    {"nearest of strings", "Resize", "nearest_mode=s:floor; coordinate_transformation_mode=s:asymmetric",
     IN("str[2] a b", "", "f32[1] 1.5"), OUT("str[3] a a b")},
    {"nearest sizes down", "Resize", "mode=s:nearest", IN(ROW4, "", "", "i64[2] 1 2"),
     OUT("f32[1,2] 1 3")},
    {"nearest ceil", "Resize", "nearest_mode=s:ceil", IN(ROW4, "", "", "i64[2] 1 2"),
     OUT("f32[1,2] 2 4")},
    {"nearest axes", "Resize", "axes=I:-1", IN("u8[2,2] 1 2 3 4", "", "", "i64[1] 4"),
     OUT("u8[2,4] 1 1 2 2 3 3 4 4")},
    {"nearest scale as exporters round", "Resize",
     "coordinate_transformation_mode=s:asymmetric; nearest_mode=s:floor",
     IN("u8[10] 0 1 2 3 4 5 6 7 8 9", "", "f32[1] 0.7"), OUT("u8[7] 0 1 2 4 5 7 8")},
    /* Half pixels: -0.25, 0.25, 0.75, 1.25 of [1, 2], edges repeated. */
    {"linear up", "Resize", "mode=s:linear", IN("f32[2] 1 2", "", "f32[1] 2"),
     OUT("f32[4] 1 1.25 1.75 2")},
    {"linear rows and columns", "Resize",
     "mode=s:linear; coordinate_transformation_mode=s:align_corners",
     IN("f64[2,2] 0 3 6 9", "", "", "i64[2] 3 4"), OUT("f64[3,4] 0 1 2 3 3 4 5 6 6 7 8 9")},
    {"linear asymmetric", "Resize", "mode=s:linear; coordinate_transformation_mode=s:asymmetric",
     IN("f32[2] 1 3", "", "f32[1] 2"), OUT("f32[4] 1 2 3 3")},
    {"linear of integers", "Resize", "mode=s:linear; coordinate_transformation_mode=s:align_corners",
     IN("u8[2] 10 255", "", "", "i64[1] 3"), OUT("u8[3] 10 132 255")},
    {"linear of halves", "Resize", "mode=s:linear", IN("f16[2] 1 2", "", "f32[1] 2"),
     OUT("f16[4] 1 1.25 1.75 2")},
    {"linear pytorch to one", "Resize",
     "mode=s:linear; coordinate_transformation_mode=s:pytorch_half_pixel",
     IN("f32[3] 5 6 7", "", "", "i64[1] 1"), OUT("f32[1] 5")},
    /* Triangle twice as wide: place 0.5 has (0.125 0.375 0.375 0.125) over 1 1 2 3 4, shifted. */
    {"linear antialias", "Resize", "mode=s:linear; antialias=i:1", IN("f32[4] 0 8 16 24", "", "f32[1] 0.5"),
     OUT("f32[2] 5 19"), .tolerance = 1e-5},
    /* Cubic, a = -0.75, at 0.25: (-0.10546875 0.87890625 0.26171875 -0.03515625). */
    {"cubic", "Resize", "mode=s:cubic", IN("f32[4] 0 0 64 0", "", "f32[1] 2"),
     OUT("f32[8] 0 -2.25 -6.75 16.75 56.25 56.25 16.75 -6.75"), .tolerance = 1e-5},
    {"crop", "Resize",
     "mode=s:linear; coordinate_transformation_mode=s:tf_crop_and_resize; extrapolation_value=f:9",
     IN("f32[3] 1 2 3", "f32[2] 0.5 1.5", "", "i64[1] 3"), OUT("f32[3] 2 3 9")},
    {"crop nearest", "Resize",
     "coordinate_transformation_mode=s:tf_crop_and_resize; extrapolation_value=f:7",
     IN("i32[3] 1 2 3", "f32[2] -0.5 0.5", "", "i64[1] 3"), OUT("i32[3] 7 1 2")},
    {"not larger", "Resize", "keep_aspect_ratio_policy=s:not_larger",
     IN("u8[2,4] 1 2 3 4 5 6 7 8", "", "", "i64[2] 4 4"), OUT("u8[2,4] 1 2 3 4 5 6 7 8")},
    {"not smaller", "Resize", "keep_aspect_ratio_policy=s:not_smaller",
     IN("u8[1,2] 1 2", "", "", "i64[2] 2 2"), OUT("u8[2,4] 1 1 2 2 1 1 2 2")},
    {"unchanged", "Resize", "mode=s:cubic", IN(ROW4, "", "f32[2] 1 1"), OUT(ROW4)},
    {"computed empty scales", "Resize", NULL, IN("u8[1] 1", "f32[0]", "f32[0]", "i64[1] 2"),
     OUT("u8[2] 1 1")},
    {"to nothing", "Resize", NULL, IN("u8[2] 1 2", "", "f32[1] 0.25"), OUT("u8[0]")},
    {"both", "Resize", NULL, IN("u8[1] 1", "", "f32[1] 2", "i64[1] 2"), SAYS("one of scales and sizes")},
    {"neither", "Resize", NULL, IN("u8[1] 1"), SAYS("one of scales and sizes")},
    {"scale of zero", "Resize", NULL, IN("u8[1] 1", "", "f32[1] 0"), SAYS("scale 0 is 0")},
    {"scale of nan", "Resize", NULL, IN("u8[1] 1", "", "f32[1] nan"), SAYS("scale 0")},
    {"size below zero", "Resize", NULL, IN("u8[1] 1", "", "", "i64[1] -2"), SAYS("size 0 is -2")},
    {"size from nothing", "Resize", NULL, IN("u8[0]", "", "", "i64[1] 2"), SAYS("size 0")},
    {"far too large", "Resize", "mode=s:linear", IN("u8[1] 1", "", "", "i64[1] 4611686018427387904"),
     SAYS("too large")},
    {"scales miscounted", "Resize", NULL, IN("u8[1,1] 1", "", "f32[1] 2"), SAYS("1 scales for 2 axes")},
    {"strings smoothed", "Resize", "mode=s:linear", IN("str[1] a", "", "f32[1] 2"), SAYS("type string")},
    {"mode", "Resize", "mode=s:fancy", IN("u8[1] 1", "", "f32[1] 2"), SAYS("mode 'fancy'")},
};

START_TEST(rows)
{
    op_case_check(&cases[_i]);
}
END_TEST

Suite *make_suite(void)
{
    Suite *suite = suite_create("resize");
    TCase *tc = tcase_create("rows");

    tcase_add_loop_test(tc, rows, 0, sizeof(cases) / sizeof(cases[0]));
    suite_add_tcase(suite, tc);
    return suite;
}
