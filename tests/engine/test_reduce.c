/* SPDX-License-Identifier: Apache-2.0
 * Reductions. Expected numbers in the table are NumPy's. */
#include "engine/kernels/reduce.h"
#include "tests/support/op_case.h"
#include "tests/support/run_suite.h"

#include <math.h>
#include <stdlib.h>

static const struct op_case cases[] = {
    {"l1 of f32 over 1", "ReduceL1", "keepdims=i:0",
     IN("f32[2,3,2,2] -0.33 0.39 -3.77 3.78 -3.09 -1.18 1.51 -1.99 -1.62 -1.32 1.6 5.08 0.58"
        " -1.74 1.58 -0.69 0.46 2.85 -1 0.52 -1.26 0.19 1.01 -1.48",
        "i64[1] 1"),
     OUT("f32[2,2,2] 5.04 2.89 6.88 10.85 2.3 4.78 3.59 2.69"),
     .tolerance = 1e-06},
    {"l1 of f64 over 3", "ReduceL1", "keepdims=i:1",
     IN("f64[2,3,2,2] -0.33 0.39 -3.77 3.78 -3.09 -1.18 1.51 -1.99 -1.62 -1.32 1.6 5.08 0.58"
        " -1.74 1.58 -0.69 0.46 2.85 -1 0.52 -1.26 0.19 1.01 -1.48",
        "i64[1] 3"),
     OUT("f64[2,3,2,1] 0.72 7.55 4.27 3.5 2.94 6.68 2.32 2.27 3.31 1.52 1.45 2.49"),
     .tolerance = 2e-08},
    {"l2 of f32 over 0 2", "ReduceL2", "keepdims=i:0",
     IN("f32[2,3,2,2] -0.33 0.39 -3.77 3.78 -3.09 -1.18 1.51 -1.99 -1.62 -1.32 1.6 5.08 0.58"
        " -1.74 1.58 -0.69 0.46 2.85 -1 0.52 -1.26 0.19 1.01 -1.48",
        "i64[2] 0 2"),
     OUT("f32[3,2] 4.1418112 4.23605949 3.61106632 3.70747893 2.79143332 5.45667481"),
     .tolerance = 1e-06},
    {"l2 of f64 over -1 1", "ReduceL2", "keepdims=i:1",
     IN("f64[2,3,2,2] -0.33 0.39 -3.77 3.78 -3.09 -1.18 1.51 -1.99 -1.62 -1.32 1.6 5.08 0.58"
        " -1.74 1.58 -0.69 0.46 2.85 -1 0.52 -1.26 0.19 1.01 -1.48",
        "i64[2] -1 1"),
     OUT("f64[2,1,2,1] 3.94566851 7.94404809 3.64990411 2.73009157"),
     .tolerance = 2e-08},
    {"logsum of f32 over 0 1 2 3", "ReduceLogSum", "keepdims=i:0",
     IN("f32[2,3,2,2] 0.33 0.39 3.77 3.78 3.09 1.18 1.51 1.99 1.62 1.32 1.6 5.08 0.58 1.74 1.58"
        " 0.69 0.46 2.85 1 0.52 1.26 0.19 1.01 1.48",
        "i64[4] 0 1 2 3"),
     OUT("f32[] 3.66407434"),
     .tolerance = 1e-06},
    {"logsum of f64 over 0", "ReduceLogSum", "keepdims=i:1",
     IN("f64[2,3,2,2] 0.33 0.39 3.77 3.78 3.09 1.18 1.51 1.99 1.62 1.32 1.6 5.08 0.58 1.74 1.58"
        " 0.69 0.46 2.85 1 0.52 1.26 0.19 1.01 1.48",
        "i64[1] 0"),
     OUT("f64[1,3,2,2] -0.0943106795 0.75612198 1.67709656 1.49738841 1.2669476 1.39376638"
        " 0.920282753 0.920282753 1.05779029 0.412109651 0.959350221 1.8809906"),
     .tolerance = 2e-08},
    {"logsumexp of f32 over 1", "ReduceLogSumExp", "keepdims=i:0",
     IN("f32[2,3,2,2] -0.33 0.39 -3.77 3.78 -3.09 -1.18 1.51 -1.99 -1.62 -1.32 1.6 5.08 0.58"
        " -1.74 1.58 -0.69 0.46 2.85 -1 0.52 -1.26 0.19 1.01 -1.48",
        "i64[1] 1"),
     OUT("f32[2,2,2] -0.0384036846 0.718519969 2.2515881 5.32167637 1.29575854 2.92705463"
        " 2.07548827 0.880141722"),
     .tolerance = 1e-06},
    {"logsumexp of f64 over 3", "ReduceLogSumExp", "keepdims=i:1",
     IN("f64[2,3,2,2] -0.33 0.39 -3.77 3.78 -3.09 -1.18 1.51 -1.99 -1.62 -1.32 1.6 5.08 0.58"
        " -1.74 1.58 -0.69 0.46 2.85 -1 0.52 -1.26 0.19 1.01 -1.48",
        "i64[1] 3"),
     OUT("f64[2,3,2,1] 0.786594047 3.78052597 -1.04190868 1.53975042 -0.765644756 5.11034239"
        " 0.673739479 1.67831673 2.9376717 0.717794471 0.400722965 1.08965183"),
     .tolerance = 2e-08},
    {"max of f32 over 0 2", "ReduceMax", "keepdims=i:0",
     IN("f32[2,3,2,2] -0.33 0.39 -3.77 3.78 -3.09 -1.18 1.51 -1.99 -1.62 -1.32 1.6 5.08 0.58"
        " -1.74 1.58 -0.69 0.46 2.85 -1 0.52 -1.26 0.19 1.01 -1.48",
        "i64[2] 0 2"),
     OUT("f32[3,2] 1.58 3.78 1.51 2.85 1.6 5.08"),
     .tolerance = 1e-06},
    {"max of f64 over -1 1", "ReduceMax", "keepdims=i:1",
     IN("f64[2,3,2,2] -0.33 0.39 -3.77 3.78 -3.09 -1.18 1.51 -1.99 -1.62 -1.32 1.6 5.08 0.58"
        " -1.74 1.58 -0.69 0.46 2.85 -1 0.52 -1.26 0.19 1.01 -1.48",
        "i64[2] -1 1"),
     OUT("f64[2,1,2,1] 0.39 5.08 2.85 1.58"),
     .tolerance = 2e-08},
    {"mean of f32 over 0 1 2 3", "ReduceMean", "keepdims=i:0",
     IN("f32[2,3,2,2] -0.33 0.39 -3.77 3.78 -3.09 -1.18 1.51 -1.99 -1.62 -1.32 1.6 5.08 0.58"
        " -1.74 1.58 -0.69 0.46 2.85 -1 0.52 -1.26 0.19 1.01 -1.48",
        "i64[4] 0 1 2 3"),
     OUT("f32[] 0.00333333333"),
     .tolerance = 1e-06},
    {"mean of f64 over 0", "ReduceMean", "keepdims=i:1",
     IN("f64[2,3,2,2] -0.33 0.39 -3.77 3.78 -3.09 -1.18 1.51 -1.99 -1.62 -1.32 1.6 5.08 0.58"
        " -1.74 1.58 -0.69 0.46 2.85 -1 0.52 -1.26 0.19 1.01 -1.48",
        "i64[1] 0"),
     OUT("f64[1,3,2,2] 0.125 -0.675 -1.095 1.545 -1.315 0.835 0.255 -0.735 -1.44 -0.565 1.305"
        " 1.8"),
     .tolerance = 2e-08},
    {"min of f32 over 1", "ReduceMin", "keepdims=i:0",
     IN("f32[2,3,2,2] -0.33 0.39 -3.77 3.78 -3.09 -1.18 1.51 -1.99 -1.62 -1.32 1.6 5.08 0.58"
        " -1.74 1.58 -0.69 0.46 2.85 -1 0.52 -1.26 0.19 1.01 -1.48",
        "i64[1] 1"),
     OUT("f32[2,2,2] -3.09 -1.32 -3.77 -1.99 -1.26 -1.74 -1 -1.48"),
     .tolerance = 1e-06},
    {"min of f64 over 3", "ReduceMin", "keepdims=i:1",
     IN("f64[2,3,2,2] -0.33 0.39 -3.77 3.78 -3.09 -1.18 1.51 -1.99 -1.62 -1.32 1.6 5.08 0.58"
        " -1.74 1.58 -0.69 0.46 2.85 -1 0.52 -1.26 0.19 1.01 -1.48",
        "i64[1] 3"),
     OUT("f64[2,3,2,1] -0.33 -3.77 -3.09 -1.99 -1.62 1.6 -1.74 -0.69 0.46 -1 -1.26 -1.48"),
     .tolerance = 2e-08},
    {"prod of f32 over 0 2", "ReduceProd", "keepdims=i:0",
     IN("f32[2,3,2,2] -0.33 0.39 -3.77 3.78 -3.09 -1.18 1.51 -1.99 -1.62 -1.32 1.6 5.08 0.58"
        " -1.74 1.58 -0.69 0.46 2.85 -1 0.52 -1.26 0.19 1.01 -1.48",
        "i64[2] 0 2"),
     OUT("f32[3,2] 1.14009324 1.76992452 2.146314 3.4800324 3.2985792 1.88561472"),
     .tolerance = 1e-06},
    {"prod of f64 over -1 1", "ReduceProd", "keepdims=i:1",
     IN("f64[2,3,2,2] -0.33 0.39 -3.77 3.78 -3.09 -1.18 1.51 -1.99 -1.62 -1.32 1.6 5.08 0.58"
        " -1.74 1.58 -0.69 0.46 2.85 -1 0.52 -1.26 0.19 1.01 -1.48",
        "i64[2] -1 1"),
     OUT("f64[2,1,2,1] -1.00347829 348.054192 0.316740851 -0.847408099"),
     .tolerance = 2e-08},
    {"sum of f32 over 0 1 2 3", "ReduceSum", "keepdims=i:0",
     IN("f32[2,3,2,2] -0.33 0.39 -3.77 3.78 -3.09 -1.18 1.51 -1.99 -1.62 -1.32 1.6 5.08 0.58"
        " -1.74 1.58 -0.69 0.46 2.85 -1 0.52 -1.26 0.19 1.01 -1.48",
        "i64[4] 0 1 2 3"),
     OUT("f32[] 0.08"),
     .tolerance = 1e-06},
    {"sum of f64 over 0", "ReduceSum", "keepdims=i:1",
     IN("f64[2,3,2,2] -0.33 0.39 -3.77 3.78 -3.09 -1.18 1.51 -1.99 -1.62 -1.32 1.6 5.08 0.58"
        " -1.74 1.58 -0.69 0.46 2.85 -1 0.52 -1.26 0.19 1.01 -1.48",
        "i64[1] 0"),
     OUT("f64[1,3,2,2] 0.25 -1.35 -2.19 3.09 -2.63 1.67 0.51 -1.47 -2.88 -1.13 2.61 3.6"),
     .tolerance = 2e-08},
    {"sumsquare of f32 over 1", "ReduceSumSquare", "keepdims=i:0",
     IN("f32[2,3,2,2] -0.33 0.39 -3.77 3.78 -3.09 -1.18 1.51 -1.99 -1.62 -1.32 1.6 5.08 0.58"
        " -1.74 1.58 -0.69 0.46 2.85 -1 0.52 -1.26 0.19 1.01 -1.48",
        "i64[1] 1"),
     OUT("f32[2,2,2] 12.2814 3.2869 19.053 44.0549 2.1356 11.1862 4.5165 2.9369"),
     .tolerance = 1e-06},
    {"sumsquare of f64 over 3", "ReduceSumSquare", "keepdims=i:1",
     IN("f64[2,3,2,2] -0.33 0.39 -3.77 3.78 -3.09 -1.18 1.51 -1.99 -1.62 -1.32 1.6 5.08 0.58"
        " -1.74 1.58 -0.69 0.46 2.85 -1 0.52 -1.26 0.19 1.01 -1.48",
        "i64[1] 3"),
     OUT("f64[2,3,2,1] 0.261 28.5013 10.9405 6.2402 4.3668 28.3664 3.364 2.9725 8.3341 1.2704"
        " 1.6237 3.2105"),
     .tolerance = 2e-08},
    {"l1 of int32", "ReduceL1", "keepdims=i:0",
     IN("i32[3,4] -5 6 8 -2 5 -1 4 6 0 4 -1 8",
        "i64[1] 1"),
     OUT("i32[3] 21 16 13")},
    {"max of int32", "ReduceMax", "keepdims=i:0",
     IN("i32[3,4] -5 6 8 -2 5 -1 4 6 0 4 -1 8",
        "i64[1] 1"),
     OUT("i32[3] 8 6 8")},
    {"min of int32", "ReduceMin", "keepdims=i:0",
     IN("i32[3,4] -5 6 8 -2 5 -1 4 6 0 4 -1 8",
        "i64[1] 1"),
     OUT("i32[3] -5 -1 -1")},
    {"prod of int32", "ReduceProd", "keepdims=i:0",
     IN("i32[3,4] -5 6 8 -2 5 -1 4 6 0 4 -1 8",
        "i64[1] 1"),
     OUT("i32[3] 480 -120 0")},
    {"sum of int32", "ReduceSum", "keepdims=i:0",
     IN("i32[3,4] -5 6 8 -2 5 -1 4 6 0 4 -1 8",
        "i64[1] 1"),
     OUT("i32[3] 7 14 11")},
    {"sumsquare of int32", "ReduceSumSquare", "keepdims=i:0",
     IN("i32[3,4] -5 6 8 -2 5 -1 4 6 0 4 -1 8",
        "i64[1] 1"),
     OUT("i32[3] 129 78 81")},
    {"sum of all", "ReduceSum", "keepdims=i:0", IN("f32[2,2] 1 2 3 4"), OUT("f32[] 10")},
    {"sum of none", "ReduceSum", "noop_with_empty_axes=i:1", IN("f32[2,1] 1 2"),
     OUT("f32[2,1] 1 2")},
    {"squares of none", "ReduceSumSquare", "noop_with_empty_axes=i:1", IN("f32[2] 3 -2", "i64[0]"),
     OUT("f32[2] 9 4")},
    {"empty axes mean all", "ReduceSum", NULL, IN("f32[2,2] 1 2 3 4", "i64[0]"),
     OUT("f32[1,1] 10")},
    {"scalar", "ReduceSum", NULL, IN("f32[] 5"), OUT("f32[] 5")},
    {"sum over nothing", "ReduceSum", NULL, IN("f32[2,0]", "i64[1] 1"), OUT("f32[2,1] 0 0")},
    {"product over nothing", "ReduceProd", NULL, IN("f32[2,0]", "i64[1] 1"), OUT("f32[2,1] 1 1")},
    {"largest of nothing", "ReduceMax", NULL, IN("f32[1,0]", "i64[1] 1"), OUT("f32[1,1] -inf")},
    {"least of no bytes", "ReduceMin", NULL, IN("i64[1,0]", "i64[1] 1"),
     OUT("i64[1,1] 9223372036854775807")},
    {"log sum over nothing", "ReduceLogSum", NULL, IN("f32[1,0]", "i64[1] 1"),
     OUT("f32[1,1] -inf")},
    {"log sum exp over nothing", "ReduceLogSumExp", NULL, IN("f32[1,0]", "i64[1] 1"),
     OUT("f32[1,1] -inf")},
    {"nothing is left", "ReduceSum", NULL, IN("f32[0,2]", "i64[1] 1"), OUT("f32[0,1]")},
    {"largest with NaN", "ReduceMax", NULL, IN("f32[2,3] 1 nan 3 4 5 6", "i64[1] 1"),
     OUT("f32[2,1] nan 6")},
    {"largest of rows with NaN", "ReduceMax", NULL, IN("f32[2,2] 1 nan 3 4", "i64[1] 0"),
     OUT("f32[1,2] 3 nan")},
    {"largest of bools", "ReduceMax", "keepdims=i:0", IN("bool[2,2] 0 1 0 0", "i64[1] 1"),
     OUT("bool[2] 1 0")},
    {"least of unsigned", "ReduceMin", "keepdims=i:0",
     IN("u64[2] 18446744073709551615 9223372036854775808"), OUT("u64[] 9223372036854775808")},
    {"mean of bytes", "ReduceMean", "keepdims=i:0", IN("u8[3] 250 252 255"), OUT("u8[] 252")},
    {"norm of integers", "ReduceL2", "keepdims=i:0", IN("i32[2] 3 -4"), OUT("i32[] 5")},
    {"sum of halves", "ReduceSum", "keepdims=i:0", IN("f16[3] 1 2 0.5"), OUT("f16[] 3.5")},
    {"mean of bfloats", "ReduceMean", "keepdims=i:0", IN("bf16[2] 1 2"), OUT("bf16[] 1.5")},
    {"log sum exp of large numbers", "ReduceLogSumExp", "keepdims=i:0", IN("f32[2] 1000 1000"),
     OUT("f32[] 1000.69315")},
    {"log sum exp of -infinity", "ReduceLogSumExp", "keepdims=i:0", IN("f32[2] -inf -inf"),
     OUT("f32[] -inf")},
    {"sum wraps around", "ReduceSum", "keepdims=i:0", IN("i32[2] 2147483647 1"),
     OUT("i32[] -2147483648")},
    {"axis outside", "ReduceSum", NULL, IN("f32[1] 1", "i64[1] 1"), SAYS("axis 1")},
    {"axis twice", "ReduceSum", NULL, IN("f32[1,1] 1", "i64[2] 1 -1"), SAYS("twice")},
};

