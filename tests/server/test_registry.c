/* SPDX-License-Identifier: Apache-2.0
 * Hard cases 100 and 102: models that change, break, come and go while others predict. */
#include "server/serving/registry.h"

#include "server/observe/metrics.h"
#include "server/options.h"
#include "server/serving/scheduler.h"
#include "tests/support/run_suite.h"
#include "tests/support/scale_model.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

static char root[SCALE_ROOT_MAX];
static struct options options;
static struct metrics *metrics;
static struct registry *registry;

/* --- waiting for the loader --- */

struct outcome {
    pthread_mutex_t lock;
    pthread_cond_t wake;
    int heard;
    struct problem problem;
};

static void outcome_hear(void *arg, const struct problem *problem)
{
    struct outcome *outcome = arg;

    pthread_mutex_lock(&outcome->lock);
    outcome->heard++;
    outcome->problem = *problem;
    pthread_cond_signal(&outcome->wake);
    pthread_mutex_unlock(&outcome->lock);
}

static struct problem outcome_wait(struct outcome *outcome, int times)
{
    pthread_mutex_lock(&outcome->lock);
    while (outcome->heard < times)
        pthread_cond_wait(&outcome->wake, &outcome->lock);
    pthread_mutex_unlock(&outcome->lock);
    return outcome->problem;
}

#define OUTCOME {.lock = PTHREAD_MUTEX_INITIALIZER, .wake = PTHREAD_COND_INITIALIZER}

static struct problem scan(void)
{
    struct outcome outcome = OUTCOME;

    registry_scan(registry, (struct registry_done){outcome_hear, &outcome});
    return outcome_wait(&outcome, 1);
}

static struct problem load(const char *name)
{
    struct outcome outcome = OUTCOME;

    registry_load(registry, name, (struct registry_done){outcome_hear, &outcome});
    return outcome_wait(&outcome, 1);
}

static struct problem unload(const char *name)
{
    struct outcome outcome = OUTCOME;

    registry_unload(registry, name, (struct registry_done){outcome_hear, &outcome});
    return outcome_wait(&outcome, 1);
}

/* --- looking --- */

static int find_status(const char *name, const char *version)
{
    struct problem problem = {0};
    struct model_entry *entry = registry_find(registry, name, version, &problem);

    model_entry_unref(entry);
    return entry != NULL ? 200 : problem.status;
}

/* "3@1": version 3 in its first generation; "503" or "404" when there is none. */
static const char *found(const char *name, const char *version)
{
    static char text[64];
    struct problem problem = {0};
    struct model_entry *entry = registry_find(registry, name, version, &problem);
    int64_t generation;

    if (entry == NULL) {
        snprintf(text, sizeof(text), "%d", problem.status);
        return text;
    }
    weights_unref(model_entry_weights(entry, &generation));
    snprintf(text, sizeof(text), "%s@%lld", entry->version, (long long)generation);
    model_entry_unref(entry);
    return text;
}

/* "READY", or "UNAVAILABLE: why". */
static const char *listed(const char *name, const char *version)
{
    static char text[600];
    struct registry_list list;

    ck_assert(registry_list(registry, name, &list));
    strcpy(text, "absent");
    for (int i = 0; i < list.n_rows; i++) {
        const struct registry_row *row = &list.rows[i];

        if (version == NULL ? row->version == NULL
                            : row->version != NULL && strcmp(row->version, version) == 0)
            snprintf(text, sizeof(text), "%s%s%s", model_state_text(row->state),
                     row->reason != NULL ? ": " : "", row->reason != NULL ? row->reason : "");
    }
    registry_list_finish(&list);
    return text;
}

static void start(void)
{
    struct problem problem = {0};
    struct engine_error err = {0};

    scale_repository_make(root);
    memset(&options, 0, sizeof(options));
    options.model_repository = root;
    options.batch_size_max = 8;
    options.queue_rows_max = 4096;
    options.workers = 2;
    ck_assert_msg(engine_start(&err) == ENGINE_OK, "%s", err.text);
    metrics = metrics_create();
    registry = registry_create(&options, NULL, metrics, &problem);
    ck_assert_msg(registry != NULL, "%s", problem.text);
}

static void stop(void)
{
    registry_destroy(registry);
    metrics_destroy(metrics);
    scale_repository_remove(root);
}

#define ck_has(text, part) ck_assert_msg(strstr(text, part) != NULL, "'%s' lacks '%s'", text, part)

