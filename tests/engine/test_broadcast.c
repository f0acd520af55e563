/* SPDX-License-Identifier: Apache-2.0
 * Operators of several broadcast inputs, and the loop nest below them. */
#include "engine/ops/broadcast.h"
#include "tests/support/op_case.h"
#include "tests/support/run_suite.h"

#include <stdlib.h>
#include <string.h>

static const struct op_case cases[] = {
    {"add", "Add", NULL, IN("f32[3] 1 2 3", "f32[3] 10 20 30"), OUT("f32[3] 11 22 33")},
    {"add a scalar", "Add", NULL, IN("f32[2,2] 1 2 3 4", "f32[] 10"), OUT("f32[2,2] 11 12 13 14")},
    {"add to a scalar", "Add", NULL, IN("f32[] 10", "f32[2] 1 2"), OUT("f32[2] 11 12")},
    {"add scalars", "Add", NULL, IN("f64[] 10", "f64[] 1"), OUT("f64[] 11")},
    {"add a row", "Add", NULL, IN("f32[2,3] 1 2 3 4 5 6", "f32[3] 10 20 30"),
     OUT("f32[2,3] 11 22 33 14 25 36")},
    {"add a column", "Add", NULL, IN("f32[2,3] 1 2 3 4 5 6", "f32[2,1] 10 20"),
     OUT("f32[2,3] 11 12 13 24 25 26")},
    {"add row and column", "Add", NULL, IN("f32[2,1] 10 20", "f32[1,3] 1 2 3"),
     OUT("f32[2,3] 11 12 13 21 22 23")},
    {"add in the middle", "Add", NULL, IN("i64[2,1,2] 1 2 3 4", "i64[1,2,1] 10 20"),
     OUT("i64[2,2,2] 11 12 21 22 13 14 23 24")},
    {"add nothing", "Add", NULL, IN("f32[0,2]", "f32[2] 1 2"), OUT("f32[0,2]")},
    {"add wraps", "Add", NULL, IN("i8[1] 127", "i8[1] 1"), OUT("i8[1] -128")},
    {"add wraps int64", "Add", NULL, IN("i64[1] 9223372036854775807", "i64[1] 1"),
     OUT("i64[1] -9223372036854775808")},
    {"add halves", "Add", NULL, IN("f16[2] 1 2048", "f16[] 1"), OUT("f16[2] 2 2048")},
    {"add bfloats", "Add", NULL, IN("bf16[2] 1 256", "bf16[] 1"), OUT("bf16[2] 2 256")},
    {"sub", "Sub", NULL, IN("u8[2] 1 5", "u8[] 2"), OUT("u8[2] 255 3")},
    {"mul", "Mul", NULL, IN("u16[2] 65535 3", "u16[2] 65535 4"), OUT("u16[2] 1 12")},
    {"div truncates", "Div", NULL, IN("i32[4] 7 -7 7 -7", "i32[4] 2 2 -2 -2"),
     OUT("i32[4] 3 -3 -3 3")},
    {"div by zero", "Div", NULL, IN("i32[1] 7", "i32[1] 0"), OUT("i32[1] 0")},
    {"div of the least", "Div", NULL, IN("i64[1] -9223372036854775808", "i64[1] -1"),
     OUT("i64[1] -9223372036854775808")},
    {"div unsigned", "Div", NULL, IN("u64[1] 18446744073709551615", "u64[1] 2"),
     OUT("u64[1] 9223372036854775807")},
    {"div floats", "Div", NULL, IN("f32[3] 1 -1 0", "f32[] 0"), OUT("f32[3] inf -inf nan")},
    {"mod", "Mod", NULL, IN("i32[4] 7 -7 7 -7", "i32[4] 3 3 -3 -3"), OUT("i32[4] 1 2 -2 -1")},
    {"fmod", "Mod", "fmod=i:1", IN("i32[4] 7 -7 7 -7", "i32[4] 3 3 -3 -3"),
     OUT("i32[4] 1 -1 1 -1")},
    {"fmod floats", "Mod", "fmod=i:1", IN("f32[2] -4.5 5.5", "f32[2] 2 -3"),
     OUT("f32[2] -0.5 2.5")},
    {"mod by zero", "Mod", NULL, IN("u8[1] 7", "u8[1] 0"), OUT("u8[1] 0")},
    {"pow", "Pow", NULL, IN("f32[3] 2 3 4", "f32[3] 3 2 0.5"), OUT("f32[3] 8 9 2")},
    {"pow, squares", "Pow", NULL, IN("f32[2] -3 1.5", "f32[] 2"), OUT("f32[2] 9 2.25")},
    {"pow, cubes", "Pow", NULL, IN("f32[2] -3 1.5", "i64[] 3"), OUT("f32[2] -27 3.375")},
    {"pow, row of exponents", "Pow", NULL, IN("f32[2,1] 2 3", "i32[2] 2 3"),
     OUT("f32[2,2] 4 8 9 27")},
    {"pow of integers", "Pow", NULL, IN("i64[4] 2 -3 7 2", "i64[4] 10 3 0 -1"),
     OUT("i64[4] 1024 -27 1 0")},
    {"pow of integers to floats", "Pow", NULL, IN("i32[2] 4 9", "f32[] 0.5"), OUT("i32[2] 2 3")},
    {"min", "Min", NULL, IN("f32[3] 1 5 nan", "f32[] 3", "f32[3] 2 0 1"), OUT("f32[3] 1 0 nan")},
    {"max", "Max", NULL, IN("f32[2,1] 1 5", "f32[3] 3 nan 7"), OUT("f32[2,3] 3 nan 7 5 nan 7")},
    {"max of one", "Max", NULL, IN("i8[2] 1 2"), OUT("i8[2] 1 2")},
    {"max unsigned", "Max", NULL, IN("u64[1] 18446744073709551615", "u64[1] 1"),
     OUT("u64[1] 18446744073709551615")},
    {"sum with a wider third", "Sum", NULL, IN("f32[1] 1", "f32[1] 10", "f32[3] 100 200 300"),
     OUT("f32[3] 111 211 311")},
    {"sum of columns with a wider third", "Sum", NULL,
     IN("f64[2,1] 1 2", "f64[2,1] 10 20", "f64[2,3] 100 200 300 400 500 600"),
     OUT("f64[2,3] 111 211 311 422 522 622")},
    {"max with a wider third", "Max", NULL, IN("i64[1] 1", "i64[] 7", "i64[4] 5 6 7 8"),
     OUT("i64[4] 7 7 7 8")},
    {"mean with a wider third", "Mean", NULL, IN("f16[1] 1", "f16[1] 2", "f16[2] 3 6"),
     OUT("f16[2] 2 3")},
    {"sum", "Sum", NULL, IN("f32[2] 1 2", "f32[] 10", "f32[1] 100"), OUT("f32[2] 111 112")},
    {"mean", "Mean", NULL, IN("f64[2] 1 2", "f64[] 4", "f64[1] 7"), OUT("f64[2] 4 4.333333333")},
    {"and", "And", NULL, IN("bool[2,1] 0 1", "bool[2] 0 1"), OUT("bool[2,2] 0 0 0 1")},
    {"or", "Or", NULL, IN("bool[2,1] 0 1", "bool[2] 0 1"), OUT("bool[2,2] 0 1 1 1")},
    {"xor", "Xor", NULL, IN("bool[2,1] 0 1", "bool[2] 0 1"), OUT("bool[2,2] 0 1 1 0")},
    {"equal", "Equal", NULL, IN("f32[3] 1 nan -0", "f32[3] 1 nan 0"), OUT("bool[3] 1 0 1")},
    {"equal strings", "Equal", NULL, IN("str[3] a bc ''", "str[] bc"), OUT("bool[3] 0 1 0")},
    {"equal bools", "Equal", NULL, IN("bool[2] 0 1", "bool[] 1"), OUT("bool[2] 0 1")},
    {"less", "Less", NULL, IN("i16[3] -1 0 1", "i16[] 0"), OUT("bool[3] 1 0 0")},
    {"less or equal", "LessOrEqual", NULL, IN("f16[3] -1 0 1", "f16[] 0"), OUT("bool[3] 1 1 0")},
    {"greater", "Greater", NULL, IN("u64[] 0", "u64[2] 1 18446744073709551615"),
     OUT("bool[2] 0 0")},
    {"greater or equal", "GreaterOrEqual", NULL, IN("f64[3] -1 0 nan", "f64[] 0"),
     OUT("bool[3] 0 1 0")},
    {"bitwise and", "BitwiseAnd", NULL, IN("u8[2] 12 255", "u8[] 10"), OUT("u8[2] 8 10")},
    {"bitwise or", "BitwiseOr", NULL, IN("i32[1] 12", "i32[1] 10"), OUT("i32[1] 14")},
    {"bitwise xor", "BitwiseXor", NULL, IN("i64[1] -1", "i64[1] 10"), OUT("i64[1] -11")},
    {"shift left", "BitShift", "direction=s:LEFT", IN("u8[3] 1 255 1", "u8[3] 1 4 8"),
     OUT("u8[3] 2 240 0")},
    {"shift right", "BitShift", "direction=s:RIGHT", IN("u64[2] 16 1", "u64[2] 3 64"),
     OUT("u64[2] 2 0")},
    {"shift nowhere", "BitShift", NULL, IN("u8[1] 1", "u8[1] 1"), SAYS("direction")},
    {"where", "Where", NULL, IN("bool[2,1] 1 0", "f32[2] 1 2", "f32[] 9"),
     OUT("f32[2,2] 1 2 9 9")},
    {"where of strings", "Where", NULL, IN("bool[2] 1 0", "str[2] a b", "str[1] c"),
     OUT("str[2] a c")},
    {"where of two types", "Where", NULL, IN("bool[1] 1", "f32[1] 1", "i32[1] 1"),
     SAYS("X is float, Y is int32")},
    {"prelu", "PRelu", NULL, IN("f32[2,2] -1 2 -3 4", "f32[2,1] 0.5 0.1"),
     OUT("f32[2,2] -0.5 2 -0.3 4")},
    {"prelu, unsigned", "PRelu", NULL, IN("u32[2] 1 2", "u32[] 9"), OUT("u32[2] 1 2")},
    {"prelu, slope too large", "PRelu", NULL, IN("f32[1] 1", "f32[2] 1 1"),
     SAYS("does not broadcast to X")},
    {"shapes", "Add", NULL, IN("f32[2] 1 2", "f32[3] 1 2 3"), SAYS("do not broadcast")},
    {"types", "Add", NULL, IN("f32[1] 1", "f64[1] 1"),
     SAYS("input 1 is double, the first is float")},
};

