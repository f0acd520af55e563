/* SPDX-License-Identifier: Apache-2.0
 * Bodies of finetune, feedback and evaluate, and the answer. */
#include "proto/learn_message.h"
#include "tests/support/run_suite.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define X "{\"name\":\"x\",\"shape\":[2],\"datatype\":\"FP32\",\"data\":[1,2]}"
#define T "{\"name\":\"t\",\"shape\":[2],\"datatype\":\"INT64\",\"data\":[3,8]}"
#define BOTH "\"inputs\":[" X "],\"targets\":[" T "]"

static const struct wire_limits limits = {
    .tensor_bytes_max = 1 << 20,
    .envelope_bytes_max = 4096,
    .depth_max = 32,
    .tensors_max = 16,
};

static bool decode(enum learn_form form, const char *body, size_t bytes, int64_t header_length,
                   char **copy, struct learn_request *request, struct problem *problem)
{
    *copy = malloc(bytes > 0 ? bytes : 1);
    ck_assert_ptr_nonnull(*copy);
    memcpy(*copy, body, bytes);
    *problem = (struct problem){0};
    return learn_request_decode(form, *copy, bytes, header_length, &limits, request, problem);
}

START_TEST(test_bad_bodies)
{
    static const struct {
        enum learn_form form;
        const char *body, *text;
    } rows[] = {
        {LEARN_FINETUNE, "", "body is empty"},
        {LEARN_FINETUNE, "{}", "inputs is missing"},
        {LEARN_FINETUNE, "{\"inputs\":[" X "]}", "targets is missing"},
        {LEARN_FINETUNE, "{\"inputs\":[],\"targets\":[" T "]}", "inputs is empty"},
        {LEARN_FINETUNE, "{\"inputs\":[" X "],\"targets\":[]}", "targets is empty"},
        {LEARN_FINETUNE, "{\"inputs\":[" X "],\"targets\":5}", "targets is an integer"},
        {LEARN_FINETUNE, "{\"inputs\":[" X "],\"targets\":[{\"name\":\"t\",\"shape\":[2],"
                         "\"datatype\":\"INT64\",\"data\":[1,2.5]}]}", "targets[0].data"},
        {LEARN_FINETUNE, "{" BOTH ",\"outputs\":[]}", "outputs"},
        {LEARN_FINETUNE, "{" BOTH ",\"parameters\":{\"lr\":1}}", "parameters.lr"},
        {LEARN_FINETUNE, "{" BOTH ",\"parameters\":{\"learning_rate\":\"x\"}}",
         "parameters.learning_rate is a string, expected a number"},
        {LEARN_FINETUNE, "{" BOTH ",\"parameters\":{\"learning_rate\":0}}", "above 0"},
        {LEARN_FINETUNE, "{" BOTH ",\"parameters\":{\"learning_rate\":-1}}", "above 0"},
        {LEARN_FEEDBACK, "{\"targets\":[" T "]}", "id is missing"},
        {LEARN_FEEDBACK, "{\"id\":\"a\",\"inputs\":[" X "],\"targets\":[" T "]}", "inputs:"},
        {LEARN_EVALUATE, "{\"targets\":[" T "]}", "inputs is missing"},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct learn_request request;
        struct problem problem;
        char *copy;

        ck_assert_msg(!decode(rows[i].form, rows[i].body, strlen(rows[i].body), -1, &copy,
                              &request, &problem),
                      "row %zu: accepted", i);
        ck_assert_msg(problem.status == 400 && strstr(problem.text, rows[i].text) != NULL,
                      "row %zu: %d '%s'", i, problem.status, problem.text);
        free(copy);
    }
}
END_TEST

START_TEST(test_good_body)
{
    static const char body[] =
        "{\"id\":\"7\"," BOTH ",\"parameters\":{\"learning_rate\":0.25,\"timeout\":9}}";
    struct learn_request request;
    struct problem problem;
    char *copy;

    ck_assert_msg(decode(LEARN_FINETUNE, body, strlen(body), -1, &copy, &request, &problem), "%s",
                  problem.text);
    ck_assert_str_eq(request.id, "7");
    ck_assert_int_eq(request.n_inputs, 1);
    ck_assert_int_eq(request.n_targets, 1);
    ck_assert_str_eq(request.targets[0].name, "t");
    ck_assert_int_eq(((const int64_t *)request.targets[0].data)[1], 8);
    ck_assert_double_eq(request.learning_rate, 0.25);
    ck_assert_int_eq(request.timeout_us, 9);
    learn_request_finish(&request);
    free(copy);

    ck_assert(decode(LEARN_FINETUNE, "{" BOTH "}", strlen("{" BOTH "}"), -1, &copy, &request,
                     &problem));
    ck_assert(isnan(request.learning_rate));
    learn_request_finish(&request);
    free(copy);
}
END_TEST

