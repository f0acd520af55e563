/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/train/evaluation_cases.h"

#include "tests/support/run_suite.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { N_CASES = sizeof(cases) / sizeof(cases[0]) };

static struct evaluation *open_case(const struct evaluation_case *c)
{
    struct evaluation_options options = {
        .task = c->task,
        .outputs = c->outputs,
        .logits = c->logits,
        .top_k = c->top_k,
        .ranking_bytes_max = 1 << 20,
    };
    struct engine_error err = {0};
    struct evaluation *evaluation = evaluation_create(&options, &err);

    ck_assert_msg(evaluation != NULL, "%s: %s", c->name, err.text);
    return evaluation;
}

static void add_rows(struct evaluation *evaluation, const struct evaluation_case *c, int first, int n)
{
    struct tensor scores = {.dtype = DTYPE_F64};
    struct tensor targets = {.dtype = c->ids != NULL ? DTYPE_I64 : DTYPE_F64};
    const bool labels = c->task == EVALUATION_LABELS;
    struct engine_error err = {0};

    scores.data = (void *)(uintptr_t)(c->scores + first * c->outputs);
    targets.data = c->ids != NULL ? (void *)(uintptr_t)(c->ids + first * (labels ? c->outputs : 1))
                                  : (void *)(uintptr_t)(c->values + first * c->outputs);
    ck_assert_msg(evaluation_add(evaluation, &scores, &targets,
                                 c->weights != NULL ? c->weights + first : NULL, n,
                                 &err) == ENGINE_OK,
                  "%s: %s", c->name, err.text);
}

/* To 1e-9, in one batch and in batches of 7. */
START_TEST(metrics_are_those_of_scikit_learn)
{
    const struct evaluation_case *c = &cases[_i];

    for (int step = 7; step <= 1000; step += 993) {
        struct evaluation *evaluation = open_case(c);
        struct evaluation_result result;

        for (int first = 0; first < c->rows; first += step)
            add_rows(evaluation, c, first, c->rows - first < step ? c->rows - first : step);
        ck_assert_int_eq(evaluation_measure(evaluation, &result, NULL), ENGINE_OK);
        ck_assert_int_eq(result.rows, c->rows);
        for (int e = 0; e < c->n_expected; e++) {
            double expected = c->expected[e].value, got = result.values[c->expected[e].metric];

            ck_assert_msg(isnan(expected) ? isnan(got)
                                          : fabs(got - expected) <= 1e-9 * fmax(1, fabs(expected)),
                          "%s: %s is %.17g, scikit-learn's %.17g", c->name,
                          evaluation_metric_name(c->expected[e].metric), got, expected);
        }
        /* What was not expected has no meaning here. */
        for (int m = 0; m < METRIC_COUNT; m++) {
            bool expected = false;

            for (int e = 0; e < c->n_expected; e++)
                expected = expected || (int)c->expected[e].metric == m;
            ck_assert_msg(expected || isnan(result.values[m]), "%s: %s is %g", c->name,
                          evaluation_metric_name((enum evaluation_metric)m), result.values[m]);
        }
        evaluation_destroy(evaluation);
    }
}
END_TEST

/* Every metric is met by at least one case with a number. */
START_TEST(no_metric_is_without_a_case)
{
    for (int m = 0; m < METRIC_COUNT; m++) {
        bool met = false;

        for (int i = 0; i < N_CASES; i++)
            for (int e = 0; e < cases[i].n_expected; e++)
                met = met ||
                      ((int)cases[i].expected[e].metric == m && isfinite(cases[i].expected[e].value));
        ck_assert_msg(met, "%s", evaluation_metric_name((enum evaluation_metric)m));
        ck_assert_int_eq(evaluation_metric_find(evaluation_metric_name((enum evaluation_metric)m)), m);
    }
    ck_assert_int_eq(evaluation_metric_find("nothing"), -1);
    ck_assert(evaluation_metric_larger_is_better(METRIC_F1));
    ck_assert(!evaluation_metric_larger_is_better(METRIC_RMSE));
}
END_TEST

