/* SPDX-License-Identifier: Apache-2.0
 * A small model with one thing changed: every bit flipped, every byte cut off, random spans
 * overwritten. Each is loaded and, if it loads, planned and run. Meant for ASan. */
#include "engine/engine.h"
#include "tests/support/onnx_bytes.h"
#include "tests/support/run_suite.h"

#include <stdlib.h>
#include <string.h>

enum { BUDGET_BYTES = 8 << 20, INPUT_ELEMENTS_MAX = 1 << 16, RANDOM_ROUNDS = 2000 };

static struct onnx_bytes model_bytes_of_test;
static struct runner *runner;
static float *zeros;
static int loaded, ran;

static void set_up(void)
{
    struct engine_error err = {0};

    ck_assert_int_eq(engine_start(&err), ENGINE_OK);
    onnx_put_small_model(&model_bytes_of_test);
    runner = runner_create(NULL);
    zeros = calloc(INPUT_ELEMENTS_MAX, sizeof(double));
    ck_assert_ptr_nonnull(zeros);
    loaded = ran = 0;
}

static void tear_down(void)
{
    onnx_bytes_free(&model_bytes_of_test);
    runner_destroy(runner);
    free(zeros);
}

static void run(struct model *model)
{
    const struct model_io *io = model_input(model, 0);
    struct tensor input = {.dtype = io->dtype, .data = zeros}, outputs[8];
    struct weights *weights = model_base_weights(model);
    struct engine_error err = {0};
    struct plan *plan;

    input.shape.rank = io->shape.rank == RANK_UNKNOWN ? 2 : io->shape.rank;
    for (int i = 0; i < input.shape.rank; i++)
        input.shape.dims[i] = io->shape.rank == RANK_UNKNOWN || io->shape.dims[i] == DIM_UNKNOWN
                                  ? 4
                                  : io->shape.dims[i];
    if (io->dtype != DTYPE_STRING && shape_check(&input.shape, 8, NULL) &&
        shape_elements(&input.shape) <= INPUT_ELEMENTS_MAX) {
        plan = model_plan(model, &input.shape, 1, &err);
        if (plan != NULL && runner_run(runner, plan, weights, &input, outputs, &err) == ENGINE_OK)
            ran++;
        plan_unref(plan);
    }
    weights_unref(weights);
}

/* Whatever the bytes are: a model, or a refusal with a text. */
static void try_bytes(const unsigned char *bytes, size_t size, const char *what, size_t at)
{
    struct model_options options = {
        .optimise = at % 2 == 0,
        .memory_bytes_max = BUDGET_BYTES,
        .plan_bytes_max = BUDGET_BYTES,
    };
    unsigned char *exact = malloc(size > 0 ? size : 1); /* no slack: ASan sees every read */
    struct engine_error err = {0};
    struct model *model;

    ck_assert_ptr_nonnull(exact);
    if (size > 0)
        memcpy(exact, bytes, size);
    model = model_load_bytes(exact, size, &options, &err);
    ck_assert_msg(model != NULL || (err.status != ENGINE_OK && err.text[0] != '\0'),
                  "%s %zu: refused without a reason", what, at);
    if (model != NULL) {
        loaded++;
        if (model_n_inputs(model) == 1 && model_n_outputs(model) <= 8)
            run(model);
    }
    model_unref(model);
    free(exact);
}

START_TEST(every_bit_flipped)
{
    unsigned char *bytes = model_bytes_of_test.data;

    for (size_t bit = 0; bit < 8 * model_bytes_of_test.size; bit++) {
        bytes[bit / 8] ^= (unsigned char)(1u << bit % 8);
        try_bytes(bytes, model_bytes_of_test.size, "bit", bit);
        bytes[bit / 8] ^= (unsigned char)(1u << bit % 8);
    }
    /* Bits of weights leave a model that runs. */
    ck_assert_int_gt(loaded, 1000);
    ck_assert_int_gt(ran, 1000);
}
END_TEST

START_TEST(every_length)
{
    for (size_t size = 0; size <= model_bytes_of_test.size; size++)
        try_bytes(model_bytes_of_test.data, size, "length", size);
    ck_assert_int_gt(ran, 0);
}
END_TEST

START_TEST(random_spans_overwritten)
{
    uint64_t state = test_seed();
    size_t size = model_bytes_of_test.size;
    unsigned char *bytes = malloc(size);

    ck_assert_ptr_nonnull(bytes);
    for (int round = 0; round < RANDOM_ROUNDS * test_scale(); round++) {
        size_t from = test_random(&state) % size, length = test_random(&state) % 9;

        memcpy(bytes, model_bytes_of_test.data, size);
        for (size_t i = from; i < size && i < from + length; i++)
            bytes[i] = (unsigned char)test_random(&state);
        try_bytes(bytes, size, "round", (size_t)round);
    }
    free(bytes);
}
END_TEST

Suite *make_suite(void)
{
    Suite *suite = suite_create("onnx_mutations");
    TCase *tc = tcase_create("onnx_mutations");

    tcase_set_timeout(tc, 300);
    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_add_test(tc, every_bit_flipped);
    tcase_add_test(tc, every_length);
    tcase_add_test(tc, random_spans_overwritten);
    suite_add_tcase(suite, tc);
    return suite;
}
