/* SPDX-License-Identifier: Apache-2.0
 * A trainer as a whole: it learns; what is refused changes nothing; two phases, any pool and a run that
 * is cut give the same bits; what was learned is what is served. */
#include "engine/kernels/random.h"
#include "engine/plan.h"
#include "engine/runner.h"
#include "engine/train/lora.h"
#include "engine/train/trainer.h"
#include "tests/support/graph_case.h"
#include "tests/support/run_suite.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { ROWS = 24, WIDTH = 2, BYTES_MAX = 1 << 16 };

/* Two layers that can tell a ring from its middle. */
#define NET \
    "in x f32[N,2]; const w1 f32[2,6] 0.9 -0.7 0.3 0.8 -0.4 0.6 -0.5 0.6 0.9 -0.8 0.7 -0.3; " \
    "const b1 f32[6] 0.1 0.2 -0.1 0.3 -0.2 0.1; " \
    "const w2 f32[6,2] 0.5 -0.5 0.4 -0.3 -0.6 0.7 0.3 0.2 0.8 -0.1 -0.4 0.6; const b2 f32[2] 0 0; " \
    "m = MatMul(x,w1); a = Add(m,b1); h = Tanh(a); n = MatMul(h,w2); z = Add(n,b2); " \
    "y = Softmax(z) axis=1; out y"

struct data {
    float x[ROWS * WIDTH];
    int64_t labels[ROWS];
    struct tensor input, target;
};

static void make_data(struct data *data, uint64_t seed)
{
    for (int i = 0; i < ROWS; i++) {
        for (int k = 0; k < WIDTH; k++)
            data->x[i * WIDTH + k] =
                (float)(2.0 * random_uniform(seed, (uint64_t)(i * WIDTH + k)) - 1.0);
        data->labels[i] = hypotf(data->x[i * WIDTH], data->x[i * WIDTH + 1]) > 0.7f;
    }
    data->input = (struct tensor){DTYPE_F32, {2, {ROWS, WIDTH}}, data->x};
    data->target = (struct tensor){DTYPE_I64, {1, {ROWS}}, data->labels};
}

static struct trainer_options adam_options(void)
{
    struct trainer_options options = trainer_options_default();

    options.optimiser = optimiser_form_default(OPTIMISER_ADAM);
    options.schedule = schedule_default(SCHEDULE_CONSTANT, 0.05);
    return options;
}

static struct trainer *make_trainer(const struct trainer_options *options, struct pool *pool)
{
    struct model *model = graph_case_model(NET, NULL);
    struct engine_error err = {0};
    struct trainer *trainer = trainer_create(model, options, pool, &err);

    ck_assert_msg(trainer != NULL, "%s", err.text);
    model_unref(model);
    return trainer;
}

static struct trainer_result take_step(struct trainer *trainer, uint64_t seed)
{
    struct engine_error err = {0};
    struct trainer_result result;
    struct data data;

    make_data(&data, seed);
    ck_assert_msg(trainer_step(trainer, &(struct trainer_batch){&data.input, &data.target, -1.0},
                               &result, &err) == ENGINE_OK,
                  "%s", err.text);
    return result;
}

/* All entries one after another; returns the bytes. */
static size_t snapshot(const struct trainer *trainer, unsigned char *to)
{
    size_t size = 0;

    for (int i = 0; i < trainer_n_entries(trainer); i++) {
        struct trainer_entry entry = trainer_entry(trainer, i);

        ck_assert(size + tensor_bytes(&entry.tensor) <= BYTES_MAX);
        memcpy(to + size, entry.tensor.data, tensor_bytes(&entry.tensor));
        size += tensor_bytes(&entry.tensor);
    }
    return size;
}

static bool same_state(const struct trainer *a, const struct trainer *b)
{
    static unsigned char of_a[BYTES_MAX], of_b[BYTES_MAX];
    size_t size = snapshot(a, of_a);

    return size == snapshot(b, of_b) && memcmp(of_a, of_b, size) == 0;
}

