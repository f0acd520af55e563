/* SPDX-License-Identifier: Apache-2.0
 * TensorFlow Serving's v1 predict, rows and columns. */
#include "proto/predict_message.h"
#include "tests/support/run_suite.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(table) (sizeof(table) / sizeof(table[0]))

static const struct wire_limits limits = {
    .tensor_bytes_max = 1 << 20,
    .envelope_bytes_max = 4096,
    .depth_max = 32,
    .tensors_max = 16,
};

enum model { ONE, TWO, TEXT, LABEL, MODELS };

static const struct {
    struct tensor_spec specs[2];
    int n_specs;
} models[MODELS] = {
    [ONE] = {{{"x", WIRE_FP32, 2, {-1, -1}}}, 1},
    [TWO] = {{{"a", WIRE_FP32, 1, {-1}}, {"b", WIRE_INT64, 2, {-1, -1}}}, 2},
    [TEXT] = {{{"s", WIRE_BYTES, 1, {-1}}}, 1},
    [LABEL] = {{{"\xc3\xa4", WIRE_BOOL, 1, {-1}}}, 1},
};

static bool decode(enum model model, const char *body, size_t bytes,
                   struct predict_request *request, struct problem *problem)
{
    return predict_request_decode(body, bytes, &limits, models[model].specs, models[model].n_specs,
                                  request, problem);
}

/* What a request decodes to, as the answer in column form would show it. */
static const struct {
    enum model model;
    const char *body;
    bool rows;
    const char *columns;
    int first_rank;
} accepted[] = {
    {ONE, "{\"instances\":[[1,2],[3,4]]}", true, "{\"outputs\":[[1.0,2.0],[3.0,4.0]]}", 2},
    {ONE, " { \"signature_name\" : \"serving_default\", \"instances\" : [ [1 , 2] ] } ", true,
     "{\"outputs\":[[1.0,2.0]]}", 2},
    {ONE, "{\"instances\":[1,2.5,NaN,-Infinity]}", true, "{\"outputs\":[1.0,2.5,NaN,-Infinity]}", 1},
    {ONE, "{\"instances\":[[[1]],[[2]]]}", true, "{\"outputs\":[[[1.0]],[[2.0]]]}", 3},
    {ONE, "{\"instances\":[{\"x\":[1,2]},{\"x\":[3,4]}]}", true, "{\"outputs\":[[1.0,2.0],[3.0,4.0]]}", 2},
    {ONE, "{\"instances\":[{\"x\":1}]}", true, "{\"outputs\":[1.0]}", 1},
    {ONE, "{\"instances\":[{\"\\u0078\":1}]}", true, "{\"outputs\":[1.0]}", 1},
    {ONE, "{\"inputs\":[[1,2],[3,4]]}", false, "{\"outputs\":[[1.0,2.0],[3.0,4.0]]}", 2},
    {ONE, "{\"inputs\":{\"x\":[[1,2]]}}", false, "{\"outputs\":[[1.0,2.0]]}", 2},
    {ONE, "{\"inputs\":5}", false, "{\"outputs\":5.0}", 0},
    {ONE, "{\"inputs\":[[],[]]}", false, "{\"outputs\":[[],[]]}", 2},
    {ONE, "{\"instances\":[[],[]]}", true, "{\"outputs\":[[],[]]}", 2},
    {TWO, "{\"instances\":[{\"a\":1,\"b\":[1,2]},{\"b\":[3,4],\"a\":2}]}", true,
     "{\"outputs\":{\"a\":[1.0,2.0],\"b\":[[1,2],[3,4]]}}", 1},
    {TWO, "{\"inputs\":{\"b\":[[1,2],[3,4]],\"a\":[1,2]}}", false,
     "{\"outputs\":{\"a\":[1.0,2.0],\"b\":[[1,2],[3,4]]}}", 1},
    {TEXT, "{\"instances\":[\"a\",\"b\\n\"]}", true, "{\"outputs\":[\"a\",\"b\\n\"]}", 1},
    {TEXT, "{\"instances\":[{\"b64\":\"aGk=\"},\"x\"]}", true, "{\"outputs\":[\"hi\",\"x\"]}", 1},
    {TEXT, "{\"instances\":[{\"s\":{\"b64\":\"aGk\"}}]}", true, "{\"outputs\":[\"hi\"]}", 1},
    {TEXT, "{\"inputs\":{\"b64\":\"aGk=\"}}", false, "{\"outputs\":\"hi\"}", 0},
    {TEXT, "{\"inputs\":{\"s\":[{ \"b64\" : \"\" }]}}", false, "{\"outputs\":[\"\"]}", 1},
    {LABEL, "{\"inputs\":{\"\\u00e4\":[true,0]}}", false, "{\"outputs\":[true,false]}", 1},
};

