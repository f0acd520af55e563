/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "server/jobs/jobs_private.h"

#include "server/clock.h"
#include "server/observe/metrics.h"
#include "server/options.h"

#include <stdlib.h>
#include <string.h>

struct job *jobs_lookup(const struct jobs *jobs, const char *id)
{
    struct job *job = jobs->all;

    while (job != NULL && strcmp(job->id, id) != 0)
        job = job->next;
    return job;
}

void jobs_insert(struct jobs *jobs, struct job *job)
{
    struct job **place = &jobs->all;

    while (*place != NULL && (*place)->record.created_ms > job->record.created_ms)
        place = &(*place)->next;
    job->next = *place;
    *place = job;
}

void jobs_drop(struct jobs *jobs, const struct job *job)
{
    struct job **place = &jobs->all;

    while (*place != job)
        place = &(*place)->next;
    *place = job->next;
}

int jobs_count(const struct jobs *jobs, enum job_state state)
{
    int n = 0;

    for (struct job *job = jobs->all; job != NULL; job = job->next)
        n += job_record(job).state == state;
    return n;
}

static bool model_is_busy(const struct jobs *jobs, const struct job *asking)
{
    for (const struct job *job = jobs->all; job != NULL; job = job->next)
        if (job->busy && strcmp(job->model, asking->model) == 0 &&
            strcmp(job->version, asking->version) == 0)
            return true;
    return false;
}

struct job *jobs_next(const struct jobs *jobs)
{
    struct job *found = NULL;
    int n_busy = 0;

    for (struct job *job = jobs->all; job != NULL; job = job->next) {
        n_busy += job->busy;
        if (!job->busy && job_record(job).state == JOB_QUEUED && !model_is_busy(jobs, job))
            found = job;
    }
    return n_busy < (int)jobs->world.options->jobs_running_max ? found : NULL;
}

/* A job and who started it, for its thread. */
struct runner {
    struct jobs *jobs;
    struct job *job;
};

static void *runner_main(void *arg)
{
    struct runner *runner = arg;
    struct jobs *jobs = runner->jobs;
    struct job *job = runner->job;

    free(runner);
    job_run(job, &jobs->world);
    pthread_mutex_lock(&jobs->lock);
    job->over = true;
    pthread_cond_signal(&jobs->wake);
    pthread_mutex_unlock(&jobs->lock);
    job_unref(job);
    return NULL;
}

void jobs_start(struct jobs *jobs, struct job *job)
{
    struct runner *runner = malloc(sizeof(*runner));

    job->busy = true;
    job->over = false;
    if (runner != NULL) {
        *runner = (struct runner){jobs, job_ref(job)};
        if (pthread_create(&job->thread, NULL, runner_main, runner) == 0)
            return;
        job_unref(job);
        free(runner);
    }
    job->busy = false;             /* tried again when something happens */
}

void jobs_await_end(struct jobs *jobs, struct job *job)
{
    if (!job->busy || !job_state_is_final(job_record(job).state))
        return;
    pthread_join(job->thread, NULL);
    pthread_mutex_lock(&jobs->lock);
    job->busy = false;
    pthread_mutex_unlock(&jobs->lock);
}

void jobs_join_finished(struct jobs *jobs)
{
    for (struct job *job = jobs->all; job != NULL; job = job->next)
        if (job->busy && job->over) {
            pthread_join(job->thread, NULL);
            job->busy = false;
        }
}

bool jobs_end_cancelled(struct job *job, struct problem *problem)
{
    struct job_record record = job_record(job);
    bool kept;

    record.state = JOB_CANCELLED;
    record.finished_ms = clock_unix_ms();
    kept = job_become(job, &record, problem);
    if (kept)
        job_tidy(job, false);
    job_tell_state(job);
    return kept;
}

/* One that is over, beyond the number or the age that are kept; NULL if there is none. */
static struct job *find_old(const struct jobs *jobs)
{
    const struct options *options = jobs->world.options;
    int64_t oldest = clock_unix_ms() - options->jobs_kept_s * 1000, n = 0;

    for (struct job *job = jobs->all; job != NULL; job = job->next) {
        struct job_record record = job_record(job);

        if (!job_state_is_final(record.state) || job->busy)
            continue;
        if (++n > options->jobs_kept_max || record.finished_ms < oldest)
            return job;
    }
    return NULL;
}

void jobs_forget_old(struct jobs *jobs)
{
    struct job *job;

    while ((job = find_old(jobs)) != NULL) {
        jobs_drop(jobs, job);
        pthread_mutex_unlock(&jobs->lock);
        job_remove(&jobs->store, job->id);
        job_unref(job);
        pthread_mutex_lock(&jobs->lock);
    }
}

void jobs_count_all(struct jobs *jobs)
{
    for (int i = 0; i < JOB_STATES && jobs->metrics != NULL; i++) {
        int64_t n = jobs_count(jobs, (enum job_state)i);

        metrics_add(jobs->metrics, (enum metric)(METRIC_JOBS_QUEUED + i), n - jobs->counted[i]);
        jobs->counted[i] = n;
    }
}
