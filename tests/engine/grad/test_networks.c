/* SPDX-License-Identifier: Apache-2.0
 * Gradients of every tensor that learns in every network of tests/fixtures, against PyTorch's: of each the
 * norm, the product with random numbers, and four elements (make_networks.py), to 1e-4. Networks with batch
 * normalisation run twice: with their running statistics, and with those of the batch. */
#include "engine/engine.h"
#include "engine/grad/tape.h"
#include "engine/kernels/random.h"
#include "tests/support/run_suite.h"

#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BATCH = 3, SAMPLES = 4, TENSORS_MAX = 64, OPERANDS_MAX = 4, WORDS = 50 };

static const struct expected {
    const char *network;
    bool training;
    const char *constant;
    double norm, projection, samples[SAMPLES];
} cases[] = {
#include "tests/engine/grad/network_cases.h"
};

enum { N_CASES = sizeof(cases) / sizeof(cases[0]) };

/* Relative to a gradient's norm or largest element; and what rounding leaves of a gradient that is zero, such
 * as that of a bias before a batch normalisation. */
static const double tolerance = 1e-4, noise = 2e-6;

/* Rows [first, last) are of one network in one mode. */
static int group_end(int first)
{
    int last = first;

    while (last < N_CASES && strcmp(cases[last].network, cases[first].network) == 0 &&
           cases[last].training == cases[first].training)
        last++;
    return last;
}

static int count_groups(void)
{
    int groups = 0;

    for (int at = 0; at < N_CASES; at = group_end(at))
        groups++;
    return groups;
}

/* In [-1, 1), as make_networks.py makes them too. */
static float number(uint64_t seed, int64_t i)
{
    return (float)(2.0 * random_uniform(seed, (uint64_t)i) - 1.0);
}

static void *allocate(size_t bytes)
{
    void *memory = aligned_alloc(64, (bytes + 63) / 64 * 64);

    ck_assert_ptr_nonnull(memory);
    return memory;
}

static struct tensor make_input(const struct value *value, int index)
{
    struct tensor input = {.dtype = value->dtype, .shape = {.rank = value->shape.rank}};
    const uint64_t seed = (uint64_t)index + 1;
    int64_t count;

    for (int d = 0; d < input.shape.rank; d++)
        input.shape.dims[d] = value->shape.dims[d] == DIM_UNKNOWN ? BATCH : value->shape.dims[d];
    count = shape_elements(&input.shape);
    input.data = allocate(tensor_bytes(&input));
    for (int64_t i = 0; i < count; i++) {
        if (input.dtype == DTYPE_F32)
            ((float *)input.data)[i] = number(seed, i);
        else if (strcmp(value->name, "mask") == 0)
            ((int64_t *)input.data)[i] = random_bits(seed, (uint64_t)i) % 4 > 0;
        else
            ((int64_t *)input.data)[i] = (int64_t)(random_bits(seed, (uint64_t)i) % WORDS);
    }
    return input;
}

static int slot_named(const struct graph *graph, const char *name)
{
    for (int slot = 0; slot < graph->n_constant_slots; slot++)
        if (strcmp(graph->values[graph->weight_values[slot]].name, name) == 0)
            return slot;
    ck_abort_msg("no constant '%s'", name);
}

/* One network in one mode, and its gradients by row. */
struct run {
    int first, last;
    struct model *model;
    const struct graph *graph;
    struct tensor inputs[OPERANDS_MAX];
    int slots[TENSORS_MAX];
    void *grads[TENSORS_MAX];
    struct tape *tape;
};

static const struct tensor *constant_of(const struct run *run, int slot)
{
    return run->graph->values[run->graph->weight_values[slot]].constant;
}

static void start(struct run *run, bool fused)
{
    const struct model_options load = {.for_training = fused};
    struct tape_options options = {.n_trainable = run->last - run->first, .trainable = run->slots,
                                   .frozen_norm = !cases[run->first].training};
    struct shape shapes[OPERANDS_MAX];
    struct engine_error err = {0};
    char file[512];

    ck_assert(engine_start(&err) == ENGINE_OK);
    snprintf(file, sizeof(file), FIXTURES "/%s/model.onnx", cases[run->first].network);
    run->model = model_load_file(file, &load, &err);
    ck_assert_msg(run->model != NULL, "%s: %s", file, err.text);
    run->graph = model_graph(run->model);
    ck_assert_int_le(run->graph->n_inputs, OPERANDS_MAX);
    for (int i = 0; i < run->graph->n_inputs; i++) {
        run->inputs[i] = make_input(&run->graph->values[run->graph->inputs[i]], i);
        shapes[i] = run->inputs[i].shape;
    }
    ck_assert_int_le(options.n_trainable, TENSORS_MAX);
    for (int k = 0; k < options.n_trainable; k++)
        run->slots[k] = slot_named(run->graph, cases[run->first + k].constant);
    options.n_targets = run->graph->n_outputs;
    options.targets = run->graph->outputs;
    run->tape = tape_create(run->model, shapes, &options, NULL, &err);
    ck_assert_msg(run->tape != NULL, "%s: %s", file, err.text);
}

