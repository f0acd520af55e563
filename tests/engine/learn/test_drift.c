/* SPDX-License-Identifier: Apache-2.0
 * Drift detectors against river's, alarm by alarm; the stability index against its definition. */
#include "engine/kernels/random.h"
#include "engine/learn/adwin.h"
#include "engine/learn/feature_drift.h"
#include "engine/learn/page_hinkley.h"
#include "tests/support/run_suite.h"

#include <math.h>
#include <stdlib.h>

#include "tests/engine/learn/oracle.h"

enum { STREAMS = sizeof(streams) / sizeof(streams[0]), PARTS = 6 };

/* Gives every value of a stream to `add`, and compares where it says yes. */
static void check(int row, bool (*add)(void *detector, double value), void *detector, int n,
                  const int *at, int tolerance, const char *name)
{
    int index = 0, found = 0;

    for (int part = 0; part < PARTS; part++) {
        for (int i = 0; i < streams[row].parts[part].values; i++, index++) {
            double value = streams[row].parts[part].shift +
                           random_uniform(streams[row].seed, (uint64_t)index);

            if (!add(detector, value))
                continue;
            ck_assert_msg(found < n && abs(index - at[found]) <= tolerance,
                          "%s, stream %d: alarm %d at %d, expected at %d", name, row, found, index,
                          found < n ? at[found] : -1);
            found++;
        }
    }
    ck_assert_msg(found == n, "%s, stream %d: %d alarms, expected %d", name, row, found, n);
}

static bool add_page_hinkley(void *detector, double value)
{
    return page_hinkley_add(detector, value);
}

/* river's drops the whole window at an alarm, where the paper's keeps the newer part. */
static bool add_adwin(void *detector, double value)
{
    struct adwin *window = detector;
    struct adwin_options options = window->options;
    bool cut = adwin_add(window, value);

    if (cut)
        adwin_init(window, &options);
    return cut;
}

START_TEST(page_hinkley_as_river)
{
    struct page_hinkley test;

    page_hinkley_init(&test, &(struct page_hinkley_options){0.005, 20.0, 0.9999, 30});
    check(_i, add_page_hinkley, &test, page_hinkley_alarms[_i].n, page_hinkley_alarms[_i].at, 0,
          "page-hinkley");
    ck_assert_uint_eq(test.alarms, (uint64_t)page_hinkley_alarms[_i].n);
}
END_TEST

START_TEST(adwin_as_river)
{
    struct adwin_options options = adwin_defaults();
    struct adwin window;

    adwin_init(&window, &options);
    check(_i, add_adwin, &window, adwin_alarms[_i].n, adwin_alarms[_i].at, 0, "adwin");
}
END_TEST

/* The histogram's sums are those of the window's own values. */
START_TEST(adwin_sums_are_exact)
{
    enum { N = 5000 };
    static double values[N];
    struct adwin_options options = adwin_defaults();
    struct adwin window;

    adwin_init(&window, &options);
    for (int i = 0; i < N; i++) {
        double sum = 0.0, squares = 0.0, mean;

        values[i] = (i > 2500 ? 0.7 : 0.0) + random_uniform(99, (uint64_t)i);
        adwin_add(&window, values[i]);
        if (i % 97 != 0)
            continue;
        for (uint64_t k = 0; k < window.width; k++)
            sum += values[(uint64_t)i - k];
        mean = sum / (double)window.width;
        for (uint64_t k = 0; k < window.width; k++)
            squares += (values[(uint64_t)i - k] - mean) * (values[(uint64_t)i - k] - mean);
        ck_assert_double_eq_tol(window.sum, sum, 1e-8);
        ck_assert_double_eq_tol(window.variance, squares, 1e-6);
        ck_assert_double_eq_tol(adwin_mean(&window), mean, 1e-10);
    }
    ck_assert(window.alarms >= 1 && window.alarms <= 3);    /* what little is left of the old goes later */
    ck_assert_uint_lt(window.width, 2600);
}
END_TEST

