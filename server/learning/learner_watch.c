/* SPDX-License-Identifier: Apache-2.0
 * What an update says of the model before it: prequential loss and accuracy, and whether they drift. */
#include "server/learning/learner_private.h"

#include "server/observe/log.h"
#include "server/observe/statistics.h"

#include <inttypes.h>
#include <math.h>

enum { WINDOW = 1000 };

/* The scores of a loss for the first `rows` of the step's rows. */
static struct tensor scores_of(const struct learner *learner, int loss, int64_t rows)
{
    struct tensor scores = *trainer_value(learner->trainer, loss);
    int64_t all = rows + learner->mixed;

    if (learner->mixed > 0 && scores.shape.rank > 0 && scores.shape.dims[0] % all == 0)
        scores.shape.dims[0] = scores.shape.dims[0] / all * rows;
    return scores;
}

struct tensor learner_scores(const struct learner *learner, int64_t rows)
{
    return scores_of(learner, 0, rows);
}

double learner_own_loss(const struct learner *learner, const struct learn_job *job)
{
    double loss = 0.0;

    for (int i = 0; i < trainer_n_losses(learner->trainer); i++) {
        const struct loss_form *form = trainer_loss_form(learner->trainer, i);
        struct tensor scores = scores_of(learner, i, job->rows);
        double divisor = loss_divisor(form, &scores.shape, &job->targets[i]);

        loss += loss_run(form, &scores, &job->targets[i], divisor, NULL, NULL);
    }
    return loss;
}

/* Rows of class scores, and an id for each. */
static bool has_classes(const struct learner *learner, const struct learn_job *job,
                        const struct tensor *values)
{
    const struct loss_form *form = trainer_loss_form(learner->trainer, 0);

    return form->kind == LOSS_CE && values->shape.rank == 2 &&
           (form->class_axis == 1 || form->class_axis == -1) && values->shape.dims[1] >= 2 &&
           values->shape.dims[1] <= PREQUENTIAL_CLASSES_MAX &&
           dtype_is_integer(job->targets[0].dtype) &&
           shape_elements(&job->targets[0].shape) == values->shape.dims[0];
}

/* Returns the share that was right; NaN if there was none to judge. */
static double add_classes(struct learner *learner, const struct learn_job *job,
                          const struct tensor *values, double loss)
{
    int64_t classes = values->shape.dims[1], right = 0, judged = 0;

    for (int64_t r = 0; r < values->shape.dims[0]; r++) {
        const float *row = (const float *)values->data + r * classes;
        int64_t best = 0, actual = tensor_int_at(&job->targets[0], r);

        for (int64_t c = 1; c < classes; c++)
            best = row[c] > row[best] ? c : best;
        if (actual < 0 || actual >= classes)
            continue;
        judged++;
        right += best == actual;
        if (learner->prequential != NULL)
            prequential_add_class(learner->prequential, loss, (uint32_t)best, (uint32_t)actual);
    }
    return judged > 0 ? (double)right / (double)judged : NAN;
}

/* Each example's mean squared error over its values; probabilities where the loss has a sigmoid. */
static void add_errors(struct learner *learner, const struct learn_job *job,
                       const struct tensor *values, const struct trainer_result *result)
{
    const struct tensor *targets = &job->targets[0];
    enum loss_kind kind = trainer_loss_form(learner->trainer, 0)->kind;
    int64_t all = shape_elements(&values->shape), rows = result->examples;
    bool told = kind != LOSS_CE && rows > 0 && all % rows == 0 &&
                shape_elements(&targets->shape) == all;

    for (int64_t r = 0; r < rows && learner->prequential != NULL; r++) {
        int64_t each = all / rows;
        double error = 0.0;

        for (int64_t k = r * each; told && k < (r + 1) * each; k++) {
            double value = (double)((const float *)values->data)[k];

            value = kind == LOSS_BCE ? 1.0 / (1.0 + exp(-value)) : value;
            error += (value - tensor_double_at(targets, k)) * (value - tensor_double_at(targets, k));
        }
        prequential_add_error(learner->prequential, result->loss,
                              told ? error / (double)each : result->loss);
    }
}

static void look_for_drift(struct learner *learner, double loss, int64_t examples)
{
    struct learning_stats *stats = stats_learning(learner->entry->stats);
    bool adwin = adwin_add(&learner->adwin, loss);
    bool page_hinkley = page_hinkley_add(&learner->page_hinkley, loss);

    learner->calm = learner->calm > examples ? learner->calm - examples : 0;
    if (adwin || page_hinkley)
        learner->calm = WINDOW;
    learning_stats_set(stats, LEARNING_LOSS_DRIFTING, learner->calm > 0);
    if (!adwin && !page_hinkley)
        return;
    learning_stats_add(stats, LEARNING_DRIFT, 1);
    log_write(learner->log, LOG_LEVEL_WARNING, "the loss of new examples has changed",
              "model=%s version=%s detector=%s loss=%.6g generation=%" PRId64,
              learner->entry->name, learner->entry->version, adwin ? "adwin" : "page-hinkley", loss,
              learner->generation_base + (int64_t)learner->generation);
}

void learner_watch_begin(struct learner *learner)
{
    const struct adwin_options adwin = adwin_defaults();
    const struct page_hinkley_options page_hinkley = page_hinkley_defaults();

    adwin_init(&learner->adwin, &adwin);
    page_hinkley_init(&learner->page_hinkley, &page_hinkley);
}

int learner_watch(struct learner *learner, const struct learn_job *job,
                  const struct trainer_result *result, struct learn_metric metrics[METRIC_COUNT])
{
    struct learning_stats *stats = stats_learning(learner->entry->stats);
    struct tensor values = learner_scores(learner, job->rows);
    bool classes = has_classes(learner, job, &values);
    double accuracy = NAN;

    if (learner->prequential == NULL)
        learner->prequential =
            prequential_create(WINDOW, classes ? (uint32_t)values.shape.dims[1] : 0, NULL);
    if (classes)
        accuracy = add_classes(learner, job, &values, result->loss);
    else
        add_errors(learner, job, &values, result);
    if (learner->prequential != NULL) {
        struct prequential_score score = prequential_window(learner->prequential);

        learning_stats_set(stats, LEARNING_LOSS, score.loss);
        if (classes) {
            learning_stats_set(stats, LEARNING_ACCURACY, score.accuracy);
            learning_stats_set(stats, LEARNING_KAPPA, score.kappa);
        } else {
            learning_stats_set(stats, LEARNING_SQUARED_ERROR, score.error);
        }
    }
    learning_stats_set(stats, LEARNING_GRADIENT_NORM, result->gradient_norm);
    learning_stats_set(stats, LEARNING_UPDATE_NORM, result->update_norm);
    learning_stats_add(stats, LEARNING_EXAMPLES, (double)result->examples);
    learner_note_layers(learner, result);
    /* A candidate is not what serves: then learner_judge() has scored that. */
    if (!learner_has_candidate(learner))
        learner_alarm_add(learner, result->loss);
    look_for_drift(learner, result->loss, result->examples);
    if (!classes)
        return learner_measure(learner, &values, &job->targets[0], false, metrics);
    metrics[0] = (struct learn_metric){evaluation_metric_name(METRIC_ACCURACY), accuracy};
    return isfinite(accuracy);
}
