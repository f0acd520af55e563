/* SPDX-License-Identifier: Apache-2.0
 * Old forms of operators, run: what matters is not what they are rewritten to but that they compute
 * what their own opset says. */
#include "engine/onnx/legalise.h"
#include "engine/runner.h"
#include "tests/support/graph_case.h"
#include "tests/support/op_case.h"
#include "tests/support/run_suite.h"

#include <string.h>

enum { IO_MAX = 3 };

static const struct legalise_case {
    const char *name;
    int opset;
    const char *text;
    const char *inputs[IO_MAX];
    const char *outputs[IO_MAX];
    const char *error;              /* of legalising, instead of outputs */
} cases[] = {
    {"Add with axis", 6, "in x f32[2,2]; in b f32[2]; y = Add(x,b) broadcast=1 axis=0; out y",
     {"f32[2,2] 1 2 3 4", "f32[2] 10 20"}, {"f32[2,2] 11 12 23 24"}, NULL},
    {"Add with axis in the middle", 6,
     "in x f32[1,2,2]; in b f32[2]; y = Add(x,b) broadcast=1 axis=1; out y",
     {"f32[1,2,2] 1 2 3 4", "f32[2] 10 20"}, {"f32[1,2,2] 11 12 23 24"}, NULL},
    {"Add along the last", 6, "in x f32[2,2]; in b f32[2]; y = Add(x,b) broadcast=1; out y",
     {"f32[2,2] 1 2 3 4", "f32[2] 10 20"}, {"f32[2,2] 11 22 13 24"}, NULL},
    {"Mul with a negative axis", 6, "in x f32[2,2]; in b f32[2]; y = Mul(x,b) broadcast=1 axis=-2; out y",
     {"f32[2,2] 1 2 3 4", "f32[2] 10 20"}, {"f32[2,2] 10 20 60 80"}, NULL},
    {"Pow by a scalar", 1, "in x f32[2]; in b f32[1]; y = Pow(x,b) broadcast=1 axis=0; out y",
     {"f32[2] 3 4", "f32[1] 2"}, {"f32[2] 9 16"}, NULL},
    {"Less with axis", 6, "in x f32[2,2]; in b f32[2]; y = Less(x,b) broadcast=1 axis=0; out y",
     {"f32[2,2] 1 2 3 4", "f32[2] 2 4"}, {"bool[2,2] 1 0 1 0"}, NULL},
    {"newer Add keeps its rules", 7, "in x f32[2,2]; in b f32[2]; y = Add(x,b) broadcast=1 axis=0; out y",
     {"f32[2,2] 1 2 3 4", "f32[2] 10 20"}, {"f32[2,2] 11 22 13 24"}, NULL},
    {"PRelu, a slope a channel", 6, "in x f32[1,2,2]; in s f32[2]; y = PRelu(x,s); out y",
     {"f32[1,2,2] -1 2 -3 4", "f32[2] 10 100"}, {"f32[1,2,2] -10 2 -300 4"}, NULL},
    {"PRelu, one slope", 6, "in x f32[1,2,2]; in s f32[1]; y = PRelu(x,s); out y",
     {"f32[1,2,2] -1 2 -3 4", "f32[1] 10"}, {"f32[1,2,2] -10 2 -30 4"}, NULL},
    {"Softmax over what follows the axis", 11, "in x f32[1,2,2]; y = Softmax(x); out y",
     {"f32[1,2,2] 0 0 0 0"}, {"f32[1,2,2] 0.25 0.25 0.25 0.25"}, NULL},
    {"Softmax along the last", 11, "in x f32[1,2,2]; y = Softmax(x) axis=2; out y",
     {"f32[1,2,2] 0 0 0 0"}, {"f32[1,2,2] 0.5 0.5 0.5 0.5"}, NULL},
    {"Softmax along -1", 11, "in x f32[1,2,2]; y = Softmax(x) axis=-1; out y",
     {"f32[1,2,2] 0 0 0 0"}, {"f32[1,2,2] 0.5 0.5 0.5 0.5"}, NULL},
    {"Softmax of unknown rank", 11, "in x f32; y = Softmax(x) axis=0; out y",
     {"f32[2,2] 0 0 0 0"}, {"f32[2,2] 0.25 0.25 0.25 0.25"}, NULL},
    {"Softmax of nothing", 11, "in x f32[0,2,2]; y = Softmax(x) axis=1; out y", {"f32[0,2,2]"},
     {"f32[0,2,2]"}, NULL},
    {"Softmax of today", 13, "in x f32[1,2,2]; y = Softmax(x); out y", {"f32[1,2,2] 0 0 0 0"},
     {"f32[1,2,2] 0.5 0.5 0.5 0.5"}, NULL},
    {"Hardmax", 11, "in x f32[1,2,2]; y = Hardmax(x); out y", {"f32[1,2,2] 1 2 4 3"},
     {"f32[1,2,2] 0 0 1 0"}, NULL},
    {"LogSoftmax", 1, "in x f32[1,2,2]; y = LogSoftmax(x); out y", {"f32[1,2,2] 0 0 0 0"},
     {"f32[1,2,2] -1.3862944 -1.3862944 -1.3862944 -1.3862944"}, NULL},
    {"ReduceSum axes", 11, "in x f32[2,2]; y = ReduceSum(x) axes=1,0 keepdims=0; out y",
     {"f32[2,2] 1 2 3 4"}, {"f32[] 10"}, NULL},
    {"ReduceMean axes", 17, "in x f32[2,2]; y = ReduceMean(x) axes=-1,; out y", {"f32[2,2] 1 2 3 4"},
     {"f32[2,1] 1.5 3.5"}, NULL},
    {"ReduceMax of all", 11, "in x f32[2,2]; y = ReduceMax(x); out y", {"f32[2,2] 1 2 3 4"},
     {"f32[1,1] 4"}, NULL},
    {"Squeeze", 11, "in x f32[1,2,1]; y = Squeeze(x) axes=0,2; out y", {"f32[1,2,1] 1 2"},
     {"f32[2] 1 2"}, NULL},
    {"Unsqueeze", 11, "in x f32[2]; y = Unsqueeze(x) axes=0,2; out y", {"f32[2] 1 2"},
     {"f32[1,2,1] 1 2"}, NULL},
    {"Split sizes", 2, "in x f32[3]; y,z = Split(x) split=1,2; out y; out z", {"f32[3] 1 2 3"},
     {"f32[1] 1", "f32[2] 2 3"}, NULL},
    {"Split sizes as an input", 1, "in x f32[3]; const s i64[2] 2 1; y,z = Split(x,s); out y; out z",
     {"f32[3] 1 2 3"}, {"f32[2] 1 2", "f32[1] 3"}, NULL},
    {"Split evenly", 13, "in x f32[4]; y,z = Split(x); out y; out z", {"f32[4] 1 2 3 4"},
     {"f32[2] 1 2", "f32[2] 3 4"}, NULL},
    {"Slice", 1, "in x f32[2,3]; y = Slice(x) starts=1, ends=3, axes=1,; out y", {"f32[2,3] 1 2 3 4 5 6"},
     {"f32[2,2] 2 3 5 6"}, NULL},
    {"Slice without axes", 9, "in x f32[2,3]; y = Slice(x) starts=0,1 ends=1,-1; out y",
     {"f32[2,3] 1 2 3 4 5 6"}, {"f32[1,1] 2"}, NULL},
    {"Pad", 2, "in x f32[2]; y = Pad(x) pads=1,1 value=7.5; out y", {"f32[2] 1 2"}, {"f32[4] 7.5 1 2 7.5"},
     NULL},
    {"Pad, paddings", 1, "in x f32[2]; y = Pad(x) paddings=1,0; out y", {"f32[2] 1 2"}, {"f32[3] 0 1 2"},
     NULL},
    {"Pad of doubles", 2, "in x f64[2]; y = Pad(x) pads=1,0 value=7.5; out y", {"f64[2] 1 2"},
     {"f64[3] 7.5 1 2"}, NULL},
    {"Clip", 6, "in x f32[3]; y = Clip(x) min=-1.0 max=1.5; out y", {"f32[3] -2 0 2"},
     {"f32[3] -1 0 1.5"}, NULL},
    {"Clip above", 6, "in x f32[3]; y = Clip(x) max=1.5; out y", {"f32[3] -2 0 2"}, {"f32[3] -2 0 1.5"},
     NULL},
    {"Clip of an unknown type", 6, "in x f32[3]; z = Identity(x); y = Clip(z) min=-1.0; out y",
     {"f32[3] -2 0 2"}, {"f32[3] -1 0 2"}, NULL},
    {"TopK", 1, "in x f32[3]; y,z = TopK(x) k=2; out y; out z", {"f32[3] 1 3 2"},
     {"f32[2] 3 2", "i64[2] 1 2"}, NULL},
    {"Dropout", 6, "in x f32[3]; y = Dropout(x) ratio=0.9; out y", {"f32[3] 1 2 3"}, {"f32[3] 1 2 3"},
     NULL},
    {"Dropout with a mask of floats", 7, "in x f32[3]; y,z = Dropout(x) ratio=0.9; out y; out z",
     {"f32[3] 1 2 3"}, {"f32[3] 1 2 3", "f32[3] 1 1 1"}, NULL},
    {"Upsample", 9, "in x f32[1,1,1,2]; const s f32[4] 1 1 2 2; y = Upsample(x,s); out y",
     {"f32[1,1,1,2] 1 2"}, {"f32[1,1,2,4] 1 1 2 2 1 1 2 2"}, NULL},
    {"Upsample, scales", 7, "in x f32[1,1,1,2]; y = Upsample(x) scales=1.0,1.0,1.0,2.0; out y",
     {"f32[1,1,1,2] 1 2"}, {"f32[1,1,1,4] 1 1 2 2"}, NULL},
    {"Upsample, height and width", 1,
     "in x f32[1,1,1,2]; y = Upsample(x) height_scale=1.0 width_scale=2.0 mode='bilinear'; out y",
     {"f32[1,1,1,2] 1 2"}, {"f32[1,1,1,4] 1 1.5 2 2"}, NULL},
    {"Resize-10", 10, "in x f32[1,1,1,4]; const s f32[4] 1 1 1 0.5; y = Resize(x,s); out y",
     {"f32[1,1,1,4] 1 2 3 4"}, {"f32[1,1,1,2] 1 3"}, NULL},
    {"Resize-11 with empty inputs", 11,
     "in x f32[1,1,1,2]; const r f32[0]; const s f32[0]; const n i64[4] 1 1 1 4;"
     "y = Resize(x,r,s,n) coordinate_transformation_mode='asymmetric'; out y",
     {"f32[1,1,1,2] 1 2"}, {"f32[1,1,1,4] 1 1 2 2"}, NULL},
    {"BatchNormalization-6", 6,
     "in x f32[1,2,1]; const s f32[2] 1 2; const b f32[2] 0 1; const m f32[2] 1 1; const v f32[2] 4 4;"
     "y = BatchNormalization(x,s,b,m,v) is_test=1 epsilon=0.0; out y",
     {"f32[1,2,1] 3 5"}, {"f32[1,2,1] 1 5"}, NULL},
    {"BatchNormalization for each element", 7,
     "in x f32[1,2,1]; const s f32[2,1] 1 2; const b f32[2,1] 0 1; const m f32[2,1] 1 1;"
     "const v f32[2,1] 4 4; y = BatchNormalization(x,s,b,m,v) spatial=0 epsilon=0.0; out y",
     {"f32[1,2,1] 3 5"}, {"f32[1,2,1] 1 5"}, NULL},
    {"BatchNormalization in training", 9,
     "in x f32[1,2,1]; const s f32[2] 1 2; y,m = BatchNormalization(x,s,s,s,s); out y; out m", {0}, {0},
     "training outputs"},
    {"GroupNormalization-18", 18,
     "in x f32[1,4,1]; const s f32[2] 1 2; const b f32[2] 0 10;"
     "y = GroupNormalization(x,s,b) num_groups=2 epsilon=0.0; out y",
     {"f32[1,4,1] 1 3 5 9"}, {"f32[1,4,1] -1 1 8 12"}, NULL},
    {"Reshape-1", 1, "in x f32[4]; y = Reshape(x) shape=2,-1; out y", {"f32[4] 1 2 3 4"},
     {"f32[2,2] 1 2 3 4"}, NULL},
    {"Tile-1", 1, "in x f32[1,2]; const t i64[] 2; const a i64[] 1; y = Tile(x,t,a); out y",
     {"f32[1,2] 1 2"}, {"f32[1,4] 1 2 1 2"}, NULL},
    {"Tile-1 along no axis", 1, "in x f32[2]; const t i64[] 2; const a i64[] 5; y = Tile(x,t,a); out y",
     {0}, {0}, "tiles or axis"},
    {"Tile-1 by data", 1, "in x f32[2]; in t i64; const a i64[] 0; y = Tile(x,t,a); out y", {0}, {0},
     "not known at load"},
    {"Concat-1", 1, "in x f32[1,1]; in z f32[1,1]; y = Concat(x,z); out y", {"f32[1,1] 1", "f32[1,1] 2"},
     {"f32[1,2] 1 2"}, NULL},
    {"Cast to a word", 1, "in x f32[2]; y = Cast(x) to='INT32'; out y", {"f32[2] 1.5 -2"}, {"i32[2] 1 -2"},
     NULL},
    {"Cast to nonsense", 1, "in x f32[2]; y = Cast(x) to='COMPLEX64'; out y", {0}, {0}, "COMPLEX64"},
    {"Scatter", 9, "in x f32[3]; const i i64[1] 1; const u f32[1] 9; y = Scatter(x,i,u); out y",
     {"f32[3] 1 2 3"}, {"f32[3] 1 9 3"}, NULL},
    {"GlobalLpPool-1", 1, "in x f32[1,1,2]; y = GlobalLpPool(x) p=1.0; out y", {"f32[1,1,2] 3 4"},
     {"f32[1,1,1] 7"}, NULL},
    {"LpPool-1 of half a power", 1, "in x f32[1,1,2]; y = LpPool(x) p=1.5; out y", {0}, {0}, "whole number"},
    {"Selu-1", 1, "in x f32[1]; y = Selu(x); out y", {"f32[1] 1"}, {"f32[1] 1.0507"}, NULL},
};