START_TEST(learns)
{
    struct trainer_options options = adam_options();
    struct trainer *trainer;
    struct trainer_result result;
    double first = 0.0;

    options.optimiser = optimiser_form_default((enum optimiser_kind)_i);
    options.schedule.rate = _i == OPTIMISER_SGD ? 0.5 : 0.05;
    trainer = make_trainer(&options, NULL);
    ck_assert_int_eq(trainer_n_learning(trainer), 4);
    ck_assert_int_eq((int)trainer_n_parameters(trainer), 12 + 6 + 12 + 2);
    ck_assert(trainer_loss_form(trainer, 0)->kind == LOSS_CE);
    for (int step = 0; step < 300; step++) {
        result = take_step(trainer, (uint64_t)step % 10);
        ck_assert(result.verdict == TRAINER_LEARNED && result.step == step + 1);
        ck_assert(result.examples == ROWS && result.gradient_norm > 0.0 && result.update_norm > 0.0);
        if (step == 0)
            first = result.loss;
    }
    ck_assert_msg(result.loss < 0.75 * first, "%s: loss from %g to %g",
                  optimiser_name(options.optimiser.kind), first, result.loss);
    ck_assert(trainer_steps(trainer) == 300);
    trainer_destroy(trainer);
}
END_TEST

/* The gradient of the whole way, by central differences of trainer_evaluate(). */
START_TEST(first_step_follows_the_gradient)
{
    struct trainer_options options = trainer_options_default();
    struct trainer *trainer, *moved;
    struct data data;
    struct trainer_batch batch = {&data.input, &data.target, 1e-3};
    struct trainer_result result;
    double before, after;

    make_data(&data, 3);
    trainer = make_trainer(&options, NULL);
    moved = make_trainer(&options, NULL);
    ck_assert(trainer_evaluate(trainer, &batch, &before, NULL) == ENGINE_OK);
    ck_assert(trainer_step(moved, &batch, &result, NULL) == ENGINE_OK);
    ck_assert(fabs(result.loss - before) < 1e-12);
    ck_assert(trainer_evaluate(moved, &batch, &after, NULL) == ENGINE_OK);
    /* SGD: the loss falls by rate * |gradient|^2, but for terms of second order. */
    ck_assert_msg(fabs((before - after) / (1e-3 * result.gradient_norm * result.gradient_norm) - 1.0) <
                      1e-2,
                  "fell by %g, gradient %g", before - after, result.gradient_norm);
    trainer_destroy(trainer);
    trainer_destroy(moved);
}
END_TEST

START_TEST(two_phases)
{
    struct trainer_options options = adam_options();
    struct trainer *in_place, *phased;
    static unsigned char before[BYTES_MAX], ahead[BYTES_MAX], after[BYTES_MAX];
    size_t size;

    options.optimiser = optimiser_form_default((enum optimiser_kind)_i);
    in_place = make_trainer(&options, NULL);
    options.two_phase = true;
    phased = make_trainer(&options, NULL);
    for (int step = 0; step < 5; step++) {
        take_step(in_place, (uint64_t)step);
        size = snapshot(phased, before);
        take_step(phased, 77);
        ck_assert(trainer_pending(phased));
        snapshot(phased, ahead);
        ck_assert(memcmp(before, ahead, size) != 0);
        trainer_discard(phased);
        snapshot(phased, after);
        ck_assert(memcmp(before, after, size) == 0);
        take_step(phased, (uint64_t)step);
        ck_assert_msg(same_state(in_place, phased), "a pending step shows what will be");
        trainer_commit(phased);
        ck_assert_msg(same_state(in_place, phased), "step %d", step);
    }
    trainer_destroy(in_place);
    trainer_destroy(phased);
}
END_TEST

