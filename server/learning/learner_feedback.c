/* SPDX-License-Identifier: Apache-2.0
 * How good a prediction was as it was made, now that its label is known. Its outputs are probabilities where
 * losses want logits: log p has the same softmax, log(p / (1 - p)) the same sigmoid. */
#include "server/learning/learner_private.h"

#include "server/observe/statistics.h"
#include "server/tensor_bridge.h"

#include <math.h>
#include <stdlib.h>

enum { WINDOW = 1000 };

static const float least = 1e-30f;

static float logit(enum head_kind head, bool logs, float p)
{
    if (head == HEAD_SOFTMAX)
        return logs ? p : logf(p > least ? p : least);
    if (head == HEAD_SIGMOID)
        return logf(p > least ? p : least) - logf(1 - p > least ? 1 - p : least);
    return p;
}

/* The output as loss number `index` wants it, in memory that the caller frees; false when that output was no
 * table of floats (a class label, say). */
static bool value_of(const struct learner *learner, const struct tap_sample *sample, int index,
                     const struct tensor *target, struct tensor *ret)
{
    const struct head *head = trainer_loss_head(learner->trainer, index);
    enum loss_kind loss = trainer_loss_form(learner->trainer, index)->kind;
    enum head_kind kind = loss == LOSS_CE || loss == LOSS_BCE ? head->kind : HEAD_PLAIN;
    int at = tensor_bridge_find_output(learner->entry, trainer_loss_output(learner->trainer, index));
    const struct tensor *output = at >= 0 && at < sample->n_outputs ? &sample->outputs[at] : NULL;
    struct engine_error err = {0};
    int64_t count;
    bool logs = false;
    float *data;

    if (output == NULL || output->dtype != DTYPE_F32 ||
        loss_check(trainer_loss_form(learner->trainer, index), &output->shape, target, &err) != ENGINE_OK)
        return false;
    count = shape_elements(&output->shape);
    data = malloc(((size_t)count + 1) * sizeof(*data));
    if (data == NULL)
        return false;
    for (int64_t i = 0; i < count; i++)     /* LogSoftmax gives logarithms already */
        logs = logs || ((const float *)output->data)[i] < 0;
    for (int64_t i = 0; i < count; i++)
        data[i] = logit(kind, logs, ((const float *)output->data)[i]);
    *ret = *output;
    ret->data = data;
    return true;
}

/* Rows of class scores (one alone: of class 1), and an id for each. */
static int64_t classes_of(const struct loss_form *form, const struct tensor *value,
                          const struct tensor *target)
{
    if (value->shape.rank != 2 || shape_elements(&target->shape) != value->shape.dims[0])
        return 0;
    if (form->kind == LOSS_BCE && value->shape.dims[1] == 1)
        return 2;
    return form->kind == LOSS_CE && (form->class_axis == 1 || form->class_axis == -1) &&
                   dtype_is_integer(target->dtype) && value->shape.dims[1] <= PREQUENTIAL_CLASSES_MAX
               ? value->shape.dims[1]
               : 0;
}

static int64_t best_of(const float *row, int64_t width)
{
    int64_t best = 0;

    if (width == 1)
        return row[0] > 0;
    for (int64_t c = 1; c < width; c++)
        best = row[c] > row[best] ? c : best;
    return best;
}

/* Adds it to what /metrics shows. */
static void count(struct learner *learner, const struct tensor *value, const struct tensor *target,
                  int64_t rows, double loss)
{
    struct learning_stats *stats = stats_learning(learner->entry->stats);
    int64_t classes = classes_of(trainer_loss_form(learner->trainer, 0), value, target);
    struct prequential_score score;

    if (learner->feedback == NULL)
        learner->feedback = prequential_create(WINDOW, (uint32_t)classes, NULL);
    if (learner->feedback == NULL)
        return;
    for (int64_t r = 0; r < rows; r++) {
        int64_t width = value->shape.rank == 2 ? value->shape.dims[1] : 0;
        int64_t actual = classes > 0 ? (int64_t)lround(tensor_double_at(target, r)) : 0;

        if (classes == 0)
            prequential_add_error(learner->feedback, loss, loss);
        else if (actual >= 0 && actual < classes)
            prequential_add_class(learner->feedback, loss,
                                  (uint32_t)best_of((const float *)value->data + r * width, width),
                                  (uint32_t)actual);
    }
    score = prequential_window(learner->feedback);
    learning_stats_set(stats, LEARNING_FEEDBACK_LOSS, score.loss);
    if (classes > 0)
        learning_stats_set(stats, LEARNING_FEEDBACK_ACCURACY, score.accuracy);
}

void learner_score_served(struct learner *learner, const struct learn_job *job,
                          struct learn_made *ret_made, struct learn_metric metrics[METRIC_COUNT])
{
    const struct tap_sample *sample = job->served.sample;
    int n_losses = trainer_n_losses(learner->trainer);
    double loss = 0;

    *ret_made = (struct learn_made){.generation = job->served.generation,
                                    .time_ms = job->served.time_ms, .metrics = metrics};
    for (int i = 0; i < n_losses; i++) {
        const struct loss_form *form = trainer_loss_form(learner->trainer, i);
        struct tensor value = {0};
        double own;

        if (!value_of(learner, sample, i, &job->targets[i], &value)) {
            loss = NAN;
            continue;
        }
        own = loss_run(form, &value, &job->targets[i],
                       loss_divisor(form, &value.shape, &job->targets[i]), NULL, NULL);
        loss += own;
        if (i == 0) {
            ret_made->n_metrics =
                learner_measure(learner, &value, &job->targets[0], false, metrics);
            count(learner, &value, &job->targets[0], job->rows, own);
        }
        free(value.data);
    }
    ret_made->loss = loss;
    learning_stats_add(stats_learning(learner->entry->stats), LEARNING_FEEDBACK_EXAMPLES,
                       (double)job->rows);
}
