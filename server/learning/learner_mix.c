/* SPDX-License-Identifier: Apache-2.0
 * Past examples, mixed into updates so that what was learnt earlier is not forgotten. The sample lives in
 * memory alone: a row of the journal holds the copies that its update was mixed with, so rows are applied
 * again without it, and after a restart, or when something has gone back, it is taken anew from the rows
 * that are kept. Copies whose own row is no longer kept live on in it. */
#include "server/learning/learner_private.h"

#include "engine/learn/replay_buffer.h"
#include "server/learning/history.h"
#include "server/observe/log.h"
#include "server/observe/statistics.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

struct learner_mix {
    bool fresh;                    /* the buffer holds what it would if it had seen all that is kept */
    struct replay_buffer *buffer;  /* from the first example on, whose types and shapes it has */
    int n_inputs, n_targets;
    struct tensor *forms;          /* inputs, then targets; one row each, without data */
    char *example;                 /* space for one */
};

static void publish_size(const struct learner *learner)
{
    const struct replay_buffer *buffer = learner->mix->buffer;
    struct learning_stats *stats = stats_learning(learner->entry->stats);

    learning_stats_set(stats, LEARNING_REPLAY_EXAMPLES,
                       buffer != NULL ? (double)replay_buffer_count(buffer) : 0);
    learning_stats_set(stats, LEARNING_REPLAY_BYTES,
                       buffer != NULL ? (double)replay_buffer_bytes(buffer) : 0);
}

static void empty(struct learner_mix *mix)
{
    replay_buffer_destroy(mix->buffer);
    free(mix->forms);
    free(mix->example);
    *mix = (struct learner_mix){0};
}

void learner_mix_end(struct learner *learner)
{
    if (learner->mix != NULL)
        empty(learner->mix);
    free(learner->mix);
    learner->mix = NULL;
}

void learner_mix_drop(struct learner *learner)
{
    if (learner->mix != NULL)
        empty(learner->mix);
}

/* --- what goes in --- */

/* Classes of the first loss; 0: it has none, or they are not wanted. */
static uint32_t classes_of(const struct learner *learner)
{
    const struct loss_form *form = trainer_loss_form(learner->trainer, 0);
    const char *name = trainer_loss_output(learner->trainer, 0);

    if (!learner->config.replay_balanced)
        return 0;
    if (form->kind == LOSS_BCE)
        return 2;
    for (int i = 0; form->kind == LOSS_CE && i < model_n_outputs(learner->model); i++) {
        const struct model_io *output = model_output(learner->model, i);

        if (strcmp(output->name, name) == 0 && output->shape.rank == 2 &&
            output->shape.dims[1] >= 2 && output->shape.dims[1] <= REPLAY_CLASSES_MAX)
            return (uint32_t)output->shape.dims[1];
    }
    return 0;
}

static bool make_buffer(struct learner *learner, const struct learn_batch *batch)
{
    struct learner_mix *mix = learner->mix;
    const struct learn_config *config = &learner->config;
    int count = batch->n_inputs + batch->n_targets;
    struct replay_options options = {
        .examples_max = (size_t)config->replay_examples,
        .example_bytes = learn_row_bytes(batch->inputs, batch->n_inputs, batch->rows) +
                         learn_row_bytes(batch->targets, batch->n_targets, batch->rows),
        .bytes_max = (size_t)config->replay_bytes_max,
        .classes = classes_of(learner),
        .seed = (uint64_t)config->seed,
    };
    struct engine_error err = {0};

    mix->n_inputs = batch->n_inputs;
    mix->n_targets = batch->n_targets;
    mix->forms = calloc((size_t)count, sizeof(*mix->forms));
    mix->example = malloc(options.example_bytes + 1);
    if (mix->forms != NULL && mix->example != NULL)
        mix->buffer = replay_buffer_create(&options, &err);
    if (mix->buffer == NULL) {
        log_write(learner->log, LOG_LEVEL_WARNING, "past examples are not mixed into updates",
                  "model=%s version=%s reason=%s", learner->entry->name, learner->entry->version,
                  err.text[0] != '\0' ? err.text : "no memory");
        learner_mix_end(learner);
        return false;
    }
    for (int i = 0; i < count; i++) {
        mix->forms[i] = i < batch->n_inputs ? batch->inputs[i] : batch->targets[i - batch->n_inputs];
        mix->forms[i].data = NULL;
        mix->forms[i].shape.dims[0] = 1;
    }
    return true;
}

