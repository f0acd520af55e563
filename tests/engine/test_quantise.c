/* SPDX-License-Identifier: Apache-2.0
 * Quantisation: per tensor, by axis, by block. */
#include "tests/support/op_case.h"
#include "tests/support/run_suite.h"

static const struct op_case cases[] = {
    {"one scale", "QuantizeLinear", NULL,
     IN("f32[6] 0 2 3 1000 -254 -1000", "f32[] 2", "u8[] 128"), OUT("u8[6] 128 129 130 255 1 0")},
    {"to even", "QuantizeLinear", NULL,
     IN("f32[6] 0.5 1.5 2.5 -0.5 -1.5 -2.5", "f32[] 1", "i8[] 0"),
     OUT("i8[6] 0 2 2 0 -2 -2")},
    {"no zero point", "QuantizeLinear", NULL, IN("f32[3] -1 3 400", "f32[] 1"),
     OUT("u8[3] 0 3 255")},
    {"output type", "QuantizeLinear", "output_dtype=i:5", IN("f32[3] -70000 3 4e9", "f32[] 1"),
     OUT("i16[3] -32768 3 32767")},
    {"uint16", "QuantizeLinear", NULL, IN("f32[3] -5 0 1e9", "f32[] 1", "u16[] 32767"),
     OUT("u16[3] 32762 32767 65535")},
    {"of int32", "QuantizeLinear", NULL, IN("i32[2] 7 -9", "f32[] 2", "i8[] 1"), OUT("i8[2] 5 -3")},
    {"of halves", "QuantizeLinear", NULL, IN("f16[2] 1 -2", "f16[] 0.5", "i8[] 0"),
     OUT("i8[2] 2 -4")},
    {"NaN and infinities", "QuantizeLinear", NULL, IN("f32[3] nan inf -inf", "f32[] 1", "u8[] 3"),
     OUT("u8[3] 0 255 0")},
    {"by axis", "QuantizeLinear", "axis=i:0", IN("f32[2,2] 1 2 3 4", "f32[2] 1 0.5", "u8[2] 0 10"),
     OUT("u8[2,2] 1 2 16 18")},
    {"by axis, inner", "QuantizeLinear", NULL, IN("f32[2,2] 1 2 3 4", "f32[2] 1 0.5", "u8[2] 0 10"),
     OUT("u8[2,2] 1 14 3 18")},
    {"by block", "QuantizeLinear", "axis=i:1; block_size=i:2",
     IN("f32[2,3] 1 2 3 4 5 6", "f32[2,2] 1 0.5 2 0.25", "i8[2,2] 0 1 2 3"),
     OUT("i8[2,3] 1 2 7 4 4 27")},
    {"dequantised", "DequantizeLinear", NULL, IN("u8[3] 0 128 255", "f32[] 2", "u8[] 128"),
     OUT("f32[3] -256 0 254")},
    {"dequantised int32", "DequantizeLinear", NULL, IN("i32[2] -5 7", "f32[] 0.5"),
     OUT("f32[2] -2.5 3.5")},
    {"dequantised to half", "DequantizeLinear", NULL, IN("i8[2] -5 7", "f16[] 0.5"),
     OUT("f16[2] -2.5 3.5")},
    {"dequantised by axis", "DequantizeLinear", NULL,
     IN("i8[1,2,2] 1 2 3 4", "f32[2] 2 10", "i8[2] 1 0"), OUT("f32[1,2,2] 0 2 30 40")},
    {"dequantised by block", "DequantizeLinear", "axis=i:0; block_size=i:2",
     IN("u8[3,2] 1 2 3 4 5 6", "f32[2,2] 1 10 100 1000"), OUT("f32[3,2] 1 20 3 40 500 6000")},
    {"dynamic", "DynamicQuantizeLinear", NULL, IN("f32[6] 0 2 -3 -2.5 1.34 0.5"),
     OUT("u8[6] 153 255 0 26 221 179", "f32[] 0.0196078438", "u8[] 153")},
    {"dynamic, positive", "DynamicQuantizeLinear", NULL, IN("f32[3] 1 2 2.55"),
     OUT("u8[3] 100 200 255", "f32[] 0.01", "u8[] 0")},
    {"dynamic zeros", "DynamicQuantizeLinear", NULL, IN("f32[2] 0 0"),
     OUT("u8[2] 0 0", "f32[] 1", "u8[] 0")},
    {"scale of another size", "QuantizeLinear", NULL, IN("f32[1,2] 1 2", "f32[3] 1 1 1"),
     SAYS("scale has shape [3], expected [2]")},
    {"zero point of another shape", "QuantizeLinear", NULL,
     IN("f32[1,2] 1 2", "f32[2] 1 1", "u8[] 0"), SAYS("differ in shape")},
    {"zero point of another type", "DequantizeLinear", NULL, IN("u8[1] 1", "f32[] 1", "i8[] 0"),
     SAYS("x is uint8, the zero point int8")},
    {"to floats", "QuantizeLinear", NULL, IN("f32[1] 1", "f32[] 1", "f32[] 0"),
     SAYS("quantising to float")},
};

START_TEST(rows)
{
    op_case_check(&cases[_i]);
}
END_TEST

Suite *make_suite(void)
{
    Suite *suite = suite_create("quantise");
    TCase *tc = tcase_create("rows");

    tcase_add_loop_test(tc, rows, 0, sizeof(cases) / sizeof(cases[0]));
    suite_add_tcase(suite, tc);
    return suite;
}
