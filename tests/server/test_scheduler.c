/* SPDX-License-Identifier: Apache-2.0
 * Predictions through real workers: joined, split, late, too many, and beside a bad neighbour. A long
 * queue delay makes batches form at will. */
#include "server/serving/scheduler.h"

#include "server/clock.h"
#include "server/observe/metrics.h"
#include "server/options.h"
#include "server/serving/batcher.h"
#include "server/serving/worker.h"
#include "tests/support/run_suite.h"
#include "tests/support/scale_model.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

enum { MS = 1000000, BATCH = 8, ROWS_MAX = 64, VALUES_MAX = ROWS_MAX * SCALE_WIDTH };
static const uint64_t second_ns = 1000000000;

static char root[SCALE_ROOT_MAX];
static struct options options;
static struct metrics *metrics;
static struct registry *registry;
static struct scheduler *scheduler;

static pthread_mutex_t answers_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t answers_wake = PTHREAD_COND_INITIALIZER;
static int answers;

struct call {
    struct infer_job job;
    struct tensor input;
    union {
        float x[VALUES_MAX];
        int64_t index[ROWS_MAX];
    } in;
    _Atomic bool abandoned;
    int answered;
    struct problem problem;
    float y[VALUES_MAX];
    struct shape y_shape;
    pthread_t thread;                    /* that answered */
};

static void call_finish(struct infer_job *job, const struct tensor *outputs,
                        const struct problem *problem)
{
    struct call *call = (struct call *)job;

    model_entry_unref(job->entry);
    pthread_mutex_lock(&answers_lock);
    call->problem = *problem;
    call->answered++;
    call->thread = pthread_self();
    if (outputs != NULL) {
        call->y_shape = outputs[0].shape;
        memcpy(call->y, outputs[0].data, tensor_bytes(&outputs[0]));
    }
    answers++;
    pthread_cond_signal(&answers_wake);
    pthread_mutex_unlock(&answers_lock);
}

static void wait_answers(int count)
{
    pthread_mutex_lock(&answers_lock);
    while (answers < count)
        pthread_cond_wait(&answers_wake, &answers_lock);
    pthread_mutex_unlock(&answers_lock);
}

static bool call_is_abandoned(const struct infer_job *job)
{
    return atomic_load(&((struct call *)job)->abandoned);
}

/* A request of `rows` rows; row r of a scale model holds base + r in all columns. */
static void call_init(struct call *call, const char *model, int64_t rows, float base)
{
    struct problem problem = {0};
    bool table = strcmp(model, "table") == 0;

    memset(call, 0, sizeof(*call));
    call->input.dtype = table ? DTYPE_I64 : DTYPE_F32;
    call->input.shape = (struct shape){2, {rows, table ? 1 : SCALE_WIDTH}};
    call->input.data = &call->in;
    for (int64_t i = 0; !table && i < rows * SCALE_WIDTH; i++)
        call->in.x[i] = base + (float)(i / SCALE_WIDTH);
    call->job.entry = registry_find(registry, model, NULL, &problem);
    ck_assert_msg(call->job.entry != NULL, "%s", problem.text);
    call->job.inputs = &call->input;
    call->job.rows = rows;
    call->job.deadline_ns = clock_now_ns() + 60 * second_ns;
    call->job.priority = JOB_PRIORITY_DEFAULT;
    call->job.is_abandoned = call_is_abandoned;
    call->job.finish = call_finish;
}

static void submit(struct call *call)
{
    struct problem problem = {0};

    ck_assert_msg(scheduler_submit(scheduler, &call->job, &problem), "%s", problem.text);
}

/* All rows came back, times `factor`. */
static void check_scaled(const struct call *call, float base, float factor)
{
    ck_assert_msg(call->problem.status == 0, "%s", call->problem.text);
    ck_assert_int_eq(call->answered, 1);
    ck_assert_int_eq(call->y_shape.dims[0], call->input.shape.dims[0]);
    for (int64_t i = 0; i < call->job.rows * SCALE_WIDTH; i++)
        ck_assert_float_eq(call->y[i], (base + (float)(i / SCALE_WIDTH)) * factor);
}

