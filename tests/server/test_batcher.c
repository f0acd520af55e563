/* SPDX-License-Identifier: Apache-2.0
 * The batcher is pure: these tests are its clock and its workers. */
#include "server/serving/batcher.h"
#include "tests/support/run_suite.h"

#include <stdlib.h>
#include <string.h>

enum { MODELS = 3, WIDTHS = 3, MS = 1000000 };

struct rig {
    struct batcher batcher;
    struct model_entry entries[MODELS];
};

struct job_case {
    struct infer_job job;
    struct tensor input;
    bool abandoned;
    bool out;                            /* came out of the batcher */
    uint64_t sequence;
};

static void rig_init(struct rig *rig, int64_t queue_rows_max, int batch_size_max,
                     uint64_t delay_ns)
{
    static const char *const names[MODELS] = {"a", "b", "c"};

    memset(rig, 0, sizeof(*rig));
    batcher_init(&rig->batcher, queue_rows_max, 1);
    for (int i = 0; i < MODELS; i++) {
        rig->entries[i].name = names[i];
        rig->entries[i].version = "1";
        rig->entries[i].n_inputs = 1;
        rig->entries[i].batch_size_max = batch_size_max;
        rig->entries[i].queue = model_queue_create(batch_size_max, delay_ns);
    }
}

static void rig_finish(struct rig *rig)
{
    for (int i = 0; i < MODELS; i++)
        model_queue_destroy(rig->entries[i].queue);
}

static bool is_abandoned(const struct infer_job *job)
{
    return ((const struct job_case *)job)->abandoned;
}

static void job_init(struct job_case *jc, struct rig *rig, int model, int64_t rows, int64_t width,
                     uint64_t deadline_ns)
{
    memset(jc, 0, sizeof(*jc));
    jc->input.dtype = DTYPE_F32;
    jc->input.shape = (struct shape){2, {rows, width}};
    jc->job.entry = &rig->entries[model];
    jc->job.inputs = &jc->input;
    jc->job.rows = rows;
    jc->job.deadline_ns = deadline_ns;
    jc->job.priority = JOB_PRIORITY_DEFAULT;
    jc->job.is_abandoned = is_abandoned;
}

static bool push(struct rig *rig, struct job_case *jc, uint64_t now_ns)
{
    struct problem problem = {0};

    return batcher_push(&rig->batcher, &jc->job, now_ns, &problem);
}

static int chain_length(const struct infer_job *job)
{
    int length = 0;

    for (; job != NULL; job = job->next)
        length++;
    return length;
}

START_TEST(jobs_of_one_shape_are_joined_in_order)
{
    struct rig rig;
    struct job_case jobs[6];
    struct batcher_turn turn;
    static const int widths[6] = {4, 4, 5, 4, 5, 4};

    rig_init(&rig, 100, 8, 0);
    for (int i = 0; i < 6; i++) {
        job_init(&jobs[i], &rig, 0, 2, widths[i], UINT64_MAX);
        ck_assert(push(&rig, &jobs[i], 10));
    }
    batcher_take(&rig.batcher, 20, &turn);
    ck_assert_int_eq(turn.n_jobs, 4);
    ck_assert_int_eq(turn.rows, 8);
    ck_assert_ptr_eq(turn.jobs, &jobs[0].job);
    ck_assert_ptr_eq(turn.jobs->next, &jobs[1].job);
    ck_assert_ptr_eq(turn.jobs->next->next, &jobs[3].job);
    ck_assert_ptr_eq(turn.jobs->next->next->next, &jobs[5].job);
    ck_assert_uint_eq(turn.jobs->started_ns, 20);
    batcher_take(&rig.batcher, 20, &turn);
    ck_assert_int_eq(turn.n_jobs, 2);
    ck_assert_ptr_eq(turn.jobs, &jobs[2].job);
    batcher_take(&rig.batcher, 20, &turn);
    ck_assert_ptr_null(turn.jobs);
    ck_assert_uint_eq(turn.look_again_ns, UINT64_MAX);
    ck_assert_ptr_null(rig.batcher.turn);
    rig_finish(&rig);
}
END_TEST

