/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/model_private.h"
#include "engine/runner.h"
#include "tests/support/count_allocations.h"
#include "tests/support/graph_case.h"
#include "tests/support/op_case.h"
#include "tests/support/run_suite.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Two layers with constants, a view, folded shapes and something to overwrite. */
static const char network[] =
    "in x f32[N,3]; const w f32[3,4] 1 2 3 4 5 6 7 8 9 10 11 12; const b f32[4] 1 -1 1 -1;"
    "const s f32[4] 0.5 0.5 2 2; const m i64[1] -1; const i i64[1] 0;"
    "h = MatMul(x,w); p = Add(h,b); r = Relu(p); k = Mul(b,s); q = Mul(r,k);"
    "d = Shape(x); n = Gather(d,i); t = Concat(n,m) axis=0; y = Reshape(q,t); out y";

struct bench {
    struct model *model;
    struct weights *weights;
    struct runner *runner;
    struct arena *arena;
};

static struct bench bench_for(const char *text)
{
    struct bench bench = {0};

    bench.model = graph_case_model(text, NULL);
    bench.weights = model_base_weights(bench.model);
    bench.runner = runner_create(NULL);
    bench.arena = arena_create((size_t)1 << 26);
    ck_assert(bench.runner != NULL && bench.arena != NULL);
    return bench;
}

static void bench_finish(struct bench *bench)
{
    arena_destroy(bench->arena);
    runner_destroy(bench->runner);
    weights_unref(bench->weights);
    model_unref(bench->model);
}

static struct plan *plan_for(struct bench *bench, const struct tensor *inputs)
{
    struct shape shapes[8];
    struct engine_error err = {0};
    struct plan *plan;

    for (int i = 0; i < model_n_inputs(bench->model); i++)
        shapes[i] = inputs[i].shape;
    plan = model_plan(bench->model, shapes, 1, &err);
    ck_assert_msg(plan != NULL, "%s", err.text);
    return plan;
}

/* Runs and compares with the expected outputs, all written as text. */
static void expect(struct bench *bench, const char *input, const char *output)
{
    struct tensor in = op_case_tensor(bench->arena, input),
                  want = op_case_tensor(bench->arena, output);
    struct plan *plan = plan_for(bench, &in);
    struct engine_error err = {0};
    struct tensor out;

    ck_assert_msg(runner_run(bench->runner, plan, bench->weights, &in, &out, &err) == ENGINE_OK,
                  "%s", err.text);
    op_case_compare(input, 0, &out, &want, 1e-6);
    plan_unref(plan);
}

START_TEST(network_computes)
{
    struct bench bench = bench_for(network);

    /* x w = [38 44 50 56]; + b = [39 43 51 55]; * b s = [.5 -.5 2 -2] */
    expect(&bench, "f32[1,3] 1 2 3", "f32[1,4] 19.5 -21.5 102 -110");
    expect(&bench, "f32[2,3] 1 2 3 -1 -2 -3", "f32[2,4] 19.5 -21.5 102 -110 0 0 0 0");
    expect(&bench, "f32[1,3] 1 2 3", "f32[1,4] 19.5 -21.5 102 -110");
    bench_finish(&bench);
}
END_TEST

static const struct {
    const char *text, *input, *output;
} aliases[] = {
    {"in x f32[2]; y = Identity(x); out y", "f32[2] 1 2", "f32[2] 1 2"},
    {"in x f32[2]; const t i64[2] 2 1; y = Reshape(x,t); out y", "f32[2] 1 2", "f32[2,1] 1 2"},
    {"in x f32[2]; const y f32[3] 7 8 9; out y", "f32[2] 1 2", "f32[3] 7 8 9"},
    {"in x f32[2]; y = Shape(x); out y", "f32[2] 1 2", "i64[1] 2"},
    {"in x f32[2]; out x", "f32[2] 1 2", "f32[2] 1 2"},
    {"in x f32[0]; y = Relu(x); out y", "f32[0]", "f32[0]"},
};

START_TEST(outputs_that_would_alias_are_copies)
{
    struct bench bench = bench_for(aliases[_i].text);
    struct tensor in = op_case_tensor(bench.arena, aliases[_i].input);
    struct tensor want = op_case_tensor(bench.arena, aliases[_i].output);
    struct plan *plan = plan_for(&bench, &in);
    struct engine_error err = {0};
    struct tensor out;

    ck_assert_int_eq(runner_run(bench.runner, plan, bench.weights, &in, &out, &err), ENGINE_OK);
    if (shape_elements(&in.shape) > 0)
        memset(in.data, 0xff, tensor_bytes(&in));
    plan_unref(plan);
    op_case_compare(aliases[_i].text, 0, &out, &want, 0);
    bench_finish(&bench);
}
END_TEST