START_TEST(nothing_is_found_before_the_first_scan)
{
    ck_assert(!registry_started(registry));
    ck_assert_int_eq(find_status("a", NULL), 503);
    ck_assert_int_eq(scan().status, 0);
    ck_assert(registry_started(registry));
    ck_assert_int_eq(find_status("a", NULL), 404);
}
END_TEST

START_TEST(scan_loads_all_and_one_failure_stops_nobody)
{
    scale_model_write(root, "good", "3", 2);
    scale_model_write_text(root, "bad/1/model.onnx", "this is no model");
    scale_model_write_text(root, "empty/1/model.onnx", "");
    scale_model_write_text(root, "misconfigured/config.json", "{\"batch\": 1}");
    scale_model_write(root, "misconfigured", "1", 2);
    ck_assert_int_eq(scan().status, 0);
    ck_assert_str_eq(found("good", NULL), "3@1");
    ck_assert_str_eq(found("good", "3"), "3@1");
    ck_assert_str_eq(found("bad", NULL), "503");
    ck_assert_str_eq(listed("good", "3"), "READY");
    ck_has(listed("bad", "1"), "UNAVAILABLE: ");
    ck_has(listed("empty", "1"), "UNAVAILABLE: ");
    ck_has(listed("misconfigured", NULL), "unknown key 'batch'");
    ck_assert_int_eq(metrics_get(metrics, METRIC_MODELS_LOADED), 1);
}
END_TEST

START_TEST(versions_that_are_not_versions_are_not_found)
{
    static const char *const versions[] = {"0", "-1", "1", "03", "3 ", "latest", "3x",
                                           "99999999999999999999", "../3"};

    scale_model_write(root, "good", "3", 2);
    scan();
    for (size_t i = 0; i < sizeof(versions) / sizeof(versions[0]); i++)
        ck_assert_msg(find_status("good", versions[i]) == 404, "'%s'", versions[i]);
}
END_TEST

START_TEST(a_changed_file_is_replaced_and_an_unchanged_one_is_not)
{
    scale_model_write(root, "m", "1", 2);
    scan();
    scan();
    load("m");
    ck_assert_str_eq(found("m", NULL), "1@1");
    scale_model_write(root, "m", "1", 3);
    scan();
    ck_assert_str_eq(found("m", NULL), "1@2");
    scale_model_write_text(root, "m/config.json", "{\"max_batch_size\": 4}");
    scan();
    ck_assert_str_eq(found("m", NULL), "1@3");
    ck_assert_int_eq(metrics_get(metrics, METRIC_MODELS_LOADED), 1);
}
END_TEST

START_TEST(a_broken_reload_keeps_the_old_one_and_says_so)
{
    struct problem problem;
    struct model_totals totals;

    scale_model_write(root, "m", "1", 2);
    scan();
    scale_model_write_text(root, "m/1/model.onnx", "broken");
    ck_assert_int_eq(scan().status, 0);
    ck_assert_str_eq(found("m", NULL), "1@1");
    ck_has(listed("m", "1"), "READY: ");
    problem = load("m");
    ck_assert_int_eq(problem.status, 422);
    ck_has(problem.text, "model 'm' version 1");
    ck_assert_str_eq(found("m", NULL), "1@1");
    stats_collect(metrics_model(metrics, "m", "1"), &totals);
    ck_assert_uint_eq(totals.load_failures[STATS_LOAD_FAILURE_BAD_MODEL], 2);
    scan();                              /* nothing has changed: not tried again */
    stats_collect(metrics_model(metrics, "m", "1"), &totals);
    ck_assert_uint_eq(totals.load_failures[STATS_LOAD_FAILURE_BAD_MODEL], 2);
    scale_model_write(root, "m", "1", 5);
    scan();
    ck_assert_str_eq(listed("m", "1"), "READY");
    ck_assert_str_eq(found("m", NULL), "1@2");
}
END_TEST

START_TEST(a_broken_config_keeps_what_serves)
{
    scale_model_write(root, "m", "1", 2);
    scan();
    scale_model_write_text(root, "m/config.json", "{");
    scan();
    ck_assert_str_eq(found("m", NULL), "1@1");
    ck_assert_int_eq(load("m").status, 422);
    ck_assert_str_eq(found("m", NULL), "1@1");
}
END_TEST