START_TEST(a_model_without_batches_runs_one_by_one)
{
    struct rig rig;
    struct job_case jobs[2];
    struct batcher_turn turn;

    rig_init(&rig, 100, 1, 0);
    for (int i = 0; i < 2; i++) {
        job_init(&jobs[i], &rig, 0, 1, 4, UINT64_MAX);
        ck_assert(push(&rig, &jobs[i], 10));
    }
    batcher_take(&rig.batcher, 20, &turn);
    ck_assert_int_eq(turn.n_jobs, 1);
    rig_finish(&rig);
}
END_TEST

START_TEST(a_job_beyond_the_batch_size_goes_alone)
{
    struct rig rig;
    struct job_case jobs[3];
    struct batcher_turn turn;
    static const int64_t rows[3] = {2, 20, 2};

    rig_init(&rig, 100, 8, 0);
    for (int i = 0; i < 3; i++) {
        job_init(&jobs[i], &rig, 0, rows[i], 4, UINT64_MAX);
        ck_assert(push(&rig, &jobs[i], 10));
    }
    for (int i = 0; i < 3; i++) {        /* the last is not let past the large one */
        batcher_take(&rig.batcher, 20, &turn);
        ck_assert_int_eq(turn.n_jobs, 1);
        ck_assert_ptr_eq(turn.jobs, &jobs[i].job);
    }
    rig_finish(&rig);
}
END_TEST

START_TEST(priority_goes_first_and_equals_keep_their_order)
{
    struct rig rig;
    struct job_case jobs[5];
    struct batcher_turn turn;
    static const int priorities[5] = {100, 200, 100, 1, 200};
    static const int order[5] = {3, 0, 2, 1, 4};

    rig_init(&rig, 100, 1, 0);
    for (int i = 0; i < 5; i++) {
        job_init(&jobs[i], &rig, 0, 1, 4, UINT64_MAX);
        jobs[i].job.priority = priorities[i];
        ck_assert(push(&rig, &jobs[i], 10));
    }
    for (int i = 0; i < 5; i++) {
        batcher_take(&rig.batcher, 20, &turn);
        ck_assert_msg(turn.jobs == &jobs[order[i]].job, "turn %d is not job %d", i, order[i]);
    }
    rig_finish(&rig);
}
END_TEST

START_TEST(late_and_abandoned_jobs_are_dropped_without_a_run)
{
    struct rig rig;
    struct job_case jobs[5];
    struct batcher_turn turn;
    struct infer_job *dropped;

    rig_init(&rig, 100, 8, 0);
    for (int i = 0; i < 5; i++) {
        job_init(&jobs[i], &rig, 0, 1, 4, i == 0 || i == 3 ? 50 : 100 + (uint64_t)i);
        ck_assert(push(&rig, &jobs[i], 10));
    }
    jobs[2].abandoned = true;
    batcher_take(&rig.batcher, 50, &turn);
    ck_assert_int_eq(turn.n_jobs, 2);
    ck_assert_int_eq(chain_length(turn.dropped), 3);
    ck_assert_int_eq(rig.batcher.jobs, 0);

    job_init(&jobs[0], &rig, 0, 1, 4, 200);
    job_init(&jobs[1], &rig, 1, 1, 4, 150);
    job_init(&jobs[2], &rig, 1, 1, 4, 130);
    for (int i = 0; i < 3; i++)
        ck_assert(push(&rig, &jobs[i], 110));
    ck_assert_uint_eq(batcher_expire(&rig.batcher, 130, &dropped), 150);
    ck_assert_ptr_eq(dropped, &jobs[2].job);
    ck_assert_uint_eq(batcher_expire(&rig.batcher, 300, &dropped), UINT64_MAX);
    ck_assert_int_eq(chain_length(dropped), 2);
    ck_assert_ptr_null(rig.batcher.turn);
    rig_finish(&rig);
}
END_TEST