static const struct refusal {
    const char *name;
    struct trainer_guards guards;
    float scale;   /* of the inputs */
    double rate;
    enum trainer_verdict verdict;
} refusals[] = {
    {"loss beyond its guard", {.loss_most = 1e-3}, 1.0f, -1.0, TRAINER_LOSS_TOO_LARGE},
    {"loss spike", {.loss_spike = 0.1, .warmup = 2}, 1.0f, -1.0, TRAINER_LOSS_SPIKE},
    {"gradient beyond its guard", {.gradient_most = 1e-6}, 1.0f, -1.0, TRAINER_GRADIENT_TOO_LARGE},
    {"gradient spike", {.gradient_spike = 1e-3, .warmup = 2}, 1.0f, -1.0, TRAINER_GRADIENT_SPIKE},
};

/* Three steps without the guard, then one with it: a refused step changes nothing, and does not show
 * in the steps that follow. */
START_TEST(refused_steps_change_nothing)
{
    const struct refusal *row = &refusals[_i / 2];
    struct trainer_options options = adam_options();
    struct trainer *trainer, *guarded;
    struct trainer_result result;
    static unsigned char before[BYTES_MAX], after[BYTES_MAX];
    struct trainer_entry entries[32];
    size_t size;

    trainer = make_trainer(&options, NULL);
    options.guards = row->guards;
    options.two_phase = _i % 2 != 0;
    guarded = make_trainer(&options, NULL);
    for (int step = 0; step < 3; step++)
        take_step(trainer, (uint64_t)step);
    for (int i = 0; i < trainer_n_entries(trainer); i++)
        entries[i] = trainer_entry(trainer, i);
    ck_assert(trainer_restore(guarded, trainer_n_entries(trainer), entries, NULL) == ENGINE_OK);
    size = snapshot(guarded, before);
    result = take_step(guarded, 3);
    ck_assert_msg(result.verdict == row->verdict, "%s: %s", row->name,
                  trainer_verdict_text(result.verdict));
    ck_assert(!trainer_pending(guarded));
    snapshot(guarded, after);
    ck_assert_msg(memcmp(before, after, size) == 0, "%s: something changed", row->name);
    trainer_destroy(trainer);
    trainer_destroy(guarded);
}
END_TEST

/* Finite inputs whose loss or gradient is not: refused, and learning goes on. */
START_TEST(what_is_not_finite_is_refused)
{
    struct model *model = graph_case_model(
        "in x f32[N,1]; const w f32[1,1] 2; p = MatMul(x,w); y = Exp(p); out y", NULL);
    struct trainer_options options = trainer_options_default();
    static unsigned char before[BYTES_MAX], after[BYTES_MAX];
    struct trainer *trainer = trainer_create(model, &options, NULL, NULL);
    float x[1] = {200.0f}, y[1] = {1.0f};
    struct tensor input = {DTYPE_F32, {2, {1, 1}}, x}, target = {DTYPE_F32, {2, {1, 1}}, y};
    const struct trainer_batch batch = {&input, &target, -1.0};
    struct trainer_result result;
    size_t size = snapshot(trainer, before);

    ck_assert(trainer_step(trainer, &batch, &result, NULL) == ENGINE_OK);
    ck_assert(result.verdict == TRAINER_LOSS_NOT_FINITE && result.examples == 1);
    x[0] = 22.0f; /* a loss of e^88, a gradient beyond floats */
    ck_assert(trainer_step(trainer, &batch, &result, NULL) == ENGINE_OK);
    ck_assert_msg(result.verdict == TRAINER_GRADIENT_NOT_FINITE ||
                      result.verdict == TRAINER_GRADIENT_TOO_LARGE,
                  "%s", trainer_verdict_text(result.verdict));
    snapshot(trainer, after);
    ck_assert(memcmp(before, after, size) == 0);
    x[0] = 0.5f;
    ck_assert(trainer_step(trainer, &batch, &result, NULL) == ENGINE_OK);
    ck_assert(result.verdict == TRAINER_LEARNED && result.step == 1);
    trainer_destroy(trainer);
    model_unref(model);
}
END_TEST

