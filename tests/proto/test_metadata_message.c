/* SPDX-License-Identifier: Apache-2.0 */
#include "proto/metadata_message.h"
#include "tests/support/run_suite.h"

#include <jansson.h>
#include <string.h>

static const char *const versions[] = {"1", "12"};
static const struct tensor_spec inputs[] = {{"image", WIRE_FP32, 4, {-1, 1, 8, 8}},
                                            {"text", WIRE_BYTES, 1, {-1}}};
static const struct tensor_spec outputs[] = {{"any", WIRE_INT64, -1, {0}}};
static const struct model_metadata digits = {
    .name = "digits",
    .platform = "onnx_onnxv1",
    .versions = versions,
    .n_versions = 2,
    .version = "12",
    .inputs = inputs,
    .n_inputs = 2,
    .outputs = outputs,
    .n_outputs = 1,
    .max_batch_size = 32,
};
static const struct repository_row rows[] = {
    {"digits", "12", "READY", NULL},
    {"broken", "1", "UNAVAILABLE", "model.onnx: node 'a\"b' needs op 'Foo'"},
    {"new", NULL, NULL, NULL},
    {"slow", "3", "LOADING", NULL},
};
static const char *const extensions[] = {"binary_tensor_data", "statistics"};

/* The text must be JSON, and exactly this. */
static void check(struct text *text, const char *expected)
{
    json_t *value = json_loadb(text->data, text->length, 0, NULL);

    ck_assert(!text->failed);
    text_append(text, "", 1);
    ck_assert_msg(value != NULL, "not JSON: %s", text->data);
    ck_assert_str_eq(text->data, expected);
    json_decref(value);
    text_free(text);
}

START_TEST(errors_and_readiness)
{
    struct text text;

    text_init(&text);
    error_encode(&text, "field \"x\"\n\xff");
    check(&text, "{\"error\":\"field \\\"x\\\"\\n\xef\xbf\xbd\"}");
    model_ready_encode(&text, "digits", true, NULL);
    check(&text, "{\"name\":\"digits\",\"ready\":true}");
    model_ready_encode(&text, "digits", true, &(struct ready_detail){.reason = "", .worst_input = ""});
    check(&text, "{\"name\":\"digits\",\"ready\":true,\"learning\":{\"read_only\":false,"
                 "\"loss_drifting\":false,\"input_drifting\":false,\"input_psi\":0.0,"
                 "\"quarantines\":0,\"auto_rollbacks\":0}}");
    model_ready_encode(&text, "digits", true,
                       &(struct ready_detail){true, true, true, 0.5, "a \"disk\"", "image[3]", 1, 2});
    check(&text, "{\"name\":\"digits\",\"ready\":true,\"learning\":{\"read_only\":true,"
                 "\"reason\":\"a \\\"disk\\\"\",\"loss_drifting\":true,\"input_drifting\":true,"
                 "\"input_psi\":0.5,\"worst_input\":\"image[3]\",\"quarantines\":1,"
                 "\"auto_rollbacks\":2}}");
    model_ready_encode(&text, "digits", false, NULL);
    check(&text, "{\"name\":\"digits\",\"ready\":false}");
}
END_TEST

START_TEST(server_metadata)
{
    struct text text;

    text_init(&text);
    server_metadata_encode(&text, "inferd", "0.1.0", extensions, 2);
    check(&text, "{\"name\":\"inferd\",\"version\":\"0.1.0\",\"extensions\":[\"binary_tensor_data\","
                 "\"statistics\"]}");
    server_metadata_encode(&text, "inferd", "0.1.0", NULL, 0);
    check(&text, "{\"name\":\"inferd\",\"version\":\"0.1.0\",\"extensions\":[]}");
}
END_TEST

