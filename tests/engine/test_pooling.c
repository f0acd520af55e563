/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/conv_reference.h"
#include "tests/support/op_case.h"
#include "tests/support/run_suite.h"

#include <math.h>

enum { ARENA_BYTES = 1 << 26, ROUNDS = 100 };

static const struct {
    const char *op, *attributes;
    enum pool_reference kind;
} kinds[] = {
    {"MaxPool", "", REFERENCE_MAX},
    {"AveragePool", "", REFERENCE_MEAN},
    {"AveragePool", ";count_include_pad=i:1", REFERENCE_MEAN_PADDED},
    {"LpPool", ";p=i:2", REFERENCE_NORM},
};

static void check_random(uint64_t *seed, int round, int kind)
{
    struct arena *arena = arena_create(ARENA_BYTES);
    struct engine_error err = {0};
    struct tensor x = {.dtype = DTYPE_F32}, outputs[2];
    int64_t elements, *indices;
    struct conv_case c;
    double *expected;

    conv_case_random(&c, seed, 1 + round % 3, true);
    x.shape = (struct shape){.rank = 2 + c.rank, .dims = {c.images, c.channels}};
    for (int d = 0; d < c.rank; d++)
        x.shape.dims[2 + d] = c.in[3 - c.rank + d];
    x.data = arena_alloc(arena, tensor_bytes(&x));
    random_floats(seed, x.data, shape_elements(&x.shape));
    elements = c.images * c.channels * c.out[0] * c.out[1] * c.out[2];
    expected = arena_calloc(arena, (size_t)elements, sizeof(*expected));
    indices = arena_calloc(arena, (size_t)elements, sizeof(*indices));
    pool_reference(&c, kinds[kind].kind, x.data, expected, indices);
    ck_assert_msg(op_case_run(arena, kinds[kind].op, conv_case_attributes(&c, kinds[kind].attributes),
                              1, &x, kind == 0 ? 2 : 1, outputs, &err) == ENGINE_OK,
                  "%s (%s)", err.text, conv_case_text(&c));
    ck_assert_int_eq(shape_elements(&outputs[0].shape), elements);
    for (int64_t i = 0; i < elements; i++) {
        double value = tensor_double_at(&outputs[0], i);

        ck_assert_msg(value == expected[i] || fabs(value - expected[i]) <= 1e-6,
                      "%s: element %lld is %.9g, expected %.9g (%s)", kinds[kind].op, (long long)i,
                      value, expected[i], conv_case_text(&c));
        if (kind == 0)
            ck_assert_msg(tensor_int_at(&outputs[1], i) == indices[i], "index %lld is %lld, not %lld (%s)",
                          (long long)i, (long long)tensor_int_at(&outputs[1], i),
                          (long long)indices[i], conv_case_text(&c));
    }
    arena_destroy(arena);
}

START_TEST(pools_equal_their_definition)
{
    uint64_t seed = test_seed();

    for (int round = 0; round < ROUNDS * test_scale(); round++)
        check_random(&seed, round, _i);
}
END_TEST

static const struct op_case rows[] = {
    {"ceil drops a window that starts in the end padding", "MaxPool",
     "kernel_shape=I:1;strides=I:2;pads=I:0,1;ceil_mode=i:1", IN("f32[1,1,2] 1 2"), OUT("f32[1,1,1] 1")},
    {"ceil adds a window", "MaxPool", "kernel_shape=I:2;strides=I:2;ceil_mode=i:1",
     IN("f32[1,1,3] 1 2 3"), OUT("f32[1,1,2] 2 3")},
    {"ceil, mean of what is inside", "AveragePool", "kernel_shape=I:2;strides=I:2;ceil_mode=i:1",
     IN("f32[1,1,3] 1 2 3"), OUT("f32[1,1,2] 1.5 3")},
    {"ceil, padding counts, what is past it does not", "AveragePool",
     "kernel_shape=I:3;strides=I:3;pads=I:1,1;ceil_mode=i:1;count_include_pad=i:1",
     IN("f32[1,1,3] 1 2 3"), OUT("f32[1,1,2] 1 1.5")},
    {"first of equals", "MaxPool", "kernel_shape=I:2,2", IN("f32[1,1,2,2] 5 5 5 5"),
     OUT("f32[1,1,1,1] 5", "i64[1,1,1,1] 0")},
    {"column major", "MaxPool", "kernel_shape=I:2,2;strides=I:1,1;storage_order=i:1",
     IN("f32[1,1,2,3] 1 9 2 3 4 8"), OUT("f32[1,1,1,2] 9 9", "i64[1,1,1,2] 2 2")},
    {"NaN wins", "MaxPool", "kernel_shape=I:3", IN("f32[1,1,3] 1 nan 3"), OUT("f32[1,1,1] nan")},
    {"all minus infinity", "MaxPool", "kernel_shape=I:2", IN("f32[1,1,2] -inf -inf"),
     OUT("f32[1,1,1] -inf")},
    {"int8", "MaxPool", "kernel_shape=I:2", IN("i8[1,1,3] -3 -2 -7"), OUT("i8[1,1,2] -2 -2")},
    {"uint8", "MaxPool", "kernel_shape=I:2", IN("u8[1,1,3] 200 3 7"), OUT("u8[1,1,2] 200 7")},
    {"half", "AveragePool", "kernel_shape=I:2", IN("f16[1,1,3] 1 2 3"), OUT("f16[1,1,2] 1.5 2.5")},
    {"global mean", "GlobalAveragePool", NULL, IN("f32[1,2,1,2] 1 2 3 5"), OUT("f32[1,2,1,1] 1.5 4")},
    {"global max", "GlobalMaxPool", NULL, IN("f32[1,2,3] 1 2 0 3 5 4"), OUT("f32[1,2,1] 2 5")},
    {"global norm", "GlobalLpPool", "p=i:1", IN("f32[1,2,2] 1 -2 3 -5"), OUT("f32[1,2,1] 3 8")},
    {"global, five dimensions", "GlobalAveragePool", NULL, IN("f32[1,1,1,1,1,1,2] 1 2"),
     OUT("f32[1,1,1,1,1,1,1] 1.5")},
    {"no kernel", "MaxPool", NULL, IN("f32[1,1,2] 1 2"), SAYS("kernel_shape is missing")},
    {"kernel too large", "MaxPool", "kernel_shape=I:3", IN("f32[1,1,2] 1 2"), SAYS("larger than")},
    {"kernel rank", "MaxPool", "kernel_shape=I:1,1", IN("f32[1,1,2] 1 2"), SAYS("not one entry")},
};

START_TEST(rows_hold)
{
    op_case_check(&rows[_i]);
}
END_TEST

Suite *make_suite(void)
{
    Suite *suite = suite_create("pooling");
    TCase *tc = tcase_create("pooling");

    tcase_set_timeout(tc, 120);
    tcase_add_loop_test(tc, pools_equal_their_definition, 0, (int)(sizeof(kinds) / sizeof(kinds[0])));
    tcase_add_loop_test(tc, rows_hold, 0, (int)(sizeof(rows) / sizeof(rows[0])));
    suite_add_tcase(suite, tc);
    return suite;
}