START_TEST(second_run_takes_no_memory_and_gives_the_same_bits)
{
    struct bench bench = bench_for(network);
    struct tensor one = op_case_tensor(bench.arena, "f32[1,3] 0.1 0.2 0.3");
    struct tensor two = op_case_tensor(bench.arena, "f32[2,3] 0.1 0.2 0.3 0.4 0.5 0.6");
    struct plan *plan_one = plan_for(&bench, &one), *plan_two = plan_for(&bench, &two);
    struct engine_error err = {0};
    struct tensor out;
    float first[4];
    long before, taken;

    runner_run(bench.runner, plan_two, bench.weights, &two, &out, &err);
    runner_run(bench.runner, plan_one, bench.weights, &one, &out, &err);
    memcpy(first, out.data, sizeof(first));
    before = allocations_counted();
    for (int i = 0; i < 10; i++) {
        /* No ck_assert in here: it takes memory itself. */
        if (runner_run(bench.runner, plan_two, bench.weights, &two, &out, &err) != ENGINE_OK ||
            runner_run(bench.runner, plan_one, bench.weights, &one, &out, &err) != ENGINE_OK ||
            memcmp(first, out.data, sizeof(first)) != 0)
            ck_abort_msg("run %d differs: %s", i, err.text);
    }
    taken = allocations_counted() - before;
    ck_assert_int_eq(taken, 0);
    plan_unref(plan_one);
    plan_unref(plan_two);
    bench_finish(&bench);
}
END_TEST

START_TEST(wrong_inputs_are_refused_by_name)
{
    struct bench bench = bench_for(network);
    struct tensor in = op_case_tensor(bench.arena, "f32[1,3] 1 2 3"), wrong = in, out;
    struct plan *plan = plan_for(&bench, &in);
    struct engine_error err = {0};

    wrong.dtype = DTYPE_I32;
    ck_assert_int_eq(runner_run(bench.runner, plan, bench.weights, &wrong, &out, &err),
                     ENGINE_BAD_INPUT);
    ck_assert_str_eq(err.text, "input 'x': elements are int32, expected float");
    wrong = in;
    wrong.shape.dims[0] = 2;
    err.status = ENGINE_OK;
    ck_assert_int_eq(runner_run(bench.runner, plan, bench.weights, &wrong, &out, &err),
                     ENGINE_BAD_INPUT);
    ck_assert_str_eq(err.text, "input 'x': shape is [2,3], the plan is for [1,3]");
    plan_unref(plan);
    bench_finish(&bench);
}
END_TEST

START_TEST(a_plan_for_fewer_threads_is_refused)
{
    struct bench bench = bench_for(network);
    struct tensor in = op_case_tensor(bench.arena, "f32[1,3] 1 2 3"), out;
    struct pool *pool = pool_create(2, 0);
    struct runner *runner = runner_create(pool);
    struct plan *plan = plan_for(&bench, &in);
    struct engine_error err = {0};

    ck_assert_int_eq(runner_run(runner, plan, bench.weights, &in, &out, &err), ENGINE_BAD_INPUT);
    ck_assert_str_eq(err.text, "a plan for 1 threads cannot run on 2");
    plan_unref(plan);
    err.status = ENGINE_OK;
    plan = model_plan(bench.model, &in.shape, 2, &err);
    ck_assert_int_eq(runner_run(runner, plan, bench.weights, &in, &out, &err), ENGINE_OK);
    ck_assert_int_eq(runner_run(bench.runner, plan, bench.weights, &in, &out, &err), ENGINE_OK);
    plan_unref(plan);
    runner_destroy(runner);
    pool_destroy(pool);
    bench_finish(&bench);
}
END_TEST

START_TEST(data_at_odd_addresses_are_taken)
{
    struct bench bench = bench_for(network);
    unsigned char bytes[16] = {0};
    struct tensor in = op_case_tensor(bench.arena, "f32[1,3] 1 2 3"), out;
    struct plan *plan = plan_for(&bench, &in);
    struct engine_error err = {0};

    memcpy(bytes + 1, in.data, 12);
    in.data = bytes + 1;
    ck_assert_int_eq(runner_run(bench.runner, plan, bench.weights, &in, &out, &err), ENGINE_OK);
    ck_assert_float_eq(((float *)out.data)[0], 19.5f);
    plan_unref(plan);
    bench_finish(&bench);
}
END_TEST

START_TEST(more_plans_than_bindings)
{
    struct bench bench = bench_for("in x f32[N]; y = Relu(x); out y");
    char input[512];

    for (int round = 0; round < 2; round++) {
        for (int n = 1; n < 50; n++) {
            size_t used = (size_t)snprintf(input, sizeof(input), "f32[%d]", n);

            for (int i = 0; i < n; i++)
                used += (size_t)snprintf(input + used, sizeof(input) - used, " %d", i);
            expect(&bench, input, input);
        }
    }
    bench_finish(&bench);
}
END_TEST

