/* SPDX-License-Identifier: Apache-2.0
 * Optimisers over 20 steps against PyTorch's, the proximal step, clipping's norm, the bounds that keep
 * a step finite, and the same bits from any pool. */
#include "engine/kernels/cpu.h"
#include "engine/kernels/random.h"
#include "engine/train/optimiser.h"
#include "tests/support/op_case.h"
#include "tests/support/run_suite.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const struct row {
    const char *name;
    struct optimiser_form form; /* 0: the kind's default */
    double rate;
    const char *start, *pull, *end;
} rows[] = {
#include "tests/train/optimiser_cases.h"
};

/* Blocks of one model, two sets of them. */
struct bench {
    struct parameters *parameters;
    float *gradients;
    double *partial;
    struct optimiser_blocks sets[2];
};

static void bench_make(struct bench *bench, int n, const struct parameter *tensors)
{
    bench->parameters = parameters_create(n, tensors, NULL);
    ck_assert(bench->parameters != NULL);
    bench->gradients = parameters_block(bench->parameters, NULL);
    bench->partial = calloc((size_t)bench->parameters->n_chunks, sizeof(double));
    for (int s = 0; s < 2; s++) {
        bench->sets[s].weights = parameters_block(bench->parameters, NULL);
        for (int k = 0; k < OPTIMISER_STATES_MAX; k++)
            bench->sets[s].states[k] = parameters_block(bench->parameters, NULL);
    }
}

static void bench_free(struct bench *bench)
{
    for (int s = 0; s < 2; s++) {
        free(bench->sets[s].weights);
        for (int k = 0; k < OPTIMISER_STATES_MAX; k++)
            free(bench->sets[s].states[k]);
    }
    free(bench->gradients);
    free(bench->partial);
    parameters_destroy(bench->parameters);
}

static struct optimiser_result bench_step(struct bench *bench, const struct optimiser_form *form,
                                          double rate, int64_t step, int from, int to,
                                          struct pool *pool)
{
    struct optimiser_step call = {
        .form = form,
        .parameters = bench->parameters,
        .rate = rate,
        .step = step,
        .gradient_norm =
            parameters_norm(bench->parameters, bench->gradients, bench->partial, NULL, pool),
        .gradients = bench->gradients,
        .now = &bench->sets[from],
        .next = &bench->sets[to],
        .partial = bench->partial,
    };

    return optimiser_run(&call, NULL, pool);
}

static struct optimiser_form row_form(const struct row *row)
{
    struct optimiser_form form = optimiser_form_default(row->form.kind);

    form.l2 = row->form.l2;
    form.clip_norm = row->form.clip_norm;
    form.momentum = row->form.momentum > 0.0 ? row->form.momentum : form.momentum;
    form.beta1 = row->form.beta1 > 0.0 ? row->form.beta1 : form.beta1;
    form.beta2 = row->form.beta2 > 0.0 ? row->form.beta2 : form.beta2;
    form.decay = row->form.decay > 0.0 ? row->form.decay : form.decay;
    form.epsilon = row->form.epsilon > 0.0 ? row->form.epsilon : form.epsilon;
    return form;
}

static const struct parameter three[3] = {{.count = 35, .decays = true}, {.count = 5},
                                          {.count = 40, .decays = true}};

