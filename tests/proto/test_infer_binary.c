/* SPDX-License-Identifier: Apache-2.0
 * The binary_tensor_data extension, and answers in both forms. */
#include "tests/proto/infer_case.h"

#include <math.h>

#include <stdio.h>

/* JSON and tail as one body. */
static const struct {
    const char *json, *tail;
    size_t tail_bytes;
    int header_off;         /* added to the announced length */
    const char *text;       /* NULL: taken */
} binaries[] = {
    {TENSOR(FP32_2 "\"parameters\":{\"binary_data_size\":8}"), "\0\0\x80\x3f\0\0\0\x40", 8, 0, NULL},
    {ONE, "", 0, 0, NULL},
    {ONE, "", 0, 1, "Inference-Header-Content-Length is"},
    {ONE, "", 0, 1 << 30, "Inference-Header-Content-Length is"},
    {ONE, "x", 1, 0, "1 bytes of the body belong to no tensor"},
    {ONE, "", 0, -1, "not valid JSON"},
    {TENSOR(FP32_2 "\"parameters\":{\"binary_data_size\":8}"), "\0\0\x80\x3f\0\0\0", 7, 0,
     "inputs[0].binary data has 8 bytes, the body has 7 left"},
    {TENSOR(FP32_2 "\"parameters\":{\"binary_data_size\":8}"), "\0\0\x80\x3f\0\0\0\x40y", 9, 0,
     "1 bytes of the body belong to no tensor"},
    {TENSOR(FP32_2 "\"parameters\":{\"binary_data_size\":7}"), "\0\0\x80\x3f\0\0\0", 7, 0,
     "has 7 bytes, shape [2] of FP32 takes 8"},
    {TENSOR(FP32_2 "\"parameters\":{\"binary_data_size\":4}"), "\0\0\x80\x3f", 4, 0,
     "has 4 bytes, shape [2] of FP32 takes 8"},
    {TENSOR(FP32_2 "\"parameters\":{\"binary_data_size\":-8}"), "", 0, 0, "binary_data_size is -8"},
    {TENSOR(FP32_2 "\"parameters\":{\"binary_data_size\":\"8\"}"), "", 0, 0,
     "inputs[0].parameters.binary_data_size is a string"},
    {TENSOR(FP32_2 "\"parameters\":{\"binary_data_size\":8},\"data\":[1,2]"), "\0\0\x80\x3f\0\0\0\x40", 8,
     0, "both given"},
    {TENSOR("\"shape\":[3],\"datatype\":\"BOOL\",\"parameters\":{\"binary_data_size\":3}"), "\0\1\2", 3, 0,
     "inputs[0]: element 2 is 2, expected 0 or 1"},
    {TENSOR("\"shape\":[2],\"datatype\":\"BYTES\",\"parameters\":{\"binary_data_size\":11}"),
     "\3\0\0\0abc\0\0\0\0", 11, 0, NULL},
    {TENSOR("\"shape\":[2],\"datatype\":\"BYTES\",\"parameters\":{\"binary_data_size\":11}"),
     "\4\0\0\0abc\0\0\0\0", 11, 0, "inputs[0]: binary data ends before element 1"},
    {TENSOR("\"shape\":[2],\"datatype\":\"BYTES\",\"parameters\":{\"binary_data_size\":11}"),
     "\xff\xff\xff\xff" "abc\0\0\0\0", 11, 0, "inputs[0]: element 0 has 4294967295 bytes"},
    {TENSOR("\"shape\":[1],\"datatype\":\"BYTES\",\"parameters\":{\"binary_data_size\":11}"),
     "\3\0\0\0abc\0\0\0\0", 11, 0, "inputs[0]: 4 bytes of binary data are left"},
    {TENSOR("\"shape\":[1000000],\"datatype\":\"BYTES\",\"parameters\":{\"binary_data_size\":11}"),
     "\3\0\0\0abc\0\0\0\0", 11, 0, "inputs[0]: binary data has 11 bytes, shape [1000000]"},
    {TENSOR("\"shape\":[0],\"datatype\":\"FP32\",\"parameters\":{\"binary_data_size\":0}"), "", 0, 0, NULL},
};

