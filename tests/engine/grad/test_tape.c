/* SPDX-License-Identifier: Apache-2.0
 * What the tape does between operators: values with several readers, tied weights, views, weights behind
 * the prologue, inlined branches; and what it refuses. */
#include "engine/grad/tape.h"
#include "tests/support/grad_case.h"
#include "tests/support/graph_case.h"
#include "tests/support/run_suite.h"

#include <string.h>

static const struct grad_case cases[] = {
    {.name = "several readers", .graph =
     "const a f32[3,4] ~; const b f32[3,4] ~; c = Mul(a,b); d = Tanh(c); e = Sigmoid(c);"
     "f = Mul(d,e); g = Add(f,c); out g"},
    {.name = "one value twice", .graph =
     "const a f32[5] ~; b = Mul(a,a); c = Mul(b,b); d = Add(c,c); out d"},
    {.name = "several targets", .graph =
     "const a f32[2,3] ~; const b f32[3] ~; c = Add(a,b); d = Exp(c); e = Mul(d,a); out c; out e"},
    {.name = "a target that others read", .graph =
     "const a f32[4] ~; b = Tanh(a); c = Mul(b,b); d = Tanh(c); out b; out c; out d"},
    {.name = "views", .graph =
     "const a f32[2,6] ~; const s i64[3] 3 2 2; const t i64[2] 4 3; r = Reshape(a,s);"
     "q = Reshape(r,t); u = Tanh(q); v = Sigmoid(r); w = Reshape(v,t); x = Mul(u,w); y = Add(x,q);"
     "out y"},
    {.name = "a view of a target", .graph =
     "const a f32[2,3] ~; const s i64[1] -1; b = Exp(a); c = Reshape(b,s); d = Mul(c,c); out b; out d"},
    {.name = "a view is the target", .graph =
     "const a f32[2,3] ~; const s i64[1] -1; b = Exp(a); c = Reshape(b,s); out c"},
    {.name = "tied weights", .graph =
     "const w f32[4,4] ~; const x f32[2,4] ~; h = MatMul(x,w); a = Tanh(h); t = Transpose(w) perm=1,0;"
     "y = MatMul(a,t); out y"},
    {.name = "frozen neighbours", .graph =
     "const a f32[3] ~; const _f f32[3] ~; b = Mul(a,_f); c = Exp(_f); d = Mul(b,c); out d"},
    {.name = "what stops", .graph =
     "const a f32[4] ~; const _z f32[1] 0; m = Greater(a,_z); b = Mul(a,a); y = Where(m,b,a); out y"},
    {.name = "not on the way to the target", .graph =
     "const a f32[3] ~; const unused f32[3] ~; b = Exp(unused); c = Exp(a); d = Shape(b); out c"},
    {.name = "a long chain in place", .graph =
     "const a f32[3,5] ~; b = Tanh(a); c = Sigmoid(b); d = Tanh(c); e = Relu(d); f = Exp(e); out f"},
};

START_TEST(test_case)
{
    grad_case_check(&cases[_i]);
}
END_TEST

/* Steps again after the weights have moved: prologue nodes that depend on them run with every step. */
START_TEST(test_prologue)
{
    static const char text[] =
        "in x f32[1,2]; const w f32[2,2] 1 2 3 4; const _s f32[1] 2; t = Transpose(w) perm=1,0;"
        "u = Mul(t,_s); y = MatMul(x,u); out y";
    const struct model_options options = {.optimise = false};
    struct model *model = graph_case_model(text, &options);
    const struct graph *graph = model_graph(model);
    const struct shape shape = {.rank = 2, .dims = {1, 2}};
    struct engine_error err = {0};
    _Alignas(64) float w[] = {1, 2, 3, 4}, x[] = {1, 10}, g[4];
    const void *trainable[] = {w};
    void *grads[] = {g};
    const struct tensor input = {DTYPE_F32, shape, x};
    int slot = graph->values[graph_case_value(graph, "w")].weight_slot;
    int target = graph_case_value(graph, "y");
    const struct tape_options how = {.n_trainable = 1, .trainable = &slot, .n_targets = 1,
                                     .targets = &target};
    struct tape *tape = tape_create(model, &shape, &how, NULL, &err);

    ck_assert_msg(tape != NULL, "%s", err.text);
    tape_bind(tape, &(struct tape_memory){trainable, grads, NULL, NULL});
    for (int round = 0; round < 2; round++) {
        const float *y;

        ck_assert_int_eq(tape_forward(tape, &input, &(struct grad_context){0}, &err), ENGINE_OK);
        y = tape_target(tape, 0)->data;
        ck_assert_float_eq(y[0], 2 * (w[0] + 10 * w[1]));
        ck_assert_float_eq(y[1], 2 * (w[2] + 10 * w[3]));
        ((float *)tape_target_grad(tape, 0)->data)[0] = 1;
        ((float *)tape_target_grad(tape, 0)->data)[1] = -1;
        ck_assert_int_eq(tape_backward(tape, false, &err), ENGINE_OK);
        ck_assert_float_eq(g[0], 2);
        ck_assert_float_eq(g[1], 20);
        ck_assert_float_eq(g[2], -2);
        ck_assert_float_eq(g[3], -20);
        for (int i = 0; i < 4; i++)
            w[i] -= 0.5f * g[i];
    }
    tape_destroy(tape);
    model_unref(model);
}
END_TEST

/* What cannot be trained is named; the budget is held to before any memory is taken. */
START_TEST(test_refused)
{
    static const struct {
        const char *text, *error;
        size_t bytes_max;
    } rows[] = {
        {"const w f32[4] 1 2 3 4; y = NonZero(w); z = Cast(y) to=1; out z", "decides shapes", 0},
        {"const w f64[2] 1 2; y = Exp(w); z = Cast(y) to=1; out z", "only float32", 0},
        {"const w f32[2] 1 2; h = Cast(w) to=10; z = Cast(h) to=1; out z", "its result is float16", 0},
        {"const w f32[2] 1 2; h = Cast(w) to=16; y = Exp(h); z = Cast(y) to=1; out z",
         "Cast (node 'h'): cannot be trained through: its result is bfloat16", 0},
        {"const w f32[2] 1 2; const l f64[] 0; h = CastLike(w,l); z = Cast(h) to=1; out z",
         "its result is double", 0},
        {"const w f32[2,2] 1 2 3 4; y = Exp(w); z = Tanh(y); out z", "the budget is 64", 64},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct model_options options = {.optimise = false};
        struct model *model = graph_case_model(rows[i].text, &options);
        const struct graph *graph = model_graph(model);
        int slot = graph->values[graph_case_value(graph, "w")].weight_slot;
        const struct tape_options how = {.n_trainable = 1, .trainable = &slot,
                                         .n_targets = 1, .targets = graph->outputs,
                                         .bytes_max = rows[i].bytes_max};
        struct engine_error err = {0};

        ck_assert_msg(tape_create(model, NULL, &how, NULL, &err) == NULL, "row %zu: made", i);
        ck_assert_msg(strstr(err.text, rows[i].error) != NULL, "row %zu: '%s'", i, err.text);
        model_unref(model);
    }
}
END_TEST

Suite *make_suite(void)
{
    Suite *suite = suite_create("tape");
    TCase *tests = tcase_create("all");

    tcase_set_timeout(tests, 120);
    tcase_add_loop_test(tests, test_case, 0, sizeof(cases) / sizeof(cases[0]));
    tcase_add_test(tests, test_prologue);
    tcase_add_test(tests, test_refused);
    suite_add_tcase(suite, tests);
    return suite;
}
