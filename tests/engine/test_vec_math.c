/* SPDX-License-Identifier: Apache-2.0
 * The vector kernels against the C library's double functions, over all of the float range, for
 * each instruction set that this machine has. */
#include "engine/kernels/cpu.h"
#include "engine/kernels/vec_math.h"
#include "tests/support/run_suite.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BLOCK = 4096 };

static void swish(size_t n, const float *x, float *y)
{
    vec_swish_f32(n, 1.0f, x, y);
}

static void elu(size_t n, const float *x, float *y)
{
    vec_elu_f32(n, 1.5f, 2.0f, 1.0f, x, y);
}

static double elu_reference(double x)
{
    return x > 0.0 ? 1.5 * x : 2.0 * expm1(x);
}

static double softplus_reference(double x)
{
    return (x > 0.0 ? x : 0.0) + log1p(exp(-fabs(x)));
}

static double sigmoid_reference(double x)
{
    return 1.0 / (1.0 + exp(-x));
}

static double swish_reference(double x)
{
    return x / (1.0 + exp(-x));
}

static double gelu_reference(double x)
{
    return 0.5 * x * (1.0 + erf(x * M_SQRT1_2));
}

static double gelu_tanh_reference(double x)
{
    return 0.5 * x * (1.0 + tanh(sqrt(M_2_PI) * (x + 0.044715 * x * x * x)));
}

/* An error passes if it is within either bound: some functions cancel near their zeros, where the
 * absolute one counts. */
static const struct function {
    const char *name;
    void (*kernel)(size_t n, const float *x, float *y);
    double (*reference)(double x);
    double ulp_max, absolute_max;
} functions[] = {
    {"exp", vec_exp_f32, exp, 2.0, 0.0},
    {"log", vec_log_f32, log, 2.0, 0.0},
    {"tanh", vec_tanh_f32, tanh, 5.0, 0.0},
    {"erf", vec_erf_f32, erf, 6.0, 0.0},
    {"sigmoid", vec_sigmoid_f32, sigmoid_reference, 4.0, 1e-37},
    {"swish", swish, swish_reference, 5.0, 1e-35},
    {"elu", elu, elu_reference, 3.0, 0.0},
    {"softplus", vec_softplus_f32, softplus_reference, 4.0, 0.0},
    {"gelu", vec_gelu_f32, gelu_reference, 6.0, 1e-6},
    {"gelu tanh", vec_gelu_tanh_f32, gelu_tanh_reference, 6.0, 1e-6},
};

enum { FUNCTIONS = sizeof(functions) / sizeof(functions[0]) };

static float float_of(uint32_t bits)
{
    float value;

    memcpy(&value, &bits, sizeof(value));
    return value;
}

/* Distance to the exact value in units of the last place of a float there. */
static double ulps(float actual, double exact)
{
    int exponent;

    if ((double)actual == exact || (isnan(actual) && isnan(exact)))
        return 0.0;
    if (isinf(actual) && fabs(exact) > (double)FLT_MAX && (exact > 0) == (actual > 0.0f))
        return 0.0;
    if (!isfinite(actual) || !isfinite(exact))
        return INFINITY;
    (void)frexp(exact, &exponent);
    if (exponent < -125)
        exponent = -125;
    return fabs((double)actual - exact) / ldexp(1.0, exponent - 24);
}

static void check_block(const struct function *f, enum isa isa, const float *x, size_t n,
                        double *worst)
{
    float y[BLOCK];

    f->kernel(n, x, y);
    for (size_t i = 0; i < n; i++) {
        double exact = f->reference((double)x[i]);
        double error = ulps(y[i], exact);

        if (isinf(x[i]) && isnan(exact))
            continue;                                   /* x * 0 at an infinity */
        if (error > *worst && !(fabs((double)y[i] - exact) <= f->absolute_max))
            *worst = error;
        if (!(error <= f->ulp_max || fabs((double)y[i] - exact) <= f->absolute_max))
            ck_abort_msg("%s (%s) of %.9g is %.9g, exactly %.17g: %.1f ulp", f->name,
                         cpu_isa_name(isa), (double)x[i], (double)y[i], exact, error);
    }
}