/* A run that was cut after `cut` steps, restored into a new trainer, goes on bit for bit. */
START_TEST(resumes_bit_for_bit)
{
    struct trainer_options options = adam_options();
    struct trainer *whole, *cut;
    struct trainer_entry entries[64];

    options.optimiser = optimiser_form_default((enum optimiser_kind)_i);
    options.optimiser.clip_norm = 0.5;
    options.optimiser.l1 = 1e-3;
    options.schedule = schedule_default(SCHEDULE_COSINE, 0.1);
    options.schedule.period = 20;
    options.guards.loss_spike = 100.0;
    whole = make_trainer(&options, NULL);
    cut = make_trainer(&options, NULL);
    for (int step = 0; step < 12; step++) {
        take_step(whole, (uint64_t)step);
        take_step(cut, (uint64_t)step);
        if (step % 5 == 2) {
            struct trainer *next = make_trainer(&options, NULL);

            for (int i = 0; i < trainer_n_entries(cut); i++)
                entries[i] = trainer_entry(cut, i);
            ck_assert(trainer_restore(next, trainer_n_entries(cut), entries, NULL) == ENGINE_OK);
            trainer_destroy(cut);
            cut = next;
        }
        ck_assert_msg(same_state(whole, cut), "%s: step %d", optimiser_name(options.optimiser.kind),
                      step);
    }
    trainer_destroy(whole);
    trainer_destroy(cut);
}
END_TEST

START_TEST(same_bits_from_any_pool)
{
    struct trainer_options options = adam_options();
    struct pool *pool = pool_create(3, 0);
    struct trainer *one = make_trainer(&options, NULL), *three = make_trainer(&options, pool);

    for (int step = 0; step < 5; step++) {
        take_step(one, (uint64_t)step);
        take_step(three, (uint64_t)step);
    }
    ck_assert(same_state(one, three));
    trainer_destroy(one);
    trainer_destroy(three);
    pool_destroy(pool);
}
END_TEST

START_TEST(slices_add_up)
{
    struct trainer_options options = adam_options();
    struct trainer *whole = make_trainer(&options, NULL), *sliced;
    struct trainer_result a, b;

    options.micro_batch = 7; /* 24 rows: 7, 7, 7, 3 */
    sliced = make_trainer(&options, NULL);
    for (int step = 0; step < 10; step++) {
        a = take_step(whole, (uint64_t)step);
        b = take_step(sliced, (uint64_t)step);
        ck_assert_msg(fabs(a.loss - b.loss) < 1e-5 * a.loss, "step %d: %.9g and %.9g", step, a.loss,
                      b.loss);
        ck_assert(fabs(a.gradient_norm - b.gradient_norm) < 1e-4 * a.gradient_norm);
        ck_assert(trainer_value(sliced, 0)->shape.dims[0] == ROWS);
        for (int i = 0; i < 2 * ROWS; i++)
            ck_assert(fabsf(((const float *)trainer_value(sliced, 0)->data)[i] -
                            ((const float *)trainer_value(whole, 0)->data)[i]) < 1e-4f);
    }
    trainer_destroy(whole);
    trainer_destroy(sliced);
}
END_TEST

static void count_call(void *arg)
{
    ++*(int *)arg;
}

