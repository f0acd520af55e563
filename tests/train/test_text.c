/* SPDX-License-Identifier: Apache-2.0
 * A small GPT learns a real text, this project's LICENSE, character by character: from PyTorch's weights on
 * PyTorch's batches it comes to PyTorch's losses. make_text.py has the other half. */
#include "engine/engine.h"
#include "engine/train/trainer.h"
#include "tests/support/run_suite.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/train/text_curve.h"

enum { STEPS = 300, BATCH = 16, WINDOW = 32, STRIDE = 7, POINT = 50, TEXT_MAX = 1 << 16 };

static struct trainer *make_trainer(void)
{
    const struct model_options load = {.for_training = true};
    struct trainer_options options = trainer_options_default();
    struct trainer_loss loss = {.axis_by_head = true, .form = loss_form_default(LOSS_CE)};
    struct engine_error err = {0};
    struct model *model = model_load_file(TRAIN_FOLDER "/gpt.onnx", &load, &err);
    struct trainer *trainer;

    ck_assert_msg(model != NULL, "%s", err.text);
    options.optimiser = optimiser_form_default(OPTIMISER_ADAM);
    options.schedule = schedule_default(SCHEDULE_CONSTANT, 0.003);
    options.n_losses = 1;
    options.losses = &loss;
    trainer = trainer_create(model, &options, NULL, &err);
    ck_assert_msg(trainer != NULL, "%s", err.text);
    model_unref(model);
    return trainer;
}

static double step_loss(struct trainer *trainer, const unsigned char *text, size_t length, int step)
{
    static int64_t tokens[BATCH * WINDOW], following[BATCH * WINDOW];
    const size_t windows = (length - 1) / WINDOW;
    const struct tensor input = {DTYPE_I64, {2, {BATCH, WINDOW}}, tokens};
    const struct tensor target = {DTYPE_I64, {2, {BATCH, WINDOW}}, following};
    const struct trainer_batch batch = {&input, &target, -1.0};
    struct trainer_result result;
    struct engine_error err = {0};

    for (size_t b = 0; b < BATCH; b++) {
        const unsigned char *from = text + ((size_t)step * BATCH + b) * STRIDE % windows * WINDOW;

        for (size_t i = 0; i < WINDOW; i++) {
            tokens[b * WINDOW + i] = from[i];
            following[b * WINDOW + i] = from[i + 1];
        }
    }
    ck_assert_msg(trainer_step(trainer, &batch, &result, &err) == ENGINE_OK, "step %d: %s", step, err.text);
    ck_assert_int_eq(result.verdict, TRAINER_LEARNED);
    return result.loss;
}

START_TEST(a_text_is_learned_as_pytorch_learns_it)
{
    static unsigned char text[TEXT_MAX];
    struct engine_error err = {0};
    struct trainer *trainer;
    FILE *file = fopen(TEXT_FILE, "rb");
    size_t length;
    double sum = 0;

    ck_assert(file != NULL && engine_start(&err) == ENGINE_OK);
    length = fread(text, 1, sizeof(text), file);
    fclose(file);
    ck_assert_uint_eq(length, 11358);   /* the text that make_text.py read */
    trainer = make_trainer();
    for (int step = 0; step < STEPS; step++) {
        sum += step_loss(trainer, text, length, step);
        if ((step + 1) % POINT == 0) {
            double mean = sum / POINT, expected = means[step / POINT];

            ck_assert_msg(fabs(mean - expected) <= 1e-3 * expected, "steps to %d: loss %.6f, PyTorch's %.6f",
                          step + 1, mean, expected);
            sum = 0;
        }
    }
    trainer_destroy(trainer);
}
END_TEST

Suite *make_suite(void)
{
    Suite *suite = suite_create("text");
    TCase *tc = tcase_create("text");

    tcase_set_timeout(tc, 120);
    tcase_add_test(tc, a_text_is_learned_as_pytorch_learns_it);
    suite_add_tcase(suite, tc);
    return suite;
}
