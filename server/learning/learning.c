/* SPDX-License-Identifier: Apache-2.0 */
#include "server/learning/learning.h"

#include "server/options.h"

#include <pthread.h>
#include <stdlib.h>

/* An entry that is served, and its learner once there is one. */
struct pupil {
    struct model_entry *entry;     /* the registry's reference keeps it alive until `leaving` */
    struct learn_config config;
    struct learner *learner;
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

void learning_destroy(struct learning *learning)
{
    if (learning == NULL)
        return;
    while (learning->pupils != NULL) {
        struct pupil *pupil = learning->pupils;

        learning->pupils = pupil->next;
        learner_destroy(pupil->learner);
        free(pupil);
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
    if (state_dir != NULL && learner_has_state(state_dir, entry)) {
        pupil->learner = start(learning, pupil);
        if (pupil->learner == NULL || !learner_wait(pupil->learner, err)) {
            if (pupil->learner == NULL)
                engine_error_set(err, ENGINE_NO_MEMORY, "no thread for what it has learnt");
            learner_destroy(pupil->learner);
            free(pupil);
            return false;
        }
    }
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
    if (pupil == NULL)
        return;
    learner_destroy(pupil->learner);
    free(pupil);
}

struct registry_watch learning_watch(struct learning *learning)
{
    return (struct registry_watch){entry_loading, entry_leaving, learning};
}

bool learning_submit(struct learning *learning, struct learn_job *job, struct problem *problem)
{
    struct pupil *pupil;
    bool good;

    if (learning->options->state_dir == NULL)
        return problem_set(problem, 409, "no_state_dir",
                           "learning needs --state-dir: without it what is learnt would be lost");
    pthread_mutex_lock(&learning->lock);
    for (pupil = learning->pupils; pupil != NULL && pupil->entry != job->entry;)
        pupil = pupil->next;
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
