/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "server/training/train_run.h"

#include "server/status_map.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { FINGERPRINT_MAX = 512 };

struct running {
    const struct train_options *options;
    const struct train_session *session;
    const struct train_hooks *hooks;
    struct trainer *trainer;
    struct train_feed feed;
    struct augment augment;
    struct batches batches;
    int64_t steps_a_epoch;
    struct train_progress progress;
    double begun;                  /* seconds of the monotonic clock */
    int64_t examples;              /* since then */
    int64_t steps_before;          /* that were taken by a run that this one resumes */
    struct train_outcome *outcome;
    char fingerprint[FINGERPRINT_MAX];
    struct problem *problem;
};

double train_clock(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

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
    running->steps_before =
        running->progress.epochs * running->steps_a_epoch + running->progress.step;
    running->begun = train_clock();
    return true;
}

/* What a hook has ordered. False: the run ends. */
static bool follow(struct running *running, enum train_order order)
{
    const struct train_options *options = running->options;

    if (order == TRAIN_GO_ON)
        return true;
    if (order != TRAIN_STOP && options->checkpoint != NULL &&
        !train_checkpoint_write(options->checkpoint, running->trainer, &running->progress,
                                running->fingerprint, running->problem))
        return false;
    return order == TRAIN_CHECKPOINT ||
           problem_set(running->problem, 499, "stopped", "the run was stopped");
}

/* One mini-batch; false ends the run. */
static bool run_step(struct running *running, struct trainer_result *result)
{
    const struct trainer_batch batch = {running->feed.inputs, running->feed.targets, -1.0};
    struct train_progress *progress = &running->progress;
    struct engine_error err = {0};
    int64_t n = batches_examples(&running->batches, progress->epochs, progress->step,
                                 running->feed.examples);

    if (!train_feed_gather(&running->feed, running->session->dataset, n, running->problem) ||
        !train_feed_augment(&running->feed, &running->augment, (uint64_t)running->options->seed,
                            progress->epochs, n, running->problem))
        return false;
    if (trainer_step(running->trainer, &batch, result, &err) != ENGINE_OK)
        return engine_problem(running, &err);
    running->examples += n;
    progress->step++;
    if (result->verdict == TRAINER_LEARNED) {
        progress->sum += result->loss;
        progress->learned++;
        progress->rate = result->rate;
    } else {
        progress->refused++;
    }
    return true;
}

/* What is done of the run, and how long the rest will take. */
static struct train_moment moment_of(const struct running *running)
{
    const struct train_progress *progress = &running->progress;
    int64_t done = progress->epochs * running->steps_a_epoch + progress->step;
    int64_t all = running->options->epochs * running->steps_a_epoch;
    double seconds = train_clock() - running->begun;

    return (struct train_moment){
        .epoch = progress->epochs + 1,
        .epochs = running->options->epochs,
        .step = progress->step,
        .steps = running->steps_a_epoch,
        .loss = progress->learned > 0 ? progress->sum / (double)progress->learned : (double)NAN,
        .examples_a_second = (double)running->examples / seconds,
        .seconds_left = seconds / (double)(done - running->steps_before) * (double)(all - done),
    };
}

