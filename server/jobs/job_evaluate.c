/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "server/jobs/job_evaluate.h"

#include "proto/learn_message.h"
#include "server/jobs/job_learner.h"
#include "server/learning/dataset_store.h"
#include "server/options.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { CALLS_MAX = 16, NICENESS = 10, DATA_MEMORY = 256 << 20 };

struct evaluations {
    struct job_world world;
    struct dataset_store *datasets;
    pthread_mutex_t lock;          /* of what follows */
    pthread_cond_t wake;
    bool threaded, stopping;
    pthread_t thread;
    struct evaluation_call *first, **last;
    int n_calls;
    struct job *now;               /* whom the thread asks the learner for; NULL: idle */
};

bool evaluation_check(const struct job_request *request, struct problem *problem)
{
    static const char *const taken[] = {"batch_size", "class_weights", "delimiter", "huber_delta",
                                        "ignore_index", "inputs", "label_smoothing", "loss",
                                        "skip_missing", "target", "threads"};
    enum { N_TAKEN = sizeof(taken) / sizeof(taken[0]) };
    const char *name;
    json_t *value;

    json_object_foreach (request->parameters, name, value) {
        int i = 0;

        while (i < N_TAKEN && strcmp(taken[i], name) != 0)
            i++;
        if (i == N_TAKEN)
            return problem_set(problem, 400, "bad_request",
                               "parameters.%.64s: means nothing to an evaluation", name);
    }
    return true;
}

static void encode(const struct job *job, const struct train_session *session,
                   const struct train_verdict *verdict, int64_t generation, struct text *body)
{
    struct learn_metric metrics[METRIC_COUNT];
    struct learn_response response = {.model_name = job->model,
                                      .model_version = job->version,
                                      .generation = generation,
                                      .durable = -1,
                                      .loss = verdict->loss,
                                      .examples = dataset_n_examples(session->dataset),
                                      .metrics = metrics};

    for (int i = 0; i < METRIC_COUNT && verdict->has_metrics; i++)
        if (isfinite(verdict->metrics.values[i]))
            metrics[response.n_metrics++] = (struct learn_metric){
                evaluation_metric_name((enum evaluation_metric)i), verdict->metrics.values[i]};
    learn_response_encode(&response, body);
}

/* For whom, for what is asked in between. */
struct asked {
    const struct job *job;
    const struct evaluation_call *call;
};

static bool is_stopped(const void *arg)
{
    const struct asked *asked = arg;

    return job_is_stopped(asked->job) || asked->call->is_abandoned(asked->call);
}

/* All examples, none kept apart. */
static bool measure(struct evaluations *evaluations, const struct evaluation_call *call,
                    struct job *job, int fd, const struct text *model,
                    const struct learn_config *config, int64_t generation, struct text *body,
                    struct problem *problem)
{
    struct train_options *options = &job->request.options;
    const struct train_material material = {
        .model = model->data,
        .model_bytes = model->length,
        .memory_bytes_max = (size_t)evaluations->world.options->model_bytes_max,
        .data = {job->request.dataset, fd},
        .spill_dir = evaluations->world.options->state_dir,
        .stopped = is_stopped,
        .arg = &(struct asked){job, call},
    };
    struct train_session session = {0};
    struct train_verdict verdict;
    bool ok = job_request_settle(&job->request, config, problem);

    options->validation = 0.0;
    options->memory = evaluations->world.options->model_bytes_max;
    options->data_memory = DATA_MEMORY;
    ok = ok && train_session_open(&session, options, &material, problem) &&
         train_measure(options, &session, &verdict, problem);
    if (ok)
        encode(job, &session, &verdict, generation, body);
    train_session_finish(&session);
    return ok;
}

static void evaluate(struct evaluations *evaluations, const struct evaluation_call *call,
                     struct job *job, struct text *body, struct problem *problem)
{
    struct learn_basis basis = {0};
    struct text model;
    int64_t generation;
    int fd = dataset_store_open(evaluations->datasets, job->request.dataset, problem);

    text_init(&model);
    if (fd >= 0 && job_export(job, &evaluations->world, &model, &generation, &basis, problem))
        measure(evaluations, call, job, fd, &model, &basis.config, generation, body, problem);
    job_request_words(problem);
    text_free(&model);
    if (fd >= 0)
        close(fd);
}