/* The same on every instruction set, in place and from one set of blocks to the other. */
START_TEST(equals_pytorch)
{
    const struct row *row = &rows[_i / (2 * ISA_COUNT)];
    const enum isa isa = (enum isa)(_i / 2 % ISA_COUNT), before = cpu_isa();
    struct optimiser_form form = row_form(row);
    struct arena *arena = arena_create(1 << 20);
    const float *start = op_case_tensor(arena, row->start).data;
    const float *pull = op_case_tensor(arena, row->pull).data;
    const float *end = op_case_tensor(arena, row->end).data;
    struct bench bench;
    int set = 0;

    if (!cpu_isa_supported(isa)) {
        arena_destroy(arena);
        return;
    }
    cpu_isa_force(isa);
    bench_make(&bench, 3, three);
    ck_assert(optimiser_check(&form, NULL) == ENGINE_OK);
    for (int t = 0, i = 0; t < 3; t++)
        for (int k = 0; k < three[t].count; k++)
            bench.sets[0].weights[bench.parameters->tensors[t].offset + k] = start[i++];
    for (int step = 0; step < 20; step++) {
        int to = _i % 2 == 0 ? set : 1 - set;

        for (int t = 0, i = 0; t < 3; t++)
            for (int k = 0; k < three[t].count; k++, i++) {
                int64_t at = bench.parameters->tensors[t].offset + k;

                bench.gradients[at] = pull[i] * bench.sets[set].weights[at] +
                                      0.5f * sinf((float)step + pull[i]);
            }
        bench_step(&bench, &form, row->rate, step + 1, set, to, NULL);
        set = to;
    }
    for (int t = 0, i = 0; t < 3; t++)
        for (int k = 0; k < three[t].count; k++, i++) {
            float actual = bench.sets[set].weights[bench.parameters->tensors[t].offset + k];

            ck_assert_msg(fabsf(actual - end[i]) <= 1e-5f * fabsf(end[i]) + 2e-6f,
                          "%s: weight %d is %.9g, not %.9g", row->name, i, (double)actual,
                          (double)end[i]);
        }
    cpu_isa_force(before);
    bench_free(&bench);
    arena_destroy(arena);
}
END_TEST

START_TEST(proximal_step_makes_zeros)
{
    static const float start[4] = {0.05f, -0.05f, 1.0f, -1.0f};
    static const float end[4] = {0.0f, 0.0f, 0.9f, -0.9f};
    const struct parameter one = {.count = 4, .decays = true};
    struct optimiser_form form = optimiser_form_default(OPTIMISER_SGD);
    struct optimiser_result result;
    struct bench bench;

    form.l1 = 1.0;
    bench_make(&bench, 1, &one);
    memcpy(bench.sets[0].weights, start, sizeof(start));
    result = bench_step(&bench, &form, 0.1, 1, 0, 1, NULL);
    for (int i = 0; i < 4; i++)
        ck_assert_msg(fabsf(bench.sets[1].weights[i] - end[i]) <= (end[i] == 0.0f ? 0.0f : 1e-6f),
                      "weight %d is %g", i, (double)bench.sets[1].weights[i]);
    ck_assert(fabs(result.update_norm - sqrt(2 * 0.01 + 2 * 0.0025)) < 1e-6);
    bench_free(&bench);
}
END_TEST

/* At the bounds that are promised, from any state a step can leave, nothing overflows. */
START_TEST(bounds_stay_finite)
{
    struct optimiser_form form = optimiser_form_default((enum optimiser_kind)_i);
    const struct parameter one = {.count = 16, .decays = true};
    struct bench bench;

    form.momentum = 0.9999;
    form.epsilon = 1e-16;
    form.l2 = 1.0;
    form.decay = 10.0;
    form.beta1 = form.beta2 = 0.999999;
    bench_make(&bench, 1, &one);
    for (int step = 1; step <= 200; step++) {
        for (int i = 0; i < 16; i++) {
            bench.sets[0].weights[i] = i % 2 ? 1e12f : -1e12f;
            bench.gradients[i] = i % 4 < 2 ? 1e12f : step == 1 ? 1e-30f : 0.0f;
        }
        ck_assert_msg(bench_step(&bench, &form, 1000.0, step, 0, 0, NULL).most < 0x7f800000u,
                      "%s: step %d", optimiser_name(form.kind), step);
        for (int s = 0; s < optimiser_states(form.kind); s++)
            ck_assert(parameters_most(bench.parameters, bench.sets[0].states[s]) < 0x7f800000u);
    }
    bench_free(&bench);
}
END_TEST

