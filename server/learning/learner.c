/* SPDX-License-Identifier: Apache-2.0
 * The learner's thread: takes what is queued, computes the updates one after the other, commits them
 * together, publishes once, answers each. */
#include "server/learning/learner_private.h"

#include "server/clock.h"
#include "server/observe/log.h"
#include "server/observe/statistics.h"
#include "server/serving/worker.h"
#include "server/status_map.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Updates are committed after so much computing at the latest. */
enum { GROUP_NS_MAX = 20 * 1000 * 1000, TRAINING_NICENESS = 5 };

/* Changes that do not add to what was before: each is a group of its own. */
static bool goes_back(const struct learn_job *job)
{
    return job->kind == LEARN_JOB_ROLLBACK || job->kind == LEARN_JOB_PROMOTE ||
           job->kind == LEARN_JOB_LABEL || job->kind == LEARN_JOB_REWIND ||
           job->kind == LEARN_JOB_ERASE || job->kind == LEARN_JOB_ADOPT;
}

static bool is_change(const struct learn_job *job)
{
    return job->kind == LEARN_JOB_FINETUNE || job->kind == LEARN_JOB_FEEDBACK || goes_back(job);
}

void learner_refuse(struct learn_job *job, const struct problem *problem)
{
    if (is_change(job) && job->entry->stats != NULL)
        learning_stats_refused(stats_learning(job->entry->stats), problem->reason);
    job->finish(job, NULL, NULL, -1, problem);
}

/* True when that key has been dealt with: applied before, or a conflict. */
static bool answer_known(struct learner *learner, struct learn_job *job, const char *key,
                         const struct digest *body)
{
    struct storage_fault fault = {0};
    struct problem problem = {0};
    struct journal_reply known;
    enum storage_status status;
    struct text text;

    status = journal_find_reply(learner->journal, key, body, &known, &fault);
    if (status == STORAGE_NOT_FOUND)
        return false;
    if (status == STORAGE_CONFLICT && key == job->served.key)
        problem_set(&problem, 409, "label_conflict",
                    "prediction '%.128s' was given another label before", job->served.id);
    if (status != STORAGE_OK) {
        problem_from_fault(&problem, &fault);
        learner_refuse(job, &problem);
        return true;
    }
    text_init(&text);
    learn_response_replay((const char *)known.answer, known.answer_bytes, &text);
    free(known.answer);
    job->outcome.replayed = true;
    job->finish(job, &text, "application/json", learner->generation_base + (int64_t)known.generation,
                &problem);
    return true;
}

static bool answer_known_key(struct learner *learner, struct learn_job *job)
{
    return (job->key != NULL && answer_known(learner, job, job->key, &job->body)) ||
           (job->served.key[0] != '\0' &&
            answer_known(learner, job, job->served.key, &job->served.label));
}

static bool may_change(struct learner *learner, const struct learn_job *job,
                       struct problem *problem)
{
    int64_t newest = learner->generation_base + (int64_t)learner->generation;

    if (learner->state != LEARNER_READY)
        return problem_set(problem, learner->reason.status, learner->reason.reason, "%s",
                           learner->reason.text);
    if (job->served.problem.status != 0) {
        *problem = job->served.problem;
        return false;
    }
    if (!learner->config.enabled)
        return problem_set(problem, 409, "learning_disabled",
                           "learning is off for model '%s' (training.enabled in its config.json)",
                           learner->entry->name);
    if (job->if_match >= 0 && job->if_match != newest)
        return problem_set(problem, 412, "generation_moved",
                           "If-Match is %" PRId64 ", the generation is %" PRId64, job->if_match,
                           newest);
    return learner_store(learner, problem);
}

static bool same_key(const char *a, const char *b)
{
    return a != NULL && b != NULL && a[0] != '\0' && strcmp(a, b) == 0;
}

static bool key_is_in_group(const struct learner_group *group, const struct learn_job *job)
{
    for (int i = 0; i < group->n_updates; i++)
        if (same_key(group->updates[i].job->key, job->key) ||
            same_key(group->updates[i].job->served.key, job->served.key))
            return true;
    return false;
}