/* Forward and back: the loss is the sum of all outputs, each element times a random number. */
static void compute(struct run *run)
{
    const struct grad_context context = {.seed = 1};
    const void *trainable[TENSORS_MAX], *states[TENSORS_MAX];
    struct engine_error err = {0};

    for (int k = 0; k < run->last - run->first; k++) {
        trainable[k] = constant_of(run, run->slots[k])->data;
        run->grads[k] = allocate(tensor_bytes(constant_of(run, run->slots[k])));
    }
    ck_assert_int_le(tape_n_states(run->tape), TENSORS_MAX);
    for (int s = 0; s < tape_n_states(run->tape); s++)
        states[s] = constant_of(run, tape_state_slot(run->tape, s))->data;
    tape_bind(run->tape,
              &(struct tape_memory){.trainable = trainable, .grads = run->grads, .states = states});
    ck_assert_msg(tape_forward(run->tape, run->inputs, &context, &err) == ENGINE_OK, "%s", err.text);
    for (int t = 0; t < run->graph->n_outputs; t++) {
        struct tensor *grad = tape_target_grad(run->tape, t);

        for (int64_t i = 0; grad != NULL && i < shape_elements(&grad->shape); i++)
            ((float *)grad->data)[i] = number(100 + (uint64_t)t, i);
    }
    ck_assert_msg(tape_backward(run->tape, false, &err) == ENGINE_OK, "%s", err.text);
}

static void check_row(const struct expected *e, const float *grad, int64_t count)
{
    double squares = 0, projection = 0, norm, largest = 0;

    for (int64_t i = 0; i < count; i++) {
        squares += (double)grad[i] * (double)grad[i];
        projection += (double)grad[i] * (double)number(7, i);
        largest = fmax(largest, fabs((double)grad[i]));
    }
    norm = sqrt(squares);
    ck_assert_msg(fabs(norm - e->norm) <= tolerance * e->norm + noise,
                  "%s%s: the gradient of '%s' has norm %g, PyTorch's %g", e->network,
                  e->training ? ", training" : "", e->constant, norm, e->norm);
    ck_assert_msg(fabs(projection - e->projection) <= tolerance * e->norm + noise,
                  "%s%s: the gradient of '%s' times random numbers is %g, PyTorch's %g (norm %g)", e->network,
                  e->training ? ", training" : "", e->constant, projection, e->projection, norm);
    for (int k = 0; k < SAMPLES; k++) {
        double item = (double)grad[(k + 1) * count / (SAMPLES + 1)];

        ck_assert_msg(fabs(item - e->samples[k]) <= tolerance * largest + noise,
                      "%s%s: element %d of the gradient of '%s' is %g, PyTorch's %g (largest %g)", e->network,
                      e->training ? ", training" : "", (int)((k + 1) * count / (SAMPLES + 1)), e->constant,
                      item, e->samples[k], largest);
    }
}

static void check_group(int group, bool fused)
{
    struct run run = {0};

    for (; group > 0; group--)
        run.first = group_end(run.first);
    run.last = group_end(run.first);
    start(&run, fused);
    compute(&run);
    for (int k = 0; k < run.last - run.first; k++) {
        ck_assert_msg(tape_reaches(run.tape, k), "%s: '%s' has no gradient", cases[run.first].network,
                      cases[run.first + k].constant);
        check_row(&cases[run.first + k], run.grads[k],
                  shape_elements(&constant_of(&run, run.slots[k])->shape));
        free(run.grads[k]);
    }
    for (int i = 0; i < run.graph->n_inputs; i++)
        free(run.inputs[i].data);
    tape_destroy(run.tape);
    model_unref(run.model);
}

START_TEST(equals_pytorch)
{
    check_group(_i, false);
    check_group(_i, true);
}
END_TEST

Suite *make_suite(void)
{
    Suite *suite = suite_create("gradients of networks");
    TCase *tc = tcase_create("fixtures");

    tcase_set_timeout(tc, 60);
    tcase_add_loop_test(tc, equals_pytorch, 0, count_groups());
    suite_add_tcase(suite, tc);
    return suite;
}
