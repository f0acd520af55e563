/* SPDX-License-Identifier: Apache-2.0
 * Learning rates against PyTorch's schedulers, and what lies past their ends. */
#include "engine/train/schedule.h"
#include "tests/support/run_suite.h"

#include <math.h>
#include <string.h>

enum { STEPS_MAX = 40 };

static const struct row {
    const char *name;
    struct schedule schedule; /* 0: the default */
    int steps;
    double rates[STEPS_MAX];
} rows[] = {
#include "tests/train/schedule_cases.h"
};

START_TEST(equals_pytorch)
{
    const struct row *row = &rows[_i];
    struct schedule schedule = schedule_default(row->schedule.kind, 0.5);

#define TAKE(field) schedule.field = row->schedule.field > 0 ? row->schedule.field : schedule.field
    TAKE(least);
    TAKE(gamma);
    TAKE(period);
    TAKE(peak);
    TAKE(start_divisor);
    TAKE(end_divisor);
    TAKE(warmup);
    TAKE(warmup_start);
#undef TAKE
    ck_assert(schedule_check(&schedule, NULL) == ENGINE_OK);
    for (int step = 0; step < row->steps; step++) {
        double rate = schedule_rate(&schedule, step);

        ck_assert_msg(fabs(rate - row->rates[step]) <= 1e-12 + 1e-9 * row->rates[step],
                      "%s: step %d: %.17g, not %.17g", row->name, step, rate, row->rates[step]);
    }
}
END_TEST

/* Never negative, never above the rate, however long a run lasts. */
START_TEST(stays_in_range)
{
    struct schedule schedule = schedule_default((enum schedule_kind)_i, 0.5);

    schedule.least = 0.01;
    schedule.warmup = 10;
    schedule.period = 100;
    for (int64_t step = 0; step < 100000; step = step * 5 / 4 + 1) {
        double rate = schedule_rate(&schedule, step);

        ck_assert_msg(rate >= 0.0 && rate <= 0.5 + 1e-12, "%s: step %lld: %g",
                      schedule_name(schedule.kind), (long long)step, rate);
    }
}
END_TEST

START_TEST(refuses)
{
    static const struct {
        const char *says;
        struct schedule schedule;
    } refusals[] = {
        {"rate is -1", {.rate = -1}},
        {"least is 2; expected a number from 0 to 1", {.rate = 1, .least = 2}},
        {"gamma", {.rate = 1, .gamma = 1.5}},
        {"period", {.rate = 1, .gamma = 1}},
    };

    for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++) {
        struct engine_error err = {0};

        ck_assert(schedule_check(&refusals[i].schedule, &err) == ENGINE_BAD_INPUT);
        ck_assert_msg(strstr(err.text, refusals[i].says) != NULL, "says '%s'", err.text);
    }
}
END_TEST

Suite *make_suite(void)
{
    Suite *suite = suite_create("schedule");
    TCase *tc = tcase_create("schedule");

    tcase_add_loop_test(tc, equals_pytorch, 0, sizeof(rows) / sizeof(rows[0]));
    tcase_add_loop_test(tc, stays_in_range, 0, SCHEDULE_KINDS);
    tcase_add_test(tc, refuses);
    suite_add_tcase(suite, tc);
    return suite;
}