static void change(struct learner *learner, struct learner_group *group, struct learn_job *job)
{
    struct learner_update *update;
    struct problem problem = {0};
    struct learn_job *order;
    bool good;

    /* What a key was answered, and where a roll back begins, is known once the group is committed. */
    if (goes_back(job) || key_is_in_group(group, job))
        learner_commit(learner, group);
    if (learner->state == LEARNER_READY && learner->stored && answer_known_key(learner, job))
        return;
    if (!may_change(learner, job, &problem)) {
        learner_refuse(job, &problem);
        return;
    }
    order = learner_judge(learner, job);
    if (order != NULL)
        change(learner, group, order);
    if (learner->state != LEARNER_READY) {
        learner_refuse(job, &learner->reason);
        return;
    }
    if (!group->n_updates)
        group->begun_ns = clock_now_ns();
    update = &group->updates[group->n_updates];
    good = job->kind == LEARN_JOB_PROMOTE ? learner_promote(learner, job, update, &problem)
           : job->kind == LEARN_JOB_LABEL ? learner_label(learner, job, update, &problem)
           : job->kind == LEARN_JOB_ADOPT ? learner_adopt(learner, job, update, &problem)
           : goes_back(job)               ? learner_go_back(learner, job, update, &problem)
                                          : learner_step(learner, job, update, &problem);
    if (!good) {
        learner_update_finish(update);
        learner_refuse(job, &problem);
        return;
    }
    group->n_updates++;
    if (group->n_updates == LEARNER_GROUP_MAX || goes_back(job) ||
        clock_now_ns() - group->begun_ns > (uint64_t)GROUP_NS_MAX)
        learner_commit(learner, group);
}

/* True if nobody waits for the job any more; then it has been answered. */
static bool drop_late(struct learn_job *job)
{
    struct problem problem = {0};

    if (job->is_abandoned != NULL && job->is_abandoned(job))
        problem_set(&problem, 499, "client_gone", "the client has gone");
    else if (clock_now_ns() > job->deadline_ns)
        problem_set(&problem, 504, "deadline", "the deadline passed before the update was computed");
    if (problem.status == 0)
        return false;
    learner_refuse(job, &problem);
    return true;
}

static bool is_closing(struct learner *learner)
{
    bool closing;

    pthread_mutex_lock(&learner->lock);
    closing = learner->closing;
    pthread_mutex_unlock(&learner->lock);
    return closing;
}

/* Sleeps until there is something to do. Holds the lock. */
static void rest(struct learner *learner)
{
    uint64_t due_ns = learner_show_due_ns(learner);
    const struct timespec due = {(time_t)(due_ns / 1000000000), (long)(due_ns % 1000000000)};

    if (due_ns == UINT64_MAX)
        pthread_cond_wait(&learner->wake, &learner->lock);
    else
        pthread_cond_timedwait(&learner->wake, &learner->lock, &due);
}

/* The next job; NULL when there is none now. `wait`: then something else is to be done, or it is over. */
static struct learn_job *take(struct learner *learner, bool wait)
{
    struct learn_job *job;

    pthread_mutex_lock(&learner->lock);
    while (wait && learner->first == NULL && !learner->closing &&
           !tap_waits(&learner->entry->tap) && clock_now_ns() < learner_show_due_ns(learner))
        rest(learner);
    job = learner->first;
    if (job != NULL) {
        learner->first = job->next;
        if (learner->first == NULL)
            learner->last = &learner->first;
        learner->n_queued--;
    }
    pthread_mutex_unlock(&learner->lock);
    return job;
}

/* Predictions first: what has been computed is brought home, then the next update waits for its turn. */
static void give_way(struct learner *learner, struct learner_group *group)
{
    if (pace_book(&learner->pace) == 0)
        return;
    learner_commit(learner, group);
    pace_wait(&learner->pace, NULL);
}

static void serve_one(struct learner *learner, struct learner_group *group, struct learn_job *job)
{
    give_way(learner, group);
    if (drop_late(job))
        return;
    if (is_change(job)) {
        change(learner, group, job);
        return;
    }
    learner_commit(learner, group);
    if (learner->ahead)
        learner_refuse(job, &learner->reason);
    else
        learner_answer(learner, job);
}

static void serve(struct learner *learner)
{
    struct learner_group *group = calloc(1, sizeof(*group));
    struct problem problem = {0};
    struct learn_job *job;

    problem_set(&problem, 507, "no_memory", "no memory to learn");
    pace_begin(&learner->pace, learner->pace.pace);
    for (;;) {
        bool open = group != NULL && group->n_updates > 0;

        job = take(learner, !open);
        if (job != NULL && group == NULL)
            learner_refuse(job, &problem);
        else if (job != NULL)
            serve_one(learner, group, job);
        else if (open)
            learner_commit(learner, group);
        else if (clock_now_ns() >= learner_show_due_ns(learner))
            learner_show_late(learner);
        else if (tap_waits(&learner->entry->tap))
            learner_sample(learner);
        else if (is_closing(learner))
            break;
    }
    free(group);
}

