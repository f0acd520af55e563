/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/plan_private.h"
#include "tests/support/graph_case.h"
#include "tests/support/run_suite.h"

#include <string.h>

/* Plans, or fails the test. */
static struct plan *plan_for(struct model *model, const struct shape *shapes)
{
    struct engine_error err = {0};
    struct plan *plan = model_plan(model, shapes, 1, &err);

    ck_assert_msg(plan != NULL, "%s", err.text);
    return plan;
}

static const struct {
    const char *name, *text;
    int steps;
} chains[] = {
    {"one step an operator", "in x f32[2,4]; a = Sigmoid(x); b = Tanh(a); out b", 2},
    {"views take none", "in x f32[2,4]; a = Sigmoid(x); b = Flatten(a); c = Tanh(b); out c", 2},
    {"shape arithmetic vanishes",
     "in x f32[2,4]; const i i64[1] 0; const m i64[1] -1; s = Shape(x); n = Gather(s,i);"
     "t = Concat(n,m) axis=0; a = Sigmoid(x); b = Reshape(a,t); out b",
     1},
    {"a chain that leads to a shape alone is dropped",
     "in x f32[2,4]; const m i64[1] -1; a = Sigmoid(x); s = Shape(a); t = Sigmoid(x);"
     "b = Reshape(t,s); out b",
     1},
    {"constants run once, in the prologue",
     "in x f32[2,4]; const w f32[4] 1 2 3 4; v = Sigmoid(w); a = Mul(x,v); out a", 1},
    {"nobody reads it", "in x f32[2,4]; a = Sigmoid(x); b = Tanh(x); out a", 1},
};

START_TEST(steps_are_counted)
{
    struct shape shape = {2, {2, 4}};
    struct model *model = graph_case_model(chains[_i].text, NULL);
    struct plan *plan = plan_for(model, &shape);

    ck_assert_msg(!plan_is_dynamic(plan), "%s: dynamic", chains[_i].name);
    ck_assert_msg(plan_n_steps(plan) == chains[_i].steps, "%s: %d steps, expected %d",
                  chains[_i].name, plan_n_steps(plan), chains[_i].steps);
    plan_unref(plan);
    model_unref(model);
}
END_TEST

START_TEST(elementwise_chain_works_in_place)
{
    struct shape shape = {2, {16, 64}};
    struct model *model = graph_case_model(
        "in x f32[N,64]; a = Sigmoid(x); b = Tanh(a); c = Add(b,x); d = Relu(c); out d", NULL);
    struct plan *plan = plan_for(model, &shape);

    /* x belongs to the caller; a, b, c and d are one buffer. */
    ck_assert_uint_eq(plan_arena_bytes(plan), 16 * 64 * sizeof(float));
    plan_unref(plan);
    model_unref(model);
}
END_TEST

START_TEST(what_is_read_later_is_not_overwritten)
{
    struct shape shape = {2, {16, 64}};
    struct model *model =
        graph_case_model("in x f32[N,64]; a = Sigmoid(x); b = Tanh(a); c = Add(a,b); out c", NULL);
    struct plan *plan = plan_for(model, &shape);

    ck_assert_uint_eq(plan_arena_bytes(plan), 2 * 16 * 64 * sizeof(float));
    plan_unref(plan);
    model_unref(model);
}
END_TEST

/* The same bytes under two shapes: Add(a, transposed view) must not write over what it reads. */
START_TEST(broadcast_of_the_same_bytes_is_not_overwritten)
{
    struct shape shape = {2, {8, 1}};
    struct model *model = graph_case_model(
        "in x f32[8,1]; const t i64[2] 1 8; a = Sigmoid(x); b = Reshape(a,t); c = Add(a,b); out c",
        NULL);
    struct plan *plan = plan_for(model, &shape);

    ck_assert_uint_ge(plan_arena_bytes(plan), (64 + 8) * sizeof(float));
    plan_unref(plan);
    model_unref(model);
}
END_TEST

static const struct {
    const char *text;
    struct shape shapes[2];
    const char *error; /* NULL: accepted */
} fits[] = {
    {"in x f32[N,4]; in y f32[N,4]; z = Add(x,y); out z", {{2, {3, 4}}, {2, {3, 4}}}, NULL},
    {"in x f32[N,4]; in y f32[N,4]; z = Add(x,y); out z",
     {{2, {3, 4}}, {2, {1, 4}}},
     "input 'y': dimension 0 is 1, expected 3 ('N', as in input 'x')"},
    {"in x f32[?,4]; in y f32[?,4]; z = Add(x,y); out z", {{2, {3, 4}}, {2, {1, 4}}}, NULL},
    {"in x f32[N,4]; in y f32[4]; z = Add(x,y); out z",
     {{2, {3, 5}}, {1, {4}}},
     "input 'x': shape [3,5] has 5 in dimension 1, expected 4: [N,4]"},
    {"in x f32[N,4]; in y f32[4]; z = Add(x,y); out z",
     {{3, {3, 4, 1}}, {1, {4}}},
     "input 'x': shape [3,4,1] has 3 dimensions, expected 2: [N,4]"},
    {"in x f32[N,4]; in y f32[4]; z = Add(x,y); out z", {{2, {-1, 4}}, {1, {4}}}, "input 'x': "},
    {"in x f32[N,M]; in y f32[4]; z = Add(x,y); out z",
     {{2, {INT64_C(1) << 40, INT64_C(1) << 40}}, {1, {4}}},
     "input 'x': "},
    {"in x f32; in y f32; z = Add(x,y); out z", {{2, {3, 4}}, {1, {5}}}, "do not broadcast"},
    {"in x f32; in y f32; z = Add(x,y); out z",
     {{9, {1, 1, 1, 1, 1, 1, 1, 1}}, {1, {5}}},
     "input 'x': "},
};