START_TEST(test_binary_body)
{
    static const char head[] =
        "{\"inputs\":[{\"name\":\"x\",\"shape\":[2],\"datatype\":\"FP32\","
        "\"parameters\":{\"binary_data_size\":8}}],"
        "\"targets\":[{\"name\":\"t\",\"shape\":[1],\"datatype\":\"INT64\","
        "\"parameters\":{\"binary_data_size\":8}}]}";
    const float x[] = {1.5f, -2};
    const int64_t t = 6;
    char body[sizeof(head) - 1 + sizeof(x) + sizeof(t)];
    struct learn_request request;
    struct problem problem;
    char *copy;

    memcpy(body, head, sizeof(head) - 1);
    memcpy(body + sizeof(head) - 1, x, sizeof(x));
    memcpy(body + sizeof(head) - 1 + sizeof(x), &t, sizeof(t));
    ck_assert_msg(decode(LEARN_FINETUNE, body, sizeof(body), sizeof(head) - 1, &copy, &request,
                         &problem),
                  "%s", problem.text);
    ck_assert_int_eq(memcmp(request.inputs[0].data, x, sizeof(x)), 0);
    ck_assert_int_eq(memcmp(request.targets[0].data, &t, sizeof(t)), 0);
    learn_request_finish(&request);
    free(copy);
    ck_assert(!decode(LEARN_FINETUNE, body, sizeof(body) - 1, sizeof(head) - 1, &copy, &request,
                      &problem));
    ck_assert_int_eq(problem.status, 400);
    free(copy);
    ck_assert(!decode(LEARN_FINETUNE, body, sizeof(body), 0, &copy, &request, &problem));
    free(copy);
}
END_TEST

START_TEST(test_answer)
{
    const struct learn_metric metrics[] = {{"accuracy", 1}, {"auc", NAN}};
    struct learn_response response = {.model_name = "digits", .model_version = "1",
                                      .generation = 42, .durable = 1, .loss = 0.5, .examples = 2,
                                      .n_metrics = 2, .metrics = metrics};
    const struct learn_made made = {.generation = 40, .time_ms = 7, .loss = NAN, .n_metrics = 1,
                                    .metrics = metrics};
    struct text text;

    text_init(&text);
    learn_response_encode(&response, &text);
    text_append(&text, "", 1);
    ck_assert_str_eq(text.data,
                     "{\"model_name\":\"digits\",\"model_version\":\"1\",\"parameters\":"
                     "{\"generation\":42,\"durable\":true},\"loss\":0.5,"
                     "\"metrics\":{\"accuracy\":1.0,\"auc\":null},\"examples\":2}");
    text_free(&text);
    response.id = "tx";
    response.made = &made;
    learn_response_encode(&response, &text);
    text_append(&text, "", 1);
    ck_assert_str_eq(text.data,
                     "{\"model_name\":\"digits\",\"model_version\":\"1\",\"id\":\"tx\",\"parameters\":"
                     "{\"generation\":42,\"durable\":true},\"loss\":0.5,"
                     "\"metrics\":{\"accuracy\":1.0,\"auc\":null},\"examples\":2,\"prediction\":"
                     "{\"generation\":40,\"time_ms\":7,\"metrics\":{\"accuracy\":1.0}}}");
    text_free(&text);
}
END_TEST

