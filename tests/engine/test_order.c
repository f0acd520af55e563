/* SPDX-License-Identifier: Apache-2.0
 * Operators of order and of matrices: ArgMax ArgMin TopK Trilu Det. And random tensors. */
#include "engine/kernels/random.h"
#include "tests/support/op_case.h"
#include "tests/support/run_suite.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const struct op_case cases[] = {
    {"argmax", "ArgMax", "axis=i:1", IN("f32[2,3] 1 3 3 5 4 5"), OUT("i64[2,1] 1 0")},
    {"argmax, last", "ArgMax", "axis=i:1; select_last_index=i:1", IN("f32[2,3] 1 3 3 5 4 5"),
     OUT("i64[2,1] 2 2")},
    {"argmax, down", "ArgMax", "keepdims=i:0", IN("i8[2,3] 1 3 -3 1 4 5"), OUT("i64[3] 0 1 1")},
    {"argmin", "ArgMin", "axis=i:-1; keepdims=i:0", IN("u8[2,3] 7 3 3 5 6 5"), OUT("i64[2] 1 0")},
    {"argmin, last, down", "ArgMin", "select_last_index=i:1", IN("f64[2,2] 1 2 1 3"),
     OUT("i64[1,2] 1 0")},
    {"argmax of a line", "ArgMax", "axis=i:0; keepdims=i:0",
     IN("f32[20] 1 2 3 4 5 6 7 8 9 10 11 40 13 14 15 16 17 40 19 20"), OUT("i64[] 11")},
    {"argmax of -infinity", "ArgMax", NULL, IN("f32[3] -inf -inf -inf"), OUT("i64[1] 0")},
    {"argmax with NaN", "ArgMax", NULL, IN("f32[4] 1 nan 9 nan"), OUT("i64[1] 1")},
    {"argmin with NaN, last", "ArgMin", "select_last_index=i:1", IN("f32[4] 1 nan -9 nan"),
     OUT("i64[1] 3")},
    {"argmax unsigned", "ArgMax", NULL, IN("u64[2] 1 18446744073709551615"), OUT("i64[1] 1")},
    {"argmax half", "ArgMax", NULL, IN("f16[3] -1 -0.5 -2"), OUT("i64[1] 1")},
    {"argmax of zeros", "ArgMax", NULL, IN("f32[2] -0 0"), OUT("i64[1] 0")},
    {"argmax of a scalar", "ArgMax", NULL, IN("f32[] 5"), OUT("i64[] 0")},
    {"argmax of nothing", "ArgMax", NULL, IN("f32[0]"), SAYS("no elements")},
    {"argmax axis outside", "ArgMax", "axis=i:1", IN("f32[1] 1"), SAYS("axis 1")},
    {"topk", "TopK", NULL, IN("f32[2,4] 1 4 3 2 8 5 5 8", "i64[1] 3"),
     OUT("f32[2,3] 4 3 2 8 8 5", "i64[2,3] 1 2 3 0 3 1")},
    {"topk, least", "TopK", "largest=i:0", IN("i32[4] 3 -1 2 -1", "i64[1] 2"),
     OUT("i32[2] -1 -1", "i64[2] 1 3")},
    {"topk, down", "TopK", "axis=i:0", IN("u8[3,2] 1 6 3 4 5 2", "i64[1] 2"),
     OUT("u8[2,2] 5 6 3 4", "i64[2,2] 2 0 1 1")},
    {"topk of all", "TopK", NULL, IN("f16[3] -1 0.5 -0.25", "i64[1] 3"),
     OUT("f16[3] 0.5 -0.25 -1", "i64[3] 1 2 0")},
    {"topk, unsigned", "TopK", NULL, IN("u64[3] 1 18446744073709551615 2", "i64[1] 1"),
     OUT("u64[1] 18446744073709551615", "i64[1] 1")},
    {"topk with NaN and zeros", "TopK", NULL, IN("f64[5] -0 inf nan 0 -inf", "i64[1] 5"),
     OUT("f64[5] nan inf 0 0 -inf", "i64[5] 2 1 0 3 4")},
    {"topk of none", "TopK", NULL, IN("f32[2] 1 2", "i64[1] 0"), OUT("f32[0]", "i64[0]")},
    {"topk of too many", "TopK", NULL, IN("f32[2] 1 2", "i64[1] 3"), OUT("", ""),
     SAYS("K is 3, axis 0 has 2")},
    {"topk of fewer than none", "TopK", NULL, IN("f32[2] 1 2", "i64[1] -1"), OUT("", ""),
     SAYS("K is -1")},
    {"upper", "Trilu", NULL, IN("i32[2,3] 1 2 3 4 5 6"), OUT("i32[2,3] 1 2 3 0 5 6")},
    {"lower", "Trilu", "upper=i:0", IN("f32[3,2] 1 2 3 4 5 6"), OUT("f32[3,2] 1 0 3 4 5 6")},
    {"upper from 1", "Trilu", NULL, IN("u8[2,2] 1 2 3 4", "i64[] 1"), OUT("u8[2,2] 0 2 0 0")},
    {"lower to -1", "Trilu", "upper=i:0", IN("f64[2,2,2] 1 2 3 4 5 6 7 8", "i64[] -1"),
     OUT("f64[2,2,2] 0 0 3 0 0 0 7 0")},
    {"upper from far", "Trilu", NULL, IN("bool[1,2] 1 1", "i64[] 9223372036854775807"),
     OUT("bool[1,2] 0 0")},
    {"lower to far", "Trilu", "upper=i:0", IN("bool[1,2] 1 1", "i64[] 9223372036854775807"),
     OUT("bool[1,2] 1 1")},
    {"upper from far below", "Trilu", NULL, IN("bool[2,1] 1 1", "i64[] -9223372036854775808"),
     OUT("bool[2,1] 1 1")},
    {"triangle of a list", "Trilu", NULL, IN("f32[2] 1 2"), SAYS("rank 1")},
    {"determinant", "Det", NULL, IN("f32[2,2] 1 2 3 4"), OUT("f32[] -2")},
    {"determinants", "Det", NULL, IN("f64[2,3,3] 0 1 2 3 4 5 6 7 9 2 0 0 0 3 0 0 0 4"),
     OUT("f64[2] -3 24")},
    {"determinant, singular", "Det", NULL, IN("f32[2,2] 1 2 2 4"), OUT("f32[] 0")},
    {"determinant of nothing", "Det", NULL, IN("f32[0,0]"), OUT("f32[] 1")},
    {"determinant of an oblong", "Det", NULL, IN("f32[1,2] 1 2"), SAYS("square")},
    {"random integers", "RandomUniform", "shape=I:2; dtype=i:6", .inputs = {NULL},
     SAYS("random int32")},
};

