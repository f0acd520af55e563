/* SPDX-License-Identifier: Apache-2.0 */
#include "server/observe/metrics.h"
#include "server/observe/metrics_table.h"
#include "tests/support/run_suite.h"

#include <jansson.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define X(id, name, label) name,
static const char *const wide_names[] = {METRIC_MAP(X)};
#undef X

static bool ends_with(const char *text, const char *end)
{
    size_t length = strlen(text), end_length = strlen(end);

    return length >= end_length && strcmp(text + length - end_length, end) == 0;
}

/* The exposition as one string; the caller frees it. */
static char *scrape(const struct metrics *metrics, bool openmetrics)
{
    struct text text;

    text_init(&text);
    metrics_write(metrics, openmetrics, &text);
    text_append(&text, "", 1);
    ck_assert(!text.failed);
    return text.data;
}

/* The number on the line that starts with `series` and a space; fails when there is none. */
static double sample(const char *exposition, const char *series)
{
    size_t length = strlen(series);

    for (const char *line = exposition; line != NULL; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (strncmp(line, series, length) == 0 && line[length] == ' ')
            return strtod(line + length + 1, NULL);
        if (*line == '\0')
            break;
    }
    ck_abort_msg("no series '%s' in:\n%s", series, exposition);
}

START_TEST(families_are_sorted_and_unique)
{
    for (const struct metric_family *family = metric_families; family->name != NULL; family++) {
        if (family > metric_families)
            ck_assert_msg(strcmp(family[-1].name, family->name) < 0, "'%s' is out of order",
                          family->name);
        ck_assert_msg(family->help[0] != '\0', "'%s' has no help", family->name);
        ck_assert_msg((family->type == METRIC_TYPE_COUNTER) == ends_with(family->name, "_total"),
                      "'%s': counters, and only they, end in _total", family->name);
        ck_assert_msg(strstr(family->name, family->unit) != NULL, "'%s' lacks its unit '%s'",
                      family->name, family->unit);
    }
}
END_TEST

START_TEST(every_process_wide_number_is_in_the_table)
{
    int found = 0;

    for (const struct metric_family *family = metric_families; family->name != NULL; family++)
        found += strcmp(family->name, wide_names[_i]) == 0;
    ck_assert_msg(found == 1, "'%s' is in the table %d times", wide_names[_i], found);
}
END_TEST

START_TEST(each_number_reaches_its_series)
{
    struct metrics *metrics = metrics_create();
    char *exposition;

    for (int i = 0; i < METRIC_NUMBERS; i++)
        metrics_add(metrics, (enum metric)i, 100 + i);
    exposition = scrape(metrics, false);
    ck_assert_double_eq(sample(exposition, "inferd_connections"), 100 + METRIC_CONNECTIONS);
    ck_assert_double_eq(sample(exposition, "inferd_workers_busy"), 100 + METRIC_WORKERS_BUSY);
    ck_assert_double_eq(sample(exposition, "inferd_http_responses_total{code=\"4xx\"}"),
                        100 + METRIC_HTTP_4XX);
    free(exposition);
    metrics_destroy(metrics);
}
END_TEST

/* Each family: HELP, TYPE, then its samples and no other's. */
static void check_exposition(const char *exposition, bool openmetrics)
{
    char family[128] = "", name[128];
    bool typed = false;

    for (const char *line = exposition; *line != '\0'; line = strchr(line, '\n') + 1) {
        ck_assert_msg(strchr(line, '\n') != NULL, "the last line has no end");
        if (openmetrics && strcmp(line, "# EOF\n") == 0)
            return;
        if (sscanf(line, "# HELP %127s", name) == 1) {
            strcpy(family, name);
            typed = false;
        } else if (sscanf(line, "# TYPE %127s", name) == 1) {
            ck_assert_str_eq(name, family);
            typed = true;
        } else {
            ck_assert_msg(typed && strncmp(line, family, strlen(family)) == 0,
                          "'%.60s' stands below '%s'", line, family);
        }
    }
    ck_assert_msg(!openmetrics, "OpenMetrics ends with # EOF");
}

START_TEST(exposition_has_help_and_type_before_samples)
{
    struct metrics *metrics = metrics_create();
    const uint64_t phases[STATS_PHASE_COUNT] = {1, 2, 3, 4, 5};
    char *exposition;

    metrics_describe_engine(metrics, "avx2", "OpenBLAS \"x\"\\\n");
    stats_success(metrics_model(metrics, "digits", "1"), STATS_PROTOCOL_V1, 3, phases);
    metrics_request_error(metrics, "bad_json");
    exposition = scrape(metrics, _i == 1);
    check_exposition(exposition, _i == 1);
    ck_assert(strstr(exposition, "blas=\"OpenBLAS \\\"x\\\"\\\\\\n\"") != NULL);
    ck_assert(sample(exposition, "process_resident_memory_bytes") > 0);
    ck_assert(sample(exposition, "process_open_fds") >= 3);
    ck_assert(sample(exposition, "process_start_time_seconds") > 1.6e9);
    ck_assert(sample(exposition, "process_threads") >= 1);
    free(exposition);
    metrics_destroy(metrics);
}
END_TEST