static void refuse_all(struct learner *learner)
{
    struct learn_job *job;

    tap_detach(&learner->entry->tap);
    while ((job = take(learner, true)) != NULL)
        learner_refuse(job, &learner->reason);
}

static void *learner_main(void *arg)
{
    struct learner *learner = arg;
    struct problem problem = {0};
    bool good;

    setpriority(PRIO_PROCESS, (id_t)syscall(SYS_gettid), TRAINING_NICENESS);
    good = learner_open(learner, &problem);
    pthread_mutex_lock(&learner->lock);
    if (!good) {
        learner->reason = problem;
        learner->state = LEARNER_FAILED;
    } else if (learner->state == LEARNER_OPENING) {
        learner->state = LEARNER_READY;
    }
    learner->open = true;
    pthread_cond_broadcast(&learner->opened);
    pthread_mutex_unlock(&learner->lock);
    if (!good) {
        log_write(learner->log, LOG_LEVEL_WARNING, "model does not learn",
                  "model=%s version=%s reason=%s", learner->entry->name, learner->entry->version,
                  problem.text);
        refuse_all(learner);
    } else {
        serve(learner);
    }
    learner_close(learner);
    return NULL;
}

struct learner *learner_create(const struct learner_params *params)
{
    struct learner *learner = calloc(1, sizeof(*learner));
    pthread_condattr_t monotonic;

    if (learner == NULL)
        return NULL;
    learner->entry = model_entry_ref(params->entry);
    learner->config = *params->config;
    learner->options = params->options;
    learner->log = params->log;
    learner->pace.pace = params->pace;
    learner->last = &learner->first;
    learner->dir.fd = -1;
    learner->held = UINT64_MAX;
    pthread_mutex_init(&learner->lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&learner->wake, &monotonic);
    pthread_condattr_destroy(&monotonic);
    pthread_cond_init(&learner->opened, NULL);
    learner_tap_begin(learner);
    learner->state_path = strdup(params->state_path);
    if (learner->state_path != NULL &&
        pthread_create(&learner->thread, NULL, learner_main, learner) == 0)
        return learner;
    tap_detach(&learner->entry->tap);
    model_entry_unref(learner->entry);
    free(learner->state_path);
    free(learner);
    return NULL;
}

bool learner_wait(struct learner *learner, struct engine_error *err)
{
    bool good;

    pthread_mutex_lock(&learner->lock);
    while (!learner->open)
        pthread_cond_wait(&learner->opened, &learner->lock);
    good = learner->state != LEARNER_FAILED;
    if (!good)
        engine_error_set(err, ENGINE_IO, "what it has learnt cannot be recovered: %s",
                         learner->reason.text);
    pthread_mutex_unlock(&learner->lock);
    return good;
}

bool learner_submit(struct learner *learner, struct learn_job *job, struct problem *problem)
{
    bool good = true;

    pthread_mutex_lock(&learner->lock);
    if (learner->closing)
        good = problem_set(problem, 503, "closing", "the model is being unloaded");
    else if (learner->n_queued >= LEARNER_QUEUE_MAX)
        good = problem_set(problem, 503, "queue_full", "%d updates wait for model '%s' already",
                           learner->n_queued, job->entry->name);
    if (good) {
        job->next = NULL;
        *learner->last = job;
        learner->last = &job->next;
        learner->n_queued++;
        pthread_cond_signal(&learner->wake);
    } else if (problem->retry_after_s == 0) {
        problem->retry_after_s = 1;
    }
    pthread_mutex_unlock(&learner->lock);
    if (!good && is_change(job) && job->entry->stats != NULL)
        learning_stats_refused(stats_learning(job->entry->stats), problem->reason);
    return good;
}

void learner_destroy(struct learner *learner)
{
    if (learner == NULL)
        return;
    tap_detach(&learner->entry->tap);
    pthread_mutex_lock(&learner->lock);
    learner->closing = true;
    pthread_cond_broadcast(&learner->wake);
    pthread_mutex_unlock(&learner->lock);
    pthread_join(learner->thread, NULL);
    model_entry_unref(learner->entry);
    pthread_cond_destroy(&learner->wake);
    pthread_cond_destroy(&learner->opened);
    pthread_mutex_destroy(&learner->lock);
    free(learner->state_path);
    free(learner);
}
