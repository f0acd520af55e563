/* SPDX-License-Identifier: Apache-2.0
 * Making a trainer: what it is to achieve, what learns, and the memory for both. */
#include "engine/train/trainer.h"

#include "engine/model_private.h"
#include "engine/train/trainer_private.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NAME_BYTES_MAX = 32 };

struct trainer_options trainer_options_default(void)
{
    return (struct trainer_options){
        .optimiser = optimiser_form_default(OPTIMISER_SGD),
        .schedule = schedule_default(SCHEDULE_CONSTANT, 0.01),
    };
}

enum engine_status trainer_no_memory(struct engine_error *err)
{
    return engine_error_set(err, ENGINE_NO_MEMORY, "out of memory while preparing to train");
}

const char *trainer_verdict_text(enum trainer_verdict verdict)
{
    static const char *const texts[] = {
#define X(name, text) [TRAINER_##name] = text,
        TRAINER_VERDICT_MAP(X)
#undef X
    };

    return texts[verdict];
}

static int find_output(const struct trainer *trainer, const char *name)
{
    for (int i = 0; i < trainer->graph->n_outputs; i++)
        if (strcmp(model_output(trainer->model, i)->name, name) == 0)
            return i;
    return -1;
}

/* The loss `asked` for that output; false if its head cannot have it. */
static enum engine_status add_end(struct trainer *trainer, int output,
                                  const struct trainer_loss *asked, struct engine_error *err)
{
    struct trainer_end *end = &trainer->ends[trainer->n_ends];
    const char *name = model_output(trainer->model, output)->name;
    int value;

    *end = (struct trainer_end){.output = output, .head = head_find(trainer->graph, output)};
    if (end->head.kind == HEAD_NONE)
        return engine_error_set(err, ENGINE_BAD_INPUT,
                                "output '%.64s' has no numbers that a loss could attach to", name);
    end->form = asked->form;
    if (asked->by_head)
        end->form.kind = head_loss(&end->head);
    end->form.name = arena_strndup(trainer->arena, name, strlen(name));
    end->axis_by_head = asked->by_head || asked->axis_by_head;
    if (end->form.class_weights != NULL && end->form.n_class_weights > 0) {
        size_t bytes = (size_t)end->form.n_class_weights * sizeof(float);
        float *copy = arena_alloc(trainer->arena, bytes);

        if (copy == NULL)
            return trainer_no_memory(err);
        memcpy(copy, end->form.class_weights, bytes);
        end->form.class_weights = copy;
    }
    value = head_value(&end->head, end->form.kind);
    if (value == VALUE_ABSENT)
        return engine_error_set(err, ENGINE_BAD_INPUT,
                                "output '%.64s' ends in a %s: loss '%s' does not fit, '%s' does", name,
                                end->head.kind == HEAD_SOFTMAX ? "Softmax" : "Sigmoid",
                                loss_name(end->form.kind), loss_name(head_loss(&end->head)));
    for (int i = 0; i < trainer->n_ends; i++)
        if (trainer->targets[i] == value)
            return engine_error_set(err, ENGINE_BAD_INPUT,
                                    "outputs '%.64s' and '%.64s' are the same values: one loss for both",
                                    trainer->ends[i].form.name, name);
    trainer->targets[trainer->n_ends++] = value;
    return end->form.name != NULL ? ENGINE_OK : trainer_no_memory(err);
}

/* One loss for each distinct head that has numbers. */
static enum engine_status default_ends(struct trainer *trainer, struct engine_error *err)
{
    const struct trainer_loss asked = {.by_head = true, .form = loss_form_default(LOSS_MSE)};
    enum engine_status status = ENGINE_OK;

    for (int i = 0; i < trainer->graph->n_outputs && status == ENGINE_OK; i++) {
        struct head head = head_find(trainer->graph, i);
        bool known = head.kind == HEAD_NONE;

        for (int k = 0; k < trainer->n_ends && !known; k++)
            known = trainer->ends[k].head.value == head.value ||
                    trainer->targets[k] == head_value(&head, head_loss(&head));
        if (!known)
            status = add_end(trainer, i, &asked, err);
    }
    if (status == ENGINE_OK && trainer->n_ends == 0)
        status = engine_error_set(err, ENGINE_BAD_INPUT,
                                  "the model has no output that a loss could attach to");
    return status;
}

