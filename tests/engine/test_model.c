/* SPDX-License-Identifier: Apache-2.0
 * Loading: from bytes and files to a model that runs, and all the ways in which that is refused. */
#include "engine/engine.h"
#include "tests/support/onnx_bytes.h"
#include "tests/support/run_suite.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const struct model_options plain = {.optimise = false};
static const struct model_options optimised = {.optimise = true};

static struct onnx_bytes small_model(void)
{
    struct onnx_bytes bytes = {0};

    onnx_put_small_model(&bytes);
    return bytes;
}

static char directory[] = "/tmp/inferd-test-model-XXXXXX";

static void set_up(void)
{
    snprintf(directory, sizeof(directory), "/tmp/inferd-test-model-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(directory));
    ck_assert_int_eq(chdir(directory), 0);
}

static void tear_down(void)
{
    static const char *const names[] = {"model.onnx", "fifo", "link"};

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        unlink(names[i]);
    ck_assert_int_eq(chdir("/"), 0);
    rmdir(directory);
}

static void write_file(const char *name, const void *data, size_t size)
{
    FILE *file = fopen(name, "wb");

    ck_assert_ptr_nonnull(file);
    ck_assert_uint_eq(fwrite(data, 1, size, file), size);
    ck_assert_int_eq(fclose(file), 0);
}

/* Answers of `rows` rows of one model, into `ret` (3 numbers a row). */
static void answer(struct model *model, int64_t rows, float *ret)
{
    float data[4 * 8];
    struct tensor in = {DTYPE_F32, {2, {rows, 4}}, data}, out;
    struct weights *weights = model_base_weights(model);
    struct runner *runner = runner_create(NULL);
    struct engine_error err = {0};
    struct plan *plan = model_plan(model, &in.shape, 1, &err);

    ck_assert_msg(plan != NULL, "%s", err.text);
    for (int i = 0; i < 32; i++)
        data[i] = (float)(i % 7) - 3.0f;
    ck_assert_msg(runner_run(runner, plan, weights, &in, &out, &err) == ENGINE_OK, "%s", err.text);
    ck_assert_uint_eq(tensor_bytes(&out), (size_t)rows * 3 * sizeof(float));
    memcpy(ret, out.data, tensor_bytes(&out));
    plan_unref(plan);
    runner_destroy(runner);
    weights_unref(weights);
}

START_TEST(bytes_become_a_model)
{
    struct onnx_bytes bytes = small_model();
    struct engine_error err = {0};
    struct model *model = model_load_bytes(bytes.data, bytes.size, &optimised, &err);
    float probabilities[6];

    onnx_bytes_free(&bytes);
    ck_assert_msg(model != NULL, "%s", err.text);
    ck_assert_int_eq(model_n_inputs(model), 1);
    ck_assert_int_eq(model_n_outputs(model), 1);
    ck_assert_int_eq(model_input(model, 0)->dtype, DTYPE_F32);
    ck_assert_int_eq(model_input(model, 0)->shape.rank, 2);
    ck_assert_int_eq(model_input(model, 0)->shape.dims[1], 4);
    ck_assert_int_gt(model_parameter_count(model), 0);
    ck_assert_uint_gt(model_bytes(model), 0);
    ck_assert_ptr_null(model_metadata(model, "nothing"));
    answer(model, 2, probabilities);
    for (int row = 0; row < 2; row++)
        ck_assert_float_eq_tol(probabilities[3 * row] + probabilities[3 * row + 1] +
                                   probabilities[3 * row + 2],
                               1, 1e-5);
    ck_assert(model_probe_batchable(model));
    model_unref(model);
}
END_TEST

START_TEST(optimiser_changes_no_answer)
{
    struct onnx_bytes bytes = small_model();
    struct engine_error err = {0};
    struct model *a = model_load_bytes(bytes.data, bytes.size, &plain, &err);
    struct model *b = model_load_bytes(bytes.data, bytes.size, &optimised, &err);
    float from_a[24], from_b[24];

    ck_assert_msg(a != NULL && b != NULL, "%s", err.text);
    ck_assert_int_eq(model_parameter_count(a), model_parameter_count(b));
    answer(a, 8, from_a);
    answer(b, 8, from_b);
    for (int i = 0; i < 24; i++)
        ck_assert_float_eq_tol(from_a[i], from_b[i], 1e-6);
    model_unref(a);
    model_unref(b);
    onnx_bytes_free(&bytes);
}
END_TEST

START_TEST(file_becomes_a_model)
{
    struct onnx_bytes bytes = small_model();
    struct engine_error err = {0};
    struct model *model;

    write_file("model.onnx", bytes.data, bytes.size);
    onnx_bytes_free(&bytes);
    model = model_load_file("model.onnx", &optimised, &err);
    ck_assert_msg(model != NULL, "%s", err.text);
    model_unref(model);
}
END_TEST

enum kind { MISSING, DIRECTORY, FIFO, EMPTY, NOISE, DANGLING };
static const struct {
    enum kind kind;
    const char *path;
    enum engine_status status;
    const char *text;
} refusals[] = {
    {MISSING, "model.onnx", ENGINE_IO, "cannot be opened: No such file"},
    {DIRECTORY, ".", ENGINE_IO, "not a regular file"},
    {FIFO, "fifo", ENGINE_IO, "not a regular file"},
    {EMPTY, "model.onnx", ENGINE_BAD_MODEL, ""},
    {NOISE, "model.onnx", ENGINE_BAD_MODEL, ""},
    {DANGLING, "link", ENGINE_IO, "cannot be opened"},
};

START_TEST(files_are_refused)
{
    struct engine_error err = {0};
    static const unsigned char noise[64] = {0xff, 0x13, 0x77, 0x00, 0x42};

    if (refusals[_i].kind == FIFO)
        ck_assert_int_eq(mkfifo("fifo", 0600), 0);
    if (refusals[_i].kind == DANGLING)
        ck_assert_int_eq(symlink("nowhere", "link"), 0);
    if (refusals[_i].kind == EMPTY || refusals[_i].kind == NOISE)
        write_file("model.onnx", noise, refusals[_i].kind == EMPTY ? 0 : sizeof(noise));
    ck_assert_ptr_null(model_load_file(refusals[_i].path, &optimised, &err));
    ck_assert_msg(err.status == refusals[_i].status, "row %d: %s", _i, err.text);
    ck_assert_msg(strstr(err.text, refusals[_i].text) != NULL, "row %d: %s", _i, err.text);
    ck_assert_uint_gt(strlen(err.text), 0);
}
END_TEST

/* Every budget either refuses with both numbers or is enough, and what is enough stays enough. */
START_TEST(budgets_are_kept)
{
    struct onnx_bytes bytes = small_model();
    bool enough = false;
    char number[32];

    for (size_t budget = 64; budget < 1 << 20; budget += budget / 8) {
        struct model_options options = {.optimise = true, .memory_bytes_max = budget};
        struct engine_error err = {0};
        struct model *model = model_load_bytes(bytes.data, bytes.size, &options, &err);

        if (model != NULL) {
            ck_assert_uint_le(model_bytes(model), budget);
            model_unref(model);
            enough = true;
            continue;
        }
        ck_assert_msg(!enough, "%zu bytes were less than enough: %s", budget, err.text);
        ck_assert_msg(err.status == ENGINE_OVER_BUDGET, "%zu bytes: %s", budget, err.text);
        snprintf(number, sizeof(number), "%zu", budget);
        ck_assert_msg(strstr(err.text, number) != NULL, "%zu bytes: %s", budget, err.text);
    }
    ck_assert(enough);
    onnx_bytes_free(&bytes);
}
END_TEST

START_TEST(unsupported_operators_are_named)
{
    struct onnx_bytes bytes = {0}, graph = {0};
    const int64_t dims[] = {2};
    struct engine_error err = {0};

    onnx_put_value(&graph, 11, "x", dims, 1);
    onnx_put_node(&graph, "Frobnicate", "x", "h", NULL);
    onnx_put_node(&graph, "Twiddle", "h", "y", NULL);
    onnx_put_value(&graph, 12, "y", dims, 1);
    onnx_put_model(&bytes, &graph, 13);
    ck_assert_ptr_null(model_load_bytes(bytes.data, bytes.size, &optimised, &err));
    ck_assert_int_eq(err.status, ENGINE_UNSUPPORTED);
    ck_assert_msg(strstr(err.text, "Frobnicate-13") != NULL &&
                      strstr(err.text, "Twiddle-13") != NULL,
                  "%s", err.text);
    onnx_bytes_free(&bytes);
}
END_TEST

START_TEST(weights_and_plans_outlive_the_callers_model)
{
    struct onnx_bytes bytes = small_model();
    struct engine_error err = {0};
    struct model *model = model_load_bytes(bytes.data, bytes.size, &optimised, &err);
    struct weights *weights = model_base_weights(model);
    struct shape shape = {2, {3, 4}};
    struct plan *plan = model_plan(model, &shape, 1, &err);
    float data[12] = {0};
    struct tensor in = {DTYPE_F32, shape, data}, out;
    struct runner *runner = runner_create(NULL);

    onnx_bytes_free(&bytes);
    model_unref(model);
    ck_assert_int_eq(runner_run(runner, plan, weights, &in, &out, &err), ENGINE_OK);
    weights_unref(weights);
    plan_unref(plan);
    runner_destroy(runner);
}
END_TEST

START_TEST(engine_says_what_it_runs_on)
{
    struct engine_error err = {0};

    ck_assert_msg(engine_start(&err) == ENGINE_OK, "%s", err.text);
    ck_assert_int_eq(strncmp(engine_blas(), "OpenBLAS ", 9), 0);
    ck_assert_uint_gt(strlen(engine_isa()), 0);
    setenv("INFERD_ISA", "pentium", 1);
    ck_assert_int_eq(engine_start(&err), ENGINE_UNSUPPORTED);
    ck_assert_msg(strstr(err.text, "INFERD_ISA=pentium") != NULL, "%s", err.text);
}
END_TEST

Suite *make_suite(void)
{
    Suite *suite = suite_create("model");
    TCase *tc = tcase_create("model");

    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_add_test(tc, bytes_become_a_model);
    tcase_add_test(tc, optimiser_changes_no_answer);
    tcase_add_test(tc, file_becomes_a_model);
    tcase_add_loop_test(tc, files_are_refused, 0, (int)(sizeof(refusals) / sizeof(refusals[0])));
    tcase_add_test(tc, budgets_are_kept);
    tcase_add_test(tc, unsupported_operators_are_named);
    tcase_add_test(tc, weights_and_plans_outlive_the_callers_model);
    tcase_add_test(tc, engine_says_what_it_runs_on);
    suite_add_tcase(suite, tc);
    return suite;
}