START_TEST(an_old_version_goes_only_when_the_new_one_serves)
{
    scale_model_write(root, "m", "1", 2);
    scan();
    scale_model_write_text(root, "m/2/model.onnx", "broken");
    scan();
    ck_assert_str_eq(found("m", NULL), "1@1");
    ck_assert_int_eq(find_status("m", "2"), 503);
    scale_model_write(root, "m", "2", 3);
    scan();
    ck_assert_str_eq(found("m", NULL), "2@1");
    ck_assert_int_eq(find_status("m", "1"), 404);
    ck_assert_int_eq(metrics_get(metrics, METRIC_MODELS_LOADED), 1);
}
END_TEST

START_TEST(labels_and_policy_choose_versions)
{
    struct problem problem = {0};
    struct model_entry *entry;

    scale_model_write_text(root, "m/config.json",
                           "{\"version_policy\": \"all\", \"labels\": {\"stable\": 1, \"gone\": 9}}");
    scale_model_write(root, "m", "1", 2);
    scale_model_write(root, "m", "2", 3);
    scan();
    ck_assert_str_eq(found("m", NULL), "2@1");
    ck_assert_str_eq(found("m", "1"), "1@1");
    entry = registry_find_label(registry, "m", "stable", &problem);
    ck_assert_str_eq(entry->version, "1");
    model_entry_unref(entry);
    ck_assert_ptr_null(registry_find_label(registry, "m", "gone", &problem));
    ck_assert_int_eq(problem.status, 404);
    memset(&problem, 0, sizeof(problem));
    ck_assert_ptr_null(registry_find_label(registry, "m", "canary", &problem));
    ck_has(problem.text, "no label 'canary'");
}
END_TEST

START_TEST(unload_lasts_until_load)
{
    struct model_entry *entry;
    struct problem problem = {0};

    scale_model_write(root, "m", "1", 2);
    scan();
    entry = registry_find(registry, "m", NULL, &problem);
    ck_assert_int_eq(unload("m").status, 0);
    ck_assert_int_eq(find_status("m", NULL), 404);
    ck_assert_str_eq(listed("m", "1"), "UNAVAILABLE: unloaded");
    ck_assert_str_eq(entry->name, "m");  /* whoever holds it may go on */
    ck_assert_int_eq(model_n_inputs(entry->model), 1);
    model_entry_unref(entry);
    scan();
    ck_assert_int_eq(find_status("m", NULL), 404);
    ck_assert_int_eq(load("m").status, 0);
    ck_assert_str_eq(found("m", NULL), "1@2");
    ck_assert_int_eq(unload("nobody").status, 404);
    ck_assert_int_eq(load("nobody").status, 404);
    ck_assert_int_eq(load("../m").status, 404);
    ck_assert_int_eq(metrics_get(metrics, METRIC_MODELS_LOADED), 1);
}
END_TEST

START_TEST(a_model_that_vanishes_is_dropped)
{
    char command[128];

    scale_model_write(root, "m", "1", 2);
    scale_model_write(root, "n", "1", 2);
    scan();
    snprintf(command, sizeof(command), "rm -r '%s/m'", root);
    ck_assert_int_eq(system(command), 0);
    scan();
    ck_assert_int_eq(find_status("m", NULL), 404);
    ck_assert_str_eq(listed("m", "1"), "absent");
    ck_assert_str_eq(found("n", NULL), "1@1");
    snprintf(command, sizeof(command), "rm -r '%s/n'", root);
    ck_assert_int_eq(system(command), 0);
    ck_assert_int_eq(load("n").status, 404);
    ck_assert_int_eq(find_status("n", NULL), 404);
    ck_assert_int_eq(metrics_get(metrics, METRIC_MODELS_LOADED), 0);
}
END_TEST

/* Hard case 104: no descriptor is left for looking; what serves is not taken for gone. */
START_TEST(a_repository_that_cannot_be_read_changes_nothing)
{
    struct rlimit before, none;
    int spare[64], n_spare = 0, failures = 0;

    scale_model_write(root, "m", "1", 2);
    scale_model_write_text(root, "m/config.json", "{}");
    scale_model_write(root, "n", "1", 2);
    scan();
    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &before), 0);
    none = before;
    none.rlim_cur = 32;
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &none), 0);
    while (n_spare < 64 && (spare[n_spare] = dup(0)) >= 0)
        n_spare++;
    for (int left = 0; left < 8 && left < n_spare; left++) {   /* each step of a look fails once */
        failures += scan().status != 0;
        ck_assert_str_eq(found("m", NULL), "1@1");
        ck_assert_str_eq(found("n", NULL), "1@1");
        close(spare[left]);
        spare[left] = -1;
    }
    for (int i = 0; i < n_spare; i++) {
        if (spare[i] >= 0)
            close(spare[i]);
    }
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &before), 0);
    ck_assert_int_gt(failures, 0);
    ck_assert_int_eq(load("m").status, 0);
    ck_assert_int_eq(load("n").status, 0);
    ck_assert_str_eq(listed("m", "1"), "READY");
    ck_assert_int_eq(find_status("m", NULL), 200);
}
END_TEST