START_TEST(v2_metadata_and_configuration)
{
    struct model_metadata unbatched = digits;
    struct text text;

    text_init(&text);
    model_metadata_encode(&text, &digits);
    check(
        &text,
        "{\"name\":\"digits\",\"versions\":[\"1\",\"12\"],\"platform\":\"onnx_onnxv1\",\"inputs\":[{\"name\":"
        "\"image\",\"datatype\":\"FP32\",\"shape\":[-1,1,8,8]},{\"name\":\"text\",\"datatype\":\"BYTES\","
        "\"shape\":[-1]}],\"outputs\":[{\"name\":\"any\",\"datatype\":\"INT64\",\"shape\":[]}]}");
    model_config_encode(&text, &digits);
    check(&text,
          "{\"name\":\"digits\",\"platform\":\"onnx_onnxv1\",\"backend\":\"inferd\",\"max_batch_size\":32,"
          "\"input\":[{\"name\":\"image\",\"data_type\":\"TYPE_FP32\",\"dims\":[1,8,8]},{\"name\":\"text\","
          "\"data_type\":\"TYPE_STRING\",\"dims\":[]}],\"output\":[{\"name\":\"any\",\"data_type\":"
          "\"TYPE_INT64\",\"dims\":[]}],\"dynamic_batching\":{},\"model_transaction_policy\":{\"decoupled\":"
          "false}}");
    unbatched.max_batch_size = 0;
    unbatched.n_inputs = 1;
    model_config_encode(&text, &unbatched);
    check(&text,
          "{\"name\":\"digits\",\"platform\":\"onnx_onnxv1\",\"backend\":\"inferd\",\"max_batch_size\":0,"
          "\"input\":[{\"name\":\"image\",\"data_type\":\"TYPE_FP32\",\"dims\":[-1,1,8,8]}],\"output\":["
          "{\"name\":\"any\",\"data_type\":\"TYPE_INT64\",\"dims\":[]}],\"model_transaction_policy\":{"
          "\"decoupled\":false}}");
}
END_TEST

START_TEST(repository_index)
{
    struct text text;

    text_init(&text);
    repository_index_encode(&text, rows, 4);
    check(
        &text,
        "[{\"name\":\"digits\",\"version\":\"12\",\"state\":\"READY\"},"
        "{\"name\":\"broken\",\"version\":\"1\","
        "\"state\":\"UNAVAILABLE\",\"reason\":\"model.onnx: node 'a\\\"b' needs op 'Foo'\"},{\"name\":"
        "\"new\"},{\"name\":\"slow\",\"version\":\"3\",\"state\":\"LOADING\"}]");
    repository_index_encode(&text, rows, 0);
    check(&text, "[]");
}
END_TEST

START_TEST(v1_status_and_metadata)
{
    struct model_metadata one = digits;
    struct text text;

    text_init(&text);
    v1_status_encode(&text, "digits", true, rows, 3);
    check(
        &text,
        "{\"name\":\"digits\",\"ready\":true,\"model_version_status\":[{\"version\":\"12\",\"state\":"
        "\"AVAILABLE\",\"status\":{\"error_code\":\"OK\",\"error_message\":\"\"}},"
        "{\"version\":\"1\",\"state\":"
        "\"END\",\"status\":{\"error_code\":\"FAILED_PRECONDITION\",\"error_message\":\"model.onnx: node "
        "'a\\\"b' needs op 'Foo'\"}},{\"version\":\"\",\"state\":\"END\",\"status\":{\"error_code\":\"OK\","
        "\"error_message\":\"\"}}]}");
    one.n_inputs = 1;
    v1_metadata_encode(&text, &one);
    check(
        &text,
        "{\"model_spec\":{\"name\":\"digits\",\"signature_name\":\"\",\"version\":\"12\"},\"metadata\":{"
        "\"signature_def\":{\"signature_def\":{\"serving_default\":{\"inputs\":{\"image\":{\"dtype\":"
        "\"DT_FLOAT\",\"tensor_shape\":{\"dim\":[{\"size\":\"-1\",\"name\":\"\"},"
        "{\"size\":\"1\",\"name\":\"\"},"
        "{\"size\":\"8\",\"name\":\"\"},{\"size\":\"8\",\"name\":\"\"}],\"unknown_rank\":false},\"name\":"
        "\"image\"}},\"outputs\":{\"any\":{\"dtype\":\"DT_INT64\",\"tensor_shape\":{\"dim\":[],"
        "\"unknown_rank\":true},\"name\":\"any\"}},\"method_name\":\"tensorflow/serving/predict\"}}}}}");
}
END_TEST

Suite *make_suite(void)
{
    Suite *suite = suite_create("metadata_message");
    TCase *tc = tcase_create("metadata_message");

    tcase_add_test(tc, errors_and_readiness);
    tcase_add_test(tc, server_metadata);
    tcase_add_test(tc, v2_metadata_and_configuration);
    tcase_add_test(tc, repository_index);
    tcase_add_test(tc, v1_status_and_metadata);
    suite_add_tcase(suite, tc);
    return suite;
}
