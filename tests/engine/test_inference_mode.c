/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/optimise/optimise.h"
#include "engine/runner.h"
#include "tests/support/graph_case.h"
#include "tests/support/op_case.h"
#include "tests/support/run_suite.h"

#include <string.h>

/* As PyTorch exports while training: what is dropped, and what is made of the statistics. */
static const char training[] =
    "in x f32[2,2]; const s f32[2] 1 2; const b f32[2] 0 1; const m f32[2] 1 1; const v f32[2] 4 4;"
    "const _r f32[] 0.5; const _t bool[] 1;"
    "d = Dropout(x,_r,_t); y,nm,nv = BatchNormalization(d,s,b,m,v) training_mode=1 epsilon=0.0;"
    "out y; out nm; out nv";

static void run(struct model *model, const char *x, struct tensor *outputs, struct runner *runner,
                struct arena *arena)
{
    struct tensor input = op_case_tensor(arena, x);
    struct engine_error err = {0};
    struct plan *plan = model_plan(model, &input.shape, 1, &err);
    struct weights *weights = model_base_weights(model);

    ck_assert_msg(plan != NULL, "%s", err.text);
    ck_assert_msg(runner_run(runner, plan, weights, &input, outputs, &err) == ENGINE_OK, "%s",
                  err.text);
    weights_unref(weights);
    plan_unref(plan);
}

START_TEST(test_calm)
{
    struct arena *arena = arena_create((size_t)1 << 24), *texts = arena_create((size_t)1 << 20);
    struct graph *graph = graph_case(arena, NULL, training);
    struct runner *runner = runner_create(NULL);
    struct engine_error err = {0};
    struct tensor outputs[3];
    struct tensor expected;
    struct model *model;

    ck_assert(optimise_inference_mode(graph));
    model = graph_case_try(arena, graph, NULL, &err);
    ck_assert_msg(model != NULL, "%s", err.text);
    run(model, "f32[2,2] 3 5 1 -1", outputs, runner, texts);
    expected = op_case_tensor(texts, "f32[2,2] 1 5 0 -1");
    op_case_compare("y", 0, &outputs[0], &expected, 1e-6);
    expected = op_case_tensor(texts, "f32[2] 1 1");
    op_case_compare("running mean", 1, &outputs[1], &expected, 0);
    expected = op_case_tensor(texts, "f32[2] 4 4");
    op_case_compare("running variance", 2, &outputs[2], &expected, 0);
    runner_destroy(runner);
    model_unref(model);
    arena_destroy(texts);
}
END_TEST

/* Without it the file's word holds: the batch's own statistics. */
START_TEST(test_as_the_file_says)
{
    struct arena *texts = arena_create((size_t)1 << 20);
    struct model *model = graph_case_model(training, NULL);
    struct runner *runner = runner_create(NULL);
    struct tensor outputs[3], unchanged = op_case_tensor(texts, "f32[2] 4 4");

    run(model, "f32[2,2] 3 5 1 -1", outputs, runner, texts);
    ck_assert_int_ne(memcmp(outputs[2].data, unchanged.data, 2 * sizeof(float)), 0);
    runner_destroy(runner);
    model_unref(model);
    arena_destroy(texts);
}
END_TEST

Suite *make_suite(void)
{
    Suite *suite = suite_create("inference_mode");
    TCase *tests = tcase_create("all");

    tcase_add_test(tests, test_calm);
    tcase_add_test(tests, test_as_the_file_says);
    suite_add_tcase(suite, tests);
    return suite;
}