START_TEST(rows)
{
    op_case_check(&cases[_i]);
}
END_TEST

/* Nothing beside half a billion somethings: nobody may loop over the latter. */
static const struct op_case empties[] = {
    {NULL, "Add", NULL, IN("f32[500000000,3,0]", "f32[] 1"),
     OUT("f32[500000000,3,0]")},
    {NULL, "Softmax", "axis=i:1", IN("f32[500000000,3,0]"),
     OUT("f32[500000000,3,0]")},
    {NULL, "CumSum", NULL, IN("f32[500000000,3,0]", "i64[] 1"),
     OUT("f32[500000000,3,0]")},
    {NULL, "Trilu", NULL, IN("f32[500000000,3,0]"), OUT("f32[500000000,3,0]")},
    {NULL, "ArgMax", "axis=i:1", IN("f32[500000000,3,0]"),
     OUT("i64[500000000,1,0]")},
    {NULL, "TopK", "axis=i:1", IN("f32[500000000,3,0]", "i64[1] 2"),
     OUT("f32[500000000,2,0]", "i64[500000000,2,0]")},
    {NULL, "ReduceSum", NULL, IN("f32[500000000,3,0]", "i64[1] 1"),
     OUT("f32[500000000,1,0]")},
    {NULL, "ReduceSum", NULL, IN("f32[500000000,3,0]", "i64[2] 0 2"), OUT("f32[1,3,1] 0 0 0")},
    {NULL, "LayerNormalization", NULL, IN("f32[500000000,0]", "f32[0]"),
     OUT("f32[500000000,0]")},
    {NULL, "BatchNormalization", NULL,
     IN("f32[500000000,1,0]", "f32[1] 1", "f32[1] 1", "f32[1] 1", "f32[1] 1"),
     OUT("f32[500000000,1,0]")},
    {NULL, "GroupNormalization", "num_groups=i:1",
     IN("f32[500000000,1,0]", "f32[1] 1", "f32[1] 1"), OUT("f32[500000000,1,0]")},
    {NULL, "LRN", "size=i:1", IN("f32[500000000,1,0]"), OUT("f32[500000000,1,0]")},
    {NULL, "MeanVarianceNormalization", "axes=I:2", IN("f32[500000000,0,2]"),
     OUT("f32[500000000,0,2]")},
    {NULL, "QuantizeLinear", NULL, IN("f32[500000000,1,0]", "f32[1] 1"),
     OUT("u8[500000000,1,0]")},
    {NULL, "QuantizeLinear", NULL, IN("f32[500000000,2,0]", "f32[2] 1 1"),
     OUT("u8[500000000,2,0]")},
    {NULL, "Einsum", "equation=s:ij->ji", IN("f32[500000000,0]"),
     OUT("f32[0,500000000]")},
    {NULL, "Einsum", "equation=s:ij,jk->k", IN("f32[500000000,0]", "f32[0,2]"),
     OUT("f32[2] 0 0")},
    {NULL, "SoftmaxCrossEntropyLoss", NULL, IN("f32[500000000,1,0]", "i64[500000000,0]"),
     OUT("f32[] nan")},
};