/* Steps through the bits of all floats, NaNs, infinities and denormals among them. */
START_TEST(agrees_with_double)
{
    const struct function *f = &functions[_i % FUNCTIONS];
    enum isa isa = (enum isa)(_i / FUNCTIONS);
    uint32_t stride = (uint32_t)(8191 / test_scale()) | 1u;
    float x[BLOCK];
    size_t n = 0;
    double worst = 0.0;

    if (!cpu_isa_supported(isa))
        return;
    cpu_isa_force(isa);
    for (uint64_t bits = 0; bits <= UINT32_MAX; bits += stride) {
        x[n++] = float_of((uint32_t)bits);
        if (n == BLOCK) {
            check_block(f, isa, x, n, &worst);
            n = 0;
        }
    }
    check_block(f, isa, x, n, &worst);
    printf("%s %s: at most %.2f ulp\n", cpu_isa_name(isa), f->name, worst);
}
END_TEST

/* The stretch where most arguments lie, more finely. */
START_TEST(agrees_with_double_near_zero)
{
    const struct function *f = &functions[_i % FUNCTIONS];
    enum isa isa = (enum isa)(_i / FUNCTIONS);
    float x[BLOCK];
    double worst = 0.0;

    if (!cpu_isa_supported(isa))
        return;
    cpu_isa_force(isa);
    for (int block = 0; block < 64; block++) {
        for (int i = 0; i < BLOCK; i++)
            x[i] = -110.0f + 220.0f * (float)(block * BLOCK + i) / (64.0f * BLOCK);
        check_block(f, isa, x, BLOCK, &worst);
        for (int i = 0; i < BLOCK; i++)
            x[i] = -5.0f + 10.0f * (float)(block * BLOCK + i) / (64.0f * BLOCK);
        check_block(f, isa, x, BLOCK, &worst);
    }
}
END_TEST

START_TEST(special_values)
{
    static const float specials[] = {INFINITY, -INFINITY, NAN, 0.0f, -0.0f, 1e-45f, -1e-45f};
    enum { EXP, LOG, TANH, SIGMOID, ERF };
    static const float expected[][7] = {
        [EXP] = {INFINITY, 0.0f, NAN, 1.0f, 1.0f, 1.0f, 1.0f},
        [LOG] = {INFINITY, NAN, NAN, -INFINITY, -INFINITY, -103.278929903f, NAN},
        [TANH] = {1.0f, -1.0f, NAN, 0.0f, -0.0f, 1e-45f, -1e-45f},
        [SIGMOID] = {1.0f, 0.0f, NAN, 0.5f, 0.5f, 0.5f, 0.5f},
        [ERF] = {1.0f, -1.0f, NAN, 0.0f, -0.0f, 1e-45f, -1e-45f},
    };
    static void (*const kernels[])(size_t, const float *, float *) = {
        vec_exp_f32, vec_log_f32, vec_tanh_f32, vec_sigmoid_f32, vec_erf_f32};
    enum isa isa = (enum isa)_i;
    float y[7];

    if (!cpu_isa_supported(isa))
        return;
    cpu_isa_force(isa);
    for (int k = 0; k < 5; k++) {
        kernels[k](7, specials, y);
        for (int i = 0; i < 7; i++)
            ck_assert_msg((isnan(y[i]) && isnan(expected[k][i])) ||
                              (y[i] == expected[k][i] &&
                               !signbit(y[i]) == !signbit(expected[k][i])),
                          "%s kernel %d of %g is %g, expected %g", cpu_isa_name(isa), k,
                          (double)specials[i], (double)y[i], (double)expected[k][i]);
    }
}
END_TEST

/* The same input gives the same bits at every place, length and alignment, in place or not. */
START_TEST(place_does_not_matter)
{
    uint64_t state = test_seed();
    enum isa isa = (enum isa)_i;
    float x[100], y[100], alone;

    if (!cpu_isa_supported(isa))
        return;
    cpu_isa_force(isa);
    for (int i = 0; i < 100; i++)
        x[i] = (float)((double)(test_random(&state) >> 11) * 0x1p-53 * 30.0 - 15.0);
    for (size_t k = 0; k < FUNCTIONS; k++) {
        for (size_t from = 0; from < 20; from++) {
            for (size_t n = 1; from + n <= 60; n++) {
                memcpy(y, x, sizeof(x));
                functions[k].kernel(n, y + from, y + from);
                functions[k].kernel(1, x + from + n - 1, &alone);
                if (memcmp(&alone, &y[from + n - 1], sizeof(alone)) != 0)
                    ck_abort_msg("%s (%s): element %zu of %zu from %zu differs",
                                 functions[k].name, cpu_isa_name(isa), n - 1, n, from);
                if (y[from + n] != x[from + n])
                    ck_abort_msg("%s wrote past its end", functions[k].name);
            }
        }
    }
}
END_TEST

