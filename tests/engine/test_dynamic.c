/* SPDX-License-Identifier: Apache-2.0
 * What no static plan holds: data-dependent shapes, If, Loop, Scan. */
#include "engine/model_private.h"
#include "engine/runner.h"
#include "tests/support/graph_case.h"
#include "tests/support/op_case.h"
#include "tests/support/run_suite.h"

#include <string.h>

enum { IO_MAX = 4 };

struct body {
    const char *value, *attribute; /* of the node that makes `value` */
    const char *text;
};

struct dynamic_case {
    const char *name, *text;
    struct body bodies[2];
    const char *inputs[IO_MAX], *outputs[IO_MAX];
    const char *error; /* expected instead of outputs */
};

static struct model *model_of(const struct dynamic_case *c, const struct model_options *options)
{
    struct arena *arena = arena_create((size_t)1 << 30);
    struct graph *graph = graph_case(arena, NULL, c->text);
    struct engine_error err = {0};
    struct model *model;

    for (int i = 0; i < 2 && c->bodies[i].text != NULL; i++)
        graph_case_body(graph, c->bodies[i].value, c->bodies[i].attribute,
                        graph_case(arena, graph, c->bodies[i].text));
    model = graph_case_try(arena, graph, options, &err);
    ck_assert_msg(model != NULL, "%s: %s", c->name, err.text);
    return model;
}

static void check_with(const struct dynamic_case *c, const struct model_options *options)
{
    struct model *model = model_of(c, options);
    struct weights *weights = model_base_weights(model);
    struct runner *runner = runner_create(NULL);
    struct arena *arena = arena_create((size_t)1 << 26);
    struct tensor inputs[IO_MAX], outputs[IO_MAX];
    struct shape shapes[IO_MAX];
    struct engine_error err = {0};
    enum engine_status status = ENGINE_OK;
    struct plan *plan;

    for (int i = 0; i < model_n_inputs(model); i++) {
        inputs[i] = op_case_tensor(arena, c->inputs[i]);
        shapes[i] = inputs[i].shape;
    }
    plan = model_plan(model, shapes, 1, &err);
    ck_assert_msg(plan != NULL, "%s: %s", c->name, err.text);
    ck_assert_msg(plan_is_dynamic(plan), "%s: static", c->name);
    /* Twice: the second run starts from used memory. */
    for (int round = 0; round < 2 && status == ENGINE_OK; round++)
        status = runner_run(runner, plan, weights, inputs, outputs, &err);
    if (c->error != NULL) {
        ck_assert_msg(status != ENGINE_OK, "%s: accepted", c->name);
        ck_assert_msg(strstr(err.text, c->error) != NULL, "%s: %s", c->name, err.text);
    } else {
        ck_assert_msg(status == ENGINE_OK, "%s: %s", c->name, err.text);
        for (int i = 0; i < model_n_outputs(model); i++) {
            struct tensor want = op_case_tensor(arena, c->outputs[i]);

            op_case_compare(c->name, i, &outputs[i], &want, 1e-6);
        }
    }
    plan_unref(plan);
    arena_destroy(arena);
    runner_destroy(runner);
    weights_unref(weights);
    model_unref(model);
}

#define IF_TEXT "in c bool; in x f32[2]; const w f32[2] 10 20; y = If(c); out y"
#define IF_THEN                                                                                    \
    {                                                                                              \
        "y", "then_branch", "cap x x; cap w w; z = Add(x,w); out z"                                \
    }
#define IF_ELSE                                                                                    \
    {                                                                                              \
        "y", "else_branch", "cap v x; const k f32[1] 2; z = Mul(v,k); out z"                       \
    }

/* Sums x up to the trip count and collects the partial sums. */
#define LOOP_TEXT "in m i64; in k bool; in x f32[2]; in s f32[2]; a,b = Loop(m,k,s); out a; out b"
#define LOOP_BODY                                                                                  \
    {                                                                                              \
        "a", "body",                                                                               \
            "in i i64; in c bool; in t f32[2]; cap x x; u = Add(t,x); d = Identity(c);"            \
            "v = Identity(u); out d; out u; out v"                                                 \
    }