static bool alike(const struct tensor *forms, const struct tensor *tensors, int count)
{
    for (int i = 0; i < count; i++) {
        struct shape shape = tensors[i].shape;

        shape.dims[0] = 1;
        if (tensors[i].dtype != forms[i].dtype || !shape_equal(&shape, &forms[i].shape))
            return false;
    }
    return true;
}

/* One of the shapes and types that the buffer is for. */
static bool fits(const struct learner_mix *mix, const struct learn_batch *batch)
{
    return batch->n_inputs == mix->n_inputs && batch->n_targets == mix->n_targets &&
           alike(mix->forms, batch->inputs, batch->n_inputs) &&
           alike(mix->forms + mix->n_inputs, batch->targets, batch->n_targets);
}

/* False: of no class, as a label that is to be ignored. */
static bool label_of(const struct learner *learner, const struct learn_batch *batch, int64_t row,
                     uint32_t classes, uint32_t *ret)
{
    const struct tensor *labels = &batch->targets[0];
    double label = 0.0;

    if (shape_elements(&labels->shape) == batch->rows)
        label = tensor_double_at(labels, row);
    if (trainer_loss_form(learner->trainer, 0)->kind == LOSS_BCE)
        label = label >= 0.5;
    if (!(label >= 0.0 && label < (double)classes) && classes > 0)
        return false;
    *ret = classes > 0 ? (uint32_t)label : 0;
    return true;
}

static void offer(struct learner *learner, const struct learn_batch *batch, int64_t row,
                  const struct journal_spot *spot)
{
    struct learner_mix *mix = learner->mix;
    uint64_t number = spot->generation * JOURNAL_EXAMPLES_MAX + spot->ordinal;
    uint32_t label;
    char *end;

    if (!label_of(learner, batch, row, classes_of(learner), &label))
        return;
    end = learn_row_pack(batch->inputs, batch->n_inputs, batch->rows, row, mix->example);
    learn_row_pack(batch->targets, batch->n_targets, batch->rows, row, end);
    replay_buffer_offer(mix->buffer, mix->example, label, number);
}

void learner_mix_keep(struct learner *learner, const struct learn_batch *batch,
                      const struct journal_row *row)
{
    if (learner->mix == NULL || (learner->mix->buffer == NULL && !make_buffer(learner, batch)) ||
        !fits(learner->mix, batch))
        return;
    for (int64_t i = 0; i < batch->own; i++) {
        const struct journal_spot spot = {row->generation, (size_t)i};

        if (!example_is_held(&row->examples[i], learner_holdout(learner)))
            offer(learner, batch, i, &spot);
    }
    publish_size(learner);
}

/* --- taken anew --- */

/* Numbers that have been met; open addressing. */
struct numbers {
    uint64_t *slots;               /* 0: free */
    size_t used, capacity;
};

static size_t slot_of(const struct numbers *numbers, uint64_t number)
{
    size_t at = (size_t)(number * UINT64_C(0x9e3779b97f4a7c15) >> 20) & (numbers->capacity - 1);

    while (numbers->slots[at] != 0 && numbers->slots[at] != number)
        at = (at + 1) & (numbers->capacity - 1);
    return at;
}

static bool grow(struct numbers *numbers)
{
    struct numbers grown = {.capacity = numbers->capacity == 0 ? 256 : 2 * numbers->capacity};

    grown.slots = calloc(grown.capacity, sizeof(*grown.slots));
    if (grown.slots == NULL)
        return false;
    for (size_t i = 0; i < numbers->capacity; i++)
        if (numbers->slots[i] != 0)
            grown.slots[slot_of(&grown, numbers->slots[i])] = numbers->slots[i];
    grown.used = numbers->used;
    free(numbers->slots);
    *numbers = grown;
    return true;
}