START_TEST(binary_data_rules)
{
    struct infer_case c;
    char body[1024];
    size_t json = strlen(binaries[_i].json);
    bool good;

    memcpy(body, binaries[_i].json, json);
    memcpy(body + json, binaries[_i].tail, binaries[_i].tail_bytes);
    good = infer_case_decode(&c, body, json + binaries[_i].tail_bytes,
                             (int64_t)json + binaries[_i].header_off);
    if (binaries[_i].text == NULL) {
        ck_assert_msg(good, "row %d: %s", _i, c.problem.text);
    } else {
        ck_assert_msg(!good && c.problem.status == 400, "row %d was taken", _i);
        ck_assert_msg(strstr(c.problem.text, binaries[_i].text) != NULL, "row %d: '%s' has no '%s'",
                      _i, c.problem.text, binaries[_i].text);
    }
    infer_case_finish(&c);
}
END_TEST

/* Wherever the tail begins, aligned or not. */
START_TEST(binary_data_at_any_alignment)
{
    static const float values[] = {1.5f, -2.0f};
    struct infer_case c;
    char body[256];
    int length;

    length = sprintf(body, "%s%*s", TENSOR(FP32_2 "\"parameters\":{\"binary_data_size\":8}"), _i, "");
    memcpy(body + length, values, sizeof(values));
    ck_assert_msg(infer_case_decode(&c, body, (size_t)length + sizeof(values), length), "%s",
                  c.problem.text);
    ck_assert_uint_eq((uintptr_t)c.request.inputs[0].data % sizeof(float), 0);
    ck_assert_mem_eq(c.request.inputs[0].data, values, sizeof(values));
    infer_case_finish(&c);
}
END_TEST

static const struct {
    struct tensor_spec spec;
    size_t bytes;
    int64_t dims[2];
    const char *text;       /* NULL: taken */
} raws[] = {
    {{"x", WIRE_FP32, 2, {-1, 2}}, 24, {3, 2}, NULL},
    {{"x", WIRE_FP32, 2, {-1, -1}}, 24, {1, 6}, NULL},
    {{"x", WIRE_FP32, 2, {3, 2}}, 24, {3, 2}, NULL},
    {{"x", WIRE_UINT8, 1, {-1}}, 5, {5}, NULL},
    {{"x", WIRE_FP32, 2, {3, 2}}, 20, {0}, "shape [3,2] of FP32 takes 24"},
    {{"x", WIRE_FP32, 2, {-1, 2}}, 20, {0}, "takes 16"},
    {{"x", WIRE_FP32, 3, {2, -1, -1}}, 24, {0}, "more than one free dimension"},
    {{"x", WIRE_FP32, -1, {0}}, 24, {0}, "no known rank"},
};

START_TEST(raw_bodies)
{
    struct infer_request request;
    struct problem problem = {0};
    char *body = calloc(1, raws[_i].bytes);
    bool good = infer_request_decode(body, raws[_i].bytes, 0, &limits, &raws[_i].spec, 1, &request,
                                     &problem);

    if (raws[_i].text == NULL) {
        ck_assert_msg(good, "row %d: %s", _i, problem.text);
        ck_assert_int_eq(request.n_inputs, 1);
        ck_assert_mem_eq(request.inputs[0].dims, raws[_i].dims,
                         (size_t)request.inputs[0].rank * sizeof(int64_t));
        ck_assert(request.binary_output_default);
        infer_request_finish(&request);
    } else {
        ck_assert_msg(!good && strstr(problem.text, raws[_i].text) != NULL, "row %d: '%s'", _i,
                      problem.text);
    }
    free(body);
}
END_TEST

START_TEST(raw_bodies_need_one_input)
{
    static const struct tensor_spec specs[] = {{"a", WIRE_FP32, 1, {1}}, {"b", WIRE_FP32, 1, {1}}};
    struct infer_request request;
    struct problem problem = {0};

    ck_assert(!infer_request_decode("abcdefgh", 8, 0, &limits, specs, 2, &request, &problem));
    ck_assert_ptr_nonnull(strstr(problem.text, "must have one input, it has 2"));
}
END_TEST

static const float logits[] = {0.25f, -1.0f, 1e10f, 3.1415927f};
static const int64_t labels[] = {7, -1};
static const struct wire_bytes names[] = {{"a\"b", 3}, {"\xff", 1}};

