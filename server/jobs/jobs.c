/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "server/jobs/jobs.h"

#include "server/observe/log.h"
#include "server/observe/metrics.h"
#include "server/options.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { CALLS_MAX = 64, TIDY_S = 3600 };

struct jobs {
    struct job_world world;
    struct dataset_store *datasets;
    struct metrics *metrics;
    struct job_store store;
    bool threaded;
    pthread_t thread;
    pthread_mutex_t lock;          /* of what follows */
    pthread_cond_t wake;
    struct jobs_call *first, **last;
    int n_calls;
    bool stopping;
    struct job *all;               /* newest first */
    int64_t counted[JOB_STATES];   /* as the metrics have them; the thread's */
};

/* A job and who started it, for its thread. */
struct runner {
    struct jobs *jobs;
    struct job *job;
};

static int64_t now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

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

/* ---- the list; with the lock ---- */

static struct job *find(const struct jobs *jobs, const char *id)
{
    struct job *job = jobs->all;

    while (job != NULL && strcmp(job->id, id) != 0)
        job = job->next;
    return job;
}

/* Newest first. */
static void insert(struct jobs *jobs, struct job *job)
{
    struct job **place = &jobs->all;

    while (*place != NULL && (*place)->record.created_ms > job->record.created_ms)
        place = &(*place)->next;
    job->next = *place;
    *place = job;
}

static void drop(struct jobs *jobs, const struct job *job)
{
    struct job **place = &jobs->all;

    while (*place != job)
        place = &(*place)->next;
    *place = job->next;
}

static int count_state(const struct jobs *jobs, enum job_state state)
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

/* The oldest that waits and whose model has no other. */
static struct job *next_to_run(const struct jobs *jobs)
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

/* ---- the thread ---- */

static void start(struct jobs *jobs, struct job *job)
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

/* Whoever has seen that a job is over finds its thread gone as well. */
static void await_end(struct jobs *jobs, struct job *job)
{
    if (!job->busy || !job_state_is_final(job_record(job).state))
        return;
    pthread_join(job->thread, NULL);
    pthread_mutex_lock(&jobs->lock);
    job->busy = false;
    pthread_mutex_unlock(&jobs->lock);
}

static void join_finished(struct jobs *jobs)
{
    for (struct job *job = jobs->all; job != NULL; job = job->next)
        if (job->busy && job->over) {
            pthread_join(job->thread, NULL);
            job->busy = false;
        }
}

/* A job that waits and is not wanted any more. False with `problem` if that is not durable. */
static bool end_cancelled(struct job *job, struct problem *problem)
{
    struct job_record record = job_record(job);
    bool kept;

    record.state = JOB_CANCELLED;
    record.finished_ms = now_ms();
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
    int64_t oldest = now_ms() - options->jobs_kept_s * 1000, n = 0;

    for (struct job *job = jobs->all; job != NULL; job = job->next) {
        struct job_record record = job_record(job);

        if (!job_state_is_final(record.state) || job->busy)
            continue;
        if (++n > options->jobs_kept_max || record.finished_ms < oldest)
            return job;
    }
    return NULL;
}

/* The disk is waited for without the lock. */
static void forget_old(struct jobs *jobs)
{
    struct job *job;

    while ((job = find_old(jobs)) != NULL) {
        drop(jobs, job);
        pthread_mutex_unlock(&jobs->lock);
        job_remove(&jobs->store, job->id);
        job_unref(job);
        pthread_mutex_lock(&jobs->lock);
    }
}

static void count_all(struct jobs *jobs)
{
    for (int i = 0; i < JOB_STATES && jobs->metrics != NULL; i++) {
        int64_t n = count_state(jobs, (enum job_state)i);

        metrics_add(jobs->metrics, (enum metric)(METRIC_JOBS_QUEUED + i), n - jobs->counted[i]);
        jobs->counted[i] = n;
    }
}

/* ---- calls ---- */

/* The job that the same key made before; NULL with `problem` if it was with another request. */
static struct job *same_key(const struct jobs *jobs, const struct job *form, struct problem *problem)
{
    for (struct job *job = jobs->all; job != NULL && form->key[0] != '\0'; job = job->next) {
        if (strcmp(job->key, form->key) != 0 || strcmp(job->model, form->model) != 0 ||
            strcmp(job->version, form->version) != 0)
            continue;
        if (digest_equal(&job->body, &form->body))
            return job;
        problem_set(problem, 409, "key_conflict",
                    "the Idempotency-Key was used with another request before");
        return NULL;
    }
    return NULL;
}