/* True if it is new. Out of memory: none is. */
static bool first_time(struct numbers *numbers, uint64_t number)
{
    size_t at;

    if (2 * numbers->used >= numbers->capacity && !grow(numbers))
        return false;
    at = slot_of(numbers, number);
    if (numbers->slots[at] != 0)
        return false;
    numbers->slots[at] = number;
    numbers->used++;
    return true;
}

/* The row's own examples, and copies of those whose row is gone. */
static void take_row(struct learner *learner, const struct journal_row *row,
                     const struct history *path, struct numbers *seen)
{
    struct learn_replay replay;
    struct learn_batch batch;
    int64_t at = 0;

    if (row->n_examples == 0 || !learn_row_replay(row, learner_holdout(learner), &replay, NULL))
        return;
    batch = (struct learn_batch){replay.n_inputs, replay.n_targets, replay.inputs, replay.targets,
                                 replay.rows, replay.rows, NULL};
    if (replay.rows > 0 && (learner->mix->buffer != NULL || make_buffer(learner, &batch)) &&
        fits(learner->mix, &batch)) {
        for (size_t i = 0; i < row->n_examples; i++) {
            struct journal_spot spot = {row->generation, i};
            bool copy = journal_copy_of(row->examples[i].id, &spot);

            if (row->examples[i].erased ||
                example_is_held(&row->examples[i], learner_holdout(learner)))
                continue;
            if (!copy || (spot.generation <= path->root &&
                          first_time(seen, spot.generation * JOURNAL_EXAMPLES_MAX + spot.ordinal)))
                offer(learner, &batch, at, &spot);
            at++;
        }
    }
    learn_replay_finish(&replay);
}

static enum storage_status take_path(struct learner *learner, const struct history *path,
                                     struct storage_fault *fault)
{
    enum storage_status status = STORAGE_OK;
    struct numbers seen = {0};
    uint64_t at = path->root;

    while (status == STORAGE_OK && learner->mix != NULL && (at = history_next(path, at)) != 0) {
        const struct journal_row *row;
        struct journal_held *held;

        status = journal_read(learner->journal, at, &held, &row, fault);
        if (status != STORAGE_OK)
            break;
        take_row(learner, row, path, &seen);
        journal_row_release(held);
    }
    free(seen.slots);
    return status;
}

static void take_anew(struct learner *learner)
{
    struct storage_fault fault = {0};
    struct history_jumps jumps = {0};
    struct history path = {0};
    enum storage_status status = history_collect(learner->journal, &jumps, &fault);

    learner->mix->fresh = true;
    if (status == STORAGE_OK)
        status = history_to(&jumps, journal_last(learner->journal), &path, &fault);
    if (status == STORAGE_OK)
        status = take_path(learner, &path, &fault);
    if (status != STORAGE_OK)
        log_write(learner->log, LOG_LEVEL_WARNING, "past examples could not be read again",
                  "model=%s version=%s file=%s reason=%s", learner->entry->name,
                  learner->entry->version, fault.file, fault.text);
    history_finish(&path);
    history_jumps_finish(&jumps);
    if (learner->mix != NULL)
        publish_size(learner);
}

void learner_mix_begin(struct learner *learner)
{
    if (learner->config.replay_examples == 0 || learner->config.replay_ratio <= 0)
        return;
    if (!learner->entry->batchable) {
        log_write(learner->log, LOG_LEVEL_WARNING, "past examples are not mixed into updates",
                  "model=%s version=%s reason=%s", learner->entry->name, learner->entry->version,
                  "its rows cannot be joined");
        return;
    }
    learner->mix = calloc(1, sizeof(*learner->mix));
    if (learner->mix != NULL && learner->journal != NULL)
        take_anew(learner);
}

/* --- what comes out --- */

static int64_t copies_for(const struct learner *learner, int64_t own)
{
    double wanted = floor(learner->config.replay_ratio * (double)own + 0.5);
    int64_t most = learner->config.examples_max;
    int64_t there = (int64_t)replay_buffer_count(learner->mix->buffer);

    if (wanted < (double)most)
        most = (int64_t)wanted;
    return most < there ? most : there;
}