START_TEST(empty_tensors_end_at_once)
{
    op_case_check(&empties[_i]);
}
END_TEST

static float *random_floats;

static int by_value(const void *a, const void *b)
{
    int64_t i = *(const int64_t *)a, j = *(const int64_t *)b;

    if (random_floats[i] != random_floats[j])
        return random_floats[i] < random_floats[j] ? 1 : -1;
    return i < j ? -1 : 1;
}

/* Many equal values, every k, against a sort. */
START_TEST(topk_agrees_with_sorting)
{
    enum { N = 64 };
    uint64_t state = test_seed();

    for (int round = 0; round < 200; round++) {
        struct arena *arena = arena_create((size_t)1 << 20);
        float x[N];
        int64_t k = round % (N + 1), order[N];
        struct tensor inputs[2] = {
            {.dtype = DTYPE_F32, .shape = {.rank = 1, .dims = {N}}, .data = x},
            {.dtype = DTYPE_I64, .shape = {.rank = 1, .dims = {1}}, .data = &k},
        };
        struct tensor outputs[2];
        struct engine_error err = {0};

        for (int i = 0; i < N; i++) {
            x[i] = (float)(test_random(&state) % 20) - 10.0f;
            order[i] = i;
        }
        random_floats = x;
        qsort(order, N, sizeof(*order), by_value);
        ck_assert_int_eq(op_case_run(arena, "TopK", NULL, 2, inputs, 2, outputs, &err), ENGINE_OK);
        for (int64_t i = 0; i < k; i++)
            if (((int64_t *)outputs[1].data)[i] != order[i] ||
                ((float *)outputs[0].data)[i] != x[order[i]])
                ck_abort_msg("round %d place %d", round, (int)i);
        arena_destroy(arena);
    }
}
END_TEST