static const struct dynamic_case cases[] = {
    {"shape from data",
     "in x f32[4]; in s i64[2]; a = Reshape(x,s); b = Relu(a); out b",
     {{0}},
     {"f32[4] 1 -2 3 -4", "i64[2] 2 -1"},
     {"f32[2,2] 1 0 3 0"},
     NULL},
    {"shape from data is checked",
     "in x f32[4]; in s i64[2]; a = Reshape(x,s); out a",
     {{0}},
     {"f32[4] 1 -2 3 -4", "i64[2] 3 -1"},
     {NULL},
     "Reshape (node 'a')"},
    {"a view of an input is copied",
     "in x f32[4]; in s i64[1]; a = Reshape(x,s); out a; out x",
     {{0}},
     {"f32[4] 1 2 3 4", "i64[1] 4"},
     {"f32[4] 1 2 3 4", "f32[4] 1 2 3 4"},
     NULL},
    {"if, then", IF_TEXT, {IF_THEN, IF_ELSE}, {"bool[] 1", "f32[2] 1 2"}, {"f32[2] 11 22"}, NULL},
    {"if, else", IF_TEXT, {IF_THEN, IF_ELSE}, {"bool[] 0", "f32[2] 1 2"}, {"f32[2] 2 4"}, NULL},
    {"if needs one condition",
     "in c bool[2]; in x f32[2]; const w f32[2] 10 20; y = If(c); out y",
     {IF_THEN, IF_ELSE},
     {"bool[2] 0 1", "f32[2] 1 2"},
     {NULL},
     "the condition has 2 elements"},
    {"loop",
     LOOP_TEXT,
     {LOOP_BODY},
     {"i64[] 3", "bool[] 1", "f32[2] 1 2", "f32[2] 10 10"},
     {"f32[2] 13 16", "f32[3,2] 11 12 12 14 13 16"},
     NULL},
    {"loop of no trips",
     LOOP_TEXT,
     {LOOP_BODY},
     {"i64[] 0", "bool[] 1", "f32[2] 1 2", "f32[2] 10 10"},
     {"f32[2] 10 10", "f32[0]"},
     NULL},
    {"loop that never starts",
     LOOP_TEXT,
     {LOOP_BODY},
     {"i64[] 5", "bool[] 0", "f32[2] 1 2", "f32[2] 10 10"},
     {"f32[2] 10 10", "f32[0]"},
     NULL},
    {"while",
     "in x f32[1]; const yes bool[] 1; a = Loop(,yes,x); out a",
     {{"a", "body",
       "in i i64; in c bool; in t f32[1]; const two f32[1] 2; const top f32[1] 100; u = Mul(t,two);"
       "d = Less(u,top); out d; out u"}},
     {"f32[1] 3"},
     {"f32[1] 192"},
     NULL},
    {"endless loop is stopped",
     "in x f32[1]; a = Loop(,,x); out a",
     {{"a", "body", "in i i64; in c bool; in t f32[1]; u = Identity(t); out c; out u"}},
     {"f32[1] 3"},
     {NULL},
     "went round more than"},
    {"loop whose state grows",
     "in m i64; in x f32[1]; a = Loop(m,,x); out a",
     {{"a", "body", "in i i64; in c bool; in t f32[N]; u = Concat(t,t) axis=0; out c; out u"}},
     {"i64[] 3", "f32[1] 7"},
     {"f32[8] 7 7 7 7 7 7 7 7"},
     NULL},
    {"loop that swaps its states",
     "in m i64; in x f32[1]; in y f32[1]; a,b = Loop(m,,x,y); out a; out b",
     {{"a", "body", "in i i64; in c bool; in t f32[1]; in u f32[1]; out c; out u; out t"}},
     {"i64[] 5", "f32[1] 1", "f32[1] 2"},
     {"f32[1] 2", "f32[1] 1"},
     NULL},
    {"loop counter as a scan output",
     "in m i64; a = Loop(m,); out a",
     {{"a", "body", "in i i64; in c bool; out c; out i"}},
     {"i64[] 4"},
     {"i64[4] 0 1 2 3"},
     NULL},
    {"strings carried",
     "in m i64; in x str[2]; a = Loop(m,,x); out a",
     {{"a", "body", "in i i64; in c bool; in t str[2]; u = Identity(t); out c; out u"}},
     {"i64[] 3", "str[2] ab ''"},
     {"str[2] ab ''"},
     NULL},
    {"scan",
     "in s f32[2]; in x f32[3,2]; a,b = Scan(s,x) num_scan_inputs=1; out a; out b",
     {{"a", "body", "in t f32[2]; in e f32[2]; u = Add(t,e); v = Identity(u); out u; out v"}},
     {"f32[2] 0 0", "f32[3,2] 1 2 3 4 5 6"},
     {"f32[2] 9 12", "f32[3,2] 1 2 4 6 9 12"},
     NULL},
    {"scan with lengths that differ",
     "in x f32[3]; in y f32[4]; a = Scan(x,y) num_scan_inputs=2; out a",
     {{"a", "body", "in t f32; in e f32; u = Add(t,e); out u"}},
     {"f32[3] 0 0 0", "f32[4] 1 2 3 4"},
     {NULL},
     "scan input 1 has 4 slices, the first has 3"},
};

