/* SPDX-License-Identifier: Apache-2.0
 * Gradients of Resize by finite differences. */
#include "tests/support/grad_case.h"
#include "tests/support/run_suite.h"

#define TWICE "const x f32[1,2,3,4] ~; const _s f32[4] 1 1 2 2.5; y = Resize(x,,_s) "
#define SMALLER "const x f32[1,2,7,6] ~; const n i64[4] 1 2 3 4; y = Resize(x,,,n) "

static const struct grad_case rows[] = {
    {.name = "nearest", .graph = TWICE "mode='nearest'; out y"},
    {.name = "nearest, asymmetric, floor", .graph =
     TWICE "mode='nearest' coordinate_transformation_mode='asymmetric' nearest_mode='floor'; out y"},
    {.name = "nearest, smaller", .graph = SMALLER "mode='nearest'; out y"},
    {.name = "linear", .graph = TWICE "mode='linear'; out y"},
    {.name = "linear, smaller", .graph = SMALLER "mode='linear'; out y"},
    {.name = "linear, align_corners", .graph =
     TWICE "mode='linear' coordinate_transformation_mode='align_corners'; out y"},
    {.name = "linear, asymmetric", .graph =
     TWICE "mode='linear' coordinate_transformation_mode='asymmetric'; out y"},
    {.name = "linear, pytorch_half_pixel", .graph =
     SMALLER "mode='linear' coordinate_transformation_mode='pytorch_half_pixel'; out y"},
    {.name = "linear, half_pixel_symmetric", .graph =
     SMALLER "mode='linear' coordinate_transformation_mode='half_pixel_symmetric'; out y"},
    {.name = "linear, antialias", .graph = SMALLER "mode='linear' antialias=1; out y"},
    {.name = "linear, crop and resize", .graph = "const x f32[1,1,5,5] ~; const _r f32[8] 0 0 0.2 -0.3 1 1"
     " 0.9 1.2; const n i64[4] 1 1 4 4; y = Resize(x,_r,,n) mode='linear'"
     " coordinate_transformation_mode='tf_crop_and_resize' extrapolation_value=7.5; out y"},
    {.name = "nearest, crop and resize", .graph = "const x f32[1,1,5,5] ~; const _r f32[8] 0 0 0.2 -0.3 1"
     " 1 0.9 1.2; const n i64[4] 1 1 4 4; y = Resize(x,_r,,n) mode='nearest'"
     " coordinate_transformation_mode='tf_crop_and_resize'; out y"},
    {.name = "cubic", .graph = TWICE "mode='cubic'; out y"},
    {.name = "cubic, exclude_outside", .graph = SMALLER "mode='cubic' exclude_outside=1; out y"},
    {.name = "cubic, antialias, other coefficient", .graph =
     SMALLER "mode='cubic' antialias=1 cubic_coeff_a=-0.5; out y"},
    {.name = "nothing to do", .graph = "const x f32[2,3] ~; const n i64[2] 2 3;"
     "y = Resize(x,,,n) mode='linear'; out y"},
    {.name = "one axis of three", .graph = "const x f32[2,3,4] ~; const n i64[1] 7;"
     "y = Resize(x,,,n) mode='linear' axes=1,; out y"},
};

START_TEST(test_rows)
{
    grad_case_check(&rows[_i]);
}
END_TEST

Suite *make_suite(void)
{
    Suite *suite = suite_create("grad_resize");
    TCase *tcase = tcase_create("differences");

    tcase_set_timeout(tcase, 60);
    tcase_add_loop_test(tcase, test_rows, 0, sizeof(rows) / sizeof(rows[0]));
    suite_add_tcase(suite, tcase);
    return suite;
}