START_TEST(rows)
{
    op_case_check(&cases[_i]);
}
END_TEST

static double naive(enum reduce_kind kind, int64_t n, const double *items)
{
    double sum = 0, squares = 0, sizes = 0, powers = 0, product = 1;
    double most = -INFINITY, least = INFINITY;

    for (int64_t i = 0; i < n; i++) {
        sum += items[i];
        squares += items[i] * items[i];
        sizes += fabs(items[i]);
        powers += exp(items[i]);
        product *= items[i];
        most = fmax(most, items[i]);
        least = fmin(least, items[i]);
    }
    switch (kind) {
    case REDUCE_SUM: return sum;
    case REDUCE_MEAN: return sum / (double)n;
    case REDUCE_MAX: return most;
    case REDUCE_MIN: return least;
    case REDUCE_PROD: return product;
    case REDUCE_L1: return sizes;
    case REDUCE_L2: return sqrt(squares);
    case REDUCE_SUM_SQUARE: return squares;
    case REDUCE_LOG_SUM: return log(sum);
    case REDUCE_LOG_SUM_EXP: return log(powers);
    case REDUCE_MEAN_SQUARE: return squares / (double)n;
    default: return NAN;
    }
}

/* Gathers what belongs to output `output` by walking all of x. */
static int64_t gather(const struct shape *shape, uint32_t axes, const float *x, int64_t output,
                      double *items)
{
    int64_t count = 0;

    for (int64_t i = 0; i < shape_elements(shape); i++) {
        int64_t rest = i, place = 0, stride = 1;

        for (int d = shape->rank - 1; d >= 0; d--) {
            if ((axes >> d & 1u) == 0) {
                place += rest % shape->dims[d] * stride;
                stride *= shape->dims[d];
            }
            rest /= shape->dims[d];
        }
        if (place == output)
            items[count++] = (double)x[i];
    }
    return count;
}

