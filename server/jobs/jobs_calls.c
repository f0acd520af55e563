/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "server/jobs/jobs_private.h"

#include "server/clock.h"
#include "server/observe/log.h"
#include "server/options.h"

#include <string.h>

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
    queued = jobs_count(jobs, JOB_QUEUED);
    pthread_mutex_unlock(&jobs->lock);
    if (job == NULL && problem->status == 0 && queued >= (int)jobs->world.options->jobs_queued_max) {
        problem->retry_after_s = 10;
        problem_set(problem, 503, "queue_full", "%d jobs wait already", queued);
    }
    if (job != NULL || problem->status != 0) {
        job_request_finish(&call->request);
    } else {
        call->form.record.created_ms = clock_unix_ms();
        job = job_store_make(&jobs->store, jobs->datasets, &call->form, &call->request, problem);
        if (job == NULL)
            return;
        *ret_created = true;
        job_tell_state(job);
        pthread_mutex_lock(&jobs->lock);
        jobs_insert(jobs, job);
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
    jobs_await_end(jobs, job);
    pthread_mutex_lock(&jobs->lock);
    waits = !job->busy;
    if (waits && job_state_is_final(job_record(job).state)) {
        jobs_drop(jobs, job);
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
            jobs_end_cancelled(job, problem);
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
    jobs_await_end(jobs, job);
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

void jobs_answer(struct jobs *jobs, struct jobs_call *call)
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