START_TEST(rows)
{
    op_case_check(&cases[_i]);
}
END_TEST

/* a + 1000 b + 1000000 c, by steps. */
static void weigh(int64_t n, const void *const *inputs, const int64_t *steps, void *output,
                  const void *arg)
{
    const int64_t *a = inputs[0], *b = inputs[1], *c = inputs[2];
    int64_t *out = output;

    ck_assert_ptr_eq(arg, cases);
    for (int64_t i = 0; i < n; i++)
        out[i] = a[i * steps[0]] + 1000 * b[i * steps[1]] + 1000000 * c[i * steps[2]];
}

/* The element of `input` that stands under output element `i`. */
static int64_t under(const struct tensor *input, const struct shape *out, int64_t i)
{
    int64_t place = 0, stride = 1;

    for (int d = out->rank - 1; d >= 0; d--) {
        int own = d - (out->rank - input->shape.rank);

        if (own >= 0) {
            place += (input->shape.dims[own] == 1 ? 0 : i % out->dims[d]) * stride;
            stride *= input->shape.dims[own];
        }
        i /= out->dims[d];
    }
    return ((const int64_t *)input->data)[place];
}

/* Random shapes that broadcast, against element-by-element indexing, with one thread and three. */
START_TEST(nest_agrees_with_indexing)
{
    static int64_t data[3][8192], y[8192];
    uint64_t state = test_seed();
    struct pool *pool = pool_create(3, 0);

    for (int k = 0; k < 3; k++)
        for (int64_t i = 0; i < 8192; i++)
            data[k][i] = i % 1000;
    for (int round = 0; round < 2000 * test_scale(); round++) {
        struct tensor inputs[3], out = {.dtype = DTYPE_I64, .data = y};
        const struct tensor *pointers[3] = {&inputs[0], &inputs[1], &inputs[2]};
        int64_t elements;

        out.shape.rank = (int)(test_random(&state) % 6);
        for (int d = 0; d < out.shape.rank; d++)
            out.shape.dims[d] = 1 + (int64_t)(test_random(&state) % 5);
        elements = shape_elements(&out.shape);
        for (int k = 0; k < 3; k++) {
            int cut = (int)(test_random(&state) % (uint64_t)(out.shape.rank + 1));

            inputs[k] = (struct tensor){.dtype = DTYPE_I64, .data = data[k]};
            inputs[k].shape.rank = out.shape.rank - (test_random(&state) % 3 == 0 ? cut : 0);
            for (int d = 0; d < inputs[k].shape.rank; d++)
                inputs[k].shape.dims[d] =
                    test_random(&state) % 3 == 0
                        ? 1
                        : out.shape.dims[d + out.shape.rank - inputs[k].shape.rank];
        }
        memset(y, 0xff, sizeof(y));
        broadcast_run(round % 2 == 0 ? pool : NULL, 1, 3, pointers, &out, weigh, cases);
        for (int64_t i = 0; i < elements; i++) {
            int64_t expected = under(&inputs[0], &out.shape, i) +
                               1000 * under(&inputs[1], &out.shape, i) +
                               1000000 * under(&inputs[2], &out.shape, i);

            if (y[i] != expected)
                ck_abort_msg("round %d element %d is %lld, expected %lld", round, (int)i,
                             (long long)y[i], (long long)expected);
        }
        ck_assert_int_eq(y[elements], -1);
    }
    pool_destroy(pool);
}
END_TEST