static enum engine_status make_ends(struct trainer *trainer, struct engine_error *err)
{
    const struct trainer_options *options = &trainer->options;
    size_t most = (size_t)(options->n_losses > trainer->graph->n_outputs ? options->n_losses
                                                                         : trainer->graph->n_outputs) +
                  1;
    enum engine_status status = ENGINE_OK;

    trainer->ends = arena_calloc(trainer->arena, most, sizeof(*trainer->ends));
    trainer->targets = arena_calloc(trainer->arena, most, sizeof(int));
    trainer->losses = arena_calloc(trainer->arena, most, sizeof(double));
    trainer->divisors = arena_calloc(trainer->arena, most, sizeof(double));
    trainer->values = arena_calloc(trainer->arena, most, sizeof(*trainer->values));
    trainer->value_copies = arena_calloc(trainer->arena, most, sizeof(float *));
    trainer->value_bytes = arena_calloc(trainer->arena, most, sizeof(size_t));
    if (trainer->ends == NULL || trainer->targets == NULL || trainer->losses == NULL ||
        trainer->divisors == NULL || trainer->values == NULL || trainer->value_copies == NULL ||
        trainer->value_bytes == NULL)
        return trainer_no_memory(err);
    if (options->n_losses == 0)
        return default_ends(trainer, err);
    for (int i = 0; i < options->n_losses && status == ENGINE_OK; i++) {
        int output = options->losses[i].output != NULL
                         ? find_output(trainer, options->losses[i].output)
                         : trainer->graph->n_outputs == 1 ? 0 : -1;

        if (output < 0)
            return engine_error_set(err, ENGINE_BAD_INPUT, "a loss names no output of the model: '%.64s'",
                                    options->losses[i].output != NULL ? options->losses[i].output : "");
        status = add_end(trainer, output, &options->losses[i], err);
    }
    return status;
}

/* The name of a slot's tensor; one for those that have none in the file. */
static const char *slot_name(struct trainer *trainer, int slot)
{
    const char *name = trainer->graph->values[trainer->graph->weight_values[slot]].name;
    char made[NAME_BYTES_MAX];

    if (name[0] != '\0')
        return name;
    snprintf(made, sizeof(made), "inferd/slot/%d", slot);
    return arena_strndup(trainer->arena, made, strlen(made));
}

static struct parameters *lay_out(struct trainer *trainer, int n, const int *slots, bool decay,
                                  struct engine_error *err)
{
    struct parameter *tensors = arena_calloc(trainer->arena, (size_t)n + 1, sizeof(*tensors));

    if (tensors == NULL) {
        trainer_no_memory(err);
        return NULL;
    }
    for (int i = 0; i < n; i++) {
        const struct shape *shape =
            &trainer->graph->values[trainer->graph->weight_values[slots[i]]].constant->shape;
        int wide = 0;

        for (int d = 0; d < shape->rank; d++)
            wide += shape->dims[d] > 1;
        tensors[i].count = shape_elements(shape);
        tensors[i].decays = decay && !(trainer->options.spare_vectors && wide <= 1);
    }
    return parameters_create(n, tensors, err);
}

static enum engine_status select_tensors(struct trainer *trainer, struct engine_error *err)
{
    const struct selection_options options = {
        .learns = trainer->options.learns,
        .frozen = trainer->options.frozen,
        .last_layers = trainer->options.last_layers,
        .n_targets = trainer->n_ends,
        .targets = trainer->targets,
    };
    struct selection *selection = &trainer->selection;
    enum engine_status status =
        trainer_select(trainer->model, &options, trainer->arena, selection, err);

    if (status != ENGINE_OK)
        return status;
    trainer->names = arena_calloc(
        trainer->arena, (size_t)(selection->n_slots + selection->n_states) + 1, sizeof(char *));
    if (trainer->names == NULL)
        return trainer_no_memory(err);
    for (int i = 0; i < selection->n_slots + selection->n_states; i++) {
        trainer->names[i] =
            slot_name(trainer, i < selection->n_slots ? selection->slots[i]
                                                      : selection->states[i - selection->n_slots]);
        if (trainer->names[i] == NULL)
            return trainer_no_memory(err);
    }
    trainer->parameters = lay_out(trainer, selection->n_slots, selection->slots, true, err);
    if (trainer->parameters != NULL)
        trainer->statistics = lay_out(trainer, selection->n_states, selection->states, false, err);
    return trainer->statistics != NULL ? ENGINE_OK : err != NULL ? err->status : ENGINE_NO_MEMORY;
}

