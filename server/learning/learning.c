/* SPDX-License-Identifier: Apache-2.0 */
#include "server/learning/learning.h"

#include "server/observe/statistics.h"
#include "server/options.h"

#include <pthread.h>
#include <stdlib.h>

/* An entry that is served, and its learner once there is one. */
struct pupil {
    struct model_entry *entry;     /* the registry's reference keeps it alive until `leaving` */
    struct learn_config config;
    struct learner *learner;
    struct prediction_log *predictions;     /* once one has been logged */
    struct pupil *next;
};

struct learning {
    const struct options *options;
    struct log *log;
    struct pace *pace;
    pthread_mutex_t lock;
    struct pupil *pupils;
};

struct learning *learning_create(const struct options *options, struct log *log,
                                 struct pace *pace)
{
    struct learning *learning = calloc(1, sizeof(*learning));

    if (learning == NULL)
        return NULL;
    learning->options = options;
    learning->log = log;
    learning->pace = pace;
    pthread_mutex_init(&learning->lock, NULL);
    return learning;
}

/* It is in no list any more: what the log still has to answer finds no learner. */
static void pupil_destroy(struct pupil *pupil)
{
    prediction_log_destroy(pupil->predictions);
    learner_destroy(pupil->learner);
    free(pupil);
}

void learning_destroy(struct learning *learning)
{
    if (learning == NULL)
        return;
    while (learning->pupils != NULL) {
        struct pupil *pupil = learning->pupils;

        learning->pupils = pupil->next;
        pupil_destroy(pupil);
    }
    pthread_mutex_destroy(&learning->lock);
    free(learning);
}

static struct learner *start(struct learning *learning, struct pupil *pupil)
{
    const struct learner_params params = {.entry = pupil->entry, .config = &pupil->config,
                                          .state_path = learning->options->state_dir,
                                          .options = learning->options, .log = learning->log,
                                          .pace = learning->pace};

    return learner_create(&params);
}

static bool entry_loading(void *arg, struct model_entry *entry, const struct model_config *config,
                          struct engine_error *err)
{
    struct learning *learning = arg;
    const char *state_dir = learning->options->state_dir;
    struct pupil *pupil = calloc(1, sizeof(*pupil));

    if (pupil == NULL) {
        engine_error_set(err, ENGINE_NO_MEMORY, "no memory for an entry");
        return false;
    }
    pupil->entry = entry;
    pupil->config = config->training;
    /* Whose inputs are to be watched needs its learner from the first prediction on, but nobody waits. */
    if (state_dir != NULL && learner_has_state(state_dir, entry)) {
        pupil->learner = start(learning, pupil);
        if (pupil->learner == NULL || !learner_wait(pupil->learner, err)) {
            if (pupil->learner == NULL)
                engine_error_set(err, ENGINE_NO_MEMORY, "no thread for what it has learnt");
            learner_destroy(pupil->learner);
            free(pupil);
            return false;
        }
    } else if (state_dir != NULL && pupil->config.enabled && pupil->config.drift_reference > 0)
        pupil->learner = start(learning, pupil);
    pthread_mutex_lock(&learning->lock);
    pupil->next = learning->pupils;
    learning->pupils = pupil;
    pthread_mutex_unlock(&learning->lock);
    return true;
}

static void entry_leaving(void *arg, struct model_entry *entry)
{
    struct learning *learning = arg;
    struct pupil **place, *pupil;

    pthread_mutex_lock(&learning->lock);
    for (place = &learning->pupils; *place != NULL && (*place)->entry != entry;)
        place = &(*place)->next;
    pupil = *place;
    if (pupil != NULL)
        *place = pupil->next;
    pthread_mutex_unlock(&learning->lock);
    if (pupil != NULL)
        pupil_destroy(pupil);
}

struct registry_watch learning_watch(struct learning *learning)
{
    return (struct registry_watch){entry_loading, entry_leaving, learning};
}

/* Under the lock. */
static struct pupil *find(struct learning *learning, const struct model_entry *entry)
{
    struct pupil *pupil = learning->pupils;

    while (pupil != NULL && pupil->entry != entry)
        pupil = pupil->next;
    return pupil;
}

static bool give(struct learning *learning, struct learn_job *job, struct problem *problem)
{
    struct pupil *pupil;
    bool good;

    pthread_mutex_lock(&learning->lock);
    pupil = find(learning, job->entry);
    if (pupil != NULL && pupil->learner == NULL)
        pupil->learner = start(learning, pupil);
    if (pupil == NULL)
        good = problem_set(problem, 503, "reloading", "model '%s' is being reloaded",
                           job->entry->name);
    else if (pupil->learner == NULL)
        good = problem_set(problem, 507, "no_memory", "no thread to learn on");
    else
        good = learner_submit(pupil->learner, job, problem);
    pthread_mutex_unlock(&learning->lock);
    return good;
}

