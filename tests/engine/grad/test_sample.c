/* SPDX-License-Identifier: Apache-2.0
 * Gradients of GridSample, AffineGrid and the pools of regions by finite differences. */
#include "tests/support/grad_case.h"
#include "tests/support/run_suite.h"

#define PLANE "const x f32[2,2,4,5] ~; const g f32[2,3,3,2] ~; y = GridSample(x,g) "
#define WIDE "const x f32[1,2,4,5] ~; const g f32[1,2,4,2] 1.7 -0.3 -1.31 2.23 0.41 -1.77 -2.9 0.2" \
    " 0.11 0.52 -0.63 3.27 1.13 1.21 -0.07 -0.98; y = GridSample(x,g) "
#define BOXES "const x f32[2,2,7,6] ~d; const _r f32[3,4] 0.3 0.7 4.2 5.1 1.1 0.2 3.3 3.9 -1.5 2.2 5.9 6.4;" \
    "const b i64[3] 0 1 1; y = RoiAlign(x,_r,b) "

static const struct grad_case rows[] = {
    {.name = "linear", .graph = PLANE "mode='linear'; out y"},
    {.name = "linear, align_corners", .graph = PLANE "align_corners=1; out y"},
    {.name = "linear, outside", .graph = WIDE "padding_mode='zeros'; out y"},
    {.name = "linear, border", .graph = WIDE "padding_mode='border'; out y"},
    {.name = "linear, reflection", .graph = WIDE "padding_mode='reflection'; out y"},
    {.name = "linear, reflection, align_corners", .graph =
     WIDE "padding_mode='reflection' align_corners=1; out y"},
    {.name = "cubic", .graph = PLANE "mode='cubic'; out y"},
    {.name = "cubic, reflection", .graph = WIDE "mode='cubic' padding_mode='reflection'; out y"},
    {.name = "nearest", .graph = PLANE "mode='nearest'; out y"},
    {.name = "three dimensions", .graph = "const x f32[1,2,3,4,3] ~; const g f32[1,2,2,3,3] ~;"
     "y = GridSample(x,g); out y"},
    {.name = "one dimension", .graph = "const x f32[1,2,7] ~; const g f32[1,5,1] ~; y = GridSample(x,g);"
     "out y"},
    {.name = "affine grid", .graph = "const t f32[2,2,3] ~; const s i64[4] 2 1 3 4; y = AffineGrid(t,s);"
     "out y"},
    {.name = "affine grid, three dimensions", .graph = "const t f32[1,3,4] ~; const s i64[5] 1 1 3 4 2;"
     "y = AffineGrid(t,s) align_corners=1; out y"},
    {.name = "a grid that is sampled by", .graph = "const t f32[1,2,3] 0.81 0.13 0.057 -0.23 0.87 0.119;"
     "const s i64[4] 1 2 3 4; const x f32[1,2,4,5] ~; g = AffineGrid(t,s); y = GridSample(x,g); out y"},
    {.name = "regions", .graph = BOXES "output_height=2 output_width=3; out y"},
    {.name = "regions, samples, scale", .graph =
     BOXES "output_height=2 output_width=2 sampling_ratio=2 spatial_scale=0.8; out y"},
    {.name = "regions, output_half_pixel", .graph =
     BOXES "output_height=2 output_width=2 coordinate_transformation_mode='output_half_pixel'; out y"},
    {.name = "regions, max", .graph =
     BOXES "output_height=2 output_width=2 sampling_ratio=2 mode='max'; out y"},
    {.name = "maxima of regions", .graph = "const x f32[2,2,7,6] ~d;"
     "const _r f32[3,5] 0 0 1 4 5 1 2 0 5 3 1 1 1 2 2; y = MaxRoiPool(x,_r) pooled_shape=2,3; out y"},
};

START_TEST(test_rows)
{
    grad_case_check(&rows[_i]);
}
END_TEST

Suite *make_suite(void)
{
    Suite *suite = suite_create("grad_sample");
    TCase *tcase = tcase_create("differences");

    tcase_set_timeout(tcase, 60);
    tcase_add_loop_test(tcase, test_rows, 0, sizeof(rows) / sizeof(rows[0]));
    suite_add_tcase(suite, tcase);
    return suite;
}