static void make_response(struct infer_response *response, struct wire_tensor *outputs)
{
    outputs[0] = (struct wire_tensor){"logits", WIRE_FP32, 2, {2, 2}, (void *)(uintptr_t)logits, 4, false};
    outputs[1] = (struct wire_tensor){"label", WIRE_INT64, 1, {2}, (void *)(uintptr_t)labels, 2, false};
    outputs[2] = (struct wire_tensor){"name", WIRE_BYTES, 1, {2}, (void *)(uintptr_t)names, 2, false};
    *response = (struct infer_response){.model_name = "m", .model_version = "3", .id = "q",
                                        .generation = 42, .n_outputs = 3, .outputs = outputs};
}

START_TEST(response_as_json)
{
    struct wire_tensor outputs[3];
    struct infer_response response;
    struct text text;
    int64_t header_length = 0;

    make_response(&response, outputs);
    text_init(&text);
    for (int logged = 1; logged >= -1; logged -= 2) {
        response.logged = logged;
        infer_response_encode(&response, &text, &header_length);
        text_append(&text, "", 1);
        ck_assert_ptr_nonnull(strstr(text.data, logged > 0 ? "{\"generation\":42,\"logged\":true},"
                                                           : "{\"generation\":42,\"logged\":false},"));
        text_free(&text);
    }
    response.logged = 0;
    infer_response_encode(&response, &text, &header_length);
    text_append(&text, "", 1);
    ck_assert(!text.failed);
    ck_assert_int_eq(header_length, -1);
    ck_assert_str_eq(
        text.data,
        "{\"model_name\":\"m\",\"model_version\":\"3\",\"id\":\"q\",\"parameters\":{\"generation\":42},"
        "\"outputs\":[{\"name\":\"logits\",\"datatype\":\"FP32\",\"shape\":[2,2],\"data\":[0.25,-1.0,"
        "10000000000.0,3.1415927]},{\"name\":\"label\",\"datatype\":\"INT64\",\"shape\":[2],\"data\":[7,-1]},"
        "{\"name\":\"name\",\"datatype\":\"BYTES\",\"shape\":[2],\"data\":[\"a\\\"b\",\"\xef\xbf\xbd\"]}]}");
    text_free(&text);
}
END_TEST

/* JSON has no word for them. Read back, null is NaN. */
START_TEST(not_finite_is_null)
{
    static const struct {
        enum wire_type type;
        union {
            float f32[4];
            double f64[4];
            uint16_t f16[4];
        } values;
        const char *null, *token;
    } rows[] = {
        {WIRE_FP32, {.f32 = {NAN, 1, -INFINITY, INFINITY}}, "[null,1.0,null,null]",
         "[NaN,1.0,-Infinity,Infinity]"},
        {WIRE_FP64, {.f64 = {1, (double)NAN, -1, -(double)INFINITY}}, "[1.0,null,-1.0,null]",
         "[1.0,NaN,-1.0,-Infinity]"},
        {WIRE_FP16, {.f16 = {0x7e00, 0x3c00, 0xfc00, 0}}, "[null,1.0,null,0.0]",
         "[NaN,1.0,-Infinity,0.0]"},
        {WIRE_BF16, {.f16 = {0x7fc0, 0x3f80, 0xff80, 0}}, "[null,1.0,null,0.0]",
         "[NaN,1.0,-Infinity,0.0]"},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        for (int token = 0; token < 2; token++) {
            struct wire_tensor output = {.name = "y", .type = rows[i].type, .rank = 1, .dims = {4},
                                         .count = 4, .data = (void *)(uintptr_t)&rows[i].values};
            struct infer_response response = {
                .model_name = "m", .generation = -1, .n_outputs = 1, .outputs = &output,
                .non_finite = token ? NON_FINITE_TOKEN : NON_FINITE_NULL}, back;
            struct problem problem = {0};
            int64_t header_length;
            struct text text;

            text_init(&text);
            infer_response_encode(&response, &text, &header_length);
            ck_assert_msg(infer_response_decode(text.data, text.length, -1, &limits, &back,
                                                &problem), "%s", problem.text);
            text_append(&text, "", 1);
            ck_assert_msg(strstr(text.data, token ? rows[i].token : rows[i].null) != NULL,
                          "row %zu: %s", i, text.data);
            if (rows[i].type == WIRE_FP32) {
                const float *values = back.outputs[0].data;

                ck_assert(isnan(values[0]));
                ck_assert_float_eq(values[1], 1);
                ck_assert(token ? isinf(values[2]) : isnan(values[2]));
            }
            infer_response_finish(&back);
            text_free(&text);
        }
    }
}
END_TEST