/* --- predictions that wait for their label --- */

/* Made when it is first needed; without `make` only if there is one from before. */
static struct prediction_log *predictions_of(struct learning *learning, struct pupil *pupil, bool make)
{
    const char *state_dir = learning->options->state_dir;
    const struct model_entry *entry = pupil->entry;
    const struct prediction_log_params params = {
        .state_path = state_dir,
        .model = entry->name,
        .version = entry->version,
        .store = {pupil->config.log_ttl_s * 1000, (uint64_t)pupil->config.log_bytes_max},
        .stats = entry->stats != NULL ? stats_learning(entry->stats) : NULL,
        .log = learning->log,
    };

    if (pupil->predictions == NULL &&
        (make || prediction_log_exists(state_dir, entry->name, entry->version)))
        pupil->predictions = prediction_log_create(&params);
    return pupil->predictions;
}

bool learning_log(struct learning *learning, struct model_entry *entry, struct tap_sample *sample)
{
    struct prediction_log *predictions = NULL;
    struct pupil *pupil;
    bool accepted;

    if (learning->options->state_dir == NULL || sample == NULL)
        return false;
    pthread_mutex_lock(&learning->lock);
    pupil = find(learning, entry);
    if (pupil != NULL)
        predictions = predictions_of(learning, pupil, true);
    accepted = predictions != NULL && prediction_log_add(predictions, sample);
    pthread_mutex_unlock(&learning->lock);
    return accepted;
}

void learning_settle(struct learning *learning, const struct learn_job *job)
{
    struct pupil *pupil;

    if (job->served.key[0] == '\0')
        return;
    pthread_mutex_lock(&learning->lock);
    pupil = find(learning, job->entry);
    if (pupil != NULL && pupil->predictions != NULL)
        prediction_log_settle(pupil->predictions, job->served.id, job->served.nonce);
    pthread_mutex_unlock(&learning->lock);
}

bool learning_scrub(struct learning *learning, const struct model_entry *entry,
                    struct prediction_query *query)
{
    struct problem problem = {0};
    struct pupil *pupil;
    bool asked = false;

    pthread_mutex_lock(&learning->lock);
    pupil = find(learning, entry);
    if (pupil != NULL && predictions_of(learning, pupil, false) != NULL)
        asked = prediction_log_find(pupil->predictions, query, &problem);
    pthread_mutex_unlock(&learning->lock);
    return asked;
}

/* A label on its way from the log to the learner. */
struct lookup {
    struct prediction_query query;   /* first */
    struct learning *learning;
    struct learn_job *job;
};

/* On the log's thread. Without a prediction the learner is asked only if it may know the key. */
static void found(struct prediction_query *query, const struct prediction_found *found,
                  const struct problem *problem)
{
    struct lookup *lookup = (struct lookup *)query;
    struct learning *learning = lookup->learning;
    struct learn_job *job = lookup->job;
    struct problem own = *problem;

    free(lookup);
    if (own.status == 404 && job->key != NULL) {
        job->served.problem = own;
        own = (struct problem){0};
    } else if (own.status == 0) {
        feedback_join(job, found, &own);
    }
    if (own.status != 0 || !give(learning, job, &own))
        job->finish(job, NULL, NULL, -1, &own);
}

static bool look_up(struct learning *learning, struct learn_job *job, struct problem *problem)
{
    struct lookup *lookup = calloc(1, sizeof(*lookup));
    struct prediction_log *predictions = NULL;
    struct pupil *pupil;
    bool good = false;

    if (lookup == NULL)
        return problem_set(problem, 507, "no_memory", "no memory for the request");
    *lookup = (struct lookup){{job->served.id, found}, learning, job};
    pthread_mutex_lock(&learning->lock);
    pupil = find(learning, job->entry);
    if (pupil != NULL)
        predictions = predictions_of(learning, pupil, false);
    if (predictions != NULL)
        good = prediction_log_find(predictions, &lookup->query, problem);
    pthread_mutex_unlock(&learning->lock);
    if (good)
        return true;
    free(lookup);
    if (pupil == NULL)
        return problem_set(problem, 503, "reloading", "model '%s' is being reloaded",
                           job->entry->name);
    return problem_set(problem, 404, "unknown_prediction",
                       "no prediction of model '%s' is logged: ask for it with "
                       "\"parameters\": {\"log\": true}",
                       job->entry->name);
}

bool learning_submit(struct learning *learning, struct learn_job *job, struct problem *problem)
{
    if (learning->options->state_dir == NULL)
        return problem_set(problem, 409, "no_state_dir",
                           "learning needs --state-dir: without it what is learnt would be lost");
    return job->kind == LEARN_JOB_FEEDBACK ? look_up(learning, job, problem)
                                           : give(learning, job, problem);
}
