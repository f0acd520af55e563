/* SPDX-License-Identifier: Apache-2.0
 * The loss of 200 steps against PyTorch's, from the same weights on the same batches: an MLP, LeNet-5,
 * an LSTM and a small Transformer, with momentum and with Adam. */
#include "engine/engine.h"
#include "engine/kernels/random.h"
#include "engine/train/trainer.h"
#include "tests/support/run_suite.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { STEPS = 200, BATCH = 32, EXAMPLES = 128, TENSORS_MAX = 2, POINTS = 5 };

static const int points[POINTS] = {0, 49, 99, 149, 199};

static const struct curve {
    const char *name;
    enum optimiser_kind optimiser;
    double losses[POINTS];
} curves[] = {
#include "tests/train/curve_cases.h"
};

/* Shapes of one example; a target of rank 0 is a class id below `classes`. */
static const struct network {
    const char *name, *file;
    struct shape inputs[TENSORS_MAX], targets[TENSORS_MAX];
    int n_inputs, n_targets, classes;
} networks[] = {
    {"mlp", TRAIN_FOLDER "/mlp.onnx", {{1, {20}}}, {{0, {0}}}, 1, 1, 5},
    {"lenet5", FIXTURES "/lenet5/model.onnx", {{3, {1, 28, 28}}}, {{0, {0}}}, 1, 1, 10},
    {"lstm", FIXTURES "/lstm/model.onnx", {{2, {7, 6}}}, {{2, {7, 5}}, {2, {1, 17}}}, 1, 2, 0},
    {"transformer", FIXTURES "/transformer/model.onnx", {{2, {6, 24}}, {2, {4, 24}}}, {{2, {4, 24}}}, 2,
     1, 0},
};

static const struct network *find_network(const char *name)
{
    for (size_t i = 0; i < sizeof(networks) / sizeof(networks[0]); i++)
        if (strcmp(networks[i].name, name) == 0)
            return &networks[i];
    ck_abort_msg("no network '%s'", name);
}

/* All examples of one input or target: uniform numbers in [-1, 1), or class ids. */
static struct tensor make_data(const struct shape *example, uint64_t seed, int classes)
{
    struct tensor tensor = {classes > 0 ? DTYPE_I64 : DTYPE_F32, {example->rank + 1, {EXAMPLES}}, NULL};
    int64_t count;

    for (int i = 0; i < example->rank; i++)
        tensor.shape.dims[i + 1] = example->dims[i];
    count = shape_elements(&tensor.shape);
    tensor.data = malloc(tensor_bytes(&tensor));
    for (int64_t i = 0; i < count; i++)
        if (classes > 0)
            ((int64_t *)tensor.data)[i] = (int64_t)(random_bits(seed, (uint64_t)i) % (uint64_t)classes);
        else
            ((float *)tensor.data)[i] = (float)(2.0 * random_uniform(seed, (uint64_t)i) - 1.0);
    return tensor;
}

static void take_batch(const struct tensor *all, int step, struct tensor *ret)
{
    size_t bytes = tensor_bytes(all) / EXAMPLES;

    *ret = *all;
    ret->shape.dims[0] = BATCH;
    ret->data = malloc(bytes * BATCH);
    for (int i = 0; i < BATCH; i++)
        memcpy((char *)ret->data + bytes * (size_t)i,
               (const char *)all->data + bytes * (size_t)((step * BATCH + i) * 7 % EXAMPLES), bytes);
}

static struct trainer *make_trainer(const struct curve *curve, const struct network *network)
{
    struct trainer_options options = trainer_options_default();
    const struct model_options load = {.for_training = true};
    struct engine_error err = {0};
    struct model *model = model_load_file(network->file, &load, &err);
    struct trainer *trainer;

    ck_assert_msg(model != NULL, "%s: %s", network->file, err.text);
    options.optimiser = optimiser_form_default(curve->optimiser);
    options.schedule =
        schedule_default(SCHEDULE_CONSTANT, curve->optimiser == OPTIMISER_ADAM ? 0.002 : 0.02);
    struct trainer_loss ce = {.axis_by_head = true, .form = loss_form_default(LOSS_CE)};

    if (network->classes > 0) {
        options.n_losses = 1;
        options.losses = &ce;
    }
    trainer = trainer_create(model, &options, NULL, &err);
    ck_assert_msg(trainer != NULL, "%s: %s", curve->name, err.text);
    model_unref(model);
    return trainer;
}

START_TEST(equals_pytorch)
{
    const struct curve *curve = &curves[_i];
    const struct network *network = find_network(curve->name);
    struct tensor inputs[TENSORS_MAX], targets[TENSORS_MAX], batch_inputs[TENSORS_MAX];
    struct tensor batch_targets[TENSORS_MAX];
    struct trainer *trainer;
    struct engine_error err = {0};

    ck_assert(engine_start(&err) == ENGINE_OK);
    trainer = make_trainer(curve, network);
    ck_assert_int_eq(trainer_n_losses(trainer), network->n_targets);
    for (int i = 0; i < network->n_inputs; i++)
        inputs[i] = make_data(&network->inputs[i], (uint64_t)i + 1, 0);
    for (int i = 0; i < network->n_targets; i++)
        targets[i] = make_data(&network->targets[i], (uint64_t)i + 11, network->classes);
    for (int step = 0, point = 0; step < STEPS; step++) {
        const struct trainer_batch batch = {batch_inputs, batch_targets, -1.0};
        struct trainer_result result;

        for (int i = 0; i < network->n_inputs; i++)
            take_batch(&inputs[i], step, &batch_inputs[i]);
        for (int i = 0; i < network->n_targets; i++)
            take_batch(&targets[i], step, &batch_targets[i]);
        ck_assert_msg(trainer_step(trainer, &batch, &result, &err) == ENGINE_OK, "%s: %s", curve->name,
                      err.text);
        ck_assert(result.verdict == TRAINER_LEARNED);
        if (point < POINTS && step == points[point]) {
            ck_assert_msg(fabs(result.loss - curve->losses[point]) <= 1e-3 * curve->losses[point],
                          "%s with %s, step %d: loss %.9g, PyTorch's %.9g", curve->name,
                          optimiser_name(curve->optimiser), step, result.loss, curve->losses[point]);
            point++;
        }
        for (int i = 0; i < network->n_inputs; i++)
            free(batch_inputs[i].data);
        for (int i = 0; i < network->n_targets; i++)
            free(batch_targets[i].data);
    }
    for (int i = 0; i < network->n_inputs; i++)
        free(inputs[i].data);
    for (int i = 0; i < network->n_targets; i++)
        free(targets[i].data);
    trainer_destroy(trainer);
}
END_TEST

Suite *make_suite(void)
{
    Suite *suite = suite_create("curves");
    TCase *tc = tcase_create("curves");

    tcase_set_timeout(tc, 300);
    tcase_add_loop_test(tc, equals_pytorch, 0, sizeof(curves) / sizeof(curves[0]));
    suite_add_tcase(suite, tc);
    return suite;
}