/* What we write, we read: every choice of binary outputs. */
START_TEST(response_round_trip)
{
    int binary[3] = {_i & 1, _i >> 1 & 1, _i >> 2 & 1};
    struct wire_tensor outputs[3];
    struct infer_response response, back;
    struct problem problem = {0};
    struct text text;
    const struct wire_bytes *bytes;
    int64_t header_length = 0;

    make_response(&response, outputs);
    response.binary = binary;
    text_init(&text);
    infer_response_encode(&response, &text, &header_length);
    ck_assert(!text.failed);
    ck_assert((header_length > 0) == (_i > 0));
    ck_assert_msg(infer_response_decode(text.data, text.length, header_length, &limits, &back,
                                        &problem), "%s", problem.text);
    ck_assert_str_eq(back.model_name, "m");
    ck_assert_str_eq(back.model_version, "3");
    ck_assert_str_eq(back.id, "q");
    ck_assert_int_eq(back.generation, 42);
    ck_assert_int_eq(back.logged, 0);
    ck_assert_int_eq(back.n_outputs, 3);
    ck_assert_mem_eq(back.outputs[0].data, logits, sizeof(logits));
    ck_assert_mem_eq(back.outputs[1].data, labels, sizeof(labels));
    bytes = back.outputs[2].data;
    ck_assert_uint_eq(bytes[0].length, 3);
    ck_assert_mem_eq(bytes[0].data, "a\"b", 3);
    if (binary[2])
        ck_assert_mem_eq(bytes[1].data, "\xff", 1);
    infer_response_finish(&back);
    text_free(&text);
}
END_TEST

START_TEST(request_round_trip)
{
    int binary[3] = {_i & 1, _i >> 1 & 1, _i >> 2 & 1};
    struct wire_tensor inputs[3];
    struct requested_output asked[] = {{"y", -1, 0}, {"z", 1, 3}};
    struct infer_response unused;
    struct infer_request request = {.id = "r", .n_inputs = 3, .inputs = inputs, .n_outputs = 2,
                                    .outputs = asked, .binary_output_default = true,
                                    .timeout_us = 9, .priority = 2};
    struct infer_request back;
    struct problem problem = {0};
    struct text text;
    int64_t header_length = 0;

    make_response(&unused, inputs);
    text_init(&text);
    infer_request_encode(&request, binary, &text, &header_length);
    ck_assert_msg(infer_request_decode(text.data, text.length, header_length, &limits, NULL, 0,
                                       &back, &problem), "%s", problem.text);
    ck_assert_str_eq(back.id, "r");
    ck_assert_int_eq(back.timeout_us, 9);
    ck_assert_int_eq(back.priority, 2);
    ck_assert(back.binary_output_default);
    ck_assert_int_eq(back.n_outputs, 2);
    ck_assert_int_eq(back.outputs[0].binary, -1);
    ck_assert_int_eq(back.outputs[1].binary, 1);
    ck_assert_int_eq(back.outputs[1].classification, 3);
    ck_assert_mem_eq(back.inputs[0].data, logits, sizeof(logits));
    ck_assert_mem_eq(back.inputs[1].data, labels, sizeof(labels));
    infer_request_finish(&back);
    text_free(&text);
}
END_TEST

Suite *make_suite(void)
{
    Suite *suite = suite_create("infer_binary");
    TCase *tc = tcase_create("infer_binary");

    tcase_set_timeout(tc, 120);
    tcase_add_loop_test(tc, binary_data_rules, 0, COUNT(binaries));
    tcase_add_loop_test(tc, binary_data_at_any_alignment, 0, 8);
    tcase_add_loop_test(tc, raw_bodies, 0, COUNT(raws));
    tcase_add_test(tc, raw_bodies_need_one_input);
    tcase_add_test(tc, response_as_json);
    tcase_add_test(tc, not_finite_is_null);
    tcase_add_loop_test(tc, response_round_trip, 0, 8);
    tcase_add_loop_test(tc, request_round_trip, 0, 8);
    suite_add_tcase(suite, tc);
    return suite;
}