static void copy_slots(const struct trainer *trainer, const struct parameters *parameters,
                       const int *slots, float *block)
{
    for (int i = 0; i < parameters->n_tensors; i++)
        memcpy(block + parameters->tensors[i].offset,
               trainer->graph->values[trainer->graph->weight_values[slots[i]]].constant->data,
               (size_t)parameters->tensors[i].count * sizeof(float));
}

static enum engine_status check_budget(struct trainer *trainer, struct engine_error *err)
{
    const int sets = trainer->options.two_phase ? 2 : 1;
    const int states = optimiser_states(trainer->options.optimiser.kind);
    size_t bytes_max = trainer->options.bytes_max;

    trainer->block_bytes =
        ((size_t)trainer->parameters->total * (size_t)(1 + sets * (1 + states)) +
         (size_t)trainer->statistics->total * STATISTICS_SETS) *
        sizeof(float);
    if (bytes_max > 0 && trainer->block_bytes > bytes_max)
        return engine_error_set(err, ENGINE_OVER_BUDGET,
                                "weights, gradients and the optimiser's state need %zu bytes, the "
                                "budget is %zu",
                                trainer->block_bytes, bytes_max);
    return ENGINE_OK;
}

static enum engine_status make_blocks(struct trainer *trainer, struct engine_error *err)
{
    const struct parameters *parameters = trainer->parameters;
    const int states = optimiser_states(trainer->options.optimiser.kind);
    bool ok = true;

    if (check_budget(trainer, err) != ENGINE_OK)
        return ENGINE_OVER_BUDGET;
    for (int s = 0; s < (trainer->options.two_phase ? 2 : 1) && ok; s++) {
        ok = (trainer->sets[s].weights = parameters_block(parameters, err)) != NULL;
        for (int k = 0; k < states && ok; k++)
            ok = (trainer->sets[s].states[k] = parameters_block(parameters, err)) != NULL;
    }
    ok = ok && (trainer->gradients = parameters_block(parameters, err)) != NULL;
    for (int s = 0; s < STATISTICS_SETS && ok; s++)
        ok = (trainer->statistic_sets[s] = parameters_block(trainer->statistics, err)) != NULL;
    if (!ok)
        return ENGINE_NO_MEMORY;
    copy_slots(trainer, parameters, trainer->selection.slots, trainer->sets[0].weights);
    copy_slots(trainer, trainer->statistics, trainer->selection.states, trainer->statistic_sets[0]);
    trainer->most = parameters_most(parameters, trainer->sets[0].weights);
    return ENGINE_OK;
}

static enum engine_status make_lists(struct trainer *trainer, struct engine_error *err)
{
    struct arena *arena = trainer->arena;
    size_t n = (size_t)trainer->parameters->n_tensors + 1;
    size_t n_states = (size_t)trainer->statistics->n_tensors + 1;

    trainer->partial =
        arena_calloc(arena, (size_t)trainer->parameters->n_chunks + 1, sizeof(double));
    trainer->gradient_norms = arena_calloc(arena, n, sizeof(double));
    trainer->update_norms = arena_calloc(arena, n, sizeof(double));
    trainer->weight_pointers = arena_calloc(arena, n, sizeof(void *));
    trainer->gradient_pointers = arena_calloc(arena, n, sizeof(void *));
    trainer->state_pointers = arena_calloc(arena, n_states, sizeof(void *));
    trainer->next_state_pointers = arena_calloc(arena, n_states, sizeof(void *));
    if (trainer->partial == NULL || trainer->gradient_norms == NULL ||
        trainer->update_norms == NULL || trainer->weight_pointers == NULL ||
        trainer->gradient_pointers == NULL || trainer->state_pointers == NULL ||
        trainer->next_state_pointers == NULL || !trainer_list_entries(trainer))
        return trainer_no_memory(err);
    return ENGINE_OK;
}

