/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "server/training/train_run.h"

#include "server/status_map.h"
#include "server/training/train_report.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { LINE_MAX_BYTES = 512, FINGERPRINT_MAX = 512 };

struct running {
    const struct train_options *options;
    const struct train_session *session;
    struct trainer *trainer;
    struct train_feed feed;
    struct augment augment;
    struct batches batches;
    int64_t steps_a_epoch;
    struct train_progress progress;
    struct train_report report;
    struct train_outcome *outcome;
    char fingerprint[FINGERPRINT_MAX];
    struct problem *problem;
};

static bool engine_problem(struct running *running, const struct engine_error *err)
{
    problem_from_engine(running->problem, err);
    return false;
}

static bool make_trainer(struct running *running)
{
    const struct train_options *options = running->options;
    struct trainer_options trainer_options;
    struct engine_error err = {0};
    struct trainer_loss loss;

    if (!train_trainer_options(options, running->session, running->steps_a_epoch * options->epochs,
                               &loss, &trainer_options, running->problem))
        return false;
    running->trainer =
        trainer_create(running->session->model, &trainer_options, running->session->pool, &err);
    if (running->trainer == NULL)
        return engine_problem(running, &err);
    snprintf(running->fingerprint, sizeof(running->fingerprint),
             "examples=%lld batch=%lld micro-batch=%lld seed=%lld validation=%g optimiser=%s rate=%.17g "
             "schedule=%s period=%lld warmup=%lld blocks=%u",
             (long long)dataset_n_examples(running->session->dataset), (long long)options->batch,
             (long long)options->micro_batch, (long long)options->seed, options->validation,
             options->optimiser, options->rate, options->schedule,
             (long long)trainer_options.schedule.period, (long long)options->warmup,
             running->batches.block);
    running->progress.best_count = train_best_count(running->trainer);
    running->progress.best = malloc((size_t)running->progress.best_count * sizeof(float) + 1);
    return running->progress.best != NULL ||
           problem_set(running->problem, 500, "no_memory", "no memory for the best weights");
}

static bool start(struct running *running)
{
    const struct train_options *options = running->options;
    const struct train_session *session = running->session;
    int64_t n;

    batches_init(&running->batches, session->dataset, options->batch, (uint64_t)options->seed);
    running->batches.examples = split_part(&session->split, 0, &n);
    running->batches.n_examples = n;
    running->batches.shuffled = true;
    running->steps_a_epoch = batches_count(&running->batches);
    running->augment = (struct augment){.shift_y = (int)options->shift,
                                        .shift_x = (int)options->shift,
                                        .flip_x = options->flip ? 0.5 : 0.0,
                                        .noise = options->noise};
    if (!make_trainer(running) ||
        !train_feed_init(&running->feed, session, options->batch, running->problem))
        return false;
    if (options->resume &&
        !train_checkpoint_read(options->checkpoint, running->trainer, &running->progress,
                               running->fingerprint, running->problem))
        return false;
    train_report_init(&running->report, options->quiet, options->epochs, running->steps_a_epoch,
                      running->progress.epochs * running->steps_a_epoch);
    return true;
}

/* All batches of one epoch; the mean loss over what was learned. */
static bool run_epoch(struct running *running, int64_t epoch, double *ret_loss, double *ret_rate)
{
    const struct trainer_batch batch = {running->feed.inputs, running->feed.targets, -1.0};
    double sum = 0.0, begun = train_report_clock();
    int64_t examples = 0, learned = 0;
    struct trainer_result result = {0};

    for (int64_t b = 0; b < running->steps_a_epoch; b++) {
        int64_t n = batches_examples(&running->batches, epoch, b, running->feed.examples);
        struct engine_error err = {0};

        if (!train_feed_gather(&running->feed, running->session->dataset, n, running->problem) ||
            !train_feed_augment(&running->feed, &running->augment, (uint64_t)running->options->seed,
                                epoch, n, running->problem))
            return false;
        if (trainer_step(running->trainer, &batch, &result, &err) != ENGINE_OK)
            return engine_problem(running, &err);
        examples += n;
        if (result.verdict == TRAINER_LEARNED) {
            sum += result.loss * (double)n;
            learned += n;
        } else {
            running->outcome->refused++;
        }
        train_report_step(&running->report, epoch, b, learned > 0 ? sum / (double)learned : NAN,
                          (double)examples / (train_report_clock() - begun));
    }
    if (learned == 0)
        return problem_set(running->problem, 422, "diverged",
                           "epoch %lld: no step could be taken: %s; a lower --rate or --clip may help",
                           (long long)epoch + 1, trainer_verdict_text(result.verdict));
    *ret_loss = sum / (double)learned;
    *ret_rate = result.rate;
    return true;
}

static bool add_point(struct running *running, const struct train_point *point)
{
    struct train_progress *progress = &running->progress;

    if (progress->n_points == progress->cap_points) {
        int64_t cap = progress->cap_points * 2 + 16;
        struct train_point *points =
            realloc(progress->points, (size_t)cap * sizeof(*points));

        if (points == NULL)
            return problem_set(running->problem, 500, "no_memory", "out of memory");
        progress->points = points;
        progress->cap_points = cap;
    }
    progress->points[progress->n_points++] = *point;
    return true;
}

