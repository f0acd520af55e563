/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "server/jobs/jobs_private.h"

#include "server/observe/log.h"
#include "server/options.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { CALLS_MAX = 64, TIDY_S = 3600 };

/* With the lock, which is let go in between. */
static void work(struct jobs *jobs)
{
    struct jobs_call *call = jobs->first;
    struct job *job;

    if (call != NULL) {
        jobs->first = call->next;
        jobs->n_calls--;
        if (jobs->first == NULL)
            jobs->last = &jobs->first;
        pthread_mutex_unlock(&jobs->lock);
        jobs_answer(jobs, call);
        pthread_mutex_lock(&jobs->lock);
    }
    jobs_join_finished(jobs);
    while (!jobs->stopping && (job = jobs_next(jobs)) != NULL) {
        jobs_start(jobs, job);
        if (!job->busy)
            break;
    }
    jobs_forget_old(jobs);
    jobs_count_all(jobs);
}

static bool idle(const struct jobs *jobs)
{
    if (jobs->first != NULL || jobs->stopping)
        return false;
    for (const struct job *job = jobs->all; job != NULL; job = job->next)
        if (job->busy && job->over)
            return false;
    return true;
}

static void *thread_main(void *arg)
{
    struct jobs *jobs = arg;

    pthread_mutex_lock(&jobs->lock);
    while (!jobs->stopping || jobs->first != NULL) {
        struct timespec until;

        work(jobs);
        clock_gettime(CLOCK_REALTIME, &until);
        until.tv_sec += TIDY_S;
        while (idle(jobs) && pthread_cond_timedwait(&jobs->wake, &jobs->lock, &until) != ETIMEDOUT)
            continue;
    }
    pthread_mutex_unlock(&jobs->lock);
    return NULL;
}

/* ---- from outside ---- */

static void take_found(void *arg, struct job *job, const char *name, const char *why)
{
    struct jobs *jobs = arg;
    struct problem ignored = {0};

    if (job == NULL) {
        if (why[0] != '\0')
            log_write(jobs->world.log, LOG_LEVEL_ERROR, "a job cannot be read", "job=%s reason=%s", name,
                      why);
        return;
    }
    if (job_state_is_final(job->record.state)) {
        job_tell_state(job);
    } else if (atomic_load(&job->cancel)) {
        jobs_end_cancelled(job, &ignored);      /* else with the next start */
    } else {
        job->record.state = JOB_QUEUED;
        job->record.restarts += job->record.phase > JOB_PHASE_WAITING;
    }
    jobs_insert(jobs, job);
}

struct jobs *jobs_create(const struct job_world *world, struct dataset_store *datasets,
                         struct metrics *metrics, struct problem *problem)
{
    struct jobs *jobs = calloc(1, sizeof(*jobs));

    if (jobs == NULL) {
        problem_set(problem, 507, "no_memory", "out of memory");
        return NULL;
    }
    jobs->world = *world;
    jobs->datasets = datasets;
    jobs->metrics = metrics;
    jobs->last = &jobs->first;
    jobs->store.fd = -1;
    pthread_mutex_init(&jobs->lock, NULL);
    pthread_cond_init(&jobs->wake, NULL);
    if (world->options->state_dir == NULL)
        return jobs;
    if (job_store_open(&jobs->store, world->options->state_dir, problem)) {
        job_store_load(&jobs->store, take_found, jobs);
        jobs->threaded = pthread_create(&jobs->thread, NULL, thread_main, jobs) == 0;
        if (!jobs->threaded)
            problem_set(problem, 500, "no_thread", "no thread for jobs");
    }
    if (!jobs->threaded) {
        jobs_destroy(jobs);
        return NULL;
    }
    return jobs;
}

void jobs_destroy(struct jobs *jobs)
{
    if (jobs == NULL)
        return;
    pthread_mutex_lock(&jobs->lock);
    jobs->stopping = true;
    for (struct job *job = jobs->all; job != NULL; job = job->next)
        atomic_store(&job->pause, true);
    pthread_cond_signal(&jobs->wake);
    pthread_mutex_unlock(&jobs->lock);
    if (jobs->threaded)
        pthread_join(jobs->thread, NULL);
    while (jobs->all != NULL) {
        struct job *job = jobs->all;

        jobs->all = job->next;
        atomic_store(&job->pause, true);
        if (job->busy)
            pthread_join(job->thread, NULL);
        job_unref(job);
    }
    job_store_finish(&jobs->store);
    pthread_cond_destroy(&jobs->wake);
    pthread_mutex_destroy(&jobs->lock);
    free(jobs);
}

static bool check_open(const struct jobs *jobs, struct problem *problem)
{
    return jobs->threaded ||
           problem_set(problem, 409, "no_state_dir",
                       "jobs need a state directory: start inferd with --state-dir");
}

bool jobs_submit(struct jobs *jobs, struct jobs_call *call, struct problem *problem)
{
    bool full;

    if (!check_open(jobs, problem))
        return false;
    pthread_mutex_lock(&jobs->lock);
    full = jobs->n_calls >= CALLS_MAX || jobs->stopping;
    if (!full) {
        call->next = NULL;
        *jobs->last = call;
        jobs->last = &call->next;
        jobs->n_calls++;
        pthread_cond_signal(&jobs->wake);
    }
    pthread_mutex_unlock(&jobs->lock);
    if (!full)
        return true;
    problem->retry_after_s = 1;
    return problem_set(problem, 503, "overloaded", "too many requests for jobs are waiting");
}

struct job *jobs_find(struct jobs *jobs, const char *id, struct problem *problem)
{
    struct job *job;

    if (!check_open(jobs, problem))
        return NULL;
    pthread_mutex_lock(&jobs->lock);
    job = jobs_lookup(jobs, id);
    if (job != NULL)
        job_ref(job);
    else
        problem_set(problem, 404, "unknown_job", "no job '%.64s'", id);
    pthread_mutex_unlock(&jobs->lock);
    return job;
}

void jobs_list(struct jobs *jobs, const char *model, const char *state, struct text *text)
{
    int n = 0;

    text_puts(text, "{\"jobs\":[");
    pthread_mutex_lock(&jobs->lock);
    for (struct job *job = jobs->all; job != NULL; job = job->next) {
        if ((model != NULL && strcmp(job->model, model) != 0) ||
            (state != NULL && strcmp(job_state_text(job_record(job).state), state) != 0))
            continue;
        text_puts(text, n++ > 0 ? "," : "");
        job_encode(job, JOB_FORM_BRIEF, text);
    }
    pthread_mutex_unlock(&jobs->lock);
    text_puts(text, "]}");
}
