/* SPDX-License-Identifier: Apache-2.0
 * Gradients of Conv and ConvTranspose by finite differences. */
#include "tests/support/grad_case.h"
#include "tests/support/run_suite.h"

static const struct grad_case conv[] = {
    {.name = "3x3, padded, bias", .graph =
     "const x f32[2,3,5,4] ~; const w f32[4,3,3,3] ~; const b f32[4] ~;"
     "y = Conv(x,w,b) kernel_shape=3,3 pads=1,1,1,1; out y"},
    {.name = "no bias, no padding", .graph =
     "const x f32[2,2,5,6] ~; const w f32[3,2,2,3] ~; y = Conv(x,w) kernel_shape=2,3; out y"},
    {.name = "strides", .graph = "const x f32[2,2,7,6] ~; const w f32[3,2,3,3] ~; const b f32[3] ~;"
                "y = Conv(x,w,b) strides=2,3 pads=1,0,2,1; out y"},
    {.name = "dilations", .graph = "const x f32[1,2,7,8] ~; const w f32[3,2,2,3] ~;"
                  "y = Conv(x,w) dilations=3,2 pads=2,1,1,2; out y"},
    {.name = "strides and dilations", .graph = "const x f32[2,2,8,9] ~; const w f32[2,2,3,2] ~;"
                              "y = Conv(x,w) strides=2,2 dilations=2,3; out y"},
    {.name = "groups", .graph = "const x f32[2,6,4,4] ~; const w f32[4,3,3,3] ~; const b f32[4] ~;"
               "y = Conv(x,w,b) group=2 pads=1,1,1,1; out y"},
    {.name = "depthwise", .graph =
     "const x f32[2,5,4,5] ~; const w f32[5,1,3,3] ~; const b f32[5] ~;"
                  "y = Conv(x,w,b) group=5 pads=1,1,1,1; out y"},
    {.name = "depthwise, two outputs a channel, strides", .graph =
     "const x f32[2,3,5,5] ~; const w f32[6,1,3,3] ~;"
     "y = Conv(x,w) group=3 strides=2,2 pads=1,1,1,1; out y"},
    {.name = "1x1", .graph =
     "const x f32[3,5,3,4] ~; const w f32[6,5,1,1] ~; const b f32[6] ~; y = Conv(x,w,b); out y"},
    {.name = "1x1, strides", .graph =
     "const x f32[2,4,5,6] ~; const w f32[3,4,1,1] ~; y = Conv(x,w) strides=2,2; out y"},
    {.name = "one dimension", .graph =
     "const x f32[2,3,9] ~; const w f32[4,3,3] ~; const b f32[4] ~;"
                      "y = Conv(x,w,b) strides=2, pads=2,1; out y"},
    {.name = "three dimensions", .graph =
     "const x f32[2,2,3,4,3] ~; const w f32[3,2,2,2,2] ~; const b f32[3] ~;"
                         "y = Conv(x,w,b) pads=1,0,1,0,1,0 strides=1,2,1; out y"},
    {.name = "SAME_UPPER", .graph = "const x f32[1,2,5,6] ~; const w f32[2,2,3,4] ~;"
                   "y = Conv(x,w) auto_pad='SAME_UPPER' strides=2,1; out y"},
    {.name = "SAME_LOWER", .graph = "const x f32[1,2,5,6] ~; const w f32[2,2,2,4] ~;"
     "y = Conv(x,w) auto_pad='SAME_LOWER'; out y"},
    {.name = "VALID", .graph =
     "const x f32[1,2,5,6] ~; const w f32[2,2,2,4] ~; y = Conv(x,w) auto_pad='VALID'; out y"},
    {.name = "padding beyond the kernel's reach", .graph =
     "const x f32[1,2,3,3] ~; const w f32[2,2,2,2] ~; y = Conv(x,w) pads=2,3,2,1; out y"},
    {.name = "Winograd's sizes", .graph =
     "const x f32[6,16,5,5] ~; const w f32[16,16,3,3] ~; const b f32[16] ~;"
                         "y = Conv(x,w,b) pads=1,1,1,1; out y", .tolerance = 2e-4},
    {.name = "frozen weights", .graph =
     "const x f32[2,2,4,4] ~; const _w f32[3,2,3,3] ~; const b f32[3] ~;"
                       "y = Conv(x,_w,b); out y"},
    {.name = "frozen input", .graph =
     "const _x f32[2,2,4,4] ~; const w f32[3,2,3,3] ~; y = Conv(_x,w); out y"},
    {.name = "weights used twice", .graph = "const x f32[1,3,4,4] ~; const w f32[3,3,3,3] ~;"
                           "a = Conv(x,w) pads=1,1,1,1; y = Conv(a,w) pads=1,1,1,1; out y"},
};

static const struct grad_case transposed[] = {
    {.name = "plain", .graph = "const x f32[2,3,3,4] ~; const w f32[3,2,3,3] ~; const b f32[2] ~;"
              "y = ConvTranspose(x,w,b); out y"},
    {.name = "strides, pads, output_padding", .graph =
     "const x f32[2,3,3,4] ~; const w f32[3,2,3,3] ~; const b f32[2] ~;"
     "y = ConvTranspose(x,w,b) strides=2,3 pads=1,1,0,1 output_padding=1,2; out y"},
    {.name = "groups, dilations", .graph = "const x f32[1,4,3,4] ~; const w f32[4,3,2,2] ~;"
                          "y = ConvTranspose(x,w) group=2 dilations=2,1; out y"},
    {.name = "output_shape", .graph = "const x f32[1,2,3,3] ~; const w f32[2,2,3,3] ~;"
                     "y = ConvTranspose(x,w) strides=2,2 output_shape=6,6; out y"},
    {.name = "one dimension", .graph =
     "const x f32[2,2,5] ~; const w f32[2,3,3] ~; y = ConvTranspose(x,w) strides=2,; out y"},
    {.name = "three dimensions", .graph =
     "const x f32[1,2,2,3,2] ~; const w f32[2,2,2,2,2] ~; const b f32[2] ~;"
                         "y = ConvTranspose(x,w,b) strides=1,2,1; out y"},
    {.name = "depthwise", .graph = "const x f32[2,4,3,3] ~; const w f32[4,1,2,2] ~;"
     "y = ConvTranspose(x,w) group=4 strides=2,2; out y"},
    {.name = "SAME_UPPER", .graph = "const x f32[1,2,3,3] ~; const w f32[2,2,3,3] ~;"
                   "y = ConvTranspose(x,w) auto_pad='SAME_UPPER' strides=2,2; out y"},
};

START_TEST(test_conv)
{
    grad_case_check(&conv[_i]);
}
END_TEST

START_TEST(test_transposed)
{
    grad_case_check(&transposed[_i]);
}
END_TEST

Suite *make_suite(void)
{
    Suite *suite = suite_create("grad_conv");
    TCase *tcase = tcase_create("differences");

    tcase_set_timeout(tcase, 60);
    tcase_add_loop_test(tcase, test_conv, 0, sizeof(conv) / sizeof(conv[0]));
    tcase_add_loop_test(tcase, test_transposed, 0, sizeof(transposed) / sizeof(transposed[0]));
    suite_add_tcase(suite, tcase);
    return suite;
}