/* Where a rollback, a promotion or a label points to. */
START_TEST(test_targets)
{
    enum form { ROLLBACK, PROMOTE, LABEL };
    static const struct {
        enum form form;
        const char *body;
        int64_t generation, time_ms;
        const char *label;
        const char *error;      /* NULL: accepted */
    } rows[] = {
        {ROLLBACK, "{\"generation\":7}", 7, -1, "", NULL},
        {ROLLBACK, "{\"label\":\"a.B_9-\"}", -1, -1, "a.B_9-", NULL},
        {ROLLBACK, "{\"time_ms\":0}", -1, 0, "", NULL},
        {ROLLBACK, "{}", 0, 0, "", "one of generation, label and time_ms"},
        {ROLLBACK, "{\"generation\":7,\"time_ms\":1}", 0, 0, "", "one of generation"},
        {ROLLBACK, "{\"label\":\"\"}", 0, 0, "", "label"},
        {ROLLBACK, "{\"label\":\"a\\\"b\"}", 0, 0, "", "label"},
        {ROLLBACK, "{\"label\":7}", 0, 0, "", "label"},
        {ROLLBACK, "{\"generation\":-1}", 0, 0, "", "generation"},
        {ROLLBACK, "{\"generation\":1.5}", 0, 0, "", "generation"},
        {ROLLBACK, "", 0, 0, "", "JSON"},
        {PROMOTE, "", -1, 0, "", NULL},
        {PROMOTE, "{}", -1, 0, "", NULL},
        {PROMOTE, "{\"generation\":3}", 3, 0, "", NULL},
        {PROMOTE, "{\"label\":\"a\"}", 0, 0, "", "label"},
        {LABEL, "{\"label\":\"a\"}", -1, -1, "a", NULL},
        {LABEL, "{\"label\":\"a\",\"generation\":3}", 3, -1, "a", NULL},
        {LABEL, "{\"generation\":3}", 0, 0, "", "label is missing"},
        {LABEL, "{\"label\":\"a\",\"time_ms\":3}", 0, 0, "", "time_ms"},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct rollback_target target = {.generation = 99};
        struct problem problem = {0};
        size_t length = strlen(rows[i].body);
        bool good;

        if (rows[i].form == PROMOTE)
            good = promote_request_decode(rows[i].body, length, &target.generation, &problem);
        else if (rows[i].form == LABEL)
            good = label_request_decode(rows[i].body, length, &target, &problem);
        else
            good = rollback_request_decode(rows[i].body, length, &target, &problem);
        ck_assert_msg(good == (rows[i].error == NULL), "row %zu: %s", i, problem.text);
        if (!good) {
            ck_assert_msg(strstr(problem.text, rows[i].error) != NULL, "row %zu: %s", i, problem.text);
            ck_assert_int_eq(problem.status, 400);
            continue;
        }
        ck_assert_msg(target.generation == rows[i].generation, "row %zu", i);
        ck_assert_msg(rows[i].form == PROMOTE || target.time_ms == rows[i].time_ms, "row %zu", i);
        ck_assert_msg(strcmp(target.label, rows[i].label) == 0, "row %zu", i);
    }
}
END_TEST

START_TEST(test_ways_back)
{
    static const struct {
        const char *rewind, *erase, *text;      /* one of the two; text NULL: good */
    } rows[] = {
        {"{\"first\":3,\"last\":3}", NULL, NULL},
        {"{\"first\":3,\"last\":2}", NULL, "last"},
        {"{\"first\":0,\"last\":2}", NULL, "first"},
        {"{\"last\":2}", NULL, "first is missing"},
        {"{\"first\":1,\"last\":2,\"to\":1}", NULL, "to"},
        {"[]", NULL, ""},
        {"", NULL, "empty"},
        {NULL, "{\"examples\":[{\"generation\":1,\"row\":0},{\"generation\":9,\"row\":7}]}", NULL},
        {NULL, "{\"examples\":[]}", "0 items"},
        {NULL, "{\"examples\":[7]}", "examples[0]"},
        {NULL, "{\"examples\":[{\"generation\":1,\"row\":0},{\"generation\":1}]}", "examples[1]"},
        {NULL, "{\"examples\":[{\"generation\":0,\"row\":0}]}", "generation"},
        {NULL, "{\"examples\":[{\"generation\":1,\"row\":1048576}]}", "row"},
        {NULL, "{\"examples\":[{\"generation\":1,\"row\":0,\"x\":1}]}", "x"},
        {NULL, "{}", "examples is missing"},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const char *body = rows[i].rewind != NULL ? rows[i].rewind : rows[i].erase;
        struct learn_place *places = NULL;
        struct problem problem = {0};
        int64_t first, last;
        size_t n = 0;
        bool good = rows[i].rewind != NULL
                        ? rewind_request_decode(body, strlen(body), &first, &last, &problem)
                        : erase_request_decode(body, strlen(body), &places, &n, &problem);

        ck_assert_msg(good == (rows[i].text == NULL), "%s: %s", body, problem.text);
        if (!good) {
            ck_assert_msg(strstr(problem.text, rows[i].text) != NULL, "%s: %s", body, problem.text);
            ck_assert_int_eq(problem.status, 400);
        } else if (rows[i].erase != NULL) {
            ck_assert_uint_eq(n, 2);
            ck_assert(places[1].generation == 9 && places[1].row == 7);
        }
        free(places);
    }
}
END_TEST

Suite *make_suite(void)
{
    Suite *suite = suite_create("learn_message");
    TCase *tests = tcase_create("all");

    tcase_add_test(tests, test_bad_bodies);
    tcase_add_test(tests, test_targets);
    tcase_add_test(tests, test_ways_back);
    tcase_add_test(tests, test_good_body);
    tcase_add_test(tests, test_binary_body);
    tcase_add_test(tests, test_answer);
    suite_add_tcase(suite, tests);
    return suite;
}