START_TEST(same_bits_from_any_pool)
{
    enum { COUNT = 100000 };
    const struct parameter two[2] = {{.count = COUNT, .decays = true}, {.count = COUNT / 3}};
    struct optimiser_form form = optimiser_form_default((enum optimiser_kind)_i);
    struct pool *pool = pool_create(3, 0);
    struct optimiser_result results[2];
    struct bench benches[2];

    form.clip_norm = 1.0;
    form.l1 = 0.01;
    for (int b = 0; b < 2; b++) {
        bench_make(&benches[b], 2, two);
        for (int64_t i = 0; i < COUNT; i++) {
            benches[b].sets[0].weights[i] = (float)random_normal(1, (uint64_t)i);
            benches[b].gradients[i] = (float)random_normal(2, (uint64_t)i);
        }
        for (int step = 1; step <= 3; step++)
            results[b] = bench_step(&benches[b], &form, 0.01, step, 0, 0, b == 0 ? NULL : pool);
    }
    ck_assert(memcmp(benches[0].sets[0].weights, benches[1].sets[0].weights,
                     (size_t)benches[0].parameters->total * sizeof(float)) == 0);
    ck_assert(memcmp(&results[0].update_norm, &results[1].update_norm, sizeof(double)) == 0);
    ck_assert(results[0].most == results[1].most);
    for (int b = 0; b < 2; b++)
        bench_free(&benches[b]);
    pool_destroy(pool);
}
END_TEST

START_TEST(norms_by_tensor)
{
    const struct parameter two[2] = {{.count = 5000}, {.count = 3}};
    struct bench bench;
    double norms[2], all, expected = 0.0;

    bench_make(&bench, 2, two);
    for (int64_t i = 0; i < 5000; i++) {
        bench.gradients[i] = (float)random_normal(2, (uint64_t)i);
        expected += (double)bench.gradients[i] * (double)bench.gradients[i];
    }
    for (int64_t i = 0; i < 3; i++)
        bench.gradients[bench.parameters->tensors[1].offset + i] = 2.0f;
    all = parameters_norm(bench.parameters, bench.gradients, bench.partial, norms, NULL);
    ck_assert(fabs(norms[0] - sqrt(expected)) < 1e-5 * norms[0]);
    ck_assert(fabs(norms[1] - sqrt(12.0)) < 1e-6);
    ck_assert(fabs(all - sqrt(expected + 12.0)) < 1e-5 * all);
    bench.gradients[4999] = NAN;
    ck_assert(!isfinite(
        parameters_norm(bench.parameters, bench.gradients, bench.partial, norms, NULL)));
    ck_assert(parameters_most(bench.parameters, bench.gradients) > 0x7f7fffffu);
    bench_free(&bench);
}
END_TEST

START_TEST(refuses)
{
    static const struct {
        struct optimiser_form form;
        const char *says;
    } refusals[] = {
        {{.momentum = 1.0, .epsilon = 1e-8}, "momentum is 1; expected a number from 0 to 0.9999"},
        {{.beta1 = -0.1, .epsilon = 1e-8}, "beta1"},
        {{.beta2 = NAN, .epsilon = 1e-8}, "beta2"},
        {{.epsilon = 0.0}, "epsilon"},
        {{.epsilon = 1e-8, .l2 = 2.0}, "l2"},
        {{.epsilon = 1e-8, .decay = INFINITY}, "decay"},
        {{.epsilon = 1e-8, .clip_norm = -1.0}, "clip_norm"},
    };

    for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++) {
        struct engine_error err = {0};

        ck_assert(optimiser_check(&refusals[i].form, &err) == ENGINE_BAD_INPUT);
        ck_assert_msg(strstr(err.text, refusals[i].says) != NULL, "says '%s'", err.text);
    }
    ck_assert(optimiser_check_rate(-1.0, NULL) == ENGINE_BAD_INPUT);
    ck_assert(optimiser_check_rate(NAN, NULL) == ENGINE_BAD_INPUT);
    ck_assert(optimiser_check_rate(0.1, NULL) == ENGINE_OK);
}
END_TEST

Suite *make_suite(void)
{
    Suite *suite = suite_create("optimiser");
    TCase *tc = tcase_create("optimiser");

    tcase_add_loop_test(tc, equals_pytorch, 0,
                        (int)(sizeof(rows) / sizeof(rows[0])) * 2 * ISA_COUNT);
    tcase_add_test(tc, proximal_step_makes_zeros);
    tcase_add_loop_test(tc, bounds_stay_finite, 0, OPTIMISER_KINDS);
    tcase_add_loop_test(tc, same_bits_from_any_pool, 0, OPTIMISER_KINDS);
    tcase_add_test(tc, norms_by_tensor);
    tcase_add_test(tc, refuses);
    suite_add_tcase(suite, tc);
    return suite;
}