START_TEST(good_bodies_are_taken)
{
    const char *body = accepted[_i].body;
    struct predict_request request;
    struct problem problem = {0};
    struct text text;

    ck_assert_msg(decode(accepted[_i].model, body, strlen(body), &request, &problem), "%s: %s", body,
                  problem.text);
    ck_assert_msg(request.row_format == accepted[_i].rows, "%s: form", body);
    ck_assert_int_eq(request.inputs[0].rank, accepted[_i].first_rank);
    text_init(&text);
    ck_assert(predict_response_encode(false, request.inputs, request.n_inputs, NON_FINITE_TOKEN, &text,
                                      &problem));
    text_append(&text, "", 1);
    ck_assert_msg(strcmp(text.data, accepted[_i].columns) == 0, "%s: %s, expected %s", body,
                  text.data, accepted[_i].columns);
    text_free(&text);
    predict_request_finish(&request);
}
END_TEST

static const struct {
    enum model model;
    const char *body;
    int status;
    const char *text;
} refused[] = {
    {ONE, "", 400, "body is empty"},
    {ONE, "[1]", 400, "not a JSON object"},
    {ONE, "{}", 400, "missing 'inputs' or 'instances' key"},
    {ONE, "{\"instances\":[1],\"inputs\":[1]}", 400, "both 'inputs' and 'instances'"},
    {ONE, "{\"instances\":[1],\"instances\":[1]}", 400, "duplicate"},
    {ONE, "{\"instances\":[1],\"instance\":[1]}", 400, "unknown field 'instance'"},
    {ONE, "{\"instances\":[1],\"signature_name\":5}", 400, "signature_name is an integer"},
    {ONE, "{\"instances\":[1],\"signature_name\":\"train\"}", 400, "signature_name is 'train'"},
    {ONE, "{\"instances\":[]}", 400, "instances is empty"},
    {ONE, "{\"instances\":5}", 400, "instances must be an array"},
    {ONE, "{\"instances\":{}}", 400, "instances must be an array"},
    {ONE, "{\"instances\":[[1,2],[3]]}", 400, "instances: ragged"},
    {ONE, "{\"instances\":[[1,2],3]}", 400, "instances: ragged"},
    {ONE, "{\"instances\":[1,[2]]}", 400, "instances: element 1 is an array"},
    {ONE, "{\"instances\":[1,\"2\"]}", 400, "instances: element 1 is a string"},
    {ONE, "{\"instances\":[1,{\"x\":2}]}", 400, "instances: element 1 is an object"},
    {ONE, "{\"instances\":[{\"x\":1},2]}", 400, "instances[1]: expected an object"},
    {ONE, "{\"instances\":[{\"x\":1},{}]}", 400, "instances[1]: input 'x' is missing"},
    {ONE, "{\"instances\":[{\"x\":1},{\"y\":2}]}", 400, "instances[1]: unknown input 'y'"},
    {ONE, "{\"instances\":[{\"x\":1,\"x\":2}]}", 400, "instances[0]: input 'x' is given twice"},
    {ONE, "{\"instances\":[{\"x\":1},{\"x\":[2]}]}", 400, "instances[1]: x: ragged"},
    {ONE, "{\"instances\":[{\"x\":[1]},{\"x\":[2,3]}]}", 400, "instances[1]: x: "},
    {ONE, "{\"instances\":[{\"x\":1},]}", 400, "a value is missing"},
    {ONE, "{\"instances\":[{\"x\":1,}]}", 400, "instances[0]: a key is missing"},
    {ONE, "{\"instances\":[{\"x\" 1}]}", 400, "instances[0]: ':' expected"},
    {ONE, "{\"instances\":[{\"x\":}]}", 400, "instances[0]: a value is missing"},
    {ONE, "{\"instances\":[{x:1}]}", 400, "instances[0]: a key is missing"},
    {ONE, "{\"instances\":[{\"x\":1 \"x\":2}]}", 400, "instances[0]"},
    {ONE, "{\"instances\":[{\"x\":1]}", 400, ""},
    {ONE, "{\"instances\":[[1}]}", 400, "instances: "},
    {ONE, "{\"instances\":[1e400]}", 400, "instances: element 0: 1e400 does not fit FP32"},
    {ONE, "{\"instances\":[{\"b64\":\"aGk=\"}]}", 400, "instances: element 0 is an object"},
    {ONE, "{\"inputs\":{\"y\":[1]}}", 400, "inputs: unknown input 'y'"},
    {ONE, "{\"inputs\":{}}", 400, "inputs: input 'x' is missing"},
    {ONE, "{\"inputs\":null}", 400, "inputs: element 0 is null"},
    {ONE, "{\"inputs\":[[[[[[[[[1]]]]]]]]]}", 400, "inputs: arrays nested deeper than 8"},
    {ONE, "{\"instances\":[{\"x\":[[[[[[[[1]]]]]]]]}]}", 400, "has 9 dimensions with the rows"},
    {TWO, "{\"instances\":[1,2]}", 400, "the model has 2 inputs: name them"},
    {TWO, "{\"inputs\":[1,2]}", 400, "the model has 2 inputs: name them"},
    {TWO, "{\"inputs\":{\"a\":[1]}}", 400, "inputs: input 'b' is missing"},
    {TWO, "{\"inputs\":{\"a\":[1],\"b\":[1.5]}}", 400,
     "inputs: b: element 0: 1.5 is not written as an integer, expected INT64"},
    {TEXT, "{\"instances\":[{\"b64\":\"a\"}]}", 400, "is not base64"},
    {TEXT, "{\"instances\":[{\"b64\":\"aGk=\\n\"}]}", 400, "is not base64"},
    {TEXT, "{\"instances\":[{\"b64\":\"aGk=\",\"c\":1}]}", 400, "expected a string or {\"b64\""},
    {TEXT, "{\"instances\":[{\"b64\":5}]}", 400, "expected a string or {\"b64\""},
    {TEXT, "{\"instances\":[5]}", 400, "instances: element 0 is not a string"},
    {TEXT, "{\"instances\":[\"\\udc00\"]}", 400, "surrogate"},
};