START_TEST(models_take_turns)
{
    struct rig rig;
    struct job_case jobs[12];
    struct batcher_turn turn;
    static const int models[12] = {0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 2, 2};
    static const int served[6] = {0, 1, 2, 0, 0, 0};

    rig_init(&rig, 100, 2, 0);
    for (int i = 0; i < 12; i++) {
        job_init(&jobs[i], &rig, models[i], 1, 4, UINT64_MAX);
        ck_assert(push(&rig, &jobs[i], 10));
    }
    for (int i = 0; i < 6; i++) {
        batcher_take(&rig.batcher, 20, &turn);
        ck_assert_msg(turn.jobs != NULL && turn.jobs->entry == &rig.entries[served[i]],
                      "turn %d is not model %d's", i, served[i]);
    }
    rig_finish(&rig);
}
END_TEST

START_TEST(a_delay_waits_until_full_or_due)
{
    struct rig rig;
    struct job_case jobs[5];
    struct batcher_turn turn;

    rig_init(&rig, 100, 4, 1000);
    job_init(&jobs[0], &rig, 0, 1, 4, UINT64_MAX);
    ck_assert(push(&rig, &jobs[0], 10));
    batcher_take(&rig.batcher, 20, &turn);
    ck_assert_ptr_null(turn.jobs);
    ck_assert_uint_eq(turn.look_again_ns, 1010);
    batcher_take(&rig.batcher, 1010, &turn);
    ck_assert_int_eq(turn.n_jobs, 1);
    for (int i = 1; i < 5; i++) {
        job_init(&jobs[i], &rig, 0, 1, 4, UINT64_MAX);
        ck_assert(push(&rig, &jobs[i], 2000));
    }
    batcher_take(&rig.batcher, 2001, &turn);
    ck_assert_int_eq(turn.n_jobs, 4);

    job_init(&jobs[0], &rig, 0, 1, 4, 5500);   /* a deadline before the delay is over */
    ck_assert(push(&rig, &jobs[0], 5000));
    batcher_take(&rig.batcher, 5001, &turn);
    ck_assert_uint_eq(turn.look_again_ns, 5500);
    rig_finish(&rig);
}
END_TEST

/* What is refused, given a queue of 8 rows at most with 6 in it and runs of 100 ms. */
static const struct {
    const char *name;
    int64_t rows;
    uint64_t deadline_ns;
    int status;
    const char *reason;
    int retry_after_s;
} refusals[] = {
    {"fits", 2, 10000ULL * MS, 0, NULL, 0},
    {"one row too many", 3, 10000ULL * MS, 503, "queue_full", 1},
    {"more than any queue holds", 9, 10000ULL * MS, 400, "batch_too_large", 0},
    {"deadline is now", 1, 1, 504, "deadline", 0},
    {"deadline before the forecast", 1, 300ULL * MS, 503, "overloaded", 1},
    {"deadline behind the forecast", 1, 1000ULL * MS, 0, NULL, 0},
};

START_TEST(admission)
{
    struct rig rig;
    struct job_case jobs[3], late;
    struct problem problem = {0};
    bool taken;

    rig_init(&rig, 8, 2, 0);
    cost_model_learn(&rig.entries[0].queue->cost, 2, 100 * MS);
    for (int i = 0; i < 3; i++) {
        job_init(&jobs[i], &rig, 0, 2, 4, UINT64_MAX);
        ck_assert(push(&rig, &jobs[i], 1));
    }
    job_init(&late, &rig, 0, refusals[_i].rows, 4, refusals[_i].deadline_ns);
    taken = batcher_push(&rig.batcher, &late.job, 1, &problem);
    ck_assert_msg(taken == (refusals[_i].status == 0), "%s", refusals[_i].name);
    ck_assert_msg(problem.status == refusals[_i].status, "%s: %d", refusals[_i].name,
                  problem.status);
    ck_assert_msg(problem.retry_after_s == refusals[_i].retry_after_s, "%s: retry after %d",
                  refusals[_i].name, problem.retry_after_s);
    if (refusals[_i].reason != NULL)
        ck_assert_str_eq(problem.reason, refusals[_i].reason);
    rig_finish(&rig);
}
END_TEST

