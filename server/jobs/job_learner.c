/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "server/jobs/job_learner.h"

#include "server/learning/learning.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

enum { ASK_AGAIN_MS = 100, KEY_BYTES = 64 };

/* One question and its answer. */
struct asking {
    struct learn_job job;          /* first */
    pthread_mutex_t lock;
    pthread_cond_t answered;
    bool done;
    struct text body;
    int64_t generation;
    struct problem problem;
};

static void take_answer(struct learn_job *job, struct text *body, const char *content_type,
                        int64_t generation, const struct problem *problem)
{
    struct asking *asking = (struct asking *)job;

    (void)content_type;
    pthread_mutex_lock(&asking->lock);
    asking->problem = *problem;
    asking->generation = generation;
    if (body != NULL) {
        asking->body = *body;
        text_init(body);
    }
    asking->done = true;
    pthread_cond_signal(&asking->answered);
    pthread_mutex_unlock(&asking->lock);
}

static void sleep_ms(int ms)
{
    struct timespec time = {ms / 1000, (ms % 1000) * 1000000L};

    nanosleep(&time, NULL);
}

static bool wanted(const struct job *job, struct problem *problem)
{
    if (!job_is_stopped(job))
        return true;
    *problem = (struct problem){0};
    return problem_set(problem, 499, "stopped", "the job was stopped");
}

/* The entry that the job is for. The caller gives it back. */
static struct model_entry *find_entry(struct job *job, const struct job_world *world, bool patient,
                                      struct problem *problem)
{
    for (;;) {
        bool started = registry_started(world->registry);
        struct model_entry *entry;

        *problem = (struct problem){0};
        entry = registry_find(world->registry, job->model, job->version, problem);
        if (entry != NULL || !patient || !wanted(job, problem))
            return entry;
        /* Before the first scan is over nothing is known. */
        if (started && problem->status != 503)
            return NULL;
        sleep_ms(ASK_AGAIN_MS);
    }
}

/* Submits, waits. */
static bool ask(struct job *job, const struct job_world *world, bool patient, struct asking *asking,
                struct problem *problem)
{
    bool sent = false;

    pthread_mutex_init(&asking->lock, NULL);
    pthread_cond_init(&asking->answered, NULL);
    asking->job.rate = NAN;
    asking->job.if_match = -1;
    asking->job.deadline_ns = UINT64_MAX;
    asking->job.finish = take_answer;
    do {
        *problem = (struct problem){0};
        asking->job.entry = find_entry(job, world, patient, problem);
        if (asking->job.entry == NULL)
            break;
        sent = learning_submit(world->learning, &asking->job, problem);
        if (!sent)
            model_entry_unref(asking->job.entry);
        if (!sent && (!patient || problem->status != 503))
            break;
        if (!sent)
            sleep_ms(ASK_AGAIN_MS);
    } while (!sent && wanted(job, problem));
    if (sent) {
        pthread_mutex_lock(&asking->lock);
        while (!asking->done)
            pthread_cond_wait(&asking->answered, &asking->lock);
        pthread_mutex_unlock(&asking->lock);
        model_entry_unref(asking->job.entry);
        *problem = asking->problem;
    }
    pthread_cond_destroy(&asking->answered);
    pthread_mutex_destroy(&asking->lock);
    return sent && problem->status == 0;
}

bool job_export(struct job *job, const struct job_world *world, struct text *ret_file,
                int64_t *ret_generation, struct learn_basis *basis, struct problem *problem)
{
    struct asking asking = {.job = {.kind = LEARN_JOB_EXPORT, .basis = basis, .of_serving = basis == NULL,
                                    .first = basis != NULL ? job_record(job).base_generation : 0}};

    if (!ask(job, world, true, &asking, problem))
        return false;
    *ret_file = asking.body;
    *ret_generation = asking.generation;
    return true;
}

void job_release(struct job *job, const struct job_world *world)
{
    struct asking asking = {.job = {.kind = LEARN_JOB_RELEASE}};
    struct problem ignored = {0};

    ask(job, world, true, &asking, &ignored);
    text_free(&asking.body);
}

bool job_adopt(struct job *job, const struct job_world *world, bool patient, const struct text *file,
               int64_t *ret_generation, struct problem *problem)
{
    struct job_record record = job_record(job);
    struct learn_basis basis = {.base = record.base};
    char key[KEY_BYTES];
    struct asking asking = {.job = {.kind = LEARN_JOB_ADOPT,
                                    .basis = &basis,
                                    .first = record.base_generation,
                                    .file = file->data,
                                    .file_bytes = file->length,
                                    .body = digest_of(file->data, file->length),
                                    .principal = job->id,
                                    .key = key}};

    snprintf(key, sizeof(key), "inferd-job/%s", job->id);
    if (!ask(job, world, patient, &asking, problem))
        return false;
    text_free(&asking.body);
    *ret_generation = asking.generation;
    return true;
}
