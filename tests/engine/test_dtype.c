/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/dtype.h"
#include "tests/support/run_suite.h"

#include <math.h>

START_TEST(every_half_survives_the_way_there_and_back)
{
    for (uint32_t half = 0; half < 0x10000; half++) {
        float value = f16_to_f32((uint16_t)half);

        if (isnan(value))
            ck_assert_msg((f32_to_f16(value) & 0x7c00) == 0x7c00 && isnan(f16_to_f32(f32_to_f16(value))),
                          "half %04x", half);
        else
            ck_assert_msg(f32_to_f16(value) == half, "half %04x became %04x", half, f32_to_f16(value));
        value = bf16_to_f32((uint16_t)half);
        if (!isnan(value))
            ck_assert_msg(f32_to_bf16(value) == half, "bfloat16 %04x", half);
    }
}
END_TEST

static const struct {
    float value;
    uint16_t f16, bf16;
} roundings[] = {
    {1.0f, 0x3c00, 0x3f80},
    {1.0f + 0x1p-11f, 0x3c00, 0x3f80},             /* half way: to even */
    {1.0f + 0x1p-11f + 0x1p-20f, 0x3c01, 0x3f80},  /* past half way: up */
    {1.0f + 0x1.8p-10f, 0x3c02, 0x3f80},           /* half way between odd and even: to even */
    {65504.0f, 0x7bff, 0x4780},
    {65520.0f, 0x7c00, 0x4780},                    /* half way past the largest half */
    {0x1p-25f, 0x0000, 0x3300},                    /* half of the smallest: to even */
    {0x1.8p-25f, 0x0001, 0x3340},
    {-0x1p-24f, 0x8001, 0xb380},
    {1.0f + 0x1p-8f, 0x3c04, 0x3f80},              /* bfloat16 half way: to even */
    {1.0f + 0x1.8p-7f, 0x3c0c, 0x3f82},
    {INFINITY, 0x7c00, 0x7f80},
};

START_TEST(rounds_to_nearest_even)
{
    ck_assert_msg(f32_to_f16(roundings[_i].value) == roundings[_i].f16, "%a to half: %04x",
                  (double)roundings[_i].value, f32_to_f16(roundings[_i].value));
    ck_assert_msg(f32_to_bf16(roundings[_i].value) == roundings[_i].bf16, "%a to bfloat16: %04x",
                  (double)roundings[_i].value, f32_to_bf16(roundings[_i].value));
}
END_TEST

START_TEST(names_and_sizes)
{
    ck_assert_uint_eq(dtype_size(DTYPE_F32), 4);
    ck_assert_uint_eq(dtype_size(DTYPE_BOOL), 1);
    ck_assert_uint_eq(dtype_size(DTYPE_NONE), 0);
    ck_assert_uint_eq(dtype_size((enum dtype)14), 0);
    ck_assert_str_eq(dtype_name(DTYPE_I64), "int64");
    ck_assert_str_eq(dtype_name((enum dtype)15), "undefined");
    ck_assert(dtype_is_float(DTYPE_BF16) && !dtype_is_float(DTYPE_I32));
    ck_assert(dtype_is_integer(DTYPE_U64) && !dtype_is_integer(DTYPE_BOOL));
    ck_assert(dtype_is_signed(DTYPE_I8) && !dtype_is_signed(DTYPE_U32));
}
END_TEST

Suite *make_suite(void)
{
    Suite *suite = suite_create("dtype");
    TCase *tc = tcase_create("dtype");

    tcase_add_test(tc, every_half_survives_the_way_there_and_back);
    tcase_add_loop_test(tc, rounds_to_nearest_even, 0, sizeof(roundings) / sizeof(roundings[0]));
    tcase_add_test(tc, names_and_sizes);
    suite_add_tcase(suite, tc);
    return suite;
}
