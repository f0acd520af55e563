/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/pool.h"
#include "tests/support/run_suite.h"

#include <string.h>
#include <time.h>

enum { TASKS = 37 };

struct work {
    int runs[TASKS];
    int threads[TASKS];
};

static void note(void *arg, int task, int thread)
{
    struct work *work = arg;

    work->runs[task]++;
    work->threads[task] = thread;
}

START_TEST(each_task_runs_once)
{
    struct pool *pool = pool_create(_i, 20);
    struct work work;

    ck_assert_ptr_nonnull(pool);
    ck_assert_int_eq(pool_threads(pool), _i);
    for (int round = 0; round < 2000; round++) {
        int tasks = round % (TASKS + 1);

        memset(&work, 0, sizeof(work));
        if (round % 500 == 499)
            nanosleep(&(struct timespec){0, 3000000}, NULL);   /* helpers fall asleep */
        pool_run(pool, tasks, note, &work);
        for (int task = 0; task < TASKS; task++) {
            ck_assert_msg(work.runs[task] == (task < tasks), "round %d task %d", round, task);
            ck_assert_msg(work.threads[task] >= 0 && work.threads[task] < _i, "round %d task %d", round,
                          task);
        }
    }
    pool_destroy(pool);
}
END_TEST

START_TEST(no_pool_is_one_thread)
{
    struct work work = {{0}, {0}};

    ck_assert_int_eq(pool_threads(NULL), 1);
    pool_run(NULL, TASKS, note, &work);
    for (int task = 0; task < TASKS; task++)
        ck_assert(work.runs[task] == 1 && work.threads[task] == 0);
    pool_destroy(NULL);
}
END_TEST

Suite *make_suite(void)
{
    Suite *suite = suite_create("pool");
    TCase *tc = tcase_create("pool");

    tcase_set_timeout(tc, 30);
    tcase_add_loop_test(tc, each_task_runs_once, 1, 5);
    tcase_add_test(tc, no_pool_is_one_thread);
    suite_add_tcase(suite, tc);
    return suite;
}