static enum engine_status check_options(struct trainer *trainer, struct engine_error *err)
{
    struct trainer_options *options = &trainer->options;
    const struct {
        const char *name;
        double value;
    } numbers[] = {
        {"guard 'loss_most'", options->guards.loss_most},
        {"guard 'loss_spike'", options->guards.loss_spike},
        {"guard 'gradient_most'", options->guards.gradient_most},
        {"guard 'gradient_spike'", options->guards.gradient_spike},
        {"guard 'warmup'", (double)options->guards.warmup},
        {"last_layers", options->last_layers},
        {"micro_batch", (double)options->micro_batch},
        {"tapes_max", options->tapes_max},
    };
    enum engine_status status = optimiser_check(&options->optimiser, err);

    if (status == ENGINE_OK)
        status = schedule_check(&options->schedule, err);
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]) && status == ENGINE_OK; i++)
        if (!(numbers[i].value >= 0.0))
            status = engine_error_set(err, ENGINE_BAD_INPUT, "%s is %g; expected 0 or more",
                                      numbers[i].name, numbers[i].value);
    if (options->tapes_max == 0)
        options->tapes_max = 4;
    if (options->tapes_max > TAPES_MAX)
        options->tapes_max = TAPES_MAX;
    return status;
}

struct trainer *trainer_create(struct model *model, const struct trainer_options *options,
                               struct pool *pool, struct engine_error *err)
{
    struct trainer *trainer = calloc(1, sizeof(*trainer));
    enum engine_status status;

    if (trainer == NULL || (trainer->arena = arena_create(SIZE_MAX / 2)) == NULL) {
        free(trainer);
        trainer_no_memory(err);
        return NULL;
    }
    trainer->model = model_ref(model);
    trainer->graph = model_graph(model);
    trainer->pool = pool;
    trainer->options = *options;
    status = check_options(trainer, err);
    if (status == ENGINE_OK)
        status = make_ends(trainer, err);
    if (status == ENGINE_OK)
        status = select_tensors(trainer, err);
    if (status == ENGINE_OK)
        status = make_blocks(trainer, err);
    if (status == ENGINE_OK)
        status = make_lists(trainer, err);
    /* What the caller's lists said has been taken over. */
    trainer->options.losses = NULL;
    trainer->options.learns = trainer->options.frozen = NULL;
    if (status == ENGINE_OK)
        return trainer;
    trainer_destroy(trainer);
    return NULL;
}

void trainer_destroy(struct trainer *trainer)
{
    if (trainer == NULL)
        return;
    trainer_drop_tapes(trainer);
    for (int s = 0; s < 2; s++) {
        free(trainer->sets[s].weights);
        for (int k = 0; k < OPTIMISER_STATES_MAX; k++)
            free(trainer->sets[s].states[k]);
    }
    free(trainer->gradients);
    for (int s = 0; s < STATISTICS_SETS; s++)
        free(trainer->statistic_sets[s]);
    for (int i = 0; i < trainer->n_ends; i++)
        free(trainer->value_copies[i]);
    parameters_destroy(trainer->parameters);
    parameters_destroy(trainer->statistics);
    model_unref(trainer->model);
    arena_destroy(trainer->arena);
    free(trainer);
}

int trainer_n_losses(const struct trainer *trainer)
{
    return trainer->n_ends;
}

const struct loss_form *trainer_loss_form(const struct trainer *trainer, int index)
{
    return &trainer->ends[index].form;
}

const char *trainer_loss_output(const struct trainer *trainer, int index)
{
    return trainer->ends[index].form.name;
}

const struct head *trainer_loss_head(const struct trainer *trainer, int index)
{
    return &trainer->ends[index].head;
}

int trainer_n_learning(const struct trainer *trainer)
{
    return trainer->parameters->n_tensors;
}

const char *trainer_tensor_name(const struct trainer *trainer, int index)
{
    return trainer->names[index];
}

int64_t trainer_n_parameters(const struct trainer *trainer)
{
    int64_t sum = 0;

    for (int i = 0; i < trainer->parameters->n_tensors; i++)
        sum += trainer->parameters->tensors[i].count;
    return sum;
}

int64_t trainer_steps(const struct trainer *trainer)
{
    return trainer->counters.steps;
}

size_t trainer_bytes(const struct trainer *trainer)
{
    size_t bytes = trainer->block_bytes + arena_bytes(trainer->arena);

    for (int i = 0; i < trainer->n_tapes; i++)
        bytes += tape_bytes(trainer->tapes[i].tape);
    for (int i = 0; i < trainer->n_ends; i++)
        bytes += trainer->value_bytes[i];
    return bytes;
}
