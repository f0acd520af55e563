/* SPDX-License-Identifier: Apache-2.0
 * Cast and CastLike, and the conversions below them. */
#include "engine/kernels/convert.h"
#include "tests/support/op_case.h"
#include "tests/support/run_suite.h"

#include <math.h>
#include <stdio.h>

static const struct op_case cases[] = {
    {"truncates", "Cast", "to=i:6", IN("f32[4] 1.9 -1.9 0.5 -0.5"), OUT("i32[4] 1 -1 0 0")},
    {"saturates", "Cast", "to=i:6", IN("f32[4] 3e9 -3e9 nan inf"),
     OUT("i32[4] 2147483647 -2147483648 0 2147483647")},
    {"saturates bytes", "Cast", "to=i:2", IN("f64[4] 255.9 256 -0.9 -1"), OUT("u8[4] 255 255 0 0")},
    {"saturates int64", "Cast", "to=i:7", IN("f64[2] 1e30 -1e30"),
     OUT("i64[2] 9223372036854775807 -9223372036854775808")},
    {"saturates uint64", "Cast", "to=i:13", IN("f64[2] 1e30 -1"),
     OUT("u64[2] 18446744073709551615 0")},
    {"integers wrap", "Cast", "to=i:3", IN("i32[3] 127 128 -129"), OUT("i8[3] 127 -128 127")},
    {"widens signed", "Cast", "to=i:13", IN("i8[1] -1"), OUT("u64[1] 18446744073709551615")},
    {"widens unsigned", "Cast", "to=i:7", IN("u32[1] 4294967295"), OUT("i64[1] 4294967295")},
    {"uint64 to float", "Cast", "to=i:1", IN("u64[1] 18446744073709551615"),
     OUT("f32[1] 18446744073709551616")},
    {"uint64 to half", "Cast", "to=i:10", IN("u64[2] 18446744073709551615 7"),
     OUT("f16[2] inf 7")},
    {"int64 to double", "Cast", "to=i:11", IN("i64[1] -9007199254740991"),
     OUT("f64[1] -9007199254740991")},
    {"to bool", "Cast", "to=i:9", IN("f32[5] 0 -0 0.1 nan -3"), OUT("bool[5] 0 0 1 1 1")},
    {"integers to bool", "Cast", "to=i:9", IN("i32[3] 0 256 -1"), OUT("bool[3] 0 1 1")},
    {"from bool", "Cast", "to=i:1", IN("bool[2] 0 1"), OUT("f32[2] 0 1")},
    {"to half", "Cast", "to=i:10", IN("f32[4] 1 65504 65520 1e-8"), OUT("f16[4] 1 65504 inf 0")},
    {"double to half, once", "Cast", "to=i:10", IN("f64[1] 1.00048828125001"),
     OUT("f16[1] 1.0009765625")},
    {"to bfloat", "Cast", "to=i:16", IN("f32[3] 1 1.00390625 nan"), OUT("bf16[3] 1 1 nan")},
    {"half to bfloat", "Cast", "to=i:16", IN("f16[2] 1.5 -2"), OUT("bf16[2] 1.5 -2")},
    {"from bfloat", "Cast", "to=i:11", IN("bf16[2] 1.5 -inf"), OUT("f64[2] 1.5 -inf")},
    {"to the same", "Cast", "to=i:8", IN("str[2] a b"), OUT("str[2] a b")},
    {"from strings", "Cast", "to=i:1", IN("str[5] 1.5 -2e3 NaN inf -INF"),
     OUT("f32[5] 1.5 -2000 nan inf -inf")},
    {"from strings to integers", "Cast", "to=i:7", IN("str[3] 9223372036854775807 -12 3.9"),
     OUT("i64[3] 9223372036854775807 -12 3")},
    {"from strings to uint64", "Cast", "to=i:13", IN("str[1] 18446744073709551615"),
     OUT("u64[1] 18446744073709551615")},
    {"from no number", "Cast", "to=i:1", IN("str[2] 1 x2"), SAYS("element 1, 'x2', is no number")},
    {"from half a number", "Cast", "to=i:1", IN("str[1] 1.5kg"), SAYS("'1.5kg'")},
    {"from an empty string", "Cast", "to=i:1", IN("str[1] ''"), SAYS("element 0")},
    {"to nothing", "Cast", NULL, IN("f32[1] 1"), SAYS("to type 0")},
    {"to what we lack", "Cast", "to=i:17", IN("f32[1] 1"), SAYS("to type 17")},
    {"like", "CastLike", NULL, IN("f32[2] 1.5 -2", "i8[1] 0"), OUT("i8[2] 1 -2")},
    {"nothing", "Cast", "to=i:7", IN("f32[0]"), OUT("i64[0]")},
};