START_TEST(case_runs)
{
    static const struct model_options unbounded;

    check_with(&cases[_i], &unbounded);
}
END_TEST

/* Conditions that a plan can know: the branch taken is planned in the place of the If. */
static const struct {
    const char *name, *text;
    struct body bodies[2];
    const char *input, *output;
    int steps;
} known[] = {
    {"a constant decides",
     "const c bool[] 1; in x f32[2]; const w f32[2] 10 20; y = If(c); out y",
     {IF_THEN, IF_ELSE},
     "f32[2] 1 2",
     "f32[2] 11 22",
     1},
    {"a shape decides",
     "in x f32[N]; const two i64[1] 2; s = Shape(x); c = Equal(s,two); const w f32[1] 10; y = If(c);"
     "z = Relu(y); out z",
     {IF_THEN, IF_ELSE},
     "f32[3] -1 2 3",
     "f32[3] 0 4 6",
     2},
    {"a branch that only names a capture",
     "const c bool[] 0; in x f32[2]; y = If(c); out y",
     {{"y", "then_branch", "cap x x; z = Relu(x); out z"}, {"y", "else_branch", "cap v x; out v"}},
     "f32[2] 1 2",
     "f32[2] 1 2",
     0},
    {"a branch that is a constant",
     "const c bool[] 0; in x f32[2]; y = If(c); z = Add(x,y); out z",
     {{"y", "then_branch", "cap x x; z = Relu(x); out z"},
      {"y", "else_branch", "const k f32[1] 5; out k"}},
     "f32[2] 1 2",
     "f32[2] 6 7",
     1},
    {"a shape goes into the branch",
     "const c bool[] 1; in x f32[N,2]; s = Shape(x); const i i64[1] 1; n = Gather(s,i); y = If(c); out y",
     {{"y", "then_branch",
       "cap x x; cap n n; const m i64[1] -1; t = Concat(n,m) axis=0; z = Reshape(x,t); out z"},
      {"y", "else_branch", "cap v x; out v"}},
     "f32[3,2] 1 2 3 4 5 6",
     "f32[2,3] 1 2 3 4 5 6",
     0},
};

START_TEST(known_conditions_leave_a_static_plan)
{
    struct dynamic_case c = {.name = known[_i].name,
                             .text = known[_i].text,
                             .bodies = {known[_i].bodies[0], known[_i].bodies[1]}};
    struct model *model = model_of(&c, NULL);
    struct weights *weights = model_base_weights(model);
    struct runner *runner = runner_create(NULL);
    struct arena *arena = arena_create((size_t)1 << 20);
    struct tensor in = op_case_tensor(arena, known[_i].input), out;
    struct tensor want = op_case_tensor(arena, known[_i].output);
    struct engine_error err = {0};
    struct plan *plan = model_plan(model, &in.shape, 1, &err);

    ck_assert_msg(plan != NULL, "%s: %s", c.name, err.text);
    ck_assert_msg(!plan_is_dynamic(plan), "%s: dynamic", c.name);
    ck_assert_msg(plan_n_steps(plan) == known[_i].steps, "%s: %d steps", c.name,
                  plan_n_steps(plan));
    ck_assert_msg(runner_run(runner, plan, weights, &in, &out, &err) == ENGINE_OK, "%s: %s", c.name,
                  err.text);
    op_case_compare(c.name, 0, &out, &want, 0);
    plan_unref(plan);
    arena_destroy(arena);
    runner_destroy(runner);
    weights_unref(weights);
    model_unref(model);
}
END_TEST

