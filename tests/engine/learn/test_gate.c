/* SPDX-License-Identifier: Apache-2.0
 * What decides about a learning model: prequential scores (scikit-learn's kappa), the promotion gate
 * (SciPy's t), the training budget. */
#include "engine/kernels/random.h"
#include "engine/learn/prequential.h"
#include "engine/learn/promotion.h"
#include "engine/learn/train_budget.h"
#include "tests/support/run_suite.h"

#include <math.h>

#include "tests/engine/learn/oracle.h"

/* ---- prequential ---- */

START_TEST(kappa_as_scikit_learn)
{
    enum { N = 500 };
    uint64_t seed = kappas[_i].seed, counts[16], actual[16] = {0};
    uint32_t classes = kappas[_i].classes;
    struct prequential *prequential = prequential_create(N, classes, NULL);
    struct prequential_score score;

    for (uint64_t i = 0; i < 300 + N; i++) {
        uint64_t at = i < 300 ? 10000 + i : i - 300;    /* 300 others, out of the window again */
        double u = random_uniform(seed, 3 * at);
        uint32_t label = (uint32_t)(u * u * classes), predicted = label;

        if (random_uniform(seed, 3 * at + 1) >= kappas[_i].agree)
            predicted = (uint32_t)(random_uniform(seed, 3 * at + 2) * classes);
        prequential_add_class(prequential, (double)i, predicted, label);
        actual[label]++;
    }
    score = prequential_window(prequential);
    ck_assert_uint_eq(score.examples, N);
    ck_assert_double_eq_tol(score.accuracy, kappas[_i].accuracy, 1e-12);
    ck_assert_double_eq_tol(score.kappa, kappas[_i].kappa, 1e-12);
    ck_assert_double_eq_tol(score.loss, 300 + (N - 1) / 2.0, 1e-9);
    ck_assert_uint_eq(prequential_total(prequential).examples, 300 + N);
    prequential_class_counts(prequential, counts);
    for (uint32_t i = 0; i < classes; i++)
        ck_assert_uint_eq(counts[i], actual[i]);
    prequential_destroy(prequential);
}
END_TEST

START_TEST(regression_windows)
{
    struct prequential *prequential = prequential_create(4, 0, NULL);
    struct prequential_score score = prequential_window(prequential);

    ck_assert_uint_eq(score.examples, 0);
    ck_assert_double_eq(score.loss, 0.0);
    for (int i = 1; i <= 6; i++)
        prequential_add_error(prequential, i == 5 ? NAN : i, i * i);
    score = prequential_window(prequential);
    ck_assert_uint_eq(score.examples, 4);
    ck_assert_double_eq_tol(score.loss, (3 + 4 + 6) / 3.0, 1e-12);
    ck_assert_double_eq_tol(score.error, (9 + 16 + 25 + 36) / 4.0, 1e-12);
    ck_assert_double_eq_tol(prequential_total(prequential).error, 91 / 6.0, 1e-12);
    prequential_add_error(prequential, 1, INFINITY);
    prequential_add_class(prequential, 1, 0, 0);
    ck_assert_uint_eq(prequential_total(prequential).examples, 6);
    prequential_destroy(prequential);
}
END_TEST

/* A huge loss leaves no trace once it has left the window. */
START_TEST(rounding_does_not_gather)
{
    struct prequential *prequential = prequential_create(100, 0, NULL);

    for (int i = 0; i < 1000; i++)
        prequential_add_error(prequential, i == 50 ? 1e18 : 0.125, 0);
    ck_assert_double_eq(prequential_window(prequential).loss, 0.125);
    prequential_destroy(prequential);
}
END_TEST

START_TEST(out_of_range_is_passed_over)
{
    struct prequential *prequential = prequential_create(10, 3, NULL);
    struct engine_error err = {0};

    prequential_add_class(prequential, 1, 3, 0);
    prequential_add_class(prequential, 1, 0, 3);
    ck_assert_uint_eq(prequential_window(prequential).examples, 0);
    prequential_destroy(prequential);
    ck_assert_ptr_null(prequential_create(0, 3, &err));
    ck_assert_ptr_null(prequential_create((size_t)1 << 40, 3, &err));
    ck_assert_ptr_null(prequential_create(10, PREQUENTIAL_CLASSES_MAX + 1, &err));
}
END_TEST

/* ---- promotion ---- */

START_TEST(t_as_scipy)
{
    for (size_t i = 0; i < sizeof(t_tails) / sizeof(t_tails[0]); i++) {
        double tail = student_t_tail(t_tails[i].t, t_tails[i].freedom);

        ck_assert_msg(fabs(tail - t_tails[i].tail) <= 1e-12 + 1e-8 * t_tails[i].tail,
                      "t %g with %g degrees: %.17g, expected %.17g", t_tails[i].t,
                      t_tails[i].freedom, tail, t_tails[i].tail);
    }
}
END_TEST