static void scan_done(void *arg, const struct problem *problem)
{
    (void)arg;
    (void)problem;
    pthread_mutex_lock(&answers_lock);
    answers++;
    pthread_cond_signal(&answers_wake);
    pthread_mutex_unlock(&answers_lock);
}

static void start(void)
{
    struct problem problem = {0};
    struct engine_error err = {0};

    scale_repository_make(root);
    scale_model_write(root, "eager", "1", 2);
    scale_model_write(root, "patient", "1", 3);
    scale_model_write_text(root, "patient/config.json",
                           "{\"max_batch_size\": 8, \"queue_delay_us\": 10000000}");
    scale_model_write(root, "single", "1", 5);
    scale_model_write_text(root, "single/config.json", "{\"max_batch_size\": 0}");
    table_model_write(root, "table", 10);
    scale_model_write_text(root, "table/config.json",
                           "{\"max_batch_size\": 8, \"queue_delay_us\": 10000000}");
    memset(&options, 0, sizeof(options));
    options.model_repository = root;
    options.batch_size_max = BATCH;
    options.queue_rows_max = ROWS_MAX;
    options.workers = 2;
    options.inline_us_max = 1000000;
    ck_assert_msg(engine_start(&err) == ENGINE_OK, "%s", err.text);
    metrics = metrics_create();
    registry = registry_create(&options, NULL, metrics, &problem);
    scheduler = scheduler_create(&options, NULL, metrics, &problem);
    ck_assert_msg(registry != NULL && scheduler != NULL, "%s", problem.text);
    answers = 0;
    registry_scan(registry, (struct registry_done){scan_done, NULL});
    wait_answers(1);
    answers = 0;
}

static void stop(void)
{
    scheduler_destroy(scheduler);
    registry_destroy(registry);
    metrics_destroy(metrics);
    scale_repository_remove(root);
}

static struct model_totals totals_of(const char *model)
{
    struct model_totals totals;

    stats_collect(metrics_model(metrics, model, "1"), &totals);
    return totals;
}

START_TEST(each_gets_its_own_rows_of_a_batch)
{
    static struct call calls[4];
    static const int64_t rows[4] = {1, 3, 2, 2};

    for (int i = 0; i < 4; i++) {
        call_init(&calls[i], "patient", rows[i], 100 * (float)i);
        submit(&calls[i]);
    }
    wait_answers(4);                     /* the fourth makes it full */
    for (int i = 0; i < 4; i++) {
        check_scaled(&calls[i], 100 * (float)i, 3);
        ck_assert_int_eq(calls[i].job.batch_rows, 8);
        ck_assert_int_eq(calls[i].job.generation, 1);
        ck_assert_uint_ge(calls[i].job.started_ns, calls[i].job.queued_ns);
        ck_assert_uint_ge(calls[i].job.computed_ns, calls[i].job.started_ns);
    }
    ck_assert_uint_eq(totals_of("patient").batch_rows.count, 1);
    ck_assert_int_eq(totals_of("patient").queued_rows, 0);
}
END_TEST

START_TEST(a_model_that_is_not_joined_runs_each_alone)
{
    static struct call calls[5];

    for (int i = 0; i < 5; i++) {
        call_init(&calls[i], "single", 2, (float)i);
        calls[i].job.rows = 1;           /* a unit, whatever its shape */
        submit(&calls[i]);
    }
    wait_answers(5);
    for (int i = 0; i < 5; i++)
        ck_assert_float_eq(calls[i].y[2], ((float)i + 1) * 5);
    ck_assert_uint_eq(totals_of("single").batch_rows.count, 5);
}
END_TEST

START_TEST(more_rows_than_a_batch_are_computed_in_several_runs)
{
    static struct call call;

    call_init(&call, "eager", 2 * BATCH + 3, 7);
    submit(&call);
    wait_answers(1);
    check_scaled(&call, 7, 2);
    ck_assert_uint_eq(totals_of("eager").batch_rows.count, 3);
    ck_assert_uint_eq(totals_of("eager").batch_rows.sum, 2 * BATCH + 3);
}
END_TEST