static void submit(struct jobs *jobs, struct jobs_call *call, struct text *body, bool *ret_created,
                   struct problem *problem)
{
    struct job *job;
    int queued;

    pthread_mutex_lock(&jobs->lock);
    job = same_key(jobs, &call->form, problem);
    queued = count_state(jobs, JOB_QUEUED);
    pthread_mutex_unlock(&jobs->lock);
    if (job == NULL && problem->status == 0 && queued >= (int)jobs->world.options->jobs_queued_max) {
        problem->retry_after_s = 10;
        problem_set(problem, 503, "queue_full", "%d jobs wait already", queued);
    }
    if (job != NULL || problem->status != 0) {
        job_request_finish(&call->request);
    } else {
        call->form.record.created_ms = now_ms();
        job = job_store_make(&jobs->store, jobs->datasets, &call->form, &call->request, problem);
        if (job == NULL)
            return;
        *ret_created = true;
        job_tell_state(job);
        pthread_mutex_lock(&jobs->lock);
        insert(jobs, job);
        pthread_mutex_unlock(&jobs->lock);
        log_write(jobs->world.log, LOG_LEVEL_INFO, "job queued", "job=%s model=%s version=%s dataset=%s",
                  job->id, job->model, job->version, job->request.dataset);
    }
    if (job != NULL) {
        memcpy(call->id, job->id, sizeof(job->id));
        job_encode(job, JOB_FORM_FULL, body);
    }
}

static void delete(struct jobs *jobs, struct jobs_call *call, struct text *body,
                   struct problem *problem)
{
    struct job *job = jobs_find(jobs, call->id, problem);
    bool gone = false, waits;

    if (job == NULL)
        return;
    await_end(jobs, job);
    pthread_mutex_lock(&jobs->lock);
    waits = !job->busy;
    if (waits && job_state_is_final(job_record(job).state)) {
        drop(jobs, job);
        gone = true;
    }
    pthread_mutex_unlock(&jobs->lock);
    if (gone) {
        job_remove(&jobs->store, job->id);
        job_unref(job);
        text_printf(body, "{\"id\":\"%s\",\"removed\":true}", call->id);
    } else {
        atomic_store(&job->cancel, true);
        if (waits)
            end_cancelled(job, problem);
        else
            job_save(job, problem);
        job_encode(job, JOB_FORM_FULL, body);
    }
    job_unref(job);
}

static void promote(struct jobs *jobs, struct jobs_call *call, struct text *body,
                    struct problem *problem)
{
    struct job *job = jobs_find(jobs, call->id, problem);
    struct job_record record;

    if (job == NULL)
        return;
    await_end(jobs, job);
    record = job_record(job);
    if (strcmp(job->model, call->form.model) != 0 ||
        (call->form.version[0] != '\0' && strcmp(job->version, call->form.version) != 0))
        problem_set(problem, 404, "unknown_job", "job '%s' is of model '%s' version %s", job->id,
                    job->model, job->version);
    else if (record.generation == 0 && (record.phase != JOB_PHASE_TRAINED ||
                                        (record.state != JOB_HELD && record.state != JOB_DONE)))
        problem_set(problem, 409, "no_result", "job '%s' is %s: there is no result to promote", job->id,
                    job_state_text(record.state));
    else if (record.generation != 0 || job_promote(job, &jobs->world, problem))
        job_encode(job, JOB_FORM_FULL, body);
    job_unref(job);
}

static void answer(struct jobs *jobs, struct jobs_call *call)
{
    struct problem problem = {0};
    bool created = false;
    struct text body;

    text_init(&body);
    if (call->work == JOBS_SUBMIT)
        submit(jobs, call, &body, &created, &problem);
    else if (call->work == JOBS_DELETE)
        delete(jobs, call, &body, &problem);
    else
        promote(jobs, call, &body, &problem);
    if (problem.status == 0 && body.failed)
        problem_set(&problem, 507, "no_memory", "no memory for the answer");
    call->finished(call, &body, created, &problem);
    text_free(&body);
}

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
        answer(jobs, call);
        pthread_mutex_lock(&jobs->lock);
    }
    join_finished(jobs);
    while (!jobs->stopping && (job = next_to_run(jobs)) != NULL) {
        start(jobs, job);
        if (!job->busy)
            break;
    }
    forget_old(jobs);
    count_all(jobs);
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
        end_cancelled(job, &ignored);      /* else with the next start */
    } else {
        job->record.state = JOB_QUEUED;
        job->record.restarts += job->record.phase > JOB_PHASE_WAITING;
    }
    insert(jobs, job);
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
    job = find(jobs, id);
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