/* A step as another trainer's takes it: numbers of the optimiser, seed, guards. */
START_TEST(manners)
{
    struct trainer_options options = adam_options(), other = adam_options();
    struct trainer *set = make_trainer(&options, NULL), *made;
    struct trainer_manner own = trainer_manner(set), manner;
    struct engine_error err = {0};

    other.optimiser.l2 = 0.125;
    other.optimiser.clip_norm = 0.01;
    other.seed = 99;
    made = make_trainer(&other, NULL);
    manner = (struct trainer_manner){.optimiser = other.optimiser, .seed = other.seed};
    for (int step = 0; step < 4; step++) {
        ck_assert_int_eq(trainer_set_manner(set, &manner, &err), ENGINE_OK);
        take_step(set, (uint64_t)step);
        ck_assert_int_eq(trainer_set_manner(set, &own, &err), ENGINE_OK);
        take_step(made, (uint64_t)step);
    }
    ck_assert(same_state(made, set));
    take_step(set, 4);
    take_step(made, 4);
    ck_assert(!same_state(made, set));
    manner.optimiser.l2 = 2;
    ck_assert_int_eq(trainer_set_manner(set, &manner, NULL), ENGINE_BAD_INPUT);
    manner.optimiser = optimiser_form_default(OPTIMISER_SGD);
    ck_assert_int_eq(trainer_set_manner(set, &manner, &err), ENGINE_BAD_INPUT);
    ck_assert_msg(strstr(err.text, "not sgd") != NULL, "%s", err.text);
    trainer_destroy(made);
    trainer_destroy(set);
}
END_TEST

/* What is between them changes nothing, and how a step is cut can be set for a step. */
START_TEST(between_slices)
{
    struct trainer_options options = adam_options();
    struct trainer *made, *set;
    int calls = 0;

    set = make_trainer(&options, NULL);
    options.micro_batch = 7;
    options.between = count_call;
    options.between_arg = &calls;
    made = make_trainer(&options, NULL);
    for (int step = 0; step < 4; step++) {
        trainer_set_micro_batch(set, 7);
        take_step(set, (uint64_t)step);
        trainer_set_micro_batch(set, 0);
        take_step(made, (uint64_t)step);
    }
    ck_assert_int_eq(calls, 4 * 3);
    ck_assert(same_state(made, set));
    trainer_destroy(made);
    trainer_destroy(set);
}
END_TEST

/* Runs a model on the data with these weights; 2 * ROWS floats. */
static void predict(struct model *model, struct weights *weights, const struct data *data, float *ret)
{
    struct plan *plan = model_plan(model, &data->input.shape, 1, NULL);
    struct runner *runner = runner_create(NULL);
    struct tensor output;
    struct engine_error err = {0};

    ck_assert(plan != NULL && runner != NULL);
    ck_assert_msg(runner_run(runner, plan, weights, &data->input, &output, &err) == ENGINE_OK, "%s",
                  err.text);
    memcpy(ret, output.data, 2 * ROWS * sizeof(float));
    runner_destroy(runner);
    plan_unref(plan);
}

START_TEST(publishes_what_it_learned)
{
    struct trainer_options options = adam_options();
    struct trainer *trainer = make_trainer(&options, NULL);
    struct model *served = graph_case_model(NET, NULL);
    struct weights *base = model_base_weights(served), *learned;
    float before[2 * ROWS], after[2 * ROWS];
    struct data data;
    double loss = 0.0, expected;

    make_data(&data, 5);
    for (int step = 0; step < 30; step++)
        take_step(trainer, 5);
    learned = trainer_publish(trainer, base, NULL);
    ck_assert(learned != NULL && weights_id(learned) != weights_id(base));
    predict(served, base, &data, before);
    predict(served, learned, &data, after);
    ck_assert(memcmp(before, after, sizeof(before)) != 0);
    for (int i = 0; i < ROWS; i++)
        loss -= log((double)after[2 * i + data.labels[i]]) / ROWS;
    ck_assert(trainer_evaluate(trainer, &(struct trainer_batch){&data.input, &data.target, 0},
                               &expected, NULL) == ENGINE_OK);
    ck_assert_msg(fabs(loss - expected) < 1e-5 * expected, "%.9g and %.9g", loss, expected);
    weights_unref(learned);
    weights_unref(base);
    model_unref(served);
    trainer_destroy(trainer);
}
END_TEST

