/* SPDX-License-Identifier: Apache-2.0
 * What changes weights: one update, and the same again from the journal's rows. */
#include "server/learning/learner_private.h"

#include "server/clock.h"
#include "server/status_map.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* By the output's name; a model with one loss takes its one target whatever it is called. */
bool learner_order_targets(const struct learner *learner, const struct learn_job *job,
                           struct tensor *ordered, struct problem *problem)
{
    int count = trainer_n_losses(learner->trainer);

    if (count > LEARNER_METRICS_MAX)
        return problem_set(problem, 422, "not_trainable", "more than %d losses", LEARNER_METRICS_MAX);
    if (job->n_targets != count)
        return problem_set(problem, 422, "wrong_targets", "%d targets, model '%s' learns from %d",
                           job->n_targets, job->entry->name, count);
    for (int i = 0; i < count; i++) {
        const char *name = trainer_loss_output(learner->trainer, i);
        int found = count == 1 ? 0 : -1;

        for (int k = 0; k < count && found < 0; k++)
            if (strcmp(job->target_names[k], name) == 0)
                found = k;
        if (found < 0)
            return problem_set(problem, 422, "wrong_targets", "no target for output '%.128s'", name);
        ordered[i] = job->targets[found];
    }
    return true;
}

/* A label out of range, a shape that does not fit: the request was well formed, but cannot be learnt. */
static bool refuse(struct problem *problem, const struct engine_error *err)
{
    if (err->status == ENGINE_BAD_INPUT)
        return problem_set(problem, 422, "bad_example", "%s", err->text);
    problem_from_engine(problem, err);
    return false;
}

static bool is_allowed(const struct learner *learner, const struct learn_job *job, double rate,
                       struct problem *problem)
{
    if (rate > learner->config.learning_rate_max)
        return problem_set(problem, 422, "rate_too_large",
                           "parameters.learning_rate is %g, at most %g is allowed", rate,
                           learner->config.learning_rate_max);
    if (job->rows > learner->config.examples_max)
        return problem_set(problem, 413, "too_many_examples",
                           "%" PRId64 " examples in one update, at most %" PRId64 " are allowed",
                           job->rows, learner->config.examples_max);
    return true;
}

/* The rows to learn from, the update's own before all others. */
struct lesson {
    const struct tensor *inputs, *targets;
    int64_t rows, own;
};

static bool take_step(struct learner *learner, const struct lesson *lesson, double rate,
                      struct trainer_result *result, struct problem *problem)
{
    struct trainer_batch batch = {.inputs = lesson->inputs, .targets = lesson->targets, .rate = rate};
    struct engine_error err = {0};

    if (trainer_step(learner->trainer, &batch, result, &err) != ENGINE_OK)
        return refuse(problem, &err);
    if (result->verdict != TRAINER_LEARNED)
        return problem_set(problem, 422, "diverged",
                           "the update is refused and has changed nothing: %s (loss %g, gradient "
                           "norm %g)",
                           trainer_verdict_text(result->verdict), result->loss,
                           result->gradient_norm);
    return true;
}

/* What an answer takes up at most, that is remembered for two keys: it is not known before the step. */
enum { ANSWERS_BYTES = 2 * 8192 };

/* The journal takes it and has room; asked before the trainer moves on, which could not go back. */
bool learner_has_room(struct learner *learner, const struct journal_row *row,
                      struct problem *problem)
{
    uint64_t bytes = learner->group_bytes + journal_cost(row, 1) + ANSWERS_BYTES;
    struct storage_fault fault = {0};
    struct journal_row next = *row;

    next.generation = learner->generation + 1;
    next.state = learner->base;        /* any that is not none */
    if (journal_admits(learner->journal, &next, &fault) == STORAGE_OK &&
        journal_room(learner->journal, bytes, &fault) == STORAGE_OK)
        return true;
    problem_from_fault(problem, &fault);
    return false;
}

/* The rest of the row, now that the trainer holds its outcome, but for the state's digest. */
void learner_fill_row(struct learner *learner, struct learner_update *update)
{
    struct journal_row *row = &update->row;

    learner->group_bytes += journal_cost(row, 1) + ANSWERS_BYTES;
    row->generation = ++learner->generation;
    row->time_ms = clock_unix_ms();
    row->seed = (uint64_t)learner->config.seed;
    row->principal = update->job->principal;
    row->settings = update->settings;
    row->key = update->job->key;
    row->body = update->job->body;
    if (update->job->kind != LEARN_JOB_FEEDBACK)
        return;
    row->also_key = update->job->served.key;
    row->also_body = update->job->served.label;
}