/* Mean, deviation and range of what the generators make; the same seed makes the same numbers. */
START_TEST(random_tensors)
{
    static const struct {
        const char *op, *attributes;
        double mean, deviation;
    } forms[] = {
        {"RandomNormal", "shape=I:40,500; mean=f:3; scale=f:2; seed=f:1.5", 3.0, 2.0},
        {"RandomUniform", "shape=I:20000; low=f:-1; high=f:3; dtype=i:11; seed=f:2", 1.0,
         1.154700538},
        {"RandomUniform", "shape=I:20000; dtype=i:10", 0.5, 0.288675135},
    };
    struct arena *arena = arena_create((size_t)16 << 20);
    struct tensor y[2];
    struct engine_error err = {0};
    double sum = 0.0, squares = 0.0;
    bool seeded = strstr(forms[_i].attributes, "seed") != NULL;

    for (int k = 0; k < 2; k++)
        ck_assert_msg(op_case_run(arena, forms[_i].op, forms[_i].attributes, 0, NULL, 1, &y[k],
                                  &err) == ENGINE_OK, "%s", err.text);
    ck_assert_int_eq(shape_elements(&y[0].shape), 20000);
    ck_assert_int_eq(memcmp(y[0].data, y[1].data, tensor_bytes(&y[0])) == 0, seeded);
    for (int64_t i = 0; i < 20000; i++)
        sum += tensor_double_at(&y[0], i) / 20000;
    for (int64_t i = 0; i < 20000; i++)
        squares += pow(tensor_double_at(&y[0], i) - sum, 2) / 20000;
    ck_assert_double_eq_tol(sum, forms[_i].mean, 0.06);
    ck_assert_double_eq_tol(sqrt(squares), forms[_i].deviation, 0.05);
    arena_destroy(arena);
}
END_TEST

START_TEST(chances)
{
    struct arena *arena = arena_create((size_t)1 << 20);
    float x[4] = {0.0f, 1.0f, logf(3.0f), -INFINITY};
    struct tensor in = {.dtype = DTYPE_F32, .shape = {.rank = 2, .dims = {1, 2}}, .data = x};
    struct tensor y;
    struct engine_error err = {0};
    int counts[4] = {0};

    for (int i = 0; i < 20; i++) {
        ck_assert_int_eq(op_case_run(arena, "Bernoulli", "dtype=i:9", 1, &in, 1, &y, &err),
                         ENGINE_OK);
        ck_assert_int_eq(y.dtype, DTYPE_BOOL);
        ck_assert_int_eq(((uint8_t *)y.data)[0], 0);
        ck_assert_int_eq(((uint8_t *)y.data)[1], 1);
    }
    x[1] = 0.0f;
    in.shape.dims[1] = 4;
    ck_assert_int_eq(op_case_run(arena, "Multinomial", "sample_size=i:10000; seed=f:1; dtype=i:7",
                                 1, &in, 1, &y, &err), ENGINE_OK);
    for (int i = 0; i < 10000; i++)
        counts[((int64_t *)y.data)[i]]++;
    ck_assert_int_eq(counts[3], 0);
    ck_assert_int_le(abs(counts[0] - 2000), 250);
    ck_assert_int_le(abs(counts[1] - 2000), 250);
    ck_assert_int_le(abs(counts[2] - 6000), 300);
    arena_destroy(arena);
}
END_TEST

/* The generator's published first outputs for seed 5489 start with 3499211612, 581869302. */
START_TEST(mersenne_is_the_published_one)
{
    struct mersenne mersenne;
    double expected = ((3499211612u >> 5) * 67108864.0 + (581869302u >> 6)) / 9007199254740992.0;

    mersenne_init(&mersenne, 5489);
    ck_assert(mersenne_uniform(&mersenne) == expected);
}
END_TEST

Suite *make_suite(void)
{
    Suite *suite = suite_create("order");
    TCase *tc = tcase_create("rows");

    tcase_add_loop_test(tc, rows, 0, sizeof(cases) / sizeof(cases[0]));
    tcase_add_loop_test(tc, empty_tensors_end_at_once, 0, sizeof(empties) / sizeof(empties[0]));
    tcase_add_test(tc, topk_agrees_with_sorting);
    tcase_add_loop_test(tc, random_tensors, 0, 3);
    tcase_add_test(tc, chances);
    tcase_add_test(tc, mersenne_is_the_published_one);
    suite_add_tcase(suite, tc);
    return suite;
}