START_TEST(histogram_is_cumulative_and_bounds_are_inclusive)
{
    struct metrics *metrics = metrics_create();
    struct model_stats *stats = metrics_model(metrics, "digits", "1");
    const uint64_t on_bound[STATS_PHASE_COUNT] = {10000, 10001, 0, 20000000000, 0};
    const char *queue = "inferd_request_duration_seconds_bucket{model=\"digits\",version=\"1\","
                        "phase=\"queue\",le=\"1e-05\"}";
    const char *decode = "inferd_request_duration_seconds_bucket{model=\"digits\",version=\"1\","
                         "phase=\"decode\",le=\"1e-05\"}";
    char *exposition;

    stats_success(stats, STATS_PROTOCOL_V2_JSON, 1, on_bound);
    stats_success(stats, STATS_PROTOCOL_V2_JSON, 1, on_bound);
    exposition = scrape(metrics, false);
    ck_assert_double_eq(sample(exposition, queue), 2);
    ck_assert_double_eq(sample(exposition, decode), 0);
    ck_assert_double_eq(
        sample(exposition, "inferd_request_duration_seconds_bucket{model=\"digits\",version=\"1\","
                           "phase=\"encode\",le=\"10.0\"}"), 0);
    ck_assert_double_eq(
        sample(exposition, "inferd_request_duration_seconds_bucket{model=\"digits\",version=\"1\","
                           "phase=\"encode\",le=\"+Inf\"}"), 2);
    ck_assert_double_eq_tol(
        sample(exposition, "inferd_request_duration_seconds_sum{model=\"digits\",version=\"1\","
                           "phase=\"encode\"}"), 40.0, 1e-9);
    free(exposition);
    metrics_destroy(metrics);
}
END_TEST

START_TEST(errors_are_counted_by_reason)
{
    struct metrics *metrics = metrics_create();
    char reasons[200][16];

    metrics_request_error(metrics, "bad_json");
    metrics_request_error(metrics, (const char[]){'b', 'a', 'd', '_', 'j', 's', 'o', 'n', '\0'});
    metrics_request_error(metrics, NULL);
    ck_assert_uint_eq(metrics_request_errors(metrics, "bad_json"), 2);
    ck_assert_uint_eq(metrics_request_errors(metrics, "other"), 1);
    ck_assert_uint_eq(metrics_request_errors(metrics, "never"), 0);
    for (int i = 0; i < 200; i++) {      /* more than there is room for */
        snprintf(reasons[i], sizeof(reasons[i]), "reason_%d", i);
        metrics_request_error(metrics, reasons[i]);
    }
    ck_assert_uint_eq(metrics_request_errors(metrics, "reason_0"), 1);
    ck_assert_uint_eq(metrics_request_errors(metrics, "reason_199"), 0);
    ck_assert_uint_gt(metrics_request_errors(metrics, "other"), 100);
    metrics_destroy(metrics);
}
END_TEST

/* A line "| name | labels |" for each family, in order. */
START_TEST(the_page_has_every_family)
{
    const char *folder = getenv("srcdir");
    char path[512], line[512], expected[256];
    const struct metric_family *family = metric_families;
    FILE *page;

    snprintf(path, sizeof(path), "%s/docs/serving.md", folder != NULL ? folder : ".");
    page = fopen(path, "r");
    ck_assert_msg(page != NULL, "%s cannot be opened", path);
    while (fgets(line, sizeof(line), page) != NULL) {
        if (strncmp(line, "| inferd_", 9) != 0 && strncmp(line, "| process_", 10) != 0)
            continue;
        ck_assert_msg(family->name != NULL, "no family for the line %s", line);
        snprintf(expected, sizeof(expected), "| %s | %s%s|\n", family->name, family->labels,
                 family->labels[0] != '\0' ? " " : "");
        ck_assert_str_eq(line, expected);
        family++;
    }
    fclose(page);
    ck_assert_msg(family->name == NULL, "'%s' is not on the page", family->name);
}
END_TEST

enum { COUNT_THREADS = 4, COUNT_ADDS = 20000 };

static void *count_much(void *arg)
{
    struct metrics *metrics = arg;
    const uint64_t phases[STATS_PHASE_COUNT] = {1, 1, 1, 1, 1};

    for (int i = 0; i < COUNT_ADDS; i++) {
        struct model_stats *stats = metrics_model(metrics, "digits", i % 2 == 0 ? "1" : "2");

        metrics_add(metrics, METRIC_IN_FLIGHT_REQUESTS, i % 2 == 0 ? 3 : -2);
        metrics_request_error(metrics, i % 3 == 0 ? "queue_full" : "deadline");
        stats_success(stats, STATS_PROTOCOL_V1, 2, phases);
        stats_execution(stats, 1 + i % 300, 1, 1, 1);
    }
    return NULL;
}