START_TEST(loads_at_once_are_one_load_and_all_hear)
{
    struct outcome outcome = OUTCOME;

    scale_model_write(root, "m", "1", 2);
    scan();
    scale_model_write(root, "m", "1", 3);
    for (int i = 0; i < 50; i++)
        registry_load(registry, "m", (struct registry_done){outcome_hear, &outcome});
    ck_assert_int_eq(outcome_wait(&outcome, 50).status, 0);
    ck_assert_int_eq(outcome.heard, 50);
    ck_assert_str_eq(found("m", NULL), "1@2");
}
END_TEST

START_TEST(shutdown_answers_what_waits)
{
    struct outcome outcome = OUTCOME;
    struct problem problem = {0};

    scale_model_write(root, "m", "1", 2);
    for (int i = 0; i < 20; i++) {
        registry_load(registry, "m", (struct registry_done){outcome_hear, &outcome});
        registry_unload(registry, "m", (struct registry_done){outcome_hear, &outcome});
    }
    registry_destroy(registry);
    ck_assert_int_eq(outcome.heard, 40);
    registry = registry_create(&options, NULL, metrics, &problem);   /* for stop() */
}
END_TEST

/* --- the storm: clients predict while files change, models go and come back --- */

enum { STORM_CLIENTS = 3, STORM_RELOADS = 60, GENERATIONS_MAX = 4096 };

static _Atomic bool storm_over;
static float factor_of[GENERATIONS_MAX];     /* of "steady", by generation; written before it serves */

struct storm_job {
    struct infer_job job;
    struct tensor input;
    float x[SCALE_WIDTH];
    pthread_mutex_t lock;
    pthread_cond_t wake;
    bool answered;
    struct problem problem;
    float y[SCALE_WIDTH];
};

static void storm_finish(struct infer_job *job, const struct tensor *outputs,
                         const struct problem *problem)
{
    struct storm_job *sj = (struct storm_job *)job;

    model_entry_unref(job->entry);
    pthread_mutex_lock(&sj->lock);
    sj->problem = *problem;
    if (outputs != NULL)
        memcpy(sj->y, outputs[0].data, sizeof(sj->y));
    sj->answered = true;
    pthread_cond_signal(&sj->wake);
    pthread_mutex_unlock(&sj->lock);
}

/* One prediction through the scheduler; waits for it. */
static void storm_predict(struct scheduler *scheduler, const char *model, float x,
                          struct storm_job *sj)
{
    struct problem problem = {0};

    memset(sj, 0, sizeof(*sj));
    pthread_mutex_init(&sj->lock, NULL);
    pthread_cond_init(&sj->wake, NULL);
    sj->x[0] = sj->x[1] = x;
    sj->input = (struct tensor){DTYPE_F32, {2, {1, SCALE_WIDTH}}, sj->x};
    sj->job = (struct infer_job){.inputs = &sj->input, .rows = 1, .deadline_ns = UINT64_MAX,
                                 .priority = JOB_PRIORITY_DEFAULT, .finish = storm_finish};
    sj->job.entry = registry_find(registry, model, NULL, &sj->problem);
    if (sj->job.entry == NULL)
        return;
    if (!scheduler_submit(scheduler, &sj->job, &problem)) {
        sj->problem = problem;
        model_entry_unref(sj->job.entry);
        return;
    }
    pthread_mutex_lock(&sj->lock);
    while (!sj->answered)
        pthread_cond_wait(&sj->wake, &sj->lock);
    pthread_mutex_unlock(&sj->lock);
}

struct storm_client {
    struct scheduler *scheduler;
    pthread_t thread;
    int answered;
    char complaint[256];
};