START_TEST(an_idle_model_is_tried_whatever_the_forecast)
{
    struct rig rig;
    struct job_case jc;

    rig_init(&rig, 8, 2, 0);
    cost_model_learn(&rig.entries[0].queue->cost, 2, 100 * MS);
    job_init(&jc, &rig, 0, 1, 4, 10 * MS);
    ck_assert(push(&rig, &jc, 1));
    rig_finish(&rig);
}
END_TEST

START_TEST(inline_needs_a_cheap_and_idle_model)
{
    struct rig rig;
    struct job_case jc, other, large, late;
    struct model_queue *queue;

    rig_init(&rig, 8, 4, 0);
    queue = rig.entries[0].queue;
    job_init(&jc, &rig, 0, 1, 4, UINT64_MAX);
    job_init(&other, &rig, 0, 1, 4, UINT64_MAX);
    job_init(&large, &rig, 0, 5, 4, UINT64_MAX);
    job_init(&late, &rig, 0, 1, 4, 10);
    ck_assert_msg(!batcher_begin_inline(&jc.job, 10, 20000), "cost is not known yet");
    cost_model_learn(&queue->cost, 1, 15000);
    ck_assert_msg(!batcher_begin_inline(&jc.job, 10, 10000), "dearer than allowed");
    ck_assert_msg(!batcher_begin_inline(&large.job, 10, 20000), "more than a batch");
    ck_assert_msg(!batcher_begin_inline(&late.job, 10, 20000), "too late");
    ck_assert(batcher_begin_inline(&jc.job, 10, 20000));
    ck_assert_msg(!batcher_begin_inline(&other.job, 10, 20000), "one is under way");
    batcher_ran(queue, 1, 15000);
    ck_assert(push(&rig, &other, 10));
    ck_assert_msg(!batcher_begin_inline(&jc.job, 10, 20000), "one waits");
    rig_finish(&rig);
}
END_TEST

START_TEST(cheap_turns_leave_the_rest_in_its_place)
{
    struct rig rig;
    struct job_case cheap[2], dear, unknown, large;
    struct batcher_turn turn;

    rig_init(&rig, 100, 8, 0);
    job_init(&dear, &rig, 0, 1, 4, UINT64_MAX);
    job_init(&cheap[0], &rig, 1, 1, 4, UINT64_MAX);
    job_init(&cheap[1], &rig, 1, 1, 4, UINT64_MAX);
    job_init(&unknown, &rig, 2, 1, 4, UINT64_MAX);
    job_init(&large, &rig, 1, 9, 4, UINT64_MAX);
    cost_model_learn(&rig.entries[0].queue->cost, 1, 50000);
    cost_model_learn(&rig.entries[1].queue->cost, 2, 1000);
    ck_assert(push(&rig, &dear, 10) && push(&rig, &cheap[0], 10) && push(&rig, &cheap[1], 10) &&
              push(&rig, &unknown, 10));
    batcher_take_cheap(&rig.batcher, 20, 20000, &turn);
    ck_assert_ptr_eq(turn.jobs, &cheap[0].job);
    ck_assert_int_eq(turn.n_jobs, 2);
    batcher_ran(rig.entries[1].queue, 2, 1000);
    batcher_take_cheap(&rig.batcher, 20, 20000, &turn);
    ck_assert_msg(turn.jobs == NULL, "dear and unknown are for workers");
    ck_assert(push(&rig, &large, 20));
    batcher_take_cheap(&rig.batcher, 20, 20000, &turn);
    ck_assert_msg(turn.jobs == NULL, "more rows than a batch take several runs");
    ck_assert_int_eq(rig.batcher.jobs, 3);
    for (int i = 0; i < 3; i++) {
        batcher_take(&rig.batcher, 30, &turn);
        ck_assert_int_eq(turn.n_jobs, 1);
    }
    ck_assert_int_eq(rig.batcher.jobs, 0);
    rig_finish(&rig);
}
END_TEST