START_TEST(threads_lose_no_count)
{
    struct metrics *metrics = metrics_create();
    struct model_totals totals;
    pthread_t threads[COUNT_THREADS];

    for (int i = 0; i < COUNT_THREADS; i++)
        pthread_create(&threads[i], NULL, count_much, metrics);
    free(scrape(metrics, false));        /* while they count */
    for (int i = 0; i < COUNT_THREADS; i++)
        pthread_join(threads[i], NULL);
    ck_assert_int_eq(metrics_get(metrics, METRIC_IN_FLIGHT_REQUESTS),
                     COUNT_THREADS * COUNT_ADDS / 2);
    ck_assert_uint_eq(metrics_request_errors(metrics, "queue_full") +
                          metrics_request_errors(metrics, "deadline"),
                      COUNT_THREADS * COUNT_ADDS);
    stats_collect(metrics_model(metrics, "digits", "2"), &totals);
    ck_assert_uint_eq(totals.phases[STATS_PHASE_TOTAL].count, COUNT_THREADS * COUNT_ADDS / 2);
    ck_assert_uint_eq(totals.rows, COUNT_THREADS * COUNT_ADDS);
    ck_assert_uint_eq(totals.batch_rows.count, COUNT_THREADS * COUNT_ADDS / 2);
    metrics_destroy(metrics);
}
END_TEST

START_TEST(statistics_have_tritons_shape)
{
    static const char *const durations[] = {"success",       "fail",           "queue",
                                            "compute_input", "compute_infer",  "compute_output",
                                            "cache_hit",     "cache_miss"};
    struct metrics *metrics = metrics_create();
    struct model_stats *stats = metrics_model(metrics, "a\"b", "7");
    const uint64_t phases[STATS_PHASE_COUNT] = {10, 20, 30, 40, 100};
    struct text text;
    json_t *root, *inference, *batch;

    stats_success(stats, STATS_PROTOCOL_V2_BINARY, 5, phases);
    stats_failure(stats, STATS_PROTOCOL_V2_JSON, 50);
    stats_execution(stats, 5, 11, 30, 12);
    stats_set_ready(stats, true, 4096);
    text_init(&text);
    stats_encode(stats, &text);
    root = json_loadb(text.data, text.length, JSON_REJECT_DUPLICATES, NULL);
    ck_assert_msg(root != NULL, "not JSON: %.*s", (int)text.length, text.data);
    ck_assert_str_eq(json_string_value(json_object_get(root, "name")), "a\"b");
    ck_assert_str_eq(json_string_value(json_object_get(root, "version")), "7");
    ck_assert_int_eq(json_integer_value(json_object_get(root, "inference_count")), 5);
    ck_assert_int_eq(json_integer_value(json_object_get(root, "execution_count")), 1);
    ck_assert(json_integer_value(json_object_get(root, "last_inference")) > 1600000000000);
    inference = json_object_get(root, "inference_stats");
    for (size_t i = 0; i < sizeof(durations) / sizeof(durations[0]); i++) {
        json_t *duration = json_object_get(inference, durations[i]);

        ck_assert_msg(json_is_integer(json_object_get(duration, "count")) &&
                          json_is_integer(json_object_get(duration, "ns")),
                      "%s lacks count or ns", durations[i]);
    }
    ck_assert_int_eq(json_integer_value(json_object_get(json_object_get(inference, "fail"), "ns")),
                     50);
    batch = json_array_get(json_object_get(root, "batch_stats"), 0);
    ck_assert_int_eq(json_integer_value(json_object_get(batch, "batch_size")), 5);
    ck_assert_int_eq(
        json_integer_value(json_object_get(json_object_get(batch, "compute_infer"), "ns")), 30);
    json_decref(root);
    text_free(&text);
    metrics_destroy(metrics);
}
END_TEST

Suite *make_suite(void)
{
    Suite *suite = suite_create("metrics");
    TCase *tc = tcase_create("metrics");

    tcase_add_test(tc, families_are_sorted_and_unique);
    tcase_add_loop_test(tc, every_process_wide_number_is_in_the_table, 0, METRIC_NUMBERS);
    tcase_add_test(tc, each_number_reaches_its_series);
    tcase_add_loop_test(tc, exposition_has_help_and_type_before_samples, 0, 2);
    tcase_add_test(tc, histogram_is_cumulative_and_bounds_are_inclusive);
    tcase_add_test(tc, errors_are_counted_by_reason);
    tcase_add_test(tc, the_page_has_every_family);
    tcase_add_test(tc, threads_lose_no_count);
    tcase_add_test(tc, statistics_have_tritons_shape);
    suite_add_tcase(suite, tc);
    return suite;
}