/* Only what follows from data is left to the dynamic executor. */
START_TEST(steps_before_a_dynamic_node_are_planned)
{
    static const struct dynamic_case c = {
        "planned trunk",
        "in x f32[4]; in s i64[2]; const w f32[4] 1 1 1 1; a = Sigmoid(x); z = Sub(a,a); b = Add(z,w);"
        "k = Reshape(b,s); d = Relu(k); e = Mul(b,x); out d; out e",
        {{0}},
        {"f32[4] 1 2 3 4", "i64[2] 2 2"},
        {"f32[2,2] 1 1 1 1", "f32[4] 1 2 3 4"},
        NULL};
    struct model *model = model_of(&c, NULL);
    struct shape shapes[2] = {{1, {4}}, {1, {2}}};
    struct engine_error err = {0};
    struct plan *plan = model_plan(model, shapes, 1, &err);

    ck_assert_msg(plan != NULL, "%s", err.text);
    ck_assert(plan_is_dynamic(plan));
    ck_assert_int_eq(plan_n_steps(plan), 4);
    plan_unref(plan);
    model_unref(model);
    check_with(&c, &(struct model_options){.plans_max = 1});
}
END_TEST

/* A known If whose branch needs data: the whole If is left, and nothing of the branch remains. */
START_TEST(branch_that_needs_data_is_left_whole)
{
    static const struct dynamic_case c = {
        "branch with data",
        "const c bool[] 1; in x f32[4]; in s i64[2]; y = If(c); z = Relu(y); out z",
        {{"y", "then_branch",
          "cap x x; cap s s; a = Sigmoid(x); b = Sub(a,a); k = Reshape(b,s); out k"},
         {"y", "else_branch", "cap v x; out v"}},
        {"f32[4] 1 2 3 4", "i64[2] 2 2"},
        {"f32[2,2] 0 0 0 0"},
        NULL};
    static const struct model_options unbounded;

    check_with(&c, &unbounded);
}
END_TEST

/* Scan along the last axis, backwards, results along the last axis, backwards. */
START_TEST(scan_has_axes_and_directions)
{
    struct arena *arena = arena_create((size_t)1 << 26);
    struct graph *graph =
        graph_case(arena, NULL,
                   "in s f32[2]; in x f32[2,3]; a,b = Scan(s,x) num_scan_inputs=1;"
                   "out a; out b");
    static const int64_t one[] = {1};
    static const char *const lists[] = {"scan_input_axes", "scan_input_directions",
                                        "scan_output_axes", "scan_output_directions"};
    struct engine_error err = {0};
    struct tensor inputs[2], outputs[2], want[2];
    struct shape shapes[2] = {{1, {2}}, {2, {2, 3}}};
    struct arena *data = arena_create((size_t)1 << 20);
    struct runner *runner = runner_create(NULL);
    struct weights *weights;
    struct model *model;
    struct plan *plan;

    graph_case_body(
        graph, "a", "body",
        graph_case(arena, graph,
                   "in t f32[2]; in e f32[2]; u = Add(t,e); v = Identity(u); out u; out v"));
    for (int i = 0; i < 4; i++)
        ck_assert(node_set_ints(graph, &graph->nodes[0], lists[i], one, 1));
    model = graph_case_try(arena, graph, NULL, &err);
    ck_assert_msg(model != NULL, "%s", err.text);
    weights = model_base_weights(model);
    plan = model_plan(model, shapes, 1, &err);
    inputs[0] = op_case_tensor(data, "f32[2] 0 0");
    inputs[1] = op_case_tensor(data, "f32[2,3] 1 2 3 10 20 30");
    want[0] = op_case_tensor(data, "f32[2] 6 60");
    want[1] = op_case_tensor(data, "f32[2,3] 6 5 3 60 50 30");
    ck_assert_int_eq(runner_run(runner, plan, weights, inputs, outputs, &err), ENGINE_OK);
    for (int i = 0; i < 2; i++)
        op_case_compare("scan", i, &outputs[i], &want[i], 0);
    plan_unref(plan);
    weights_unref(weights);
    runner_destroy(runner);
    model_unref(model);
    arena_destroy(data);
}
END_TEST