/* Random shapes, axes and kinds, with two threads and with one. */
START_TEST(agrees_with_naive_loops)
{
    static float x[65536], y[65536], again[65536];
    static double items[65536];
    uint64_t state = test_seed();
    struct pool *pool = pool_create(2, 0);

    for (int round = 0; round < 300 * test_scale(); round++) {
        struct tensor in = {.dtype = DTYPE_F32, .data = x};
        struct tensor out = {.dtype = DTYPE_F32, .data = y};
        enum reduce_kind kind = (enum reduce_kind)(test_random(&state) % REDUCE_KINDS);
        uint32_t axes;

        in.shape.rank = 1 + (int)(test_random(&state) % 4);
        for (int d = 0; d < in.shape.rank; d++)
            in.shape.dims[d] = 1 + (int64_t)(test_random(&state) % (round % 7 == 0 ? 16 : 6));
        if (round % 10 == 0)
            in.shape.dims[in.shape.rank - 1] = 257;
        if (shape_elements(&in.shape) > 30000)
            continue;
        axes = (uint32_t)test_random(&state) & ((1u << in.shape.rank) - 1);
        out.shape = in.shape;
        for (int d = 0; d < in.shape.rank; d++)
            if ((axes >> d & 1u) != 0)
                out.shape.dims[d] = 1;
        for (int64_t i = 0; i < shape_elements(&in.shape); i++)
            x[i] = (float)((double)(test_random(&state) >> 11) * 0x1p-53 + 0.5);
        reduce_run(NULL, kind, &in, axes, &out);
        out.data = again;
        reduce_run(pool, kind, &in, axes, &out);
        for (int64_t i = 0; i < shape_elements(&out.shape); i += 1 + i / 4) {
            int64_t n = gather(&in.shape, axes, x, i, items);
            double exact = naive(kind, n, items);

            if (!(fabs((double)y[i] - exact) <= 1e-5 * fabs(exact) + 1e-6))
                ck_abort_msg("round %d kind %d axes %x: %g, expected %g", round, (int)kind, axes,
                             (double)y[i], exact);
            if (y[i] != again[i])
                ck_abort_msg("round %d: threads change the result", round);
        }
    }
    pool_destroy(pool);
}
END_TEST