void learner_take_answer(struct learner_update *update)
{
    if (update->row.key == NULL && update->row.also_key == NULL)
        return;
    update->row.answer = update->answer.data;
    update->row.answer_bytes = update->answer.length;
}

/* Steps, and says what the model was worth on the own rows before. */
static bool teach(struct learner *learner, const struct learn_job *job, const struct lesson *lesson,
                  double rate, struct trainer_result *result,
                  struct learn_metric metrics[METRIC_COUNT], int *ret_n_metrics,
                  struct problem *problem)
{
    struct tensor targets[LEARNER_METRICS_MAX];
    struct learn_job own = *job;

    if (!take_step(learner, lesson, rate, result, problem))
        return false;
    learner->mixed = lesson->rows - lesson->own;
    own.rows = lesson->own;
    own.targets = targets;
    for (int i = 0; i < job->n_targets; i++) {
        targets[i] = lesson->targets[i];
        if (learner->mixed > 0)
            targets[i].shape.dims[0] = lesson->own;
    }
    if (learner->mixed > 0 && own.rows > 0) {
        result->loss = learner_own_loss(learner, &own);
        result->examples = own.rows;
    }
    if (own.rows > 0)
        *ret_n_metrics = learner_watch(learner, &own, result, metrics);
    learner->mixed = 0;
    return true;
}

/* Without the examples that are held out, as a replay will: they are checked, but not learnt. */
static bool teach_rest(struct learner *learner, struct learner_update *update,
                       const struct learn_batch *batch, double rate, struct trainer_result *result,
                       struct learn_metric metrics[METRIC_COUNT], int *ret_n_metrics,
                       struct problem *problem)
{
    const struct learn_job *job = update->job;
    struct trainer_batch all = {.inputs = job->inputs, .targets = job->targets, .rate = -1};
    struct lesson lesson = {batch->inputs, batch->targets, batch->rows, batch->own};
    int64_t held = learn_row_held(&update->row, learner_holdout(learner));
    double loss = 0;
    struct storage_fault fault = {0};
    struct engine_error err = {0};
    struct learn_replay rest = {0};
    bool good;

    if (held == 0)
        return teach(learner, job, &lesson, rate, result, metrics, ret_n_metrics, problem);
    if (trainer_evaluate(learner->trainer, &all, &loss, &err) != ENGINE_OK)
        return refuse(problem, &err);
    if (!learn_row_replay(&update->row, learner_holdout(learner), &rest, &fault))
        return problem_set(problem, 507, "no_memory", "no memory for the update");
    lesson = (struct lesson){rest.inputs, rest.targets, rest.rows, batch->own - held};
    good = rest.rows == 0 ||
           teach(learner, job, &lesson, rate, result, metrics, ret_n_metrics, problem);
    learn_replay_finish(&rest);
    if (lesson.own == 0)
        result->loss = loss;
    return good;
}

/* From the batch to a row that is the trainer's state, and its answer. */
static bool compute(struct learner *learner, struct learner_update *update,
                    const struct learn_batch *batch, double rate, struct problem *problem)
{
    struct learn_job *job = update->job;
    struct learn_metric metrics[METRIC_COUNT];
    struct trainer_result result = {0};
    struct learn_metric made_metrics[METRIC_COUNT];
    bool late = job->kind == LEARN_JOB_FEEDBACK;
    struct learn_made made;
    int n_metrics = 0;

    update->settings =
        learn_row_settings(job, &learner->config, rate, learner_micro_batch(learner));
    if (update->waits)
        update->settings = learner_gate_mark(update->settings, learner_holdout(learner));
    update->row.settings = update->settings;
    if (update->settings == NULL || !learn_row_examples(batch, &update->row, &update->memory))
        return problem_set(problem, 507, "no_memory", "no memory for the update");
    if (!learner_has_room(learner, &update->row, problem) ||
        !teach_rest(learner, update, batch, rate, &result, metrics, &n_metrics, problem))
        return false;
    job->outcome.hidden = !learner_publish_plan(learner);
    if (late)
        learner_score_served(learner, job, &made, made_metrics);
    job->served.made = late ? &made : NULL;
    learner_encode(job, result.loss, metrics, n_metrics,
                   learner->generation_base + (int64_t)learner->generation + 1, 1, &update->answer);
    job->served.made = NULL;
    job->outcome.examples = result.examples;
    job->outcome.loss = result.loss;
    if (trainer_pending(learner->trainer))
        trainer_commit(learner->trainer);
    learner_fill_row(learner, update);
    learner_window_add(learner, &update->row, update->settings);
    learner_take_answer(update);
    learner_mix_keep(learner, batch, &update->row);
    return true;
}