/* Adapters alone learn; the plain model that gets their sums answers as the adapted one does. */
START_TEST(adapters)
{
    struct lora lora = {.matrices = "w?", .rank = 1, .alpha = 2.0, .seed = 1};
    struct arena *arena = arena_create(SIZE_MAX / 2);
    struct graph *graph = graph_case(arena, NULL, NET);
    struct trainer_options options = adam_options();
    struct model *served = graph_case_model(NET, NULL), *adapted;
    struct weights *base = model_base_weights(served), *learned;
    float before[2 * ROWS], after[2 * ROWS];
    struct engine_error err = {0};
    struct trainer *trainer, *plain = make_trainer(&options, NULL);
    double loss = 0.0, expected;
    struct data data;
    struct trainer_batch batch = {&data.input, &data.target, -1.0};

    make_data(&data, 5);
    ck_assert(graph_resolve(graph, &err) == ENGINE_OK);
    ck_assert_msg(lora_rewrite(graph, &lora, &err) == ENGINE_OK, "%s", err.text);
    adapted = graph_case_try(arena, graph, NULL, &err);
    ck_assert_msg(adapted != NULL, "%s", err.text);
    options.learns = LORA_LEARNS;
    trainer = trainer_create(adapted, &options, NULL, &err);
    ck_assert_msg(trainer != NULL, "%s", err.text);
    ck_assert_int_eq(trainer_n_learning(trainer), 4);
    ck_assert_int_eq((int)trainer_n_parameters(trainer), 2 + 6 + 6 + 2);
    ck_assert(trainer_evaluate(trainer, &batch, &loss, NULL) == ENGINE_OK);
    ck_assert(trainer_evaluate(plain, &batch, &expected, NULL) == ENGINE_OK);
    ck_assert_msg(fabs(loss - expected) < 1e-6, "adapters change something at first");
    for (int step = 0; step < 50; step++)
        take_step(trainer, 5);
    learned = trainer_publish(trainer, base, &err);
    ck_assert_msg(learned != NULL, "%s", err.text);
    predict(served, base, &data, before);
    predict(served, learned, &data, after);
    ck_assert(memcmp(before, after, sizeof(before)) != 0);
    loss = 0.0;
    for (int i = 0; i < ROWS; i++)
        loss -= log((double)after[2 * i + data.labels[i]]) / ROWS;
    ck_assert(trainer_evaluate(trainer, &batch, &expected, NULL) == ENGINE_OK);
    ck_assert_msg(fabs(loss - expected) < 1e-5 * expected, "%.9g and %.9g", loss, expected);
    lora.matrices = "v*";
    ck_assert(lora_rewrite(graph_case(arena, NULL, NET), &lora, &err) == ENGINE_BAD_INPUT);
    weights_unref(learned);
    weights_unref(base);
    model_unref(served);
    model_unref(adapted);
    trainer_destroy(trainer);
    trainer_destroy(plain);
}
END_TEST