START_TEST(promotion_verdicts)
{
    static const struct {
        const char *name;
        int n;
        double harm, spread, margin;
        enum promotion_verdict expected;
    } rows[] = {
        {"too few", 99, 1.0, 0.1, 0.0, PROMOTION_WAIT},
        {"better", 200, -0.1, 1.0, 0.0, PROMOTION_PROMOTE},
        {"worse", 200, 0.5, 1.0, 0.0, PROMOTION_HOLD},
        {"worse within the margin", 200, 0.5, 1.0, 0.6, PROMOTION_PROMOTE},
        {"the very same", 200, 0.0, 0.0, 0.0, PROMOTION_PROMOTE},
        {"worse by a constant", 200, 0.01, 0.0, 0.0, PROMOTION_HOLD},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct promotion_options options = promotion_defaults();
        struct promotion gate;

        options.margin = rows[i].margin;
        promotion_init(&gate, &options);
        for (int k = 0; k < rows[i].n; k++) {
            double serving = random_uniform(3, (uint64_t)k);

            promotion_add(&gate, serving, serving + rows[i].harm +
                                              rows[i].spread * random_normal(4, (uint64_t)k));
        }
        ck_assert_msg(promotion_decide(&gate) == rows[i].expected, "%s: p = %g", rows[i].name,
                      promotion_p_value(&gate));
    }
}
END_TEST

/* A candidate that is no worse is held back as often as the level says. */
START_TEST(the_level_is_kept)
{
    int held = 0;

    for (uint64_t seed = 0; seed < 2000; seed++) {
        struct promotion_options options = promotion_defaults();
        struct promotion gate;

        promotion_init(&gate, &options);
        for (uint64_t k = 0; k < 100; k++)
            promotion_add(&gate, 0.0, random_normal(seed + 1000, k));
        held += promotion_decide(&gate) == PROMOTION_HOLD;
    }
    ck_assert_int_ge(held, 60);     /* 5% of 2000, give or take four deviations */
    ck_assert_int_le(held, 140);
}
END_TEST

START_TEST(a_candidate_that_is_not_finite_is_held)
{
    struct promotion_options options = promotion_defaults();
    struct promotion gate;

    promotion_init(&gate, &options);
    promotion_add(&gate, 1.0, NAN);
    ck_assert_int_eq(promotion_decide(&gate), PROMOTION_HOLD);
    promotion_init(&gate, &options);
    promotion_add(&gate, NAN, 1.0);
    ck_assert_int_eq(promotion_decide(&gate), PROMOTION_WAIT);
    ck_assert_uint_eq(gate.n, 0);
}
END_TEST

/* ---- the budget ---- */

START_TEST(the_share_is_kept)
{
    static const double shares[] = {0.1, 0.5, 1.0, 1.7};

    for (size_t i = 0; i < 4; i++) {
        struct train_budget budget;
        uint64_t now = 1000, spent = 0, start = now;

        train_budget_init(&budget, shares[i], 0.05, now);
        while (now - start < UINT64_C(20000000000)) {
            uint64_t wait = train_budget_wait_ns(&budget, now, UINT64_MAX);
            uint64_t cpu = 1000000 + random_bits(1, now) % 9000000;

            if (wait > 0) {
                now += wait;
                continue;
            }
            train_budget_spend(&budget, cpu);
            spent += cpu;
            now += cpu / (shares[i] > 1.0 ? 2 : 1);     /* two threads where one core is not enough */
        }
        ck_assert_double_eq_tol((double)spent / (double)(now - start), shares[i], 0.01 + shares[i] * 0.01);
    }
}
END_TEST

START_TEST(deadlines_come_first)
{
    struct train_budget budget;

    train_budget_init(&budget, 0.0, 1.0, 0);
    ck_assert_uint_eq(train_budget_wait_ns(&budget, 0, UINT64_MAX), 0);
    train_budget_spend(&budget, 5000000);
    ck_assert_uint_eq(train_budget_wait_ns(&budget, 1, UINT64_MAX), 0);
    ck_assert_uint_eq(train_budget_wait_ns(&budget, 1, 6000000), 0);
    ck_assert_uint_ge(train_budget_wait_ns(&budget, 1, 4000000), 5000000);
    /* A clock that goes back gives nothing and takes nothing. */
    train_budget_init(&budget, 0.5, 0.001, 1000000000);
    train_budget_spend(&budget, 2000000);
    ck_assert_uint_gt(train_budget_wait_ns(&budget, 0, UINT64_MAX), 0);
}
END_TEST

Suite *make_suite(void)
{
    Suite *suite = suite_create("gate");
    TCase *tc = tcase_create("gate");

    tcase_add_loop_test(tc, kappa_as_scikit_learn, 0, sizeof(kappas) / sizeof(kappas[0]));
    tcase_add_test(tc, regression_windows);
    tcase_add_test(tc, rounding_does_not_gather);
    tcase_add_test(tc, out_of_range_is_passed_over);
    tcase_add_test(tc, t_as_scipy);
    tcase_add_test(tc, promotion_verdicts);
    tcase_add_test(tc, the_level_is_kept);
    tcase_add_test(tc, a_candidate_that_is_not_finite_is_held);
    tcase_add_test(tc, the_share_is_kept);
    tcase_add_test(tc, deadlines_come_first);
    suite_add_tcase(suite, tc);
    return suite;
}
