/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "server/jobs/job_hooks.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const double TELL_S = 0.25;

static enum train_order order_of(const struct job *job)
{
    if (atomic_load(&job->cancel))
        return TRAIN_STOP;
    return atomic_load(&job->pause) ? TRAIN_PAUSE : TRAIN_GO_ON;
}

static void tell_moment(struct job_work *work, const struct train_moment *moment)
{
    struct text data;

    text_init(&data);
    text_printf(&data, "{\"epoch\":%lld,\"epochs\":%lld,\"step\":%lld,\"steps\":%lld,\"loss\":",
                (long long)moment->epoch, (long long)moment->epochs, (long long)moment->step,
                (long long)moment->steps);
    text_json_finite(&data, moment->loss);
    text_printf(&data, ",\"examples_per_second\":%.1f,\"seconds_left\":%.1f}",
                moment->examples_a_second, moment->seconds_left);
    job_tell(work->job, "progress", &data);
    text_free(&data);
}

static enum train_order on_step(void *arg, const struct train_moment *moment)
{
    struct job_work *work = arg;
    struct job *job = work->job;
    enum train_order order = order_of(job);
    double now = train_clock();

    pthread_mutex_lock(&job->lock);
    job->record.moment = *moment;
    pthread_mutex_unlock(&job->lock);
    if (now - work->told >= TELL_S) {
        work->told = now;
        tell_moment(work, moment);
    }
    if (order != TRAIN_GO_ON)
        return order;
    pace_point(&work->pace, &job->cancel);
    if (now - work->saved < job->request.checkpoint_s)
        return TRAIN_GO_ON;
    work->saved = now;
    return TRAIN_CHECKPOINT;
}

static enum train_order on_epoch(void *arg, const struct train_epoch *epoch)
{
    struct job_work *work = arg;
    struct job *job = work->job;
    struct text data;

    pthread_mutex_lock(&job->lock);
    job->record.epochs_done = (int64_t)epoch->point->epoch;
    if (epoch->best) {
        job->record.best_epoch = job->record.epochs_done;
        job->record.metric = epoch->point->metric;
    }
    pthread_mutex_unlock(&job->lock);
    text_init(&data);
    text_printf(&data, "{\"epoch\":%.0f,\"loss\":", epoch->point->epoch);
    text_json_finite(&data, epoch->point->loss);
    if (epoch->judged) {
        text_puts(&data, ",\"validation_loss\":");
        text_json_finite(&data, epoch->point->validation_loss);
    }
    text_printf(&data, ",\"metric\":\"%s\",\"value\":", work->options.metric);
    text_json_finite(&data, epoch->point->metric);
    text_printf(&data, ",\"best\":%s,\"seconds\":%.3f}", epoch->best ? "true" : "false",
                epoch->point->seconds);
    job_tell(job, "epoch", &data);
    text_free(&data);
    return order_of(job);
}

/* With the lock. */
static bool grow_trials(struct job *job)
{
    int cap = job->cap_trials * 2 + 16;
    struct job_trial *grown;

    if (job->n_trials < job->cap_trials)
        return true;
    grown = realloc(job->trials, (size_t)cap * sizeof(*grown));
    if (grown == NULL)
        return false;
    job->trials = grown;
    job->cap_trials = cap;
    return true;
}

static bool add_trial(struct job *job, const struct job_trial *trial)
{
    bool ok;

    pthread_mutex_lock(&job->lock);
    ok = grow_trials(job);
    if (ok)
        job->trials[job->n_trials++] = *trial;
    pthread_mutex_unlock(&job->lock);
    return ok;
}

static void on_trial(void *arg, int number, const struct train_outcome *outcome, const char *setting)
{
    struct job_work *work = arg;
    struct job_trial trial = {outcome->score, outcome->metric, outcome->best_epoch, ""};
    struct problem ignored = {0};
    struct text data;

    snprintf(trial.setting, sizeof(trial.setting), "%.*s", JOB_SETTING_BYTES - 1, setting);
    if (number != work->job->n_trials + 1 || !add_trial(work->job, &trial))
        return;
    text_init(&data);
    text_printf(&data, "{\"trial\":%d,\"setting\":", number);
    text_json_string(&data, trial.setting, strlen(trial.setting));
    if (isfinite(outcome->metric))
        text_printf(&data, ",\"value\":%.9g", outcome->metric);
    text_puts(&data, "}");
    job_tell(work->job, "trial", &data);
    text_free(&data);
    job_save(work->job, &ignored);      /* else this trial is run again after a crash, to the same end */
}

static bool known_trial(void *arg, int number, struct train_outcome *ret)
{
    const struct job *job = ((struct job_work *)arg)->job;

    if (number > job->n_trials)
        return false;
    *ret = (struct train_outcome){.score = job->trials[number - 1].score,
                                  .metric = job->trials[number - 1].metric,
                                  .best_epoch = job->trials[number - 1].best_epoch};
    return true;
}

struct train_hooks job_hooks(struct job_work *work)
{
    return (struct train_hooks){.arg = work, .step = on_step, .epoch = on_epoch, .trial = on_trial,
                                .known = known_trial};
}