START_TEST(refuses_bad_batches)
{
    struct trainer_options options = adam_options();
    struct trainer *trainer = make_trainer(&options, NULL);
    static unsigned char before[BYTES_MAX], after[BYTES_MAX];
    struct engine_error err = {0};
    struct trainer_result result;
    struct data data;
    size_t size = snapshot(trainer, before);

#define REFUSED(change, says) \
    do { \
        make_data(&data, 1); \
        change; \
        err = (struct engine_error){0}; \
        ck_assert_msg(trainer_step(trainer, &batch, &result, &err) == ENGINE_BAD_INPUT, #change); \
        ck_assert_msg(strstr(err.text, says) != NULL, #change ": says '%s'", err.text); \
        batch.rate = -1.0; \
    } while (0)
    struct trainer_batch batch = {&data.input, &data.target, -1.0};
    REFUSED(data.labels[3] = 2, "'y': label 2 at position 3 is out of range");
    REFUSED(data.x[5] = NAN, "input 'x': element 1 of example 2 is nan");
    REFUSED(data.target.shape.dims[0] = ROWS - 1, "target 'y' has 23 examples");
    REFUSED(data.input.dtype = DTYPE_F64, "input 'x' is double; expected float");
    REFUSED(data.input.shape.dims[1] = 1, "'x'");
    REFUSED(data.target.shape.dims[0] = data.input.shape.dims[0] = 0, "at least one example");
    REFUSED(batch.rate = 1e9, "learning rate is 1e+09");
    REFUSED(batch.rate = NAN, "learning rate is nan");
#undef REFUSED
    snapshot(trainer, after);
    ck_assert(memcmp(before, after, size) == 0);
    trainer_destroy(trainer);
}
END_TEST

START_TEST(refuses_foreign_state)
{
    struct trainer_options options = adam_options();
    struct trainer *trainer = make_trainer(&options, NULL);
    struct trainer_entry entries[64];
    int n = trainer_n_entries(trainer);
    struct engine_error err = {0};
    float bad[12] = {NAN};

    for (int i = 0; i < n; i++)
        entries[i] = trainer_entry(trainer, i);
    ck_assert(trainer_restore(trainer, n - 1, entries, &err) == ENGINE_BAD_INPUT);
    ck_assert_msg(strstr(err.text, "no 'inferd/guards'") != NULL, "%s", err.text);
    entries[1].tensor.shape.dims[0] = 5;
    err = (struct engine_error){0};
    ck_assert(trainer_restore(trainer, n, entries, &err) == ENGINE_BAD_INPUT);
    ck_assert_msg(strstr(err.text, "'b1' is float[5]; expected float[6]") != NULL, "%s", err.text);
    entries[1] = trainer_entry(trainer, 1);
    entries[0].tensor.data = bad;
    err = (struct engine_error){0};
    ck_assert(trainer_restore(trainer, n, entries, &err) == ENGINE_BAD_INPUT);
    ck_assert_msg(strstr(err.text, "'w1' is not finite") != NULL, "%s", err.text);
    entries[0] = trainer_entry(trainer, 0);
    entries[n] = (struct trainer_entry){TRAINER_WEIGHT, "w3", entries[0].tensor};
    err = (struct engine_error){0};
    ck_assert(trainer_restore(trainer, n + 1, entries, &err) == ENGINE_BAD_INPUT);
    ck_assert_msg(strstr(err.text, "'w3'") != NULL, "%s", err.text);
    trainer_destroy(trainer);
}
END_TEST

START_TEST(budgets)
{
    struct trainer_options options = adam_options();
    struct model *model = graph_case_model(NET, NULL);
    struct engine_error err = {0};

    options.bytes_max = 64;
    ck_assert(trainer_create(model, &options, NULL, &err) == NULL);
    ck_assert(err.status == ENGINE_OVER_BUDGET);
    model_unref(model);
}
END_TEST

Suite *make_suite(void)
{
    Suite *suite = suite_create("trainer");
    TCase *tc = tcase_create("trainer");

    tcase_add_loop_test(tc, learns, 0, OPTIMISER_KINDS);
    tcase_add_test(tc, first_step_follows_the_gradient);
    tcase_add_loop_test(tc, two_phases, 0, OPTIMISER_KINDS);
    tcase_add_loop_test(tc, refused_steps_change_nothing, 0,
                        2 * (int)(sizeof(refusals) / sizeof(refusals[0])));
    tcase_add_test(tc, what_is_not_finite_is_refused);
    tcase_add_loop_test(tc, resumes_bit_for_bit, 0, OPTIMISER_KINDS);
    tcase_add_test(tc, same_bits_from_any_pool);
    tcase_add_test(tc, slices_add_up);
    tcase_add_test(tc, between_slices);
    tcase_add_test(tc, manners);
    tcase_add_test(tc, publishes_what_it_learned);
    tcase_add_test(tc, adapters);
    tcase_add_test(tc, refuses_bad_batches);
    tcase_add_test(tc, refuses_foreign_state);
    tcase_add_test(tc, budgets);
    suite_add_tcase(suite, tc);
    return suite;
}