/* One row of each tensor. */
static void unpack(struct tensor *tensors, int count, int64_t row, const char **from)
{
    for (int i = 0; i < count; i++) {
        size_t bytes = tensor_bytes(&tensors[i]) / (size_t)tensors[i].shape.dims[0];

        memcpy((char *)tensors[i].data + (size_t)row * bytes, *from, bytes);
        *from += bytes;
    }
}

/* Tensors for `rows` rows, the first of which are the batch's; behind them the origins of the others. */
static bool widen(const struct learn_batch *batch, int64_t rows, struct learn_replay *ret)
{
    int count = batch->n_inputs + batch->n_targets;
    struct learn_replay mixed = {.n_inputs = batch->n_inputs, .n_targets = batch->n_targets,
                                 .rows = rows};

    mixed.inputs = calloc(1, (size_t)count * sizeof(*mixed.inputs) +
                                 (size_t)(rows - batch->own) * sizeof(struct journal_spot));
    if (mixed.inputs == NULL)
        return false;
    mixed.targets = mixed.inputs + batch->n_inputs;
    for (int i = 0; i < count; i++) {
        mixed.inputs[i] = i < batch->n_inputs ? batch->inputs[i] : batch->targets[i - batch->n_inputs];
        mixed.inputs[i].shape.dims[0] = rows;
    }
    if (!learn_replay_allocate(&mixed)) {
        learn_replay_finish(&mixed);
        return false;
    }
    for (int i = 0; i < count; i++) {
        const struct tensor *own = i < batch->n_inputs ? &batch->inputs[i]
                                                       : &batch->targets[i - batch->n_inputs];

        memcpy(mixed.inputs[i].data, own->data, tensor_bytes(own));
    }
    *ret = mixed;
    return true;
}

static bool draw(struct learner *learner, int64_t copies, struct learn_batch *batch,
                 struct learn_replay *mixed)
{
    int64_t own = batch->own;
    size_t *places = calloc((size_t)copies, sizeof(*places));
    struct journal_spot *origins;

    if (places == NULL || !widen(batch, own + copies, mixed)) {
        free(places);
        return false;
    }
    origins = (struct journal_spot *)(mixed->targets + mixed->n_targets);
    replay_buffer_draw(learner->mix->buffer, learner->generation + 1, (size_t)copies, places);
    for (int64_t i = 0; i < copies; i++) {
        uint64_t number;
        const char *from = replay_buffer_at(learner->mix->buffer, places[i], NULL, &number);

        origins[i] = (struct journal_spot){number / JOURNAL_EXAMPLES_MAX,
                                           number % JOURNAL_EXAMPLES_MAX};
        unpack(mixed->inputs, mixed->n_inputs + mixed->n_targets, own + i, &from);
    }
    free(places);
    *batch = (struct learn_batch){mixed->n_inputs, mixed->n_targets, mixed->inputs, mixed->targets,
                                  own + copies, own, origins};
    return true;
}

bool learner_mix_draw(struct learner *learner, const struct learn_job *job,
                      struct learn_batch *ret_batch, struct learn_replay *ret_mixed,
                      struct problem *problem)
{
    int64_t rows = job->entry->batchable ? job->rows : 1, copies;

    *ret_mixed = (struct learn_replay){0};
    *ret_batch = (struct learn_batch){job->entry->n_inputs, job->n_targets, job->inputs,
                                      job->targets, rows, rows, NULL};
    if (learner->mix != NULL && !learner->mix->fresh)
        take_anew(learner);
    if (learner->mix == NULL || learner->mix->buffer == NULL || !fits(learner->mix, ret_batch))
        return true;
    copies = copies_for(learner, rows);
    if (copies == 0)
        return true;
    if (!draw(learner, copies, ret_batch, ret_mixed))
        return problem_set(problem, 507, "no_memory", "no memory for the update");
    learning_stats_add(stats_learning(learner->entry->stats), LEARNING_REPLAYED, (double)copies);
    return true;
}