START_TEST(bad_bodies_are_refused)
{
    const char *body = refused[_i].body;
    struct predict_request request;
    struct problem problem = {0};

    ck_assert_msg(!decode(refused[_i].model, body, strlen(body), &request, &problem), "%s was taken",
                  body);
    ck_assert_msg(problem.status == refused[_i].status, "%s: %d", body, problem.status);
    ck_assert_msg(strstr(problem.text, refused[_i].text) != NULL, "%s: '%s' has no '%s'", body,
                  problem.text, refused[_i].text);
}
END_TEST

START_TEST(truncated_at_every_byte)
{
    const char *body = accepted[_i].body;
    size_t length = strlen(body), i;

    while (body[length - 1] == ' ')
        length--;
    for (i = 0; i < length; i++) {
        struct predict_request request;
        struct problem problem = {0};
        char *copy = malloc(i + 1);

        memcpy(copy, body, i);
        ck_assert_msg(!decode(accepted[_i].model, copy, i, &request, &problem), "%s cut at %zu", body,
                      i);
        ck_assert_int_eq(problem.status, 400);
        free(copy);
    }
}
END_TEST

START_TEST(mutated_bodies_do_no_harm)
{
    static const char pool[] = "{}[]\",:\\ux4ab0123456789-+.eENaInfity \n\xff\xc3";
    uint64_t state = test_seed();
    int i, j, n = 20000 * test_scale();

    for (i = 0; i < n; i++) {
        size_t row = test_random(&state) % COUNT(accepted);
        size_t length = strlen(accepted[row].body);
        char *copy = malloc(length);
        struct predict_request request;
        struct problem problem = {0};

        memcpy(copy, accepted[row].body, length);
        for (j = 0; j <= i % 3; j++)
            copy[test_random(&state) % length] = pool[test_random(&state) % (sizeof(pool) - 1)];
        if (decode(accepted[row].model, copy, length, &request, &problem))
            predict_request_finish(&request);
        else
            ck_assert_int_ne(problem.status, 0);
        free(copy);
    }
}
END_TEST

static const struct {
    const char *before, *unit;
    size_t n;
    const char *after;
    int status;
} floods[] = {
    {"{\"instances\":[", "[],", 5000000, "[]]}", 413},
    {"{\"instances\":[", "{},", 5000000, "{}]}", 400},
    {"{\"instances\":", "[", 250000, "", 400},
    {"{\"inputs\":", "{\"x\":", 250000, "", 400},
    {"{\"inputs\":{", "\"x\":1,", 1000000, "}}", 400},
    {"{", "\"x\":1,", 1000000, "}", 413},
    {"{\"signature_name\":\"", "x", 1000000, "\"}", 413},
};

START_TEST(floods_stop_at_the_limits)
{
    size_t a = strlen(floods[_i].before), u = strlen(floods[_i].unit), i;
    char *body = malloc(a + u * floods[_i].n + strlen(floods[_i].after) + 1);
    struct predict_request request;
    struct problem problem = {0};

    ck_assert_ptr_nonnull(body);
    memcpy(body, floods[_i].before, a);
    for (i = 0; i < floods[_i].n; i++)
        memcpy(body + a + i * u, floods[_i].unit, u);
    strcpy(body + a + floods[_i].n * u, floods[_i].after);
    ck_assert(!decode(ONE, body, strlen(body), &request, &problem));
    ck_assert_msg(problem.status == floods[_i].status, "row %d: %d %s", _i, problem.status,
                  problem.text);
    free(body);
}
END_TEST