/* 10,000 rounds over 4 kB would take 40 MB if nothing were given back. */
START_TEST(iterations_give_their_memory_back)
{
    static const struct dynamic_case c = {
        "many rounds",
        "in m i64; const x f32[1] 1; const n i64[1] 1000; a = Loop(m,,x); out a",
        {{"a", "body",
          "in i i64; in c bool; in t f32[1]; cap n n; e = Expand(t,n); k = Sigmoid(e);"
          "u = Identity(t); const z i64[1] 0; p = Gather(k,z); q = Mul(t,p); r = Sub(q,q);"
          "o = Add(u,r); out c; out o"}},
        {"i64[] 10000"},
        {"f32[1] 1"},
        NULL};
    struct model_options options = {.plan_bytes_max = 1 << 20};

    check_with(&c, &options);
}
END_TEST

START_TEST(budget_bounds_a_run)
{
    static const struct dynamic_case c = {
        "doubling",
        "in m i64; in x f32[1]; a = Loop(m,,x); out a",
        {{"a", "body", "in i i64; in c bool; in t f32[N]; u = Concat(t,t) axis=0; out c; out u"}},
        {"i64[] 60", "f32[1] 7"},
        {NULL},
        "the budget"};
    struct model_options options = {.plan_bytes_max = 1 << 20};

    check_with(&c, &options);
}
END_TEST

static const struct {
    const char *name, *text;
    struct body body;
    const char *error;
} malformed[] = {
    {"no branch",
     "in c bool; y = If(c); out y",
     {"y", "then_branch", "const z f32[1] 1; out z"},
     "attribute 'else_branch' is missing"},
    {"loop without its body",
     "in m i64; y = Loop(m,); out y",
     {NULL, NULL, NULL},
     "attribute 'body' is missing"},
    {"body with too few inputs",
     "in m i64; in x f32[1]; y = Loop(m,,x); out y",
     {"y", "body", "in i i64; in c bool; out c; out i"},
     "body has 2 inputs, needs 3"},
    {"body with too few outputs",
     "in m i64; in x f32[1]; y = Loop(m,,x); out y",
     {"y", "body", "in i i64; in c bool; in t f32[1]; out c"},
     "body has 1 outputs, needs 2"},
    {"scan of more than there is",
     "in x f32[1]; y = Scan(x) num_scan_inputs=2; out y",
     {"y", "body", "in t f32; out t"},
     "num_scan_inputs is 2 of 1 inputs"},
};

START_TEST(malformed_bodies_are_refused_at_load)
{
    struct arena *arena = arena_create((size_t)1 << 26);
    struct graph *graph = graph_case(arena, NULL, malformed[_i].text);
    struct engine_error err = {0};

    if (malformed[_i].body.text != NULL)
        graph_case_body(graph, malformed[_i].body.value, malformed[_i].body.attribute,
                        graph_case(arena, graph, malformed[_i].body.text));
    ck_assert_ptr_null(graph_case_try(arena, graph, NULL, &err));
    ck_assert_msg(strstr(err.text, malformed[_i].error) != NULL, "%s: %s", malformed[_i].name,
                  err.text);
}
END_TEST

Suite *make_suite(void)
{
    Suite *suite = suite_create("dynamic");
    TCase *tc = tcase_create("dynamic");

    tcase_set_timeout(tc, 30);
    tcase_add_loop_test(tc, case_runs, 0, (int)(sizeof(cases) / sizeof(cases[0])));
    tcase_add_loop_test(tc, known_conditions_leave_a_static_plan, 0,
                        (int)(sizeof(known) / sizeof(known[0])));
    tcase_add_test(tc, steps_before_a_dynamic_node_are_planned);
    tcase_add_test(tc, branch_that_needs_data_is_left_whole);
    tcase_add_test(tc, scan_has_axes_and_directions);
    tcase_add_test(tc, iterations_give_their_memory_back);
    tcase_add_test(tc, budget_bounds_a_run);
    tcase_add_loop_test(tc, malformed_bodies_are_refused_at_load, 0,
                        (int)(sizeof(malformed) / sizeof(malformed[0])));
    suite_add_tcase(suite, tc);
    return suite;
}