START_TEST(backlog_is_the_work_of_all_models)
{
    struct rig rig;
    struct job_case jobs[3];

    rig_init(&rig, 100, 4, 0);
    ck_assert_double_eq(batcher_backlog_ns(&rig.batcher), 0);
    cost_model_learn(&rig.entries[0].queue->cost, 1, 1000);
    cost_model_learn(&rig.entries[1].queue->cost, 1, 500);
    for (int i = 0; i < 3; i++)
        job_init(&jobs[i], &rig, i, 1, 4, UINT64_MAX);
    ck_assert(push(&rig, &jobs[0], 10) && push(&rig, &jobs[1], 10));
    ck_assert_double_eq_tol(batcher_backlog_ns(&rig.batcher), 1500, 1e-6);
    ck_assert(push(&rig, &jobs[2], 10));
    ck_assert_msg(batcher_backlog_ns(&rig.batcher) > 1e30, "a cost that is unknown counts as large");
    rig_finish(&rig);
}
END_TEST

/* --- the seeded test: random events against a simple account of what must be true --- */

enum { STORM_JOBS = 400, STORM_ROWS_MAX = 64, STORM_BATCH_MAX = 8 };

struct storm {
    struct rig rig;
    struct job_case jobs[STORM_JOBS];
    uint64_t random, now_ns, sequence;
    int64_t rows[MODELS];                /* waiting, by the test's own count */
    uint64_t last_out[MODELS][WIDTHS];   /* sequence of the last job computed, by shape */
    int turns_since[MODELS];             /* turns of others while it had due work */
};

static int model_of(const struct storm *storm, const struct infer_job *job)
{
    return (int)(job->entry - storm->rig.entries);
}

static void storm_leave(struct storm *storm, struct job_case *jc)
{
    int model = model_of(storm, &jc->job);

    ck_assert_msg(!jc->out, "a job came out twice");
    jc->out = true;
    storm->rows[model] -= jc->job.rows;
    if (storm->rows[model] == 0)         /* it loses its place in turn */
        storm->turns_since[model] = 0;
}

static void storm_push(struct storm *storm)
{
    struct problem problem = {0};
    struct job_case *jc;
    int model = (int)(test_random(&storm->random) % MODELS);
    int64_t rows = 1 + (int64_t)(test_random(&storm->random) % 12);
    bool fits = storm->rows[model] + rows <= STORM_ROWS_MAX;

    for (jc = storm->jobs; jc < storm->jobs + STORM_JOBS && !jc->out; jc++)
        ;
    if (jc == storm->jobs + STORM_JOBS)
        return;
    job_init(jc, &storm->rig, model, rows, 1 + (int64_t)(test_random(&storm->random) % WIDTHS),
             storm->now_ns + 1 + test_random(&storm->random) % 5000);
    jc->out = true;                      /* until it is in */
    if (batcher_push(&storm->rig.batcher, &jc->job, storm->now_ns, &problem)) {
        ck_assert_msg(fits, "a full queue took a job");
        jc->out = false;
        jc->sequence = ++storm->sequence;
        storm->rows[model] += rows;
    } else {
        ck_assert_msg(!fits, "refused with room: %s", problem.text);
        ck_assert_int_eq(problem.status, 503);
        ck_assert_int_ge(problem.retry_after_s, 1);
    }
}

static void storm_check_dropped(struct storm *storm, struct infer_job *job)
{
    for (struct infer_job *next; job != NULL; job = next) {
        struct job_case *jc = (struct job_case *)job;

        next = job->next;
        ck_assert_msg(jc->abandoned || job->deadline_ns <= storm->now_ns,
                      "a job was dropped that is neither late nor abandoned");
        storm_leave(storm, jc);
    }
}