START_TEST(a_bad_neighbour_fails_alone)
{
    static struct call calls[4];

    for (int i = 0; i < 4; i++) {
        call_init(&calls[i], "table", 2, 0);
        calls[i].in.index[0] = i;
        calls[i].in.index[1] = i == 2 ? 10 : 9;   /* the table has 0 .. 9 */
        submit(&calls[i]);
    }
    wait_answers(4);
    for (int i = 0; i < 4; i++) {
        ck_assert_int_eq(calls[i].answered, 1);
        if (i == 2) {
            ck_assert_int_eq(calls[i].problem.status, 400);
            continue;
        }
        ck_assert_msg(calls[i].problem.status == 0, "%d: %s", i, calls[i].problem.text);
        ck_assert_float_eq(calls[i].y[0], (float)i * 10);
        ck_assert_float_eq(calls[i].y[1], 90);
    }
}
END_TEST

START_TEST(late_ones_get_504_and_abandoned_ones_are_not_computed)
{
    static struct call late, gone, patient;

    call_init(&late, "patient", 1, 0);
    late.job.deadline_ns = clock_now_ns() + 30 * MS;
    submit(&late);
    wait_answers(1);
    ck_assert_int_eq(late.problem.status, 504);
    ck_assert_uint_lt(clock_now_ns(), late.job.deadline_ns + 5 * second_ns);

    call_init(&gone, "patient", 1, 0);
    submit(&gone);
    atomic_store(&gone.abandoned, true);
    call_init(&patient, "patient", BATCH, 0);
    submit(&patient);
    wait_answers(3);
    ck_assert_int_eq(gone.problem.status, 499);
    check_scaled(&patient, 0, 3);
    ck_assert_uint_eq(totals_of("patient").batch_rows.sum, BATCH);
    ck_assert_int_eq(totals_of("patient").queued_rows, 0);
}
END_TEST

START_TEST(a_full_queue_says_no_and_serves_on)
{
    static struct call calls[ROWS_MAX + 1], other;
    struct problem problem = {0};
    uint64_t begun_ns;
    int taken = 0;

    /* More at once than may wait; the workers take some meanwhile. */
    for (int i = 0; i < ROWS_MAX + 1; i++) {
        call_init(&calls[i], "patient", 7, 0);   /* two do not fit into one batch */
        memset(&problem, 0, sizeof(problem));
        if (scheduler_submit(scheduler, &calls[i].job, &problem)) {
            taken++;
            continue;
        }
        model_entry_unref(calls[i].job.entry);
        ck_assert_int_eq(problem.status, 503);
        ck_assert_str_eq(problem.reason, "queue_full");
        ck_assert_int_ge(problem.retry_after_s, 1);
        break;
    }
    call_init(&other, "eager", 1, 4);   /* another model is not concerned */
    submit(&other);
    begun_ns = clock_now_ns();
    scheduler_destroy(scheduler);        /* finishes what waits, and waits for no more company */
    scheduler = NULL;
    ck_assert_uint_lt(clock_now_ns() - begun_ns, 5 * second_ns);
    check_scaled(&other, 4, 2);
    ck_assert_int_eq(answers, taken + 1);
    for (int i = 0; i < taken; i++)
        check_scaled(&calls[i], 0, 3);
}
END_TEST

START_TEST(more_rows_than_a_queue_are_refused_with_the_limit)
{
    static struct call call;
    struct problem problem = {0};

    call_init(&call, "eager", 1, 0);
    call.job.rows = ROWS_MAX + 1;
    ck_assert(!scheduler_submit(scheduler, &call.job, &problem));
    ck_assert_int_eq(problem.status, 400);
    ck_assert_msg(strstr(problem.text, "at most 64") != NULL, "%s", problem.text);
    model_entry_unref(call.job.entry);
}
END_TEST

