/* SPDX-License-Identifier: Apache-2.0
 * Any bytes as a model: load, and if it loads, plan and run it once, all within small budgets.
 * A libFuzzer harness; replay.c gives it a main() for `make check`. */
#include "engine/engine.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { IO_MAX = 16, BUDGET_BYTES = 32 << 20, INPUT_BYTES_MAX = 4 << 20 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What became of what was given. */
static unsigned long n_loaded, n_planned, n_ran;

static void say_counts(void)
{
    fprintf(stderr, "models: %lu loads, %lu plans, %lu whole runs\n", n_loaded, n_planned, n_ran);
}

/* Open dimensions are 2, so that a batch is more than a row. */
static bool make_input(const struct model_io *io, struct tensor *tensor)
{
    size_t bytes;

    memset(tensor, 0, sizeof(*tensor));
    tensor->dtype = io->dtype;
    tensor->shape.rank = io->shape.rank == RANK_UNKNOWN ? 1 : io->shape.rank;
    for (int i = 0; i < tensor->shape.rank; i++)
        tensor->shape.dims[i] = io->shape.rank == RANK_UNKNOWN || io->shape.dims[i] == DIM_UNKNOWN
                                    ? 2
                                    : io->shape.dims[i];
    if (tensor->dtype == DTYPE_SEQUENCE || tensor->dtype == DTYPE_OPTIONAL)
        tensor->shape = (struct shape){.rank = 1};
    else if (dtype_size(tensor->dtype) == 0)
        return false;
    if (!shape_check(&tensor->shape, dtype_size(tensor->dtype), &bytes) || bytes > INPUT_BYTES_MAX)
        return false;
    tensor->data = calloc(1, bytes + 1);
    return tensor->data != NULL;
}

static void run_once(struct model *model)
{
    struct tensor inputs[IO_MAX] = {0}, outputs[IO_MAX] = {0};
    struct shape shapes[IO_MAX];
    struct engine_error err = {0};
    struct weights *weights = model_base_weights(model);
    struct runner *runner = runner_create(NULL);
    struct plan *plan = NULL;
    bool ok = runner != NULL && model_n_inputs(model) <= IO_MAX && model_n_outputs(model) <= IO_MAX;

    for (int i = 0; ok && i < model_n_inputs(model); i++) {
        ok = make_input(model_input(model, i), &inputs[i]);
        shapes[i] = inputs[i].shape;
    }
    if (ok)
        plan = model_plan(model, shapes, 1, &err);
    n_loaded++;
    n_planned += plan != NULL;
    if (plan != NULL)
        n_ran += runner_run(runner, plan, weights, inputs, outputs, &err) == ENGINE_OK;
    plan_unref(plan);
    runner_destroy(runner);
    weights_unref(weights);
    for (int i = 0; i < IO_MAX; i++)
        free(inputs[i].data);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static bool started;
    struct engine_error err = {0};

    if (!started && (engine_start(&err) != ENGINE_OK || atexit(say_counts) != 0))
        abort();
    started = true;
    for (int optimise = 0; optimise < 2; optimise++) {
        struct model_options options = {
            .optimise = optimise != 0,
            .memory_bytes_max = BUDGET_BYTES,
            .plan_bytes_max = BUDGET_BYTES,
            .plans_max = 1,
        };
        struct model *model = model_load_bytes(data, size, &options, &err);

        if (model != NULL)
            run_once(model);
        model_unref(model);
        memset(&err, 0, sizeof(err));
    }
    return 0;
}