static void storm_take(struct storm *storm)
{
    struct batcher_turn turn;
    int model;
    int64_t rows = 0;

    batcher_take(&storm->rig.batcher, storm->now_ns, &turn);
    storm_check_dropped(storm, turn.dropped);
    if (turn.jobs == NULL) {
        for (int i = 0; i < MODELS; i++)
            ck_assert_msg(storm->rows[i] == 0, "model %d waits for an idle worker", i);
        return;
    }
    model = model_of(storm, turn.jobs);
    for (struct infer_job *job = turn.jobs, *next; job != NULL; job = next) {
        struct job_case *jc = (struct job_case *)job;
        uint64_t *last = &storm->last_out[model][jc->input.shape.dims[1] - 1];

        next = job->next;
        rows += job->rows;
        ck_assert_msg(job->entry == turn.jobs->entry && job->inputs->shape.dims[1] ==
                      turn.jobs->inputs->shape.dims[1], "strangers share a batch");
        ck_assert_msg(!jc->abandoned && job->deadline_ns > storm->now_ns, "a stale job is computed");
        ck_assert_msg(jc->sequence > *last, "jobs of one shape overtake each other");
        *last = jc->sequence;
        storm_leave(storm, jc);
    }
    ck_assert_int_eq(rows, turn.rows);
    ck_assert_msg(rows <= STORM_BATCH_MAX || turn.n_jobs == 1, "a batch of %lld rows",
                  (long long)rows);
    batcher_ran(storm->rig.entries[model].queue, rows, 0);   /* no forecast: room decides */
    for (int i = 0; i < MODELS; i++) {
        storm->turns_since[i] = i == model || storm->rows[i] == 0 ? 0 : storm->turns_since[i] + 1;
        ck_assert_msg(storm->turns_since[i] < MODELS, "model %d starves", i);
    }
}

static void storm_step(struct storm *storm)
{
    uint64_t dice = test_random(&storm->random) % 100;
    struct infer_job *dropped;

    storm->now_ns += test_random(&storm->random) % 50;
    if (dice < 60)
        storm_push(storm);
    else if (dice < 90)
        storm_take(storm);
    else if (dice < 97)
        storm->jobs[test_random(&storm->random) % STORM_JOBS].abandoned = true;
    else {
        uint64_t earliest_ns = batcher_expire(&storm->rig.batcher, storm->now_ns, &dropped);

        storm_check_dropped(storm, dropped);
        for (int i = 0; i < STORM_JOBS; i++)
            ck_assert_msg(storm->jobs[i].out || storm->jobs[i].job.deadline_ns >= earliest_ns,
                          "expire names a deadline that is not the earliest");
    }
    for (int i = 0; i < MODELS; i++)
        ck_assert_int_eq(storm->rig.entries[i].queue->rows, storm->rows[i]);
}

START_TEST(storm)
{
    static struct storm state;
    struct infer_job *dropped;

    memset(&state, 0, sizeof(state));
    state.random = test_seed();
    rig_init(&state.rig, STORM_ROWS_MAX, STORM_BATCH_MAX, 0);
    for (int i = 0; i < STORM_JOBS; i++)
        state.jobs[i].out = true;
    for (int step = 0; step < 100000 * test_scale(); step++)
        storm_step(&state);
    ck_assert_msg(state.sequence > 10000, "the storm is a breeze");
    state.now_ns += 1000000;
    batcher_expire(&state.rig.batcher, state.now_ns, &dropped);
    storm_check_dropped(&state, dropped);
    for (int i = 0; i < STORM_JOBS; i++)
        ck_assert_msg(state.jobs[i].out, "a job was lost");
    ck_assert_int_eq(state.rig.batcher.jobs, 0);
    rig_finish(&state.rig);
}
END_TEST

Suite *make_suite(void)
{
    Suite *suite = suite_create("batcher");
    TCase *tc = tcase_create("batcher");

    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, jobs_of_one_shape_are_joined_in_order);
    tcase_add_test(tc, a_model_without_batches_runs_one_by_one);
    tcase_add_test(tc, a_job_beyond_the_batch_size_goes_alone);
    tcase_add_test(tc, priority_goes_first_and_equals_keep_their_order);
    tcase_add_test(tc, late_and_abandoned_jobs_are_dropped_without_a_run);
    tcase_add_test(tc, models_take_turns);
    tcase_add_test(tc, a_delay_waits_until_full_or_due);
    tcase_add_loop_test(tc, admission, 0, sizeof(refusals) / sizeof(refusals[0]));
    tcase_add_test(tc, an_idle_model_is_tried_whatever_the_forecast);
    tcase_add_test(tc, inline_needs_a_cheap_and_idle_model);
    tcase_add_test(tc, cheap_turns_leave_the_rest_in_its_place);
    tcase_add_test(tc, backlog_is_the_work_of_all_models);
    tcase_add_test(tc, storm);
    suite_add_tcase(suite, tc);
    return suite;
}