/* All batches of one epoch that are left; the mean loss over what was learned. */
static bool run_epoch(struct running *running, struct train_point *point)
{
    struct train_progress *progress = &running->progress;
    struct trainer_result result = {0};

    while (progress->step < running->steps_a_epoch) {
        struct train_moment moment;

        if (!run_step(running, &result))
            return false;
        moment = moment_of(running);
        if (running->hooks->step != NULL &&
            !follow(running, running->hooks->step(running->hooks->arg, &moment)))
            return false;
    }
    if (progress->learned == 0)
        return problem_set(running->problem, 422, "diverged",
                           "epoch %lld: no step could be taken: %s; a lower --rate or --clip may help",
                           (long long)progress->epochs + 1, trainer_verdict_text(result.verdict));
    point->loss = progress->sum / (double)progress->learned;
    point->rate = progress->rate;
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

/* Judges the epoch, keeps it if it is the best. */
static bool judge_epoch(struct running *running, struct train_point *point, double seconds)
{
    struct train_progress *progress = &running->progress;
    const struct train_session *session = running->session;
    struct train_verdict verdict = {.loss = point->loss};
    struct train_epoch epoch = {.point = point, .verdict = &verdict,
                                .judged = session->split.n_parts > 1,
                                .examples = running->batches.n_examples};
    bool larger = false;
    double score;

    if (epoch.judged) {
        int64_t n;
        const uint32_t *examples = split_part(&session->split, 1, &n);

        if (!train_judge(running->trainer, &running->feed, session->dataset, examples, n, &verdict,
                         running->problem))
            return false;
        point->validation_loss = verdict.loss;
    }
    if (!train_metric(&verdict, running->options->metric, &point->metric, &larger))
        return problem_set(running->problem, 400, "bad_request", "--metric: there is no '%.64s'",
                           running->options->metric);
    if (!isfinite(point->metric) && progress->epochs == 0 && isfinite(verdict.loss))
        return problem_set(running->problem, 400, "bad_request",
                           "--metric %.64s is not defined for this model and these examples",
                           running->options->metric);
    point->seconds = seconds;
    /* A first epoch that cannot be compared is not the best for ever. */
    score = isnan(point->metric) ? (double)-INFINITY : larger ? point->metric : -point->metric;
    progress->since_best++;
    if (progress->best_epoch == 0 || score > progress->best_score) {
        progress->best_score = score;
        progress->best_epoch = (int64_t)point->epoch;
        progress->since_best = 0;
        train_best_keep(running->trainer, progress);
    }
    epoch.best = progress->since_best == 0;
    if (!add_point(running, point))
        return false;
    progress->epochs++;
    progress->step = progress->learned = 0;
    progress->sum = 0.0;
    return running->hooks->epoch == NULL ||
           follow(running, running->hooks->epoch(running->hooks->arg, &epoch));
}

static bool run_epochs(struct running *running)
{
    const struct train_options *options = running->options;
    struct train_progress *progress = &running->progress;

    while (progress->epochs < options->epochs &&
           (options->patience == 0 || progress->since_best < options->patience)) {
        struct train_point point = {.epoch = (double)progress->epochs + 1.0, .validation_loss = NAN};
        double begun = train_clock();

        if (!run_epoch(running, &point) ||
            !judge_epoch(running, &point, train_clock() - begun))
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
        running->feed.wants_table = options->confusion;
        if (!train_judge(running->trainer, &running->feed, session->test, NULL,
                         dataset_n_examples(session->test), &outcome->test, running->problem))
            return false;
    }
    return (options->output == NULL ||
            train_model_write(options->output, session, running->trainer, running->problem)) &&
           train_curve_write(options, progress, running->problem);
}

static void running_finish(struct running *running)
{
    train_feed_finish(&running->feed);
    free(running->progress.best);
    free(running->progress.points);
    trainer_destroy(running->trainer);
}

bool train_run(const struct train_options *options, const struct train_session *session,
               const struct train_hooks *hooks, struct train_outcome *ret, struct problem *problem)
{
    static const struct train_hooks none = {0};
    struct running running = {.options = options, .session = session,
                              .hooks = hooks != NULL ? hooks : &none, .outcome = ret,
                              .problem = problem};
    double begun = train_clock();
    bool ok;

    *ret = (struct train_outcome){.score = -INFINITY, .metric = NAN};
    ok = start(&running) && run_epochs(&running) && finish(&running);
    ret->epochs = running.progress.epochs;
    ret->best_epoch = running.progress.best_epoch;
    ret->refused = running.progress.refused;
    if (ret->best_epoch > 0)
        ret->score = running.progress.best_score;
    ret->seconds = train_clock() - begun;
    running_finish(&running);
    return ok;
}

bool train_measure(const struct train_options *options, const struct train_session *session,
                   struct train_verdict *ret, struct problem *problem)
{
    static const struct train_hooks none = {0};
    struct train_options fresh = *options;
    struct running running = {.options = &fresh, .session = session, .hooks = &none,
                              .problem = problem};
    int64_t n = dataset_n_examples(session->dataset);
    const uint32_t *examples =
        session->split.n_parts > 1 ? split_part(&session->split, 1, &n) : NULL;
    bool ok;

    fresh.resume = false;
    ok = start(&running) && train_judge(running.trainer, &running.feed, session->dataset, examples, n,
                                        ret, problem);
    running_finish(&running);
    return ok;
}
