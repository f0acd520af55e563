/* SPDX-License-Identifier: Apache-2.0
 * A batch on its way through a trainer: its checks, its slices, its forward pass and losses. */
#include "engine/train/trainer_private.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct tensor trainer_rows(const struct tensor *tensor, int64_t from, int64_t n)
{
    struct tensor rows = *tensor;
    int64_t all = tensor->shape.dims[0];

    rows.shape.dims[0] = n;
    if (all > 0)
        rows.data = (char *)tensor->data + tensor_bytes(tensor) / (size_t)all * (size_t)from;
    return rows;
}

int64_t trainer_slice_rows(const struct trainer *trainer, int64_t rows)
{
    int64_t most = trainer->options.micro_batch;

    return most > 0 && most < rows ? most : rows;
}

void trainer_set_micro_batch(struct trainer *trainer, int64_t rows)
{
    trainer->options.micro_batch = rows;
}

struct trainer_manner trainer_manner(const struct trainer *trainer)
{
    const struct trainer_options *options = &trainer->options;

    return (struct trainer_manner){options->optimiser, options->guards, options->seed};
}

enum engine_status trainer_set_manner(struct trainer *trainer, const struct trainer_manner *manner,
                                      struct engine_error *err)
{
    struct trainer_options *options = &trainer->options;
    enum engine_status status = optimiser_check(&manner->optimiser, err);

    if (status != ENGINE_OK)
        return status;
    if (manner->optimiser.kind != options->optimiser.kind)
        return engine_error_set(err, ENGINE_BAD_INPUT, "the trainer's optimiser is %s, not %s",
                                optimiser_name(options->optimiser.kind),
                                optimiser_name(manner->optimiser.kind));
    options->optimiser = manner->optimiser;
    options->guards = manner->guards;
    options->seed = manner->seed;
    return ENGINE_OK;
}

void trainer_between(const struct trainer *trainer)
{
    if (trainer->options.between != NULL)
        trainer->options.between(trainer->options.between_arg);
}

static enum engine_status check_rows(const char *what, const char *name, const struct tensor *tensor,
                                     int64_t *rows, struct engine_error *err)
{
    if (tensor->shape.rank == 0 || tensor->shape.dims[0] < 1)
        return engine_error_set(err, ENGINE_BAD_INPUT,
                                "%s '%.64s': expected at least one example along dimension 0", what,
                                name);
    if (*rows < 0)
        *rows = tensor->shape.dims[0];
    if (tensor->shape.dims[0] != *rows)
        return engine_error_set(err, ENGINE_BAD_INPUT,
                                "%s '%.64s' has %lld examples, the first input has %lld", what, name,
                                (long long)tensor->shape.dims[0], (long long)*rows);
    return ENGINE_OK;
}

static enum engine_status check_finite(const char *name, const struct tensor *tensor,
                                       struct engine_error *err)
{
    int64_t count = shape_elements(&tensor->shape);

    if (!dtype_is_float(tensor->dtype))
        return ENGINE_OK;
    for (int64_t i = 0; i < count; i++) {
        double item = tensor->dtype == DTYPE_F32 ? (double)((const float *)tensor->data)[i]
                                                 : tensor_double_at(tensor, i);

        if (!isfinite(item))
            return engine_error_set(err, ENGINE_BAD_INPUT,
                                    "input '%.64s': element %lld of example %lld is %g; expected a "
                                    "finite number",
                                    name, (long long)(i % (count / tensor->shape.dims[0])),
                                    (long long)(i / (count / tensor->shape.dims[0])), item);
    }
    return ENGINE_OK;
}

enum engine_status trainer_check_batch(const struct trainer *trainer,
                                       const struct trainer_batch *batch, int64_t *ret_rows,
                                       struct engine_error *err)
{
    enum engine_status status = ENGINE_OK;
    int64_t rows = -1;

    for (int i = 0; i < trainer->graph->n_inputs && status == ENGINE_OK; i++) {
        const struct model_io *input = model_input(trainer->model, i);

        if (batch->inputs[i].dtype != input->dtype)
            return engine_error_set(err, ENGINE_BAD_INPUT, "input '%.64s' is %s; expected %s",
                                    input->name, dtype_name(batch->inputs[i].dtype),
                                    dtype_name(input->dtype));
        status = check_rows("input", input->name, &batch->inputs[i], &rows, err);
        if (status == ENGINE_OK)
            status = check_finite(input->name, &batch->inputs[i], err);
    }
    if (rows < 0 && status == ENGINE_OK)
        status = engine_error_set(err, ENGINE_BAD_INPUT, "a model without inputs cannot learn");
    for (int i = 0; i < trainer->n_ends && batch->targets != NULL && status == ENGINE_OK; i++)
        status = check_rows("target", trainer->ends[i].form.name, &batch->targets[i], &rows, err);
    *ret_rows = rows;
    return status;
}