START_TEST(a_closed_scheduler_refuses)
{
    static struct call call;
    struct problem problem = {0};

    scheduler_close(scheduler);
    call_init(&call, "eager", 1, 0);
    ck_assert(!scheduler_run_inline(scheduler, &call.job));
    ck_assert(!scheduler_submit(scheduler, &call.job, &problem));
    ck_assert_int_eq(problem.status, 503);
    model_entry_unref(call.job.entry);
}
END_TEST

START_TEST(a_known_cheap_model_runs_where_the_request_is)
{
    static struct call first, second;

    call_init(&first, "eager", 1, 1);
    ck_assert_msg(!scheduler_run_inline(scheduler, &first.job), "its cost is not known yet");
    submit(&first);
    wait_answers(1);
    check_scaled(&first, 1, 2);
    ck_assert(!pthread_equal(first.thread, pthread_self()));
    do {                                 /* the worker may be booking the first one's cost still */
        call_init(&second, "eager", 1, 5);
        if (scheduler_run_inline(scheduler, &second.job))
            break;
        model_entry_unref(second.job.entry);
    } while (true);
    check_scaled(&second, 5, 2);
    ck_assert(pthread_equal(second.thread, pthread_self()));
    ck_assert_int_eq(metrics_get(metrics, METRIC_INLINE_RUNS), 1);
}
END_TEST

/* What a network thread's turn brought is joined and answered when the turn ends, by that thread.
 * True if it computed all four together: a worker that is still up may be faster. */
static bool compute_own_turn(void)
{
    static struct call calls[4];
    struct problem problem = {0};
    bool own = true;

    answers = 0;
    for (int i = 0; i < 4; i++) {
        call_init(&calls[i], "eager", 1 + i % 2, (float)(10 * i));
        ck_assert(scheduler_queue(scheduler, &calls[i].job, &problem));
    }
    scheduler_end_turn(scheduler);
    wait_answers(4);
    for (int i = 0; i < 4; i++) {
        check_scaled(&calls[i], (float)(10 * i), 2);
        own = own && pthread_equal(calls[i].thread, pthread_self()) && calls[i].job.batch_rows == 6;
    }
    return own;
}

START_TEST(a_turn_that_is_cheap_is_computed_where_it_ends)
{
    static struct call first;
    int64_t runs = 0;
    bool own = false;

    call_init(&first, "eager", 1, 1);
    submit(&first);                      /* its cost is not known yet: a worker's */
    wait_answers(1);
    ck_assert(!pthread_equal(first.thread, pthread_self()));
    for (int i = 0; i < 100 && !own; i++)
        own = compute_own_turn();
    ck_assert(own);
    runs = metrics_get(metrics, METRIC_INLINE_RUNS);
    ck_assert_int_gt(runs, 0);
    scheduler_end_turn(scheduler);       /* nothing came: nothing happens */
    ck_assert_int_eq(metrics_get(metrics, METRIC_INLINE_RUNS), runs);
}
END_TEST

/* A model that is known to be dear gets all cores while nothing else is to be done, run after run. */
START_TEST(a_large_run_is_split_while_all_else_idles)
{
    static struct call calls[3], other;

    for (int i = 0; i < 3; i++) {
        call_init(&calls[i], "eager", 8, (float)(100 * i));
        for (int n = 0; n < 50; n++)     /* as if it took 20 ms */
            cost_model_learn(&calls[i].job.entry->queue->cost, 8, 20 * MS);
        submit(&calls[i]);
        wait_answers(i + 1);
        check_scaled(&calls[i], (float)(100 * i), 2);
        while (metrics_get(metrics, METRIC_WORKERS_BUSY) > 0)
            sched_yield();
    }
    ck_assert_int_eq(metrics_get(metrics, METRIC_WIDE_RUNS), 3);
    call_init(&other, "single", 1, 7);
    submit(&other);
    wait_answers(4);
    check_scaled(&other, 7, 5);
    ck_assert_int_eq(metrics_get(metrics, METRIC_WIDE_RUNS), 3);
}
END_TEST