static void set_opset(struct graph *graph, int opset)
{
    for (int i = 0; i < graph->n_nodes; i++)
        graph->nodes[i].opset = opset;
}

static void run_and_compare(const struct legalise_case *c, struct model *model)
{
    struct weights *weights = model_base_weights(model);
    struct runner *runner = runner_create(NULL);
    struct arena *arena = arena_create((size_t)1 << 26);
    struct tensor inputs[IO_MAX] = {0}, outputs[IO_MAX] = {0};
    struct shape shapes[IO_MAX];
    struct engine_error err = {0};
    enum engine_status status;
    struct plan *plan;

    for (int i = 0; i < model_n_inputs(model); i++) {
        inputs[i] = op_case_tensor(arena, c->inputs[i]);
        shapes[i] = inputs[i].shape;
    }
    plan = model_plan(model, shapes, 1, &err);
    ck_assert_msg(plan != NULL, "%s: %s", c->name, err.text);
    ck_assert_msg(!plan_is_dynamic(plan), "%s: shapes are not known when planning", c->name);
    status = runner_run(runner, plan, weights, inputs, outputs, &err);
    ck_assert_msg(status == ENGINE_OK, "%s: %s", c->name, err.text);
    for (int i = 0; i < model_n_outputs(model); i++) {
        struct tensor wanted = op_case_tensor(arena, c->outputs[i]);

        op_case_compare(c->name, i, &outputs[i], &wanted, 1e-5);
    }
    plan_unref(plan);
    arena_destroy(arena);
    runner_destroy(runner);
    weights_unref(weights);
}