bool learner_step(struct learner *learner, struct learn_job *job, struct learner_update *update,
                  struct problem *problem)
{
    double rate = isnan(job->rate) ? learner->config.learning_rate : job->rate;
    struct tensor ordered[LEARNER_METRICS_MAX];
    struct learn_replay mixed = {0};
    struct learn_batch batch;
    bool good;

    *update = (struct learner_update){.job = job};
    text_init(&update->answer);
    update->row.kind = job->kind == LEARN_JOB_FEEDBACK ? JOURNAL_FEEDBACK : JOURNAL_FINETUNE;
    update->waits = learner_gate_waits(learner, job, update);
    if (!is_allowed(learner, job, rate, problem) ||
        !learner_order_targets(learner, job, ordered, problem))
        return false;
    memcpy(job->targets, ordered, (size_t)job->n_targets * sizeof(*ordered));
    if (!learner_mix_draw(learner, job, &batch, &mixed, problem))
        return false;
    good = compute(learner, update, &batch, rate, problem);
    learn_replay_finish(&mixed);
    return good;
}

void learner_update_finish(struct learner_update *update)
{
    text_free(&update->answer);
    free(update->memory);
    free(update->settings);
    for (size_t i = 0; i < update->n_ids; i++)
        free((char *)update->ids[i]);
    free(update->ids);
}

/* The step of a row as it was taken, whatever the configuration says now. The guards have let it pass. */
static enum engine_status step_again(struct learner *learner, const struct journal_row *row,
                                     const struct learn_replay *replay,
                                     struct trainer_result *result, struct engine_error *err)
{
    const struct trainer_batch batch = {replay->inputs, replay->targets, replay->rate};
    const struct trainer_manner now = trainer_manner(learner->trainer);
    const struct trainer_manner then = {
        .optimiser = learn_method_form(replay->told ? &replay->method : &learner->config),
        .seed = row->seed};
    enum engine_status status = trainer_set_manner(learner->trainer, &then, err);

    if (status != ENGINE_OK)
        return status;
    trainer_set_micro_batch(learner->trainer, replay->micro_batch);
    status = trainer_step(learner->trainer, &batch, result, err);
    trainer_set_micro_batch(learner->trainer, learner_micro_batch(learner));
    trainer_set_manner(learner->trainer, &now, NULL);
    return status;
}

enum storage_status learner_replay(struct learner *learner, const struct journal_row *row,
                                   struct storage_fault *fault)
{
    struct trainer_result result = {0};
    struct engine_error err = {0};
    struct learn_replay replay;
    enum engine_status status;
    const char *moved;

    if (row->kind != JOURNAL_FINETUNE && row->kind != JOURNAL_FEEDBACK)
        return STORAGE_OK; /* a mark, or a change that recovery itself follows */
    if (!learn_row_replay(row, learn_row_holdout(row), &replay, fault))
        return STORAGE_DAMAGED;
    if (replay.rows == 0) { /* all of it has been erased or is held out */
        learn_replay_finish(&replay);
        return STORAGE_OK;
    }
    if (replay.n_inputs != model_n_inputs(learner->model) ||
        replay.n_targets != trainer_n_losses(learner->trainer)) {
        learn_replay_finish(&replay);
        return storage_fault_set(fault, STORAGE_OTHER_MODEL, journal_file, row->generation,
                                 "the row has %d inputs and %d targets", replay.n_inputs,
                                 replay.n_targets);
    }
    moved = replay.told ? learn_method_moved(&replay.method, &learner->config) : NULL;
    if (moved != NULL) {
        learn_replay_finish(&replay);
        return storage_fault_set(fault, STORAGE_DAMAGED, journal_file, row->generation,
                                 "it was learnt with another training.%s: put that back in config.json "
                                 "and restart to go there", moved);
    }
    status = step_again(learner, row, &replay, &result, &err);
    if (status == ENGINE_OK && result.verdict == TRAINER_LEARNED)
        trainer_commit(learner->trainer);
    learn_replay_finish(&replay);
    if (status == ENGINE_OK && result.verdict == TRAINER_LEARNED)
        return STORAGE_OK;
    return storage_fault_set(fault, STORAGE_DAMAGED, journal_file, row->generation,
                             "the update cannot be applied again: %s",
                             status != ENGINE_OK ? err.text : trainer_verdict_text(result.verdict));
}