/* Many threads, all models, sizes at random: every answer must be the asker's own. */
enum { STORM_THREADS = 4, STORM_CALLS = 300 };

static void storm_finish(struct infer_job *job, const struct tensor *outputs,
                         const struct problem *problem)
{
    struct call *call = (struct call *)job;

    model_entry_unref(job->entry);
    call->problem = *problem;
    if (outputs != NULL)
        memcpy(call->y, outputs[0].data, tensor_bytes(&outputs[0]));
    __atomic_store_n(&call->answered, 1, __ATOMIC_RELEASE);
}

static void *storm_main(void *arg)
{
    uint64_t random = *(uint64_t *)arg;
    static const char *const models[] = {"eager", "single"};
    static const float factors[] = {2, 5};
    struct call *call = calloc(1, sizeof(*call));
    const char *complaint = NULL;

    for (int i = 0; i < STORM_CALLS && complaint == NULL; i++) {
        int which = (int)(test_random(&random) % 2);
        int64_t rows = 1 + (int64_t)(test_random(&random) % 12);
        float base = (float)(test_random(&random) % 1000);
        struct problem problem = {0};

        call_init(call, models[which], rows, base);
        call->job.rows = which == 1 ? 1 : rows;
        call->job.finish = storm_finish;
        if (!scheduler_run_inline(scheduler, &call->job) &&
            !scheduler_submit(scheduler, &call->job, &problem)) {
            model_entry_unref(call->job.entry);
            continue;
        }
            while (!__atomic_load_n(&call->answered, __ATOMIC_ACQUIRE))
            sched_yield();
        if (call->problem.status != 0)
            complaint = "a prediction failed";
        for (int64_t v = 0; v < rows * SCALE_WIDTH; v++) {
            if (call->y[v] != (base + (float)(v / SCALE_WIDTH)) * factors[which])
                complaint = "an answer is another's";
        }
    }
    free(call);
    return (void *)complaint;
}

START_TEST(storm)
{
    pthread_t threads[STORM_THREADS];
    uint64_t seeds[STORM_THREADS], seed = test_seed();

    for (int i = 0; i < STORM_THREADS; i++) {
        seeds[i] = test_random(&seed);
        pthread_create(&threads[i], NULL, storm_main, &seeds[i]);
    }
    for (int i = 0; i < STORM_THREADS; i++) {
        void *complaint;

        pthread_join(threads[i], &complaint);
        ck_assert_msg(complaint == NULL, "%s", (const char *)complaint);
    }
    while (scheduler_pending(scheduler) > 0)
        sched_yield();
    ck_assert_int_eq(totals_of("eager").queued_rows, 0);
    ck_assert_int_eq(metrics_get(metrics, METRIC_WORKERS_BUSY), 0);
}
END_TEST

Suite *make_suite(void)
{
    Suite *suite = suite_create("scheduler");
    TCase *tc = tcase_create("scheduler");

    tcase_set_timeout(tc, 120);
    tcase_add_checked_fixture(tc, start, stop);
    tcase_add_test(tc, each_gets_its_own_rows_of_a_batch);
    tcase_add_test(tc, a_model_that_is_not_joined_runs_each_alone);
    tcase_add_test(tc, more_rows_than_a_batch_are_computed_in_several_runs);
    tcase_add_test(tc, a_bad_neighbour_fails_alone);
    tcase_add_test(tc, late_ones_get_504_and_abandoned_ones_are_not_computed);
    tcase_add_test(tc, a_full_queue_says_no_and_serves_on);
    tcase_add_test(tc, more_rows_than_a_queue_are_refused_with_the_limit);
    tcase_add_test(tc, a_closed_scheduler_refuses);
    tcase_add_test(tc, a_known_cheap_model_runs_where_the_request_is);
    tcase_add_test(tc, a_turn_that_is_cheap_is_computed_where_it_ends);
    tcase_add_test(tc, a_large_run_is_split_while_all_else_idles);
    tcase_add_test(tc, storm);
    suite_add_tcase(suite, tc);
    return suite;
}