struct tape *trainer_slice_tape(struct trainer *trainer, const struct trainer_batch *batch, int64_t n,
                                bool evaluates, struct engine_error *err)
{
    int n_inputs = trainer->graph->n_inputs;
    struct shape *shapes = malloc(((size_t)n_inputs + 1) * sizeof(*shapes));
    struct tape *tape;

    if (shapes == NULL) {
        trainer_no_memory(err);
        return NULL;
    }
    for (int i = 0; i < n_inputs; i++) {
        shapes[i] = batch->inputs[i].shape;
        shapes[i].dims[0] = n;
    }
    tape = trainer_tape(trainer, shapes, evaluates, err);
    free(shapes);
    return tape;
}

enum engine_status trainer_check_targets(struct trainer *trainer, const struct trainer_batch *batch,
                                         int64_t rows, bool evaluates, struct engine_error *err)
{
    const int64_t most = trainer_slice_rows(trainer, rows);

    for (int i = 0; i < trainer->n_ends; i++)
        trainer->divisors[i] = 0.0;
    for (int64_t from = 0; from < rows; from += most) {
        int64_t n = rows - from < most ? rows - from : most;
        struct tape *tape = trainer_slice_tape(trainer, batch, n, evaluates, err);

        if (tape == NULL)
            return err != NULL && err->status != ENGINE_OK ? err->status : ENGINE_NO_MEMORY;
        for (int i = 0; i < trainer->n_ends && batch->targets != NULL; i++) {
            const struct loss_form *form = &trainer->ends[i].form;
            const struct shape *shape = &tape_target(tape, i)->shape;
            struct tensor targets = trainer_rows(&batch->targets[i], from, n);
            enum engine_status status = loss_check(form, shape, &targets, err);

            if (status != ENGINE_OK)
                return status;
            trainer->divisors[i] += loss_divisor(form, shape, &targets);
        }
    }
    return ENGINE_OK;
}

/* A cut batch's values are collected in memory of their own. */
static enum engine_status keep_values(struct trainer *trainer, const struct tape *tape, int64_t from,
                                      int64_t n, int64_t rows, struct engine_error *err)
{
    for (int i = 0; i < trainer->n_ends; i++) {
        const struct tensor *part = tape_target(tape, i);
        size_t bytes = tensor_bytes(part);
        struct tensor *all = &trainer->values[i];

        *all = *part;
        if (n == rows || part->shape.rank == 0 || part->shape.dims[0] % n != 0)
            continue;
        all->shape.dims[0] = part->shape.dims[0] / n * rows;
        if (trainer->value_bytes[i] < bytes / (size_t)n * (size_t)rows) {
            free(trainer->value_copies[i]);
            trainer->value_bytes[i] = bytes / (size_t)n * (size_t)rows;
            trainer->value_copies[i] = malloc(trainer->value_bytes[i]);
            if (trainer->value_copies[i] == NULL) {
                trainer->value_bytes[i] = 0;
                return trainer_no_memory(err);
            }
        }
        all->data = trainer->value_copies[i];
        memcpy((char *)all->data + bytes / (size_t)n * (size_t)from, part->data, bytes);
    }
    return ENGINE_OK;
}

enum engine_status trainer_forward(struct trainer *trainer, struct tape *tape,
                                   const struct trainer_batch *batch, int64_t from, int64_t n,
                                   int64_t rows, const struct grad_context *context, bool grads,
                                   struct engine_error *err)
{
    int n_inputs = trainer->graph->n_inputs;
    struct tensor *inputs = malloc(((size_t)n_inputs + 1) * sizeof(*inputs));
    enum engine_status status;

    if (inputs == NULL)
        return trainer_no_memory(err);
    for (int i = 0; i < n_inputs; i++)
        inputs[i] = trainer_rows(&batch->inputs[i], from, n);
    status = tape_forward(tape, inputs, context, err);
    free(inputs);
    if (status == ENGINE_OK)
        status = keep_values(trainer, tape, from, n, rows, err);
    if (status != ENGINE_OK || batch->targets == NULL)
        return status;
    for (int i = 0; i < trainer->n_ends; i++) {
        struct tensor targets = trainer_rows(&batch->targets[i], from, n);

        trainer->losses[i] +=
            loss_run(&trainer->ends[i].form, tape_target(tape, i), &targets, trainer->divisors[i],
                     grads ? tape_target_grad(tape, i) : NULL, trainer->pool);
    }
    return ENGINE_OK;
}