START_TEST(inputs_are_checked)
{
    struct engine_error err = {0};
    struct model *model = graph_case_model(fits[_i].text, NULL);
    struct plan *plan = model_plan(model, fits[_i].shapes, 1, &err);

    if (fits[_i].error == NULL) {
        ck_assert_msg(plan != NULL, "row %d: %s", _i, err.text);
    } else {
        ck_assert_msg(plan == NULL, "row %d: accepted", _i);
        ck_assert_int_eq(err.status, ENGINE_BAD_INPUT);
        ck_assert_msg(strstr(err.text, fits[_i].error) != NULL, "row %d: %s", _i, err.text);
    }
    plan_unref(plan);
    model_unref(model);
}
END_TEST

START_TEST(budget_is_refused_before_memory_is_taken)
{
    struct engine_error err = {0};
    struct model_options options = {.plan_bytes_max = 4096};
    struct model *model =
        graph_case_model("in x f32[N]; a = Sigmoid(x); b = Tanh(a); c = Add(a,b); out c", &options);
    struct shape small = {1, {256}}, summed = {1, {1000}}, single = {1, {INT64_C(1) << 40}};

    plan_unref(plan_for(model, &small));
    ck_assert_ptr_null(model_plan(model, &summed, 1, &err));
    ck_assert_int_eq(err.status, ENGINE_OVER_BUDGET);
    ck_assert_msg(strstr(err.text, "8064") != NULL && strstr(err.text, "4096") != NULL, "%s",
                  err.text);
    err.status = ENGINE_OK;
    ck_assert_ptr_null(model_plan(model, &single, 1, &err));
    ck_assert_int_eq(err.status, ENGINE_OVER_BUDGET);
    ck_assert_msg(strstr(err.text, "Sigmoid (node 'a')") != NULL, "%s", err.text);
    model_unref(model);
}
END_TEST

START_TEST(cache_keeps_the_newest)
{
    struct model_options options = {.plans_max = 2};
    struct model *model = graph_case_model("in x f32[N]; a = Sigmoid(x); out a", &options);
    struct shape one = {1, {1}}, two = {1, {2}}, three = {1, {3}};
    struct plan *first = plan_for(model, &one), *second, *again;

    second = plan_for(model, &two);
    ck_assert_ptr_ne(first, second);
    again = plan_for(model, &one);
    ck_assert_ptr_eq(first, again);
    plan_unref(again);
    plan_unref(plan_for(model, &three)); /* drops that of two */
    again = plan_for(model, &one);
    ck_assert_ptr_eq(first, again);
    plan_unref(again);
    again = plan_for(model, &two);
    ck_assert_uint_ne(again->id, second->id);
    plan_unref(again);
    plan_unref(second);
    model_unref(model);
    /* A plan keeps its model. */
    ck_assert_int_eq(model_n_inputs(plan_model(first)), 1);
    plan_unref(first);
}
END_TEST

START_TEST(data_dependent_shapes_make_a_plan_dynamic)
{
    struct shape shapes[2] = {{1, {4}}, {1, {2}}};
    struct model *model =
        graph_case_model("in x f32[4]; in s i64[2]; a = Reshape(x,s); out a", NULL);
    struct plan *plan = plan_for(model, shapes);

    ck_assert(plan_is_dynamic(plan));
    ck_assert_uint_eq(plan_arena_bytes(plan), 0);
    plan_unref(plan);
    model_unref(model);
}
END_TEST

Suite *make_suite(void)
{
    Suite *suite = suite_create("plan");
    TCase *tc = tcase_create("plan");

    tcase_add_loop_test(tc, steps_are_counted, 0, (int)(sizeof(chains) / sizeof(chains[0])));
    tcase_add_test(tc, elementwise_chain_works_in_place);
    tcase_add_test(tc, what_is_read_later_is_not_overwritten);
    tcase_add_test(tc, broadcast_of_the_same_bytes_is_not_overwritten);
    tcase_add_loop_test(tc, inputs_are_checked, 0, (int)(sizeof(fits) / sizeof(fits[0])));
    tcase_add_test(tc, budget_is_refused_before_memory_is_taken);
    tcase_add_test(tc, cache_keeps_the_newest);
    tcase_add_test(tc, data_dependent_shapes_make_a_plan_dynamic);
    suite_add_tcase(suite, tc);
    return suite;
}