/* Memory does not grow, however long nothing changes. */
START_TEST(adwin_is_bounded)
{
    struct adwin_options options = adwin_defaults();
    struct adwin window;

    adwin_init(&window, &options);
    for (uint64_t i = 0; i < 200000; i++)
        adwin_add(&window, random_uniform(5, i));
    ck_assert_uint_gt(window.width, 100000);
    ck_assert_int_lt(window.rows, 20);
}
END_TEST

START_TEST(not_finite_is_passed_over)
{
    struct page_hinkley_options page_hinkley = page_hinkley_defaults();
    struct adwin_options options = adwin_defaults();
    struct page_hinkley test;
    struct adwin window;

    page_hinkley_init(&test, &page_hinkley);
    adwin_init(&window, &options);
    for (int i = 0; i < 1000; i++) {
        double value = i % 3 == 0 ? NAN : i % 3 == 1 ? INFINITY : 1.0;

        ck_assert(!page_hinkley_add(&test, value));
        ck_assert(!adwin_add(&window, value));
    }
    ck_assert_double_eq(test.mean, 1.0);
    ck_assert_double_eq(adwin_mean(&window), 1.0);
}
END_TEST

/* ---- the stability index ---- */

START_TEST(the_same_inputs_do_not_drift)
{
    enum { FEATURES = 3, REFERENCE = 1000, ROWS = 2000 };
    struct feature_drift *drift = feature_drift_create(FEATURES, REFERENCE, NULL);
    float row[FEATURES];

    for (uint64_t i = 0; i < REFERENCE + ROWS; i++) {
        row[0] = (float)random_normal(1, i);
        row[1] = (float)random_uniform(2, i) * 1000.0f;
        row[2] = 5.0f;      /* constant: one bin */
        ck_assert(feature_drift_ready(drift) == (i >= REFERENCE));
        feature_drift_add(drift, row, 1);
    }
    ck_assert_uint_eq(feature_drift_rows(drift), ROWS);
    ck_assert_double_lt(feature_drift_worst(drift, NULL), 0.03);
    ck_assert_double_eq(feature_drift_index(drift, 2), 0.0);
    feature_drift_destroy(drift);
}
END_TEST

START_TEST(shifted_inputs_drift)
{
    enum { FEATURES = 4, REFERENCE = 1000, ROWS = 1000 };
    struct feature_drift *drift = feature_drift_create(FEATURES, REFERENCE, NULL);
    float row[FEATURES];
    size_t worst;

    for (uint64_t i = 0; i < REFERENCE + ROWS; i++) {
        bool after = i >= REFERENCE;

        row[0] = (float)random_normal(1, i);
        row[1] = (float)random_normal(2, i) + (after ? 0.5f : 0.0f);
        row[2] = (float)random_normal(3, i) * (after ? 3.0f : 1.0f);
        row[3] = after && i % 5 == 0 ? NAN : (float)random_normal(4, i);
        feature_drift_add(drift, row, 1);
    }
    ck_assert_double_lt(feature_drift_index(drift, 0), 0.05);
    ck_assert_double_gt(feature_drift_index(drift, 1), 0.15);
    ck_assert_double_gt(feature_drift_index(drift, 2), 0.25);
    ck_assert_double_gt(feature_drift_index(drift, 3), 0.25);
    ck_assert_double_eq(feature_drift_worst(drift, &worst), feature_drift_index(drift, worst));
    ck_assert(worst == 2 || worst == 3);
    feature_drift_next(drift);
    ck_assert_double_eq(feature_drift_worst(drift, NULL), 0.0);
    feature_drift_destroy(drift);
}
END_TEST