/* Sums against double for every length up to a few vectors, and their independence of alignment. */
START_TEST(sums_and_maxima)
{
    uint64_t state = test_seed();
    enum isa isa = (enum isa)_i;
    float x[300], y[300];

    if (!cpu_isa_supported(isa))
        return;
    cpu_isa_force(isa);
    for (int i = 0; i < 300; i++)
        x[i] = (float)((double)(test_random(&state) >> 11) * 0x1p-53 * 4.0 - 2.0);
    for (size_t n = 0; n < 280; n++) {
        double sum = 0, squares = 0, absolute = 0, powers = 0;
        float most = -INFINITY, moved[300];

        for (size_t i = 0; i < n; i++) {
            sum += (double)x[i];
            squares += ((double)x[i] - 0.5) * ((double)x[i] - 0.5);
            absolute += fabs((double)x[i]);
            powers += exp((double)x[i] - 2.0);
            most = x[i] > most ? x[i] : most;
        }
        ck_assert_msg(fabs((double)vec_sum_f32(n, x) - sum) < 1e-4, "sum of %zu", n);
        ck_assert_msg(fabs((double)vec_sum_squares_f32(n, 0.5f, x) - squares) < 1e-3,
                      "squares of %zu", n);
        ck_assert_msg(fabs((double)vec_sum_abs_f32(n, x) - absolute) < 1e-4, "sizes of %zu", n);
        ck_assert_msg(fabs((double)vec_exp_sum_f32(n, 2.0f, x, y) - powers) < 1e-4, "exp of %zu",
                      n);
        ck_assert_msg(vec_max_f32(n, x) == most, "most of %zu", n);
        memcpy(moved + 3, x, n * sizeof(*x));
        ck_assert(vec_sum_f32(n, moved + 3) == vec_sum_f32(n, x));
        if (n > 0) {
            moved[3 + n / 2] = NAN;
            ck_assert_msg(isnan(vec_max_f32(n, moved + 3)), "NaN among %zu", n);
        }
    }
}
END_TEST

START_TEST(normalises)
{
    float x[37], scale[37], bias[37], y[37];
    enum isa isa = (enum isa)_i;

    if (!cpu_isa_supported(isa))
        return;
    cpu_isa_force(isa);
    for (int i = 0; i < 37; i++) {
        x[i] = (float)i;
        scale[i] = 1.0f + (float)(i % 3);
        bias[i] = (float)(i % 5);
    }
    vec_normalise_f32(37, 2.0f, 0.5f, scale, bias, x, y);
    for (int i = 0; i < 37; i++)
        ck_assert_float_eq_tol(y[i], (x[i] - 2.0f) * 0.5f * scale[i] + bias[i], 1e-5f);
    vec_normalise_f32(37, 2.0f, 0.5f, NULL, NULL, x, y);
    for (int i = 0; i < 37; i++)
        ck_assert_float_eq_tol(y[i], (x[i] - 2.0f) * 0.5f, 1e-5f);
}
END_TEST

Suite *make_suite(void)
{
    Suite *suite = suite_create("vec_math");
    TCase *tc = tcase_create("vec_math");

    tcase_set_timeout(tc, 120);
    tcase_add_loop_test(tc, agrees_with_double, 0, FUNCTIONS * ISA_COUNT);
    tcase_add_loop_test(tc, agrees_with_double_near_zero, 0, FUNCTIONS * ISA_COUNT);
    tcase_add_loop_test(tc, special_values, 0, ISA_COUNT);
    tcase_add_loop_test(tc, place_does_not_matter, 0, ISA_COUNT);
    tcase_add_loop_test(tc, sums_and_maxima, 0, ISA_COUNT);
    tcase_add_loop_test(tc, normalises, 0, ISA_COUNT);
    suite_add_tcase(suite, tc);
    return suite;
}
