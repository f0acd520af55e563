/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/op_case.h"
#include "tests/support/run_suite.h"

#define IMAGE "f32[1,1,2,2] 1 2 3 4"
#define FAR "f32[1,1,1,2] 5 5"

static const struct op_case cases[] = {
    {"grid at centres", "GridSample", NULL, IN(IMAGE, "f32[1,1,2,2] -0.5 -0.5 0.5 0.5"),
     OUT("f32[1,1,1,2] 1 4")},
    {"grid in the middle", "GridSample", NULL, IN(IMAGE, "f32[1,1,1,2] 0 0"),
     OUT("f32[1,1,1,1] 2.5")},
    {"grid at corners", "GridSample", "align_corners=i:1", IN(IMAGE, "f32[1,1,2,2] 1 -1 0 1"),
     OUT("f32[1,1,1,2] 2 3.5")},
    {"grid beyond", "GridSample", NULL, IN(IMAGE, FAR), OUT("f32[1,1,1,1] 0")},
    {"grid beyond, border", "GridSample", "padding_mode=s:border", IN(IMAGE, FAR),
     OUT("f32[1,1,1,1] 4")},
    {"grid beyond, reflected", "GridSample", "padding_mode=s:reflection; align_corners=i:1",
     IN(IMAGE, "f32[1,1,1,2] 3 -3"), OUT("f32[1,1,1,1] 3")},
    {"grid nearest", "GridSample", "mode=s:nearest",
     IN("i32[1,1,1,3] 1 2 3", "f64[1,1,2,2] 0.9 0 -0.2 0"), OUT("i32[1,1,1,2] 3 2")},
    {"grid cubic", "GridSample", "mode=s:cubic; align_corners=i:1; padding_mode=s:border",
     IN("f32[1,1,1,4] 0 0 64 0", "f32[1,1,1,2] 0 0"), OUT("f32[1,1,1,1] 38"), .tolerance = 1e-5},
    {"grid of nan", "GridSample", NULL, IN(IMAGE, "f32[1,1,1,2] nan 0"), OUT("f32[1,1,1,1] 0")},
    {"grid of volumes", "GridSample", NULL, IN("f32[1,1,2,1,1] 1 3", "f32[1,1,1,1,3] 0 0 0"),
     OUT("f32[1,1,1,1,1] 2")},
    {"grid misfit", "GridSample", NULL, IN(IMAGE, "f32[1,1,1,3] 0 0 0"), SAYS("does not fit")},
    {"grid mode", "GridSample", "mode=s:fine", IN(IMAGE, FAR), SAYS("mode 'fine'")},
    {"affine", "AffineGrid", NULL, IN("f32[1,2,3] 1 0 0 0 1 0", "i64[4] 1 1 1 2"),
     OUT("f32[1,1,2,2] -0.5 0 0.5 0")},
    {"affine moved", "AffineGrid", "align_corners=i:1",
     IN("f32[1,2,3] 2 0 1 0 1 -1", "i64[4] 1 9 2 2"), OUT("f32[1,2,2,2] -1 -2 3 -2 -1 0 3 0")},
    {"affine misfit", "AffineGrid", NULL, IN("f32[1,2,3] 1 0 0 0 1 0", "i64[5] 1 1 1 1 2"),
     SAYS("[1,3,4]")},
    {"nms", "NonMaxSuppression", NULL,
     IN("f32[1,3,4] 0 0 1 1 0 0.1 1 1.1 0 5 1 6", "f32[1,1,3] 0.5 0.9 0.3", "i64[1] 3",
        "f32[1] 0.5", "f32[1] 0"),
     OUT("i64[2,3] 0 0 1 0 0 2")},
    {"nms by centre", "NonMaxSuppression", "center_point_box=i:1",
     IN("f32[1,2,4] 0 0 2 2 0.5 0 2 2", "f32[1,1,2] 1 1", "i64[] 9", "f32[] 0.7"),
     OUT("i64[2,3] 0 0 0 0 0 1")},
    {"nms scores and limit", "NonMaxSuppression", NULL,
     IN("f32[1,2,4] 0 0 1 1 2 2 3 3", "f32[1,2,2] 0.1 0.9 0.8 0.7", "i64[1] 1", "", "f32[1] 0.75"),
     OUT("i64[2,3] 0 0 1 0 1 0")},
    {"nms none wanted", "NonMaxSuppression", NULL, IN("f32[1,1,4] 0 0 1 1", "f32[1,1,1] 1"),
     OUT("i64[0,3]")},
    {"nms misfit", "NonMaxSuppression", NULL, IN("f32[1,1,4] 0 0 1 1", "f32[1,1,2] 1 1"),
     SAYS("do not fit")},
    {"deform conv", "DeformConv", "group=i:1",
     IN("f32[1,1,2,2] 1 2 3 4", "f32[1,1,1,1] 10", "f32[1,2,2,2] 0 0.5 0 -1  0 0 0.5 0"),
     OUT("f32[1,1,2,2] 10 30 35 20")},
    {"deform conv outside", "DeformConv", NULL,
     IN("f32[1,1,1,1] 8", "f32[1,1,1,1] 1", "f32[1,2,1,1] -0.5 nan", "f32[1] 3"), OUT("f32[1,1,1,1] 3")},
    {"deform conv masked", "DeformConv", NULL,
     IN("f32[1,1,1,1] 8", "f32[1,1,1,1] 1", "f32[1,2,1,1] -0.5 0", "f32[1] 3", "f32[1,1,1,1] 0.25"),
     OUT("f32[1,1,1,1] 4")},
    {"deform conv offsets", "DeformConv", NULL,
     IN("f32[1,1,1,1] 8", "f32[1,1,1,1] 1", "f32[1,1,1,1] 0"), SAYS("the offsets are not two")},
    {"deform conv group", "DeformConv", "offset_group=i:0",
     IN("f32[1,1,1,1] 8", "f32[1,1,1,1] 1", "f32[1,2,1,1] 0 0"), SAYS("offset_group is 0")},
    {"roi align", "RoiAlign",
     "coordinate_transformation_mode=s:output_half_pixel; sampling_ratio=i:1",
     IN("f32[1,1,2,2] 1 2 3 4", "f32[1,4] 0 0 1 1", "i64[1] 0"), OUT("f32[1,1,1,1] 2.5")},
    {"roi align batch", "RoiAlign", NULL, IN(IMAGE, "f32[1,4] 0 0 1 1", "i64[1] 1"),
     SAYS("batch index 1 (region 0)")},
    {"roi align huge", "RoiAlign", NULL, IN(IMAGE, "f32[1,4] 0 0 1e30 1", "i64[1] 0"),
     SAYS("far larger")},
    {"roi align nan", "RoiAlign", NULL, IN(IMAGE, "f32[1,4] nan 0 1 1", "i64[1] 0"),
     SAYS("far larger")},
    {"roi max", "MaxRoiPool", "pooled_shape=I:1,2", IN(IMAGE, "f32[1,5] 0 0 0 1 1"),
     OUT("f32[1,1,1,2] 3 4")},
    {"roi max outside", "MaxRoiPool", "pooled_shape=I:1,1", IN(IMAGE, "f32[1,5] 0 7 7 9 9"),
     OUT("f32[1,1,1,1] 0")},
    {"roi max batch", "MaxRoiPool", "pooled_shape=I:1,1", IN(IMAGE, "f32[1,5] -1 0 0 1 1"),
     SAYS("batch index -1")},
    {"unpool", "MaxUnpool", "kernel_shape=I:2; strides=I:2", IN("f32[1,1,2] 5 6", "i64[1,1,2] 1 2"),
     OUT("f32[1,1,4] 0 5 6 0")},
    {"unpool larger", "MaxUnpool", "kernel_shape=I:2,2; strides=I:2,2",
     IN("f32[1,1,1,1] 5", "i64[1,1,1,1] 3", "i64[4] 1 1 3 3"),
     OUT("f32[1,1,3,3] 0 0 0 0 5 0 0 0 0")},
    {"unpool past", "MaxUnpool", "kernel_shape=I:2", IN("f32[1,1,1] 5", "i64[1,1,1] 2"),
     SAYS("index 2 (element 0)")},
    {"col2im", "Col2Im", NULL, IN("f32[1,4,1] 1 2 3 4", "i64[2] 2 2", "i64[2] 2 2"), OUT(IMAGE)},
    {"col2im overlapping", "Col2Im", NULL, IN("i64[1,2,2] 1 2 3 4", "i64[2] 1 3", "i64[2] 1 2"),
     OUT("i64[1,1,1,3] 1 5 4")},
    {"col2im padded", "Col2Im", "pads=I:0,1,0,1; strides=I:1,2",
     IN("f32[1,2,2] 1 2 3 4", "i64[2] 1 2", "i64[2] 1 2"), OUT("f32[1,1,1,2] 3 2")},
    {"col2im of no images", "Col2Im", NULL,
     IN("f32[1,0,0]", "i64[2] 1 1", "i64[2] 2147483647 2147483647"), OUT("f32[1,0,1,1]")},
    {"col2im misfit", "Col2Im", NULL, IN("f32[1,4,2] 1 2 3 4 5 6 7 8", "i64[2] 2 2", "i64[2] 2 2"),
     SAYS("expected [N, C * 4, 1]")},
};

START_TEST(rows)
{
    op_case_check(&cases[_i]);
}
END_TEST

Suite *make_suite(void)
{
    Suite *suite = suite_create("vision");
    TCase *tc = tcase_create("rows");

    tcase_add_loop_test(tc, rows, 0, sizeof(cases) / sizeof(cases[0]));
    suite_add_tcase(suite, tc);
    return suite;
}