static float scores[] = {0.25f, 1.0f, 1e-7f, 0.1f};
static int64_t classes[] = {3, -4};
static struct wire_bytes images[] = {{"hi", 2}, {"\xff", 1}};
static int8_t scalar[] = {7};

static const struct wire_tensor out_scores = {"s", WIRE_FP32, 2, {2, 2}, scores, 4, false};
static const struct wire_tensor out_classes = {"c", WIRE_INT64, 1, {2}, classes, 2, false};
static const struct wire_tensor out_images = {"i_bytes", WIRE_BYTES, 1, {2}, images, 2, false};
static const struct wire_tensor out_scalar = {"n", WIRE_INT8, 0, {0}, scalar, 1, false};
static const struct wire_tensor out_row = {"r", WIRE_FP32, 2, {1, 4}, scores, 4, false};
static const struct wire_tensor out_empty = {"e", WIRE_FP32, 2, {2, 0}, scores, 0, false};

static const struct {
    bool rows;
    const struct wire_tensor *outputs[3];
    const char *text;       /* with a status: what the message has in it */
    int status;
} answers[] = {
    {true, {&out_scores}, "{\"predictions\":[[0.25,1.0],[1e-7,0.1]]}", 0},
    {false, {&out_scores}, "{\"outputs\":[[0.25,1.0],[1e-7,0.1]]}", 0},
    {true,
     {&out_scores, &out_classes},
     "{\"predictions\":[{\"s\":[0.25,1.0],\"c\":3},{\"s\":[1e-7,0.1],\"c\":-4}]}",
     0},
    {false,
     {&out_scores, &out_classes},
     "{\"outputs\":{\"s\":[[0.25,1.0],[1e-7,0.1]],\"c\":[3,-4]}}",
     0},
    {true, {&out_images}, "{\"predictions\":[{\"b64\":\"aGk=\"},{\"b64\":\"/w==\"}]}", 0},
    {true,
     {&out_images, &out_classes},
     "{\"predictions\":[{\"i_bytes\":{\"b64\":\"aGk=\"},\"c\":3},{\"i_bytes\":{\"b64\":\"/w==\"},\"c\":-4}]}",
     0},
    {false, {&out_scalar}, "{\"outputs\":7}", 0},
    {true, {&out_empty}, "{\"predictions\":[[],[]]}", 0},
    {true,
     {&out_empty, &out_classes},
     "{\"predictions\":[{\"e\":[],\"c\":3},{\"e\":[],\"c\":-4}]}",
     0},
    {true, {&out_scalar}, "output 'n' has no rows", 400},
    {true, {&out_scores, &out_row}, "output 'r' has 1 rows, 's' has 2", 400},
};

START_TEST(answers_in_both_forms)
{
    struct wire_tensor outputs[3];
    struct problem problem = {0};
    struct text text;
    int n = 0;
    bool good;

    while (n < 3 && answers[_i].outputs[n] != NULL) {
        outputs[n] = *answers[_i].outputs[n];
        n++;
    }
    text_init(&text);
    good = predict_response_encode(answers[_i].rows, outputs, n, NON_FINITE_TOKEN, &text, &problem);
    text_append(&text, "", 1);
    if (answers[_i].status == 0) {
        ck_assert(good);
        ck_assert_str_eq(text.data, answers[_i].text);
    } else {
        ck_assert(!good);
        ck_assert_int_eq(problem.status, answers[_i].status);
        ck_assert_ptr_nonnull(strstr(problem.text, answers[_i].text));
    }
    text_free(&text);
}
END_TEST

Suite *make_suite(void)
{
    Suite *suite = suite_create("predict_message");
    TCase *tc = tcase_create("predict_message");

    tcase_set_timeout(tc, 120);
    tcase_add_loop_test(tc, good_bodies_are_taken, 0, COUNT(accepted));
    tcase_add_loop_test(tc, bad_bodies_are_refused, 0, COUNT(refused));
    tcase_add_loop_test(tc, truncated_at_every_byte, 0, COUNT(accepted));
    tcase_add_test(tc, mutated_bodies_do_no_harm);
    tcase_add_loop_test(tc, floods_stop_at_the_limits, 0, COUNT(floods));
    tcase_add_loop_test(tc, answers_in_both_forms, 0, COUNT(answers));
    suite_add_tcase(suite, tc);
    return suite;
}
