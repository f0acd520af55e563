/* SPDX-License-Identifier: Apache-2.0
 * A pace in a world whose clock moves only when it sleeps or computes: shares are kept, predictions are
 * let past, and nobody starves. */
#include "server/learning/pace.h"

#include "tests/support/run_suite.h"

enum { MS = 1000000 };

/* One core: what a thread computes takes as long on the clock. */
static struct {
    uint64_t now_ns, cpu_ns, slept_ns;
    uint64_t waiting_until_ns;           /* predictions wait until then */
    uint64_t slack_ns;
    atomic_bool *stop;                   /* set at the first sleep */
} world;

static uint64_t now(void *arg)
{
    (void)arg;
    return world.now_ns;
}

static uint64_t cpu(void *arg)
{
    (void)arg;
    return world.cpu_ns;
}

static void snooze(void *arg, uint64_t ns)
{
    (void)arg;
    ck_assert_uint_gt(ns, 0);
    world.now_ns += ns;
    world.slept_ns += ns;
    if (world.stop != NULL)
        atomic_store(world.stop, true);
}

static uint64_t slack(void *arg)
{
    (void)arg;
    return world.now_ns < world.waiting_until_ns ? world.slack_ns : UINT64_MAX;
}

static const struct pace_world hooks = {NULL, now, cpu, snooze, slack};

static void compute(uint64_t ns)
{
    world.now_ns += ns;
    world.cpu_ns += ns;
}

static struct pace *begin(int64_t percent, struct pace_runner *runner)
{
    struct pace *pace;

    world.now_ns = world.cpu_ns = 1;
    world.slept_ns = world.waiting_until_ns = 0;
    world.slack_ns = UINT64_MAX - 1;
    world.stop = NULL;
    pace = pace_create_in(percent, &hooks);
    ck_assert_ptr_nonnull(pace);
    *runner = (struct pace_runner){0};
    pace_begin(runner, pace);
    return pace;
}

START_TEST(keeps_its_share)
{
    static const struct {
        int64_t percent;
        uint64_t batch_ns;
    } rows[] = {{50, 2 * MS}, {10, 5 * MS}, {1, MS}, {25, 90 * MS}, {200, 3 * MS}, {0, 3 * MS}};

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct pace_runner runner;
        struct pace *pace = begin(rows[i].percent, &runner);
        double share, allowed = (double)rows[i].percent / 100;

        for (int k = 0; k < 2000; k++) {
            compute(rows[i].batch_ns);
            pace_point(&runner, NULL);
        }
        share = (double)world.cpu_ns / (double)world.now_ns;
        if (rows[i].percent == 0 || rows[i].percent >= 100)
            ck_assert_msg(world.slept_ns == 0, "row %zu: slept", i);
        else
            ck_assert_msg(share > 0.98 * allowed && share < 1.05 * allowed + 1e-3,
                          "row %zu: share %g, allowed %g", i, share, allowed);
        pace_destroy(pace);
    }
}
END_TEST

/* Two runners draw on one budget. */
START_TEST(one_budget_for_all)
{
    struct pace_runner one, two = {0};
    struct pace *pace = begin(40, &one);

    pace_begin(&two, pace);
    for (int k = 0; k < 1000; k++) {
        struct pace_runner *turn = k % 2 ? &one : &two;

        turn->cpu_ns = world.cpu_ns; /* each has a clock of its own */
        compute(2 * MS);
        pace_point(turn, NULL);
    }
    ck_assert_double_le((double)world.cpu_ns / (double)world.now_ns, 0.43);
    pace_destroy(pace);
}
END_TEST

START_TEST(lets_predictions_past)
{
    struct pace_runner runner;
    struct pace *pace = begin(0, &runner);

    compute(2 * MS);
    pace_point(&runner, NULL);
    ck_assert_uint_eq(world.slept_ns, 0);
    /* They wait for 3 ms: so does training, and hardly longer. */
    world.waiting_until_ns = world.now_ns + 3 * MS;
    ck_assert_uint_gt(pace_book(&runner), 0);
    pace_wait(&runner, NULL);
    ck_assert_uint_ge(world.slept_ns, 3 * MS);
    ck_assert_uint_le(world.slept_ns, 3 * MS + MS / 2);
    pace_destroy(pace);
}
END_TEST

/* On a server that is always full training goes on, at about a tenth of its pace. */
START_TEST(never_starves)
{
    struct pace_runner runner;
    struct pace *pace = begin(0, &runner);
    double share;

    world.waiting_until_ns = UINT64_MAX;
    for (int k = 0; k < 200; k++) {
        compute(2 * MS);
        pace_point(&runner, NULL);
    }
    share = (double)world.cpu_ns / (double)world.now_ns;
    ck_assert_msg(share > 0.08 && share < 0.12, "share %g", share);
    /* What a mini-batch would cost its deadline is waited for longer, but not for ever. */
    world.slack_ns = MS;
    world.slept_ns = 0;
    compute(2 * MS);
    pace_point(&runner, NULL);
    ck_assert_uint_ge(world.slept_ns, 100 * MS);
    ck_assert_uint_le(world.slept_ns, 101 * MS);
    pace_destroy(pace);
}
END_TEST

START_TEST(ends_when_told)
{
    struct pace_runner runner;
    struct pace *pace = begin(1, &runner);
    atomic_bool stop = false;

    compute(500 * MS); /* 45 seconds' worth of waiting */
    world.stop = &stop;
    pace_point(&runner, &stop);
    ck_assert_uint_le(world.slept_ns, 50 * MS);
    world.stop = NULL;
    pace_hurry(pace);
    compute(500 * MS);
    world.slept_ns = 0;
    ck_assert_uint_eq(pace_book(&runner), 0);
    pace_wait(&runner, NULL);
    ck_assert_uint_eq(world.slept_ns, 0);
    pace_destroy(pace);
    pace_begin(&runner, NULL); /* without a pace there is nothing to wait for */
    pace_point(&runner, NULL);
    ck_assert_uint_eq(world.slept_ns, 0);
}
END_TEST

Suite *make_suite(void)
{
    Suite *suite = suite_create("pace");
    TCase *tcase = tcase_create("pace");

    tcase_add_test(tcase, keeps_its_share);
    tcase_add_test(tcase, one_budget_for_all);
    tcase_add_test(tcase, lets_predictions_past);
    tcase_add_test(tcase, never_starves);
    tcase_add_test(tcase, ends_when_told);
    suite_add_tcase(suite, tcase);
    return suite;
}