START_TEST(nothing_added_measures_nothing)
{
    struct evaluation *evaluation = open_case(&cases[_i]);
    struct evaluation_result result;

    ck_assert_int_eq(evaluation_measure(evaluation, &result, NULL), ENGINE_OK);
    ck_assert_int_eq(result.rows, 0);
    for (int m = 0; m < METRIC_COUNT; m++)
        ck_assert(isnan(result.values[m]));
    evaluation_destroy(evaluation);
}
END_TEST

START_TEST(the_confusion_matrix_counts_rows)
{
    struct evaluation_options options = {.task = EVALUATION_CLASSES, .outputs = 3, .ignores = true,
                                         .ignored = -1};
    struct evaluation *evaluation = evaluation_create(&options, NULL);
    float scores[] = {0.8f, 0.1f, 0.1f, 0.2f, 0.5f, 0.3f, 0, 0, 1, 1, 0, 0, 0, 1, 0};
    int32_t targets[] = {0, 1, 1, 2, -1};
    const double expected[] = {1, 0, 0, 0, 1, 1, 1, 0, 0}, *confusion;
    struct tensor a = {.dtype = DTYPE_F32, .data = scores}, b = {.dtype = DTYPE_I32, .data = targets};
    struct evaluation_result result;
    double precision, recall, f1, support;
    int classes;

    ck_assert_int_eq(evaluation_add(evaluation, &a, &b, NULL, 5, NULL), ENGINE_OK);
    confusion = evaluation_confusion(evaluation, &classes);
    ck_assert_int_eq(classes, 3);
    ck_assert_mem_eq(confusion, expected, sizeof(expected));
    evaluation_class_scores(evaluation, 1, &precision, &recall, &f1, &support);
    ck_assert(precision == 1 && recall == 0.5 && fabs(f1 - 2.0 / 3) < 1e-15 && support == 2);
    ck_assert_int_eq(evaluation_measure(evaluation, &result, NULL), ENGINE_OK);
    ck_assert_int_eq(result.rows, 4);
    ck_assert(result.values[METRIC_ACCURACY] == 0.5);
    ck_assert(isnan(result.values[METRIC_ROC_AUC]));
    evaluation_destroy(evaluation);
    evaluation_destroy(NULL);
}
END_TEST

static const struct {
    const char *text;
    double score, target, weight;
    bool logits;
} refused[] = {
    {"output 0 is nan", NAN, 0, 1, false},   {"output 0 is inf", INFINITY, 0, 1, true},
    {"output 0 is 1.5", 1.5, 0, 1, false},   {"output 0 is -0.1", -0.1, 0, 1, false},
    {"target 2;", 0.5, 2, 1, false},         {"target -1;", 0.5, -1, 1, false},
    {"target 0.5;", 0.5, 0.5, 1, false},     {"target nan;", 0.5, NAN, 1, false},
    {"weight -1;", 0.5, 0, -1, false},       {"weight inf;", 0.5, 0, INFINITY, false},
};

START_TEST(bad_rows_are_refused_by_number)
{
    struct evaluation_options options = {.task = EVALUATION_BINARY, .outputs = 1,
                                         .logits = refused[_i].logits};
    struct evaluation *evaluation = evaluation_create(&options, NULL);
    double scores[] = {0.25, refused[_i].score}, targets[] = {1, refused[_i].target};
    double weights[] = {1, refused[_i].weight};
    struct tensor a = {.dtype = DTYPE_F64, .data = scores}, b = {.dtype = DTYPE_F64, .data = targets};
    struct evaluation_result result;
    struct engine_error err = {0};

    ck_assert_int_eq(evaluation_add(evaluation, &a, &b, weights, 2, &err), ENGINE_BAD_INPUT);
    ck_assert_msg(strncmp(err.text, "row 1: ", 7) == 0 && strstr(err.text, refused[_i].text) != NULL,
                  "%s", err.text);
    evaluation_measure(evaluation, &result, NULL);
    ck_assert_int_eq(result.rows, 0);
    evaluation_destroy(evaluation);
}
END_TEST