/* A million equal rows: the error of a plain running sum would be far larger. */
START_TEST(long_sums_stay_exact)
{
    enum { ROWS = 1 << 20 };
    float *x = malloc(2 * ROWS * sizeof(*x)), y[2];
    struct tensor in = {.dtype = DTYPE_F32, .shape = {.rank = 2, .dims = {ROWS, 2}}, .data = x};
    struct tensor out = {.dtype = DTYPE_F32, .shape = {.rank = 1, .dims = {2}}, .data = y};

    ck_assert_ptr_nonnull(x);
    for (int64_t i = 0; i < 2 * ROWS; i++)
        x[i] = 0.1f;
    reduce_run(NULL, REDUCE_MEAN, &in, 1u, &out);
    ck_assert_double_eq_tol((double)y[0], 0.1, 1e-5);
    ck_assert_double_eq_tol((double)y[1], 0.1, 1e-5);
    free(x);
}
END_TEST

Suite *make_suite(void)
{
    Suite *suite = suite_create("reduce");
    TCase *tc = tcase_create("rows");

    tcase_set_timeout(tc, 60);
    tcase_add_loop_test(tc, rows, 0, sizeof(cases) / sizeof(cases[0]));
    tcase_add_test(tc, agrees_with_naive_loops);
    tcase_add_test(tc, long_sums_stay_exact);
    suite_add_tcase(suite, tc);
    return suite;
}
