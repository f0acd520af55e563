/* SPDX-License-Identifier: Apache-2.0
 * First weights have the mean, spread, bounds and orthogonality that their papers say. With n numbers
 * the mean of a sample is off by about s / sqrt n and its variance by s^2 sqrt(2 / n): limits are five
 * times that, and the seed is fixed. */
#include "config.h"

#include "engine/build/initialise.h"
#include "tests/support/run_suite.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { ROWS = 300, COLUMNS = 200, COUNT = ROWS * COLUMNS };

static const struct weight_matrix matrix = {ROWS, COLUMNS, COLUMNS, ROWS};

/* variance = a / (b fan_in + c fan_out); bound: of uniform ones, sqrt(3) deviations */
static const struct {
    const char *name;
    enum initialiser choice;
    double numerator, in, out;
    bool is_uniform;
} spreads[] = {
    {"he_normal", INIT_HE_NORMAL, 2, 1, 0, false},
    {"he_uniform", INIT_HE_UNIFORM, 2, 1, 0, true},
    {"glorot_normal", INIT_GLOROT_NORMAL, 2, 1, 1, false},
    {"glorot_uniform", INIT_GLOROT_UNIFORM, 2, 1, 1, true},
    {"lecun_normal", INIT_LECUN_NORMAL, 1, 1, 0, false},
    {"lecun_uniform", INIT_LECUN_UNIFORM, 1, 1, 0, true},
};

static float data[COUNT];

static void fill(enum initialiser choice, double scale, uint64_t seed)
{
    struct layer_init init = {(int)choice, scale};
    struct engine_error err = {0};

    memset(data, 0xff, sizeof(data));
    ck_assert_int_eq(initialise(&matrix, &init, seed, data, &err), ENGINE_OK);
}

static void measure(double *ret_mean, double *ret_variance, double *ret_largest, double *ret_fourth)
{
    double sum = 0, squares = 0, fourths = 0, largest = 0;

    for (int i = 0; i < COUNT; i++) {
        double square = (double)data[i] * data[i];

        sum += data[i];
        squares += square;
        fourths += square * square;
        largest = fmax(largest, fabs((double)data[i]));
    }
    *ret_mean = sum / COUNT;
    *ret_variance = squares / COUNT - *ret_mean * *ret_mean;
    *ret_largest = largest;
    *ret_fourth = fourths / COUNT;
}

START_TEST(spread_is_that_of_the_paper)
{
    static const double scales[] = {1, 0.5};
    double mean, variance, largest, fourth;

    for (int s = 0; s < 2; s++) {
        double wanted = scales[s] * scales[s] * spreads[_i].numerator /
                        (spreads[_i].in * COLUMNS + spreads[_i].out * ROWS);

        fill(spreads[_i].choice, scales[s], 11);
        measure(&mean, &variance, &largest, &fourth);
        ck_assert_msg(fabs(mean) < 5 * sqrt(wanted / COUNT), "%s: mean %g", spreads[_i].name, mean);
        ck_assert_msg(fabs(variance / wanted - 1) < 5 * sqrt(2.0 / COUNT), "%s: variance %g, not %g",
                      spreads[_i].name, variance, wanted);
        /* The fourth moment tells the distributions apart: 3 s^4 of a normal, 1.8 s^4 of a uniform. */
        ck_assert_msg(fabs(fourth / (wanted * wanted) - (spreads[_i].is_uniform ? 1.8 : 3)) < 0.2,
                      "%s: fourth moment %g", spreads[_i].name, fourth / (wanted * wanted));
        if (spreads[_i].is_uniform)
            ck_assert_msg(largest <= sqrt(3 * wanted) * (1 + 1e-6), "%s: %g", spreads[_i].name, largest);
        else
            ck_assert_msg(largest > 3.5 * sqrt(wanted), "%s: %g", spreads[_i].name, largest);
    }
}
END_TEST

START_TEST(normal_takes_its_deviation)
{
    double mean, variance, largest, fourth;

    fill(INIT_NORMAL, 0.02, 5);
    measure(&mean, &variance, &largest, &fourth);
    ck_assert_double_eq_tol(sqrt(variance), 0.02, 0.02 * 5 / sqrt(2.0 * COUNT));
}
END_TEST

START_TEST(neighbours_are_independent)
{
    double product = 0, mean, variance, largest, fourth;

    fill(INIT_HE_NORMAL, 1, 3);
    measure(&mean, &variance, &largest, &fourth);
    for (int i = 0; i + 1 < COUNT; i++)
        product += (double)data[i] * data[i + 1];
    ck_assert_double_eq_tol(product / COUNT / variance, 0, 5 / sqrt(COUNT));
}
END_TEST

START_TEST(zeros_and_constants)
{
    fill(INIT_ZEROS, 1, 1);
    for (int i = 0; i < COUNT; i++)
        ck_assert(data[i] == 0);
    fill(INIT_CONSTANT, -2.5, 1);
    for (int i = 0; i < COUNT; i++)
        ck_assert(data[i] == -2.5f);
}
END_TEST

static const struct {
    int64_t rows, columns;
} shapes[] = {{64, 64}, {30, 80}, {80, 30}, {1, 5}, {5, 1}};

/* Rows, or columns if they are fewer, are orthonormal times the scale. */
START_TEST(orthogonal_is_orthogonal)
{
    int64_t rows = shapes[_i].rows, columns = shapes[_i].columns;
    struct weight_matrix own = {rows, columns, columns, rows};
    struct layer_init init = {INIT_ORTHOGONAL, 1.5};
    bool is_tall = rows > columns;
    int64_t count = is_tall ? columns : rows, n = is_tall ? rows : columns;
    struct engine_error err = {0};

    ck_assert_int_eq(initialise(&own, &init, 77, data, &err), ENGINE_OK);
    for (int64_t a = 0; a < count; a++) {
        for (int64_t b = 0; b < count; b++) {
            double sum = 0;

            for (int64_t i = 0; i < n; i++)
                sum += (double)data[is_tall ? i * columns + a : a * columns + i] *
                       (double)data[is_tall ? i * columns + b : b * columns + i];
            ck_assert_msg(fabs(sum - (a == b ? 2.25 : 0)) < 1e-5, "%lldx%lld: %lld, %lld: %g",
                          (long long)rows, (long long)columns, (long long)a, (long long)b, sum);
        }
    }
}
END_TEST

START_TEST(the_seed_decides)
{
    static float first[COUNT];

    for (int choice = INIT_HE_NORMAL; choice <= INIT_NORMAL; choice++) {
        fill((enum initialiser)choice, 1, 1);
        memcpy(first, data, sizeof(data));
        fill((enum initialiser)choice, 1, 1);
        ck_assert_mem_eq(first, data, sizeof(data));
        fill((enum initialiser)choice, 1, 2);
        ck_assert(memcmp(first, data, sizeof(data)) != 0);
    }
}
END_TEST

Suite *make_suite(void)
{
    Suite *suite = suite_create("initialise");
    TCase *tcase = tcase_create("initialise");

    tcase_set_timeout(tcase, 60);
    tcase_add_loop_test(tcase, spread_is_that_of_the_paper, 0, sizeof(spreads) / sizeof(spreads[0]));
    tcase_add_test(tcase, normal_takes_its_deviation);
    tcase_add_test(tcase, neighbours_are_independent);
    tcase_add_test(tcase, zeros_and_constants);
    tcase_add_loop_test(tcase, orthogonal_is_orthogonal, 0, sizeof(shapes) / sizeof(shapes[0]));
    tcase_add_test(tcase, the_seed_decides);
    suite_add_tcase(suite, tcase);
    return suite;
}
