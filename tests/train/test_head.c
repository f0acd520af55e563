/* SPDX-License-Identifier: Apache-2.0
 * Where a loss attaches: over Softmax, Sigmoid, views, and what scikit-learn's exporters add. And why:
 * the gradient of a confident error, on the logits and on the probabilities. */
#include "engine/train/head.h"

#include "tests/support/graph_case.h"
#include "tests/support/run_suite.h"

#include <math.h>
#include <string.h>

#define W "const w f32[4,2] 1 2 3 4 5 6 7 8;"

static const struct row {
    const char *name, *graph;
    enum head_kind kind;
    const char *value, *logits; /* names */
    enum loss_kind loss;
} rows[] = {
    {"plain", "in x f32[N,4]; const w f32[4,2] 1 2 3 4 5 6 7 8; y = MatMul(x,w); out y",
     HEAD_PLAIN, "y", "y",
     LOSS_MSE},
    {"softmax", "in x f32[N,4]; " W " z = MatMul(x,w); y = Softmax(z) axis=1; out y",
     HEAD_SOFTMAX, "y", "z", LOSS_CE},
    {"logarithm of softmax",
     "in x f32[N,4]; " W " z = MatMul(x,w); y = LogSoftmax(z); out y", HEAD_SOFTMAX, "y",
     "z", LOSS_CE},
    {"sigmoid", "in x f32[N,4]; " W " z = MatMul(x,w); y = Sigmoid(z); out y",
     HEAD_SIGMOID, "y", "z", LOSS_BCE},
    {"softmax behind views",
     "in x f32[N,4]; " W " z = MatMul(x,w); p = Softmax(z) axis=1; i = Identity(p); "
     "y = Flatten(i) axis=1; out y",
     HEAD_SOFTMAX, "y", "z", LOSS_CE},
    {"a label", "in x f32[N,4]; " W " z = MatMul(x,w); p = Softmax(z) axis=1; "
                "y = ArgMax(p) axis=1; out y",
     HEAD_SOFTMAX, "p", "z", LOSS_CE},
    {"a label by name",
     "in x f32[N,4]; const w f32[4,2] 1 2 3 4 5 6 7 8; const names i64[2] 7 9; z = MatMul(x,w); "
     "p = Softmax(z) axis=1; a = ArgMax(p) axis=1; l = ai.onnx.ml.ArrayFeatureExtractor(names,a); "
     "y = Cast(l) to=7; out y",
     HEAD_SOFTMAX, "p", "z", LOSS_CE},
    {"a number that is no float", "in x f32[N,4]; y = Cast(x) to=7; out y", HEAD_NONE, NULL, NULL,
     LOSS_MSE},
};

START_TEST(finds_logits)
{
    const struct row *row = &rows[_i];
    struct model *model = graph_case_model(row->graph, NULL);
    const struct graph *graph = model_graph(model);
    struct head head = head_find(graph, 0);

    ck_assert_msg(head.kind == row->kind, "%s: kind %d", row->name, (int)head.kind);
    if (row->value != NULL) {
        ck_assert_msg(strcmp(graph->values[head.value].name, row->value) == 0, "%s: value %s", row->name,
                      graph->values[head.value].name);
        ck_assert_msg(strcmp(graph->values[head.logits].name, row->logits) == 0, "%s: logits %s",
                      row->name, graph->values[head.logits].name);
        ck_assert_msg(head_loss(&head) == row->loss, "%s: loss", row->name);
        ck_assert_msg(head_value(&head, LOSS_MSE) == head.value, "%s: mse", row->name);
    }
    model_unref(model);
}
END_TEST

START_TEST(losses_that_do_not_fit)
{
    const struct head softmax = {HEAD_SOFTMAX, 5, 4, -1}, sigmoid = {HEAD_SIGMOID, 5, 4, -1};
    const struct head plain = {HEAD_PLAIN, 5, 5, -1};

    ck_assert(head_value(&softmax, LOSS_BCE) == VALUE_ABSENT);
    ck_assert(head_value(&sigmoid, LOSS_CE) == VALUE_ABSENT);
    ck_assert(head_value(&softmax, LOSS_CE) == 4);
    ck_assert(head_value(&sigmoid, LOSS_BCE) == 4);
    ck_assert(head_value(&plain, LOSS_CE) == 5);
    ck_assert(head_value(&plain, LOSS_BCE) == 5);
}
END_TEST

/* An example of class 1 that the model puts into class 0 with all confidence: logits 30 and -30. The
 * cross-entropy on the logits pulls with full force; the mean squared error of the probabilities has,
 * through the softmax, a gradient of nothing. */
START_TEST(a_confident_error_is_felt)
{
    float logits[2] = {30.0f, -30.0f}, felt[2], p[2], of_p[2], through[2];
    int64_t label = 1;
    float target[2] = {0.0f, 1.0f};
    const struct tensor values = {DTYPE_F32, {2, {1, 2}}, logits};
    const struct tensor ids = {DTYPE_I64, {1, {1}}, &label}, one_hot = {DTYPE_F32, {2, {1, 2}}, target};
    const struct tensor probabilities = {DTYPE_F32, {2, {1, 2}}, p};
    struct tensor grad = {DTYPE_F32, {2, {1, 2}}, felt}, grad_p = {DTYPE_F32, {2, {1, 2}}, of_p};
    struct loss_form ce = loss_form_default(LOSS_CE), mse = loss_form_default(LOSS_MSE);
    float dot;

    ck_assert(fabs(loss_run(&ce, &values, &ids, 1.0, &grad, NULL) - 60.0) < 1e-4);
    ck_assert(fabsf(felt[0] - 1.0f) < 1e-6f && fabsf(felt[1] + 1.0f) < 1e-6f);
    p[1] = 1.0f / (1.0f + expf(60.0f));
    p[0] = 1.0f - p[1];
    loss_run(&mse, &probabilities, &one_hot, 2.0, &grad_p, NULL);
    dot = p[0] * of_p[0] + p[1] * of_p[1];
    for (int i = 0; i < 2; i++)
        through[i] = p[i] * (of_p[i] - dot);
    ck_assert_msg(fabsf(through[0]) < 1e-20f && fabsf(through[1]) < 1e-20f, "%g %g",
                  (double)through[0], (double)through[1]);
}
END_TEST

Suite *make_suite(void)
{
    Suite *suite = suite_create("head");
    TCase *tc = tcase_create("head");

    tcase_add_loop_test(tc, finds_logits, 0, sizeof(rows) / sizeof(rows[0]));
    tcase_add_test(tc, losses_that_do_not_fit);
    tcase_add_test(tc, a_confident_error_is_felt);
    suite_add_tcase(suite, tc);
    return suite;
}