START_TEST(old_form_computes_what_its_opset_says)
{
    const struct legalise_case *c = &cases[_i];
    struct arena *arena = arena_create((size_t)1 << 30);
    struct graph *graph = graph_case(arena, NULL, c->text);
    struct engine_error err = {0};
    enum engine_status status;
    struct model *model;

    set_opset(graph, c->opset);
    status = onnx_legalise(graph, &err);
    if (c->error != NULL) {
        ck_assert_msg(status != ENGINE_OK, "%s: accepted", c->name);
        ck_assert_msg(strstr(err.text, c->error) != NULL, "%s: %s", c->name, err.text);
        arena_destroy(arena);
        return;
    }
    ck_assert_msg(status == ENGINE_OK, "%s: %s", c->name, err.text);
    model = graph_case_try(arena, graph, NULL, &err);
    ck_assert_msg(model != NULL, "%s: %s", c->name, err.text);
    run_and_compare(c, model);
    model_unref(model);
}
END_TEST

/* Scan-8: each of two rows of a batch is summed up by itself. */
START_TEST(scan_with_a_batch_is_a_scan_of_scans)
{
    static const struct legalise_case c = {
        "Scan-8", 8, "in s f32[2,1]; in x f32[2,3,1]; y,z = Scan(,s,x) num_scan_inputs=1; out y; out z",
        {"f32[2,1] 0 100", "f32[2,3,1] 1 2 3 4 5 6"},
        {"f32[2,1] 6 115", "f32[2,3,1] 1 3 6 104 109 115"}, NULL};
    struct arena *arena = arena_create((size_t)1 << 30);
    struct graph *graph = graph_case(arena, NULL, c.text);
    struct graph *body = graph_case(
        arena, graph, "in a f32[1]; in b f32[1]; t = Add(a,b); u = Identity(t); out t; out u");
    struct weights *weights;
    struct runner *runner = runner_create(NULL);
    struct tensor inputs[2], outputs[2] = {0};
    struct engine_error err = {0};
    struct arena *data = arena_create((size_t)1 << 26);
    struct model *model;
    struct plan *plan;

    graph_case_body(graph, "y", "body", body);
    set_opset(graph, c.opset);
    set_opset(body, c.opset);
    ck_assert_msg(onnx_legalise(graph, &err) == ENGINE_OK, "%s", err.text);
    model = graph_case_try(arena, graph, NULL, &err);
    ck_assert_msg(model != NULL, "%s", err.text);
    weights = model_base_weights(model);
    for (int i = 0; i < 2; i++)
        inputs[i] = op_case_tensor(data, c.inputs[i]);
    plan = model_plan(model, (struct shape[]){inputs[0].shape, inputs[1].shape}, 1, &err);
    ck_assert_msg(plan != NULL, "%s", err.text);
    ck_assert_msg(runner_run(runner, plan, weights, inputs, outputs, &err) == ENGINE_OK, "%s", err.text);
    for (int i = 0; i < 2; i++) {
        struct tensor wanted = op_case_tensor(data, c.outputs[i]);

        op_case_compare(c.name, i, &outputs[i], &wanted, 1e-6);
    }
    plan_unref(plan);
    weights_unref(weights);
    runner_destroy(runner);
    model_unref(model);
    arena_destroy(data);
}
END_TEST

Suite *make_suite(void)
{
    Suite *suite = suite_create("legalise");
    TCase *tc = tcase_create("legalise");

    tcase_add_loop_test(tc, old_form_computes_what_its_opset_says, 0,
                        sizeof(cases) / sizeof(cases[0]));
    tcase_add_test(tc, scan_with_a_batch_is_a_scan_of_scans);
    suite_add_tcase(suite, tc);
    return suite;
}
