/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/describe.h"
#include "engine/engine.h"
#include "tests/support/onnx_load.h"
#include "tests/support/run_suite.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Writes `model`, which is freed, to a file, and returns what is said of it; the caller frees. */
static char *describe(struct onnx_bytes *model, bool *ret_loads, enum engine_status *ret_status,
                      struct engine_error *err)
{
    char path[] = "/tmp/inferd-describe-XXXXXX";
    int fd = mkstemp(path);
    size_t length;
    char *text = NULL;
    FILE *out = open_memstream(&text, &length);

    ck_assert_int_ge(fd, 0);
    ck_assert_ptr_nonnull(out);
    ck_assert_int_eq(write(fd, model->data, model->size), (ssize_t)model->size);
    close(fd);
    onnx_bytes_free(model);
    *ret_status = describe_model(path, out, ret_loads, err);
    fclose(out);
    unlink(path);
    return text;
}

static void assert_has(const char *text, const char *part)
{
    ck_assert_msg(strstr(text, part) != NULL, "'%s' is not in:\n%s", part, text);
}

START_TEST(model_that_loads)
{
    static const char *const parts[] = {
        "producer    onnx_bytes 1.0\n",
        "IR version 8, opset 17\n",
        "inputs\n  x  float [d1,4]\n",
        "outputs\n  y  float [d1,3]\n",
        "operators (4 nodes)\n",
        "       2  Gemm  opset 17\n",
        "43 parameters",
        "steps, ",
    };
    struct onnx_bytes model = {0};
    struct engine_error err = {0};
    enum engine_status status;
    bool loads = false;
    char *text;

    onnx_put_small_model(&model);
    text = describe(&model, &loads, &status, &err);
    ck_assert_msg(status == ENGINE_OK && loads, "%s", err.text);
    for (size_t k = 0; k < sizeof(parts) / sizeof(parts[0]); k++)
        assert_has(text, parts[k]);
    ck_assert_ptr_null(strstr(text, "not supported"));
    free(text);
}
END_TEST

START_TEST(what_is_missing_is_named)
{
    struct onnx_bytes model = {0}, graph = {0};
    struct engine_error err = {0};
    enum engine_status status;
    bool loads = true;
    char *text;

    onnx_put_node(&graph, "Conjure", "x", "z\x1b[2J", NULL);
    onnx_put_relu_model(&model, &graph, 16);
    text = describe(&model, &loads, &status, &err);
    ck_assert_int_eq(status, ENGINE_OK);
    ck_assert(!loads);
    assert_has(text, "not supported\n  Conjure-16 (node 'Conjure_z?[2J')\n");
    assert_has(text, "does not load\n");
    ck_assert_ptr_null(strchr(text, '\x1b'));
    free(text);
}
END_TEST

START_TEST(what_is_no_model_is_refused)
{
    struct onnx_bytes model = {0};
    struct engine_error err = {0};
    enum engine_status status;
    char *text;

    onnx_put_raw(&model, "#!/bin/sh\n", 10);
    text = describe(&model, NULL, &status, &err);
    ck_assert_int_eq(status, ENGINE_BAD_MODEL);
    ck_assert_str_eq(text, "");
    free(text);
}
END_TEST

START_TEST(every_operator_is_listed_once)
{
    for (int markdown = 0; markdown < 2; markdown++) {
        size_t length, lines = 0, ops = 0;
        char *text = NULL;
        FILE *out = open_memstream(&text, &length);

        ck_assert_ptr_nonnull(out);
        describe_ops(out, markdown != 0);
        fclose(out);
        for (size_t i = 0; i < length; i++)
            lines += text[i] == '\n';
        for (const struct op_def *op = op_next(NULL); op != NULL; op = op_next(op))
            ops += strcmp(op->domain, "inferd") != 0;
        ck_assert_uint_eq(lines, ops + (markdown ? 2 : 1));
        assert_has(text, markdown ? "| ai.onnx | Relu |" : "ai.onnx                  Relu ");
        free(text);
    }
}
END_TEST

Suite *make_suite(void)
{
    Suite *suite = suite_create("describe");
    TCase *tc = tcase_create("describe");

    tcase_add_test(tc, model_that_loads);
    tcase_add_test(tc, what_is_missing_is_named);
    tcase_add_test(tc, what_is_no_model_is_refused);
    tcase_add_test(tc, every_operator_is_listed_once);
    suite_add_tcase(suite, tc);
    return suite;
}