/* y = x * (w * 2), twice: the prologue output follows its source, the rest is shared. */
START_TEST(new_generation_reruns_what_it_reaches)
{
    struct bench bench = bench_for(
        "in x f32[2]; const w f32[2] 1 2; const two f32[1] 2; const u f32[2] 5 5; v = Mul(w,two);"
        "c = Sigmoid(u); t = Mul(u,c); a = Mul(x,v); b = Add(a,t); d = Sub(b,t); out d");
    const struct graph *graph = model_graph(bench.model);
    int w = graph->values[graph_case_value(graph, "w")].weight_slot;
    int t = graph->values[graph_case_value(graph, "t")].weight_slot;
    float changed[2] = {10, 20};
    const void *data = changed;
    struct engine_error err = {0};
    struct weights *next;

    ck_assert_int_eq(graph->n_prologue, 3);
    expect(&bench, "f32[2] 1 1", "f32[2] 2 4");
    next = weights_replace(bench.weights, 1, &w, &data, &err);
    ck_assert_msg(next != NULL, "%s", err.text);
    ck_assert_uint_ne(weights_id(next), weights_id(bench.weights));
    ck_assert_ptr_eq(weights_slot(next, t)->data, weights_slot(bench.weights, t)->data);
    changed[0] = 0; /* they were copied */
    weights_unref(bench.weights);
    bench.weights = next;
    expect(&bench, "f32[2] 1 1", "f32[2] 20 40");
    bench_finish(&bench);
}
END_TEST

struct worker {
    struct bench *bench;
    uint64_t seed;
    bool same;
};

static void *work(void *arg)
{
    struct worker *worker = arg;
    struct runner *runner = runner_create(NULL);
    struct engine_error err = {0};
    uint64_t state = worker->seed;

    worker->same = true;
    for (int i = 0; i < 2000 && worker->same; i++) {
        float x[6], sum;
        int64_t rows = 1 + (int64_t)(test_random(&state) % 2);
        struct tensor in = {DTYPE_F32, {2, {rows, 3}}, x}, out;
        struct plan *plan = model_plan(worker->bench->model, &in.shape, 1, &err);

        for (int k = 0; k < 6; k++)
            x[k] = (float)(test_random(&state) % 100);
        worker->same = plan != NULL && runner_run(runner, plan, worker->bench->weights, &in, &out,
                                                  &err) == ENGINE_OK;
        sum = (x[0] + 5 * x[1] + 9 * x[2] + 1) * 0.5f;
        worker->same = worker->same && ((float *)out.data)[0] == sum;
        plan_unref(plan);
    }
    runner_destroy(runner);
    return NULL;
}

START_TEST(threads_share_a_model)
{
    struct bench bench = bench_for(network);
    struct worker workers[4];
    pthread_t threads[4];
    uint64_t seed = test_seed();

    for (int i = 0; i < 4; i++) {
        workers[i] = (struct worker){&bench, seed + (uint64_t)i, false};
        ck_assert_int_eq(pthread_create(&threads[i], NULL, work, &workers[i]), 0);
    }
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    for (int i = 0; i < 4; i++)
        ck_assert_msg(workers[i].same, "thread %d got another answer", i);
    bench_finish(&bench);
}
END_TEST

static const struct {
    const char *name, *text;
    bool batchable;
} probes[] = {
    {"rows are independent", network, true},
    {"fixed batch of one can be planned for more",
     "in x f32[1,3]; const w f32[3,2] 1 2 3 4 5 6; y = MatMul(x,w); out y", true},
    {"softmax over rows mixes them", "in x f32[N,3]; y = Softmax(x) axis=0; out y", false},
    {"rows go into the columns", "in x f32[N,3]; const t i64[2] 1 -1; y = Reshape(x,t); out y",
     false},
    {"a scalar has no rows", "in x f32; y = Relu(x); out y", false},
    {"one input has other rows",
     "in x f32[N,3]; in s f32[M,3]; y = Add(x,s); z = MatMul(s,y); out z", false},
};

START_TEST(batchable_is_found_out)
{
    struct model *model = graph_case_model(probes[_i].text, NULL);

    ck_assert_msg(model_probe_batchable(model) == probes[_i].batchable, "%s", probes[_i].name);
    model_unref(model);
}
END_TEST

Suite *make_suite(void)
{
    Suite *suite = suite_create("runner");
    TCase *tc = tcase_create("runner");

    tcase_add_test(tc, network_computes);
    tcase_add_loop_test(tc, outputs_that_would_alias_are_copies, 0,
                        (int)(sizeof(aliases) / sizeof(aliases[0])));
    tcase_add_test(tc, second_run_takes_no_memory_and_gives_the_same_bits);
    tcase_add_test(tc, wrong_inputs_are_refused_by_name);
    tcase_add_test(tc, a_plan_for_fewer_threads_is_refused);
    tcase_add_test(tc, data_at_odd_addresses_are_taken);
    tcase_add_test(tc, more_plans_than_bindings);
    tcase_add_test(tc, new_generation_reruns_what_it_reaches);
    tcase_add_test(tc, threads_share_a_model);
    tcase_add_loop_test(tc, batchable_is_found_out, 0, (int)(sizeof(probes) / sizeof(probes[0])));
    suite_add_tcase(suite, tc);
    return suite;
}