static void *storm_client_main(void *arg)
{
    struct storm_client *client = arg;
    struct storm_job sj;

    for (int i = 1; !atomic_load(&storm_over) && client->complaint[0] == '\0'; i++) {
        float x = (float)(i % 1000);

        storm_predict(client->scheduler, "steady", x, &sj);
        if (sj.problem.status != 0)
            snprintf(client->complaint, sizeof(client->complaint), "steady: %d %.200s",
                     sj.problem.status, sj.problem.text);
        else if (sj.y[0] != x * factor_of[sj.job.generation] || sj.y[1] != sj.y[0])
            snprintf(client->complaint, sizeof(client->complaint),
                     "generation %lld answers %g for %g, its factor is %g",
                     (long long)sj.job.generation, (double)sj.y[0], (double)x,
                     (double)factor_of[sj.job.generation]);
        storm_predict(client->scheduler, "flighty", x, &sj);
        if (sj.problem.status != 0 && sj.problem.status != 404 && sj.problem.status != 503)
            snprintf(client->complaint, sizeof(client->complaint), "flighty: %d %.200s",
                     sj.problem.status, sj.problem.text);
        else if (sj.problem.status == 0 && sj.y[0] != x * 7)
            snprintf(client->complaint, sizeof(client->complaint), "flighty answers %g for %g",
                     (double)sj.y[0], (double)x);
        client->answered++;
    }
    return NULL;
}

/* Loads and unloads the other model as fast as it goes. */
static void *storm_toggle_main(void *arg)
{
    (void)arg;
    while (!atomic_load(&storm_over)) {
        unload("flighty");
        load("flighty");
    }
    return NULL;
}

START_TEST(storm)
{
    struct storm_client clients[STORM_CLIENTS] = {0};
    struct problem problem = {0};
    struct scheduler *scheduler = scheduler_create(&options, NULL, metrics, &problem);
    pthread_t toggle;
    int reloads = STORM_RELOADS * test_scale();

    ck_assert_msg(scheduler != NULL, "%s", problem.text);
    reloads = reloads < GENERATIONS_MAX - 2 ? reloads : GENERATIONS_MAX - 2;
    factor_of[1] = 1;
    scale_model_write(root, "steady", "1", 1);
    scale_model_write(root, "flighty", "1", 7);
    scan();
    for (int i = 0; i < STORM_CLIENTS; i++) {
        clients[i].scheduler = scheduler;
        pthread_create(&clients[i].thread, NULL, storm_client_main, &clients[i]);
    }
    pthread_create(&toggle, NULL, storm_toggle_main, NULL);
    for (int generation = 2; generation < 2 + reloads; generation++) {
        factor_of[generation] = (float)generation;
        scale_model_write(root, "steady", "1", (float)generation);
        ck_assert_int_eq(load("steady").status, 0);
        if (generation % 8 == 0) {       /* a broken file in between disturbs nobody */
            scale_model_write_text(root, "steady/1/model.onnx", "broken");
            ck_assert_int_eq(load("steady").status, 422);
        }
        usleep(500);
    }
    atomic_store(&storm_over, true);
    pthread_join(toggle, NULL);
    for (int i = 0; i < STORM_CLIENTS; i++) {
        pthread_join(clients[i].thread, NULL);
        ck_assert_msg(clients[i].complaint[0] == '\0', "%s", clients[i].complaint);
        ck_assert_msg(clients[i].answered > 10, "a client was hardly served");
    }
    scheduler_destroy(scheduler);
}
END_TEST

Suite *make_suite(void)
{
    Suite *suite = suite_create("registry");
    TCase *tc = tcase_create("registry");

    tcase_set_timeout(tc, 120);
    tcase_add_checked_fixture(tc, start, stop);
    tcase_add_test(tc, nothing_is_found_before_the_first_scan);
    tcase_add_test(tc, scan_loads_all_and_one_failure_stops_nobody);
    tcase_add_test(tc, versions_that_are_not_versions_are_not_found);
    tcase_add_test(tc, a_changed_file_is_replaced_and_an_unchanged_one_is_not);
    tcase_add_test(tc, a_broken_reload_keeps_the_old_one_and_says_so);
    tcase_add_test(tc, a_broken_config_keeps_what_serves);
    tcase_add_test(tc, an_old_version_goes_only_when_the_new_one_serves);
    tcase_add_test(tc, labels_and_policy_choose_versions);
    tcase_add_test(tc, unload_lasts_until_load);
    tcase_add_test(tc, a_model_that_vanishes_is_dropped);
    tcase_add_test(tc, a_repository_that_cannot_be_read_changes_nothing);
    tcase_add_test(tc, loads_at_once_are_one_load_and_all_hear);
    tcase_add_test(tc, shutdown_answers_what_waits);
    tcase_add_test(tc, storm);
    suite_add_tcase(suite, tc);
    return suite;
}