/* " accuracy 0.9123 f1_macro 0.9119": what tells most of the task, and what was asked for. */
static void print_metrics(const struct train_verdict *verdict, const char *asked, char *to, size_t size)
{
    static const enum evaluation_metric shown[][2] = {
        [EVALUATION_BINARY] = {METRIC_ACCURACY, METRIC_ROC_AUC},
        [EVALUATION_CLASSES] = {METRIC_ACCURACY, METRIC_F1_MACRO},
        [EVALUATION_VALUES] = {METRIC_RMSE, METRIC_R2},
    };
    size_t used = 0;
    bool larger;
    double value;

    to[0] = '\0';
    for (int i = 0; i < 2 && verdict->has_metrics; i++) {
        enum evaluation_metric metric = shown[verdict->task][i];

        used += (size_t)snprintf(to + used, size - used, "  %s %.5g", evaluation_metric_name(metric),
                                 verdict->metrics.values[metric]);
        if (strcmp(asked, evaluation_metric_name(metric)) == 0)
            asked = "loss";
    }
    if (strcmp(asked, "loss") != 0 && train_metric(verdict, asked, &value, &larger))
        snprintf(to + used, size - used, "  %s %.5g", asked, value);
}

/* Judges the epoch, keeps it if it is the best. */
static bool judge_epoch(struct running *running, struct train_point *point, double seconds)
{
    struct train_progress *progress = &running->progress;
    const struct train_session *session = running->session;
    char line[2 * LINE_MAX_BYTES], metrics[LINE_MAX_BYTES] = "", validation[64] = "";
    struct train_verdict verdict = {.loss = point->loss};
    bool larger = false, judged = session->split.n_parts > 1;
    double score;

    if (judged) {
        int64_t n;
        const uint32_t *examples = split_part(&session->split, 1, &n);

        if (!train_judge(running->trainer, &running->feed, session->dataset, examples, n, &verdict,
                         running->problem))
            return false;
        point->validation_loss = verdict.loss;
        print_metrics(&verdict, running->options->metric, metrics, sizeof(metrics));
    }
    if (!train_metric(&verdict, running->options->metric, &point->metric, &larger))
        return problem_set(running->problem, 400, "bad_request", "--metric: there is no '%.64s'",
                           running->options->metric);
    if (!isfinite(point->metric) && progress->epochs == 0 && isfinite(verdict.loss))
        return problem_set(running->problem, 400, "bad_request",
                           "--metric %.64s is not defined for this model and these examples",
                           running->options->metric);
    point->seconds = seconds;
    score = larger ? point->metric : -point->metric;
    progress->since_best++;
    if (progress->best_epoch == 0 || score > progress->best_score) {
        progress->best_score = score;
        progress->best_epoch = (int64_t)point->epoch;
        progress->since_best = 0;
        train_best_keep(running->trainer, progress);
    }
    if (judged)
        snprintf(validation, sizeof(validation), "  validation loss %.6g", point->validation_loss);
    snprintf(line, sizeof(line), "epoch %.0f  loss %.6g%s%s  %.0f examples/s%s", point->epoch,
             point->loss, validation, metrics, (double)running->batches.n_examples / seconds,
             progress->since_best == 0 ? "  best" : "");
    train_report_epoch(&running->report, line);
    return add_point(running, point);
}

static bool run_epochs(struct running *running)
{
    const struct train_options *options = running->options;
    struct train_progress *progress = &running->progress;

    while (progress->epochs < options->epochs &&
           (options->patience == 0 || progress->since_best < options->patience)) {
        struct train_point point = {.epoch = (double)progress->epochs + 1.0, .validation_loss = NAN};
        double begun = train_report_clock();

        if (!run_epoch(running, progress->epochs, &point.loss, &point.rate) ||
            !judge_epoch(running, &point, train_report_clock() - begun))
            return false;
        progress->epochs++;
        if (options->checkpoint != NULL &&
            !train_checkpoint_write(options->checkpoint, running->trainer, progress,
                                    running->fingerprint, running->problem))
            return false;
    }
    return true;
}

static bool finish(struct running *running)
{
    const struct train_options *options = running->options;
    const struct train_session *session = running->session;
    struct train_outcome *outcome = running->outcome;
    const struct train_progress *progress = &running->progress;

    if (!train_best_restore(running->trainer, progress, running->problem))
        return false;
    outcome->metric = progress->points[progress->best_epoch - 1].metric;
    if (session->test != NULL) {
        outcome->has_test = true;
        if (!train_judge(running->trainer, &running->feed, session->test, NULL,
                         dataset_n_examples(session->test), &outcome->test, running->problem))
            return false;
    }
    return (options->output == NULL ||
            train_model_write(options->output, session, running->trainer, running->problem)) &&
           train_curve_write(options, progress, running->problem);
}

bool train_run(const struct train_options *options, const struct train_session *session,
               struct train_outcome *ret, struct problem *problem)
{
    struct running running = {
        .options = options, .session = session, .outcome = ret, .problem = problem};
    double begun = train_report_clock();
    bool ok;

    *ret = (struct train_outcome){.score = -INFINITY, .metric = NAN};
    ok = start(&running) && run_epochs(&running);
    train_report_end(&running.report);
    ok = ok && finish(&running);
    ret->epochs = running.progress.epochs;
    ret->best_epoch = running.progress.best_epoch;
    if (ret->best_epoch > 0)
        ret->score = running.progress.best_score;
    ret->seconds = train_report_clock() - begun;
    train_feed_finish(&running.feed);
    free(running.progress.best);
    free(running.progress.points);
    trainer_destroy(running.trainer);
    return ok;
}