/* By hand: ten equal bins of 0..99; the window puts half in the first, the rest evenly elsewhere. */
START_TEST(the_index_is_its_definition)
{
    struct feature_drift *drift = feature_drift_create(1, 100, NULL);
    double expected = (0.55 - 0.1) * log(0.55 / 0.1) + 9 * (0.05 - 0.1) * log(0.05 / 0.1);

    for (int i = 0; i < 100; i++)
        feature_drift_add(drift, (float[]){(float)((i * 37) % 100)}, 1);
    for (int i = 0; i < 55; i++)
        feature_drift_add(drift, (float[]){(float)(i % 10)}, 1);
    for (int i = 0; i < 45; i++)
        feature_drift_add(drift, (float[]){(float)(10 + i * 2)}, 1);
    ck_assert_double_eq_tol(feature_drift_index(drift, 0), expected, 1e-12);
    feature_drift_destroy(drift);
}
END_TEST

/* Saved and restored it says the same; anything else is refused. */
START_TEST(a_reference_is_kept)
{
    struct engine_error err = {0};
    struct feature_drift *drift = feature_drift_create(3, 50, &err), *other;
    size_t bytes = feature_drift_saved_bytes(drift);
    unsigned char *saved = malloc(bytes + 1);

    for (int i = 0; i < 50; i++)
        feature_drift_add(drift, (float[]){(float)i, (float)(i * i % 17), i % 5 ? 1.0f : NAN}, 1);
    ck_assert(feature_drift_ready(drift));
    feature_drift_save(drift, saved);
    other = feature_drift_restore(3, saved, bytes, &err);
    ck_assert_msg(other != NULL, "%s", err.text);
    ck_assert(feature_drift_ready(other));
    for (int i = 0; i < 70; i++) {
        const float row[] = {(float)(i * 3), (float)(i % 17), i % 2 ? 1.0f : NAN};

        feature_drift_add(drift, row, 1);
        feature_drift_add(other, row, 1);
    }
    for (size_t f = 0; f < 3; f++) {
        ck_assert_double_gt(feature_drift_index(drift, f), 0.1);
        ck_assert_double_eq(feature_drift_index(drift, f), feature_drift_index(other, f));
    }
    feature_drift_destroy(other);
    ck_assert_ptr_null(feature_drift_restore(2, saved, bytes, &err));
    ck_assert_ptr_null(feature_drift_restore(3, saved, bytes - 1, &err));
    ck_assert_ptr_null(feature_drift_restore(0, saved, bytes, &err));
    for (size_t i = 0; i < bytes; i++) {
        saved[i] ^= 4;
        other = feature_drift_restore(3, saved, bytes, &err);
        ck_assert_msg(other == NULL, "byte %zu changed", i);
        saved[i] ^= 4;
    }
    free(saved);
    feature_drift_destroy(drift);
}
END_TEST

START_TEST(bounds_are_checked)
{
    static const size_t rows[][2] = {{0, 100}, {1, 9}, {FEATURE_DRIFT_FEATURES_MAX + 1, 100},
                                     {3, SIZE_MAX / 2}};

    for (size_t i = 0; i < 4; i++) {
        struct engine_error err = {0};

        ck_assert_ptr_null(feature_drift_create(rows[i][0], rows[i][1], &err));
        ck_assert_int_eq(err.status, ENGINE_BAD_INPUT);
    }
}
END_TEST

Suite *make_suite(void)
{
    Suite *suite = suite_create("drift");
    TCase *tc = tcase_create("drift");

    tcase_add_loop_test(tc, page_hinkley_as_river, 0, STREAMS);
    tcase_add_loop_test(tc, adwin_as_river, 0, STREAMS);
    tcase_add_test(tc, adwin_sums_are_exact);
    tcase_add_test(tc, adwin_is_bounded);
    tcase_add_test(tc, not_finite_is_passed_over);
    tcase_add_test(tc, the_same_inputs_do_not_drift);
    tcase_add_test(tc, shifted_inputs_drift);
    tcase_add_test(tc, the_index_is_its_definition);
    tcase_add_test(tc, a_reference_is_kept);
    tcase_add_test(tc, bounds_are_checked);
    suite_add_tcase(suite, tc);
    return suite;
}