START_TEST(rows)
{
    op_case_check(&cases[_i]);
}
END_TEST

/* Every half through float and back, through double and back. */
START_TEST(halves_come_back)
{
    for (uint32_t bits = 0; bits <= 0xffff; bits++) {
        const uint16_t half = (uint16_t)bits;
        uint16_t back;
        float single;
        double number;

        for (int form = 0; form < 2; form++) {
            enum dtype dtype = form == 0 ? DTYPE_F16 : DTYPE_BF16;

            load_f32(dtype, 1, &half, &single);
            load_f64(dtype, 1, &half, &number);
            if (isnan(single)) {
                ck_assert(isnan(number));
                continue;
            }
            store_f32(dtype, 1, &single, &back);
            if (back != half || (double)single != number)
                ck_abort_msg("%04x came back as %04x", half, back);
            store_f64(dtype, 1, &number, &back);
            if (back != half)
                ck_abort_msg("%04x came back from double as %04x", half, back);
        }
    }
}
END_TEST

/* The nearest half of a double, found by trying its neighbours. */
START_TEST(doubles_are_rounded_once)
{
    uint64_t state = test_seed();

    for (int i = 0; i < 20000 * test_scale(); i++) {
        uint16_t half = (uint16_t)(test_random(&state) % 0x7bff);
        double low = (double)f16_to_f32(half), high = (double)f16_to_f32((uint16_t)(half + 1));
        double middle = (low + high) / 2;
        uint16_t even = (half & 1) == 0 ? half : (uint16_t)(half + 1);

        if (f64_to_f16(middle) != even)
            ck_abort_msg("%.17g is half way, but gives %04x", middle, f64_to_f16(middle));
        if (f64_to_f16(nextafter(middle, low)) != half ||
            f64_to_f16(nextafter(middle, high)) != half + 1)
            ck_abort_msg("next to %.17g", middle);
        if (f64_to_f16(-nextafter(middle, high)) != ((half + 1) | 0x8000))
            ck_abort_msg("next to -%.17g", middle);
    }
}
END_TEST

/* Each pair of types over more than a chunk, against conversion one by one. */
START_TEST(every_pair_of_types)
{
    static const enum dtype dtypes[] = {DTYPE_F32, DTYPE_U8,  DTYPE_I8,  DTYPE_U16,
                                        DTYPE_I16, DTYPE_I32, DTYPE_I64, DTYPE_BOOL,
                                        DTYPE_F16, DTYPE_F64, DTYPE_U32, DTYPE_U64, DTYPE_BF16};
    enum { TYPES = sizeof(dtypes) / sizeof(dtypes[0]), N = 600 };
    enum dtype from = dtypes[_i % TYPES], to = dtypes[_i / TYPES];
    struct arena *arena = arena_create((size_t)1 << 20);
    struct tensor x = {.dtype = from, .shape = {.rank = 1, .dims = {N}}}, y;
    struct engine_error err = {0};
    int64_t small[N];
    char attributes[16];

    for (int i = 0; i < N; i++)
        small[i] = i % 101;
    x.data = arena_alloc(arena, tensor_bytes(&x));
    store_i64(from, N, small, x.data);
    snprintf(attributes, sizeof(attributes), "to=i:%d", (int)to);
    ck_assert_int_eq(op_case_run(arena, "Cast", attributes, 1, &x, 1, &y, &err), ENGINE_OK);
    ck_assert_int_eq(y.dtype, to);
    for (int i = 0; i < N; i++) {
        int64_t expected = from == DTYPE_BOOL || to == DTYPE_BOOL ? small[i] != 0 : small[i];

        if (tensor_int_at(&y, i) != expected)
            ck_abort_msg("%s to %s: %lld, expected %lld", dtype_name(from), dtype_name(to),
                         (long long)tensor_int_at(&y, i), (long long)expected);
    }
    arena_destroy(arena);
}
END_TEST

Suite *make_suite(void)
{
    Suite *suite = suite_create("cast");
    TCase *tc = tcase_create("rows");

    tcase_add_loop_test(tc, rows, 0, sizeof(cases) / sizeof(cases[0]));
    tcase_add_test(tc, halves_come_back);
    tcase_add_test(tc, doubles_are_rounded_once);
    tcase_add_loop_test(tc, every_pair_of_types, 0, 13 * 13);
    suite_add_tcase(suite, tc);
    return suite;
}