static void answer(struct evaluations *evaluations, struct evaluation_call *call)
{
    struct problem problem = {0};
    struct job *job = job_create("evaluation", "", &call->request);
    struct text body;

    text_init(&body);
    if (job == NULL) {
        problem_set(&problem, 507, "no_memory", "no memory to evaluate");
    } else if (call->is_abandoned(call)) {
        problem_set(&problem, 499, "client_gone", "the client has gone");
    } else {
        memcpy(job->model, call->model, sizeof(job->model));
        memcpy(job->version, call->version, sizeof(job->version));
        pthread_mutex_lock(&evaluations->lock);
        evaluations->now = job;
        atomic_store(&job->pause, evaluations->stopping);
        pthread_mutex_unlock(&evaluations->lock);
        evaluate(evaluations, call, job, &body, &problem);
        pthread_mutex_lock(&evaluations->lock);
        evaluations->now = NULL;
        pthread_mutex_unlock(&evaluations->lock);
    }
    if (problem.status == 0 && body.failed)
        problem_set(&problem, 507, "no_memory", "no memory for the answer");
    call->finished(call, &body, &problem);
    text_free(&body);
    job_unref(job);
}

static void *thread_main(void *arg)
{
    struct evaluations *evaluations = arg;
    struct evaluation_call *call;

    setpriority(PRIO_PROCESS, (id_t)syscall(SYS_gettid), NICENESS);
    for (;;) {
        pthread_mutex_lock(&evaluations->lock);
        while (evaluations->first == NULL && !evaluations->stopping)
            pthread_cond_wait(&evaluations->wake, &evaluations->lock);
        call = evaluations->first;
        if (call != NULL) {
            evaluations->first = call->next;
            evaluations->n_calls--;
            if (evaluations->first == NULL)
                evaluations->last = &evaluations->first;
        }
        pthread_mutex_unlock(&evaluations->lock);
        if (call == NULL)
            return NULL;
        answer(evaluations, call);
    }
}

struct evaluations *evaluations_create(const struct job_world *world, struct dataset_store *datasets)
{
    struct evaluations *evaluations = calloc(1, sizeof(*evaluations));

    if (evaluations == NULL)
        return NULL;
    evaluations->world = *world;
    evaluations->datasets = datasets;
    evaluations->last = &evaluations->first;
    pthread_mutex_init(&evaluations->lock, NULL);
    pthread_cond_init(&evaluations->wake, NULL);
    return evaluations;
}

void evaluations_destroy(struct evaluations *evaluations)
{
    if (evaluations == NULL)
        return;
    pthread_mutex_lock(&evaluations->lock);
    evaluations->stopping = true;
    if (evaluations->now != NULL)
        atomic_store(&evaluations->now->pause, true);
    pthread_cond_signal(&evaluations->wake);
    pthread_mutex_unlock(&evaluations->lock);
    if (evaluations->threaded)
        pthread_join(evaluations->thread, NULL);
    pthread_cond_destroy(&evaluations->wake);
    pthread_mutex_destroy(&evaluations->lock);
    free(evaluations);
}

bool evaluations_submit(struct evaluations *evaluations, struct evaluation_call *call,
                        struct problem *problem)
{
    bool good = true;

    pthread_mutex_lock(&evaluations->lock);
    if (evaluations->n_calls >= CALLS_MAX || evaluations->stopping) {
        problem->retry_after_s = 1;
        good = problem_set(problem, 503, "overloaded", "%d evaluations wait already",
                           evaluations->n_calls);
    }
    if (good && !evaluations->threaded) {
        evaluations->threaded =
            pthread_create(&evaluations->thread, NULL, thread_main, evaluations) == 0;
        good = evaluations->threaded ||
               problem_set(problem, 507, "no_thread", "no thread to evaluate on");
    }
    if (good) {
        call->next = NULL;
        *evaluations->last = call;
        evaluations->last = &call->next;
        evaluations->n_calls++;
        pthread_cond_signal(&evaluations->wake);
    }
    pthread_mutex_unlock(&evaluations->lock);
    return good;
}