/* Adding in place, and in types that are converted in chunks, over more than a chunk. */
START_TEST(long_rows_of_converted_types)
{
    enum { N = 1000 };
    static int32_t x[N], y[N];
    struct arena *arena = arena_create((size_t)1 << 20);
    int32_t one = 1;
    struct tensor inputs[2] = {
        {.dtype = DTYPE_I32, .shape = {.rank = 1, .dims = {N}}, .data = x},
        {.dtype = DTYPE_I32, .data = &one},
    };
    struct tensor out;
    struct engine_error err = {0};

    for (int i = 0; i < N; i++)
        x[i] = i * 1000003;
    for (int order = 0; order < 2; order++) {
        struct tensor pair[2] = {inputs[order], inputs[1 - order]};

        ck_assert_int_eq(op_case_run(arena, "Sub", NULL, 2, pair, 1, &out, &err), ENGINE_OK);
        memcpy(y, out.data, sizeof(y));
        for (int i = 0; i < N; i++)
            ck_assert_int_eq(y[i], order == 0 ? x[i] - 1 : 1 - x[i]);
    }
    arena_destroy(arena);
}
END_TEST

Suite *make_suite(void)
{
    Suite *suite = suite_create("broadcast");
    TCase *tc = tcase_create("rows");

    tcase_set_timeout(tc, 60);
    tcase_add_loop_test(tc, rows, 0, sizeof(cases) / sizeof(cases[0]));
    tcase_add_test(tc, nest_agrees_with_indexing);
    tcase_add_test(tc, long_rows_of_converted_types);
    suite_add_tcase(suite, tc);
    return suite;
}
