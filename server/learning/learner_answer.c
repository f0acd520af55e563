/* SPDX-License-Identifier: Apache-2.0
 * Answers: what an update or an evaluation measured, lineage, the model as a file. */
#include "server/learning/learner_private.h"

#include "engine/model_export.h"
#include "engine/train/evaluation.h"
#include "proto/learn_message.h"
#include "server/status_map.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { RANKING_BYTES_MAX = 64 << 20 };

void learner_reply(struct learn_job *job, struct text *body, const char *content_type,
                   int64_t generation)
{
    struct problem problem = {0};

    if (body->failed) {
        text_free(body);
        problem_set(&problem, 507, "no_memory", "no memory for the answer");
        body = NULL;
    }
    job->finish(job, body, content_type, generation, &problem);
}

void learner_fail(struct learn_job *job, const struct problem *problem)
{
    job->finish(job, NULL, NULL, -1, problem);
}

static int64_t newest_generation(const struct learner *learner)
{
    return learner->generation_base + (int64_t)learner->generation;
}

/* Scores in rows of classes or values, as evaluation.h wants them. */
static bool task_of(const struct learner *learner, const struct tensor *values,
                    struct evaluation_options *options)
{
    const struct loss_form *form = trainer_loss_form(learner->trainer, 0);
    int64_t width;

    if (values->shape.rank != 2)
        return false;
    width = values->shape.dims[1];
    *options = (struct evaluation_options){.outputs = (int)width, .logits = true,
                                           .ignores = form->ignores,
                                           .ignored = form->ignore_index};
    if (form->kind == LOSS_CE && width >= 2 && (form->class_axis == 1 || form->class_axis == -1))
        options->task = EVALUATION_CLASSES;
    else if (form->kind == LOSS_BCE && (width == 1 || !form->ignores))
        options->task = width == 1 ? EVALUATION_BINARY : EVALUATION_LABELS;
    else if (form->kind != LOSS_CE && form->kind != LOSS_BCE)
        options->task = EVALUATION_VALUES;
    else
        return false;
    return width <= EVALUATION_OUTPUTS_MAX;
}

int learner_measure(const struct learner *learner, const struct tensor *values,
                    const struct tensor *targets, bool ranking,
                    struct learn_metric metrics[METRIC_COUNT])
{
    struct evaluation_options options;
    struct evaluation_result result;
    struct engine_error err = {0};
    struct evaluation *evaluation;
    int count = 0;

    if (targets == NULL || !task_of(learner, values, &options))
        return 0;
    options.ranking_bytes_max = ranking ? RANKING_BYTES_MAX : 0;
    evaluation = evaluation_create(&options, &err);
    if (evaluation != NULL &&
        evaluation_add(evaluation, values, targets, NULL, values->shape.dims[0], &err) ==
            ENGINE_OK &&
        evaluation_measure(evaluation, &result, &err) == ENGINE_OK) {
        for (int i = 0; i < METRIC_COUNT; i++)
            if (isfinite(result.values[i]) && (ranking || i == METRIC_ACCURACY || i == METRIC_MAE))
                metrics[count++] = (struct learn_metric){
                    evaluation_metric_name((enum evaluation_metric)i), result.values[i]};
    }
    evaluation_destroy(evaluation);
    return count;
}

void learner_encode(const struct learn_job *job, double loss, const struct learn_metric *metrics,
                    int n_metrics, int64_t generation, int durable, struct text *text)
{
    struct learn_response response = {
        .model_name = job->entry->name,
        .model_version = job->entry->version,
        .generation = generation,
        .durable = durable,
        .hidden = job->outcome.hidden,
        .partly = job->outcome.partly,
        .loss = loss,
        .examples = job->kind == LEARN_JOB_ERASE ? (int64_t)job->n_places : job->rows,
        .n_metrics = n_metrics,
        .metrics = metrics,
        .id = job->served.id,
        .made = job->served.made,
    };

    learn_response_encode(&response, text);
}

static void evaluate(struct learner *learner, struct learn_job *job)
{
    struct trainer_batch batch = {job->inputs, job->targets, -1};
    struct learn_metric metrics[METRIC_COUNT];
    struct engine_error err = {0};
    struct problem problem = {0};
    struct text text;
    int n_metrics;
    double loss;

    if (job->n_targets != trainer_n_losses(learner->trainer)) {
        problem_set(&problem, 422, "wrong_targets", "%d targets, model '%s' has %d losses",
                    job->n_targets, job->entry->name, trainer_n_losses(learner->trainer));
        learner_fail(job, &problem);
        return;
    }
    if (trainer_evaluate(learner->trainer, &batch, &loss, &err) != ENGINE_OK) {
        if (err.status == ENGINE_BAD_INPUT)
            problem_set(&problem, 422, "bad_example", "%s", err.text);
        problem_from_engine(&problem, &err);
        learner_fail(job, &problem);
        return;
    }
    text_init(&text);
    n_metrics = learner_measure(learner, trainer_value(learner->trainer, 0), &job->targets[0], true,
                                metrics);
    learner_encode(job, loss, metrics, n_metrics, newest_generation(learner), -1, &text);
    learner_reply(job, &text, "application/json", newest_generation(learner));
}

/* Tells a training job what it begins from, and keeps what comes after it. */
static void fill_basis(struct learner *learner, const struct learn_job *job)
{
    struct learn_basis *basis = job->basis;
    int64_t since = job->first > 0 ? job->first - learner->generation_base : (int64_t)learner->generation;

    basis->base = learner->base;
    basis->config = learner->config;
    if (basis->hold && since >= 0)
        learner->held = (uint64_t)since;
}

/* What learns takes the place of what the file had; all else in it stays, byte for byte. */
static void export(struct learner *learner, struct learn_job *job)
{
    const struct model_file file = {learner->file, learner->file_bytes, -1};
    bool serving = job->of_serving && learner->gate.serving != NULL;
    int64_t generation = serving ? learner->generation_base + (int64_t)learner->gate.served
                                 : newest_generation(learner);
    struct weights *base = model_base_weights(learner->model), *weights;
    struct engine_error err = {0};
    struct problem problem = {0};
    void *bytes = NULL;
    size_t size = 0;
    struct text text;

    weights = trainer_publish(serving ? learner->gate.serving : learner->trainer, base, &err);
    weights_unref(base);
    if (weights == NULL || model_export(learner->model, &file, weights, 0, NULL, &bytes, &size,
                                        &err) != ENGINE_OK) {
        weights_unref(weights);
        problem_from_engine(&problem, &err);
        learner_fail(job, &problem);
        return;
    }
    weights_unref(weights);
    if (job->basis != NULL)
        fill_basis(learner, job);
    text_init(&text);
    text_append(&text, bytes, size);
    free(bytes);
    learner_reply(job, &text, "application/octet-stream", generation);
}

static void release(struct learner *learner, struct learn_job *job)
{
    struct text text;

    learner->held = UINT64_MAX;
    text_init(&text);
    learner_reply(job, &text, "", newest_generation(learner));
}

void learner_answer(struct learner *learner, struct learn_job *job)
{
    if (job->kind == LEARN_JOB_RELEASE)
        release(learner, job);
    else if (job->kind == LEARN_JOB_EVALUATE)
        evaluate(learner, job);
    else if (job->kind == LEARN_JOB_EXPORT)
        export(learner, job);
    else
        learner_list(learner, job);
}