/* Scores beyond the option are not kept; everything else is measured all the same. */
START_TEST(ranking_is_bounded)
{
    struct evaluation_options options = {.task = EVALUATION_BINARY, .outputs = 1,
                                         .ranking_bytes_max = 2000};
    struct evaluation *evaluation = evaluation_create(&options, NULL);
    struct evaluation_result result;

    for (int i = 0; i < 5; i++) {
        add_rows(evaluation, &cases[0], 0, cases[0].rows);
        ck_assert_int_eq(evaluation_measure(evaluation, &result, NULL), ENGINE_OK);
        ck_assert_int_eq(isnan(result.values[METRIC_ROC_AUC]), i > 0);
        ck_assert_double_eq_tol(result.values[METRIC_ACCURACY], cases[0].expected[0].value, 1e-12);
    }
    evaluation_destroy(evaluation);
}
END_TEST

static const struct evaluation_options bad_options[] = {
    {.task = EVALUATION_CLASSES, .outputs = 1},
    {.task = EVALUATION_BINARY, .outputs = 2},
    {.task = EVALUATION_LABELS, .outputs = 0},
    {.task = EVALUATION_LABELS, .outputs = 3, .ignores = true},
    {.task = EVALUATION_VALUES, .outputs = 0},
    {.task = EVALUATION_VALUES, .outputs = EVALUATION_OUTPUTS_MAX + 1},
    {.task = EVALUATION_BINARY, .outputs = 1, .top_k = -1},
    {.task = EVALUATION_BINARY, .outputs = 1, .calibration_bins = 1 << 30},
};

enum { N_BAD_OPTIONS = sizeof(bad_options) / sizeof(bad_options[0]) };

START_TEST(bad_options_are_refused)
{
    struct engine_error err = {0};

    ck_assert_ptr_null(evaluation_create(&bad_options[_i], &err));
    ck_assert_int_eq(err.status, ENGINE_BAD_INPUT);
}
END_TEST

START_TEST(a_label_is_a_yes_or_a_no)
{
    struct evaluation_options options = {.task = EVALUATION_LABELS, .outputs = 2};
    struct evaluation *evaluation = evaluation_create(&options, NULL);
    double scores[] = {0.25, 0.5, 0.75, 1}, targets[] = {1, 0, 1, 0.5};
    struct tensor a = {.dtype = DTYPE_F64, .data = scores}, b = {.dtype = DTYPE_F64, .data = targets};
    struct engine_error err = {0};

    ck_assert_int_eq(evaluation_add(evaluation, &a, &b, NULL, 2, &err), ENGINE_BAD_INPUT);
    ck_assert_str_eq(err.text, "row 1: target 0.5; 0 or 1 is expected");
    evaluation_destroy(evaluation);
}
END_TEST

Suite *make_suite(void)
{
    Suite *suite = suite_create("evaluation");
    TCase *tc = tcase_create("evaluation");

    tcase_add_loop_test(tc, metrics_are_those_of_scikit_learn, 0, N_CASES);
    tcase_add_test(tc, no_metric_is_without_a_case);
    tcase_add_loop_test(tc, nothing_added_measures_nothing, 0, N_CASES);
    tcase_add_test(tc, the_confusion_matrix_counts_rows);
    tcase_add_loop_test(tc, bad_rows_are_refused_by_number, 0,
                        sizeof(refused) / sizeof(refused[0]));
    tcase_add_test(tc, ranking_is_bounded);
    tcase_add_loop_test(tc, bad_options_are_refused, 0, N_BAD_OPTIONS);
    tcase_add_test(tc, a_label_is_a_yes_or_a_no);
    suite_add_tcase(suite, tc);
    return suite;
}
