/* SPDX-License-Identifier: Apache-2.0
 * Gradients of the pools by finite differences. */
#include "tests/support/grad_case.h"
#include "tests/support/run_suite.h"

static const struct grad_case rows[] = {
    {.name = "max", .graph =
     "const x f32[2,3,6,8] ~d; y = MaxPool(x) kernel_shape=2,2 strides=2,2; out y"},
    {.name = "max, overlapping, padded",
     .graph =
     "const x f32[2,2,7,6] ~d; y = MaxPool(x) kernel_shape=3,3 strides=2,2 pads=1,1,1,1; out y"},
    {.name = "max, dilations, stride 1",
     .graph = "const x f32[1,2,7,12] ~d; y = MaxPool(x) kernel_shape=2,3 dilations=2,3; out y"},
    {.name = "max, ceil_mode, stride 3",
     .graph =
     "const x f32[1,2,8,9] ~d; y = MaxPool(x) kernel_shape=2,2 strides=3,3 ceil_mode=1; out y"},
    {.name = "max, one dimension, with indices",
     .graph = "const x f32[2,2,300] ~d; y,i = MaxPool(x) kernel_shape=2, strides=2,; out y"},
    {.name = "max, three dimensions, SAME_LOWER", .graph =
     "const x f32[1,2,3,4,5] ~d; y = MaxPool(x) kernel_shape=2,2,2 auto_pad='SAME_LOWER'; out y"},
    {.name = "max, more than 255 kernel places",
     .graph = "const x f32[1,2,20,21] ~d; y = MaxPool(x) kernel_shape=16,17 strides=2,2; out y"},
    {.name = "global max", .graph = "const x f32[2,3,4,5] ~d; y = GlobalMaxPool(x); out y"},
    {.name = "mean", .graph =
     "const x f32[2,3,6,8] ~; y = AveragePool(x) kernel_shape=2,2 strides=2,2;"
     "out y"},
    {.name = "mean, padded", .graph =
     "const x f32[2,2,7,6] ~; y = AveragePool(x) kernel_shape=3,3 strides=2,1 pads=1,2,0,1; out y"},
    {.name = "mean, counts the padding", .graph = "const x f32[2,2,7,6] ~;"
     "y = AveragePool(x) kernel_shape=3,3 strides=2,1 pads=1,2,0,1 count_include_pad=1; out y"},
    {.name = "mean, ceil_mode, counts the padding", .graph = "const x f32[1,2,7,6] ~;"
     "y = AveragePool(x) kernel_shape=3,3 strides=2,2 pads=1,1,1,1 count_include_pad=1 ceil_mode=1;"
     " out y"},
    {.name = "mean, dilations, one dimension",
     .graph = "const x f32[2,2,300] ~; y = AveragePool(x) kernel_shape=3, dilations=2,; out y"},
    {.name = "mean, three dimensions", .graph =
     "const x f32[1,2,3,4,5] ~; y = AveragePool(x) kernel_shape=2,2,2 strides=1,2,2; out y"},
    {.name = "global mean", .graph = "const x f32[2,3,4,5] ~; y = GlobalAveragePool(x); out y"},
    {.name = "global mean, three dimensions",
     .graph = "const x f32[2,3,2,4,5] ~; y = GlobalAveragePool(x); out y"},
    {.name = "norm", .graph =
     "const x f32[2,2,6,6] ~d; y = LpPool(x) kernel_shape=3,2 strides=2,2; out y"},
    {.name = "norm, p 1, padded",
     .graph = "const x f32[1,2,5,6] ~d; y = LpPool(x) kernel_shape=3,2 pads=1,1,1,1 p=1; out y"},
    {.name = "norm, p 3", .graph =
     "const x f32[1,2,5,6] ~d; y = LpPool(x) kernel_shape=3,2 p=3; out y"},
    {.name = "global norm", .graph = "const x f32[2,3,4,5] ~d; y = GlobalLpPool(x); out y"},
    {.name = "unpool", .graph = "const x f32[1,2,2,3] ~; "
    "const i i64[1,2,2,3] 0 3 4 13 15 16 24 26 29 37 38 40;"
     "y = MaxUnpool(x,i) kernel_shape=2,2 strides=2,2; out y"},
    {.name = "unpool, to a larger shape, one place twice", .graph = "const x f32[1,1,2,2] ~;"
     "const i i64[1,1,2,2] 0 5 5 15; const s i64[4] 1 1 5 5;"
     "y = MaxUnpool(x,i,s) kernel_shape=2,2 strides=2,2; out y"},
    {.name = "columns to image", .graph = "const x f32[2,12,6] ~; const i i64[2] 4 5; const b i64[2] 2 3;"
     "y = Col2Im(x,i,b) strides=2,1; out y"},
    {.name = "columns to image, padded, dilations", .graph = "const x f32[1,8,9] ~; const i i64[2] 4 5;"
     "const b i64[2] 2 2; y = Col2Im(x,i,b) strides=2,2 pads=1,1,1,1 dilations=1,1; out y"},
    {.name = "used twice", .graph = "const x f32[1,2,4,4] ~d; a = MaxPool(x) kernel_shape=2,2;"
     "b = AveragePool(x) kernel_shape=2,2; y = Add(a,b); out y"},
};

START_TEST(test_rows)
{
    grad_case_check(&rows[_i]);
}
END_TEST

Suite *make_suite(void)
{
    Suite *suite = suite_create("grad_pool");
    TCase *tcase = tcase_create("differences");

    tcase_set_timeout(tcase, 60);
    tcase_add_loop_test(tcase, test_rows, 0, sizeof(rows) / sizeof(rows[0]));
    suite_add_tcase(suite, tcase);
    return suite;
}
