/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "server/jobs/job_run.h"

#include "server/clock.h"
#include "server/jobs/job_hooks.h"
#include "server/jobs/job_learner.h"
#include "server/observe/log.h"
#include "server/options.h"
#include "server/training/train_search.h"
#include "server/whole_file.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { JOB_NICENESS = 10, DATA_MEMORY = 256 << 20 };

/* ---- files ---- */

/* The whole file, in memory that text_free() frees. */
static bool read_file(const struct job *job, const char *name, struct text *text,
                      struct problem *problem)
{
    char *path = job_file(job, name);
    int fd = path != NULL ? open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW) : -1;
    struct stat info;
    ssize_t got = 1;

    free(path);
    text_init(text);
    if (fd >= 0 && fstat(fd, &info) == 0 && text_reserve(text, (size_t)info.st_size + 1))
        while (text->length < (size_t)info.st_size) {
            got = read(fd, text->data + text->length, (size_t)info.st_size - text->length);
            if (got > 0)
                text->length += (size_t)got;
            else if (got == 0 || errno != EINTR)
                break;
        }
    if (fd >= 0)
        close(fd);
    if (fd >= 0 && got > 0 && !text->failed)
        return true;
    text_free(text);
    return problem_set(problem, 500, "io", "the job's file %s cannot be read", name);
}

static bool write_start(const struct job *job, const struct text *file, struct problem *problem)
{
    char *path = job_file(job, job_start);
    bool ok = path != NULL || problem_set(problem, 507, "no_memory", "no memory for the job");

    ok = ok && whole_file_write(path, &(struct whole_part){file->data, file->length}, 1, problem);
    free(path);
    return ok;
}

/* ---- the phases ---- */

/* The model that it begins from, which stays the same however often the job is resumed. */
static bool take_start(struct job_work *work)
{
    struct job *job = work->job;
    int64_t generation;

    work->basis.hold = job->request.promote;
    if (!job_export(job, work->world, &work->model, &generation, &work->basis, work->problem))
        return false;
    if (job->record.phase == JOB_PHASE_WAITING) {
        if (!write_start(job, &work->model, work->problem))
            return false;
        pthread_mutex_lock(&job->lock);
        job->record.base_generation = generation;
        job->record.base = work->basis.base;
        job->record.phase = JOB_PHASE_TRAINING;
        pthread_mutex_unlock(&job->lock);
        return job_save(job, work->problem);
    }
    if (!digest_equal(&job->record.base, &work->basis.base))
        return problem_set(work->problem, 409, "other_model",
                           "the model's file is another than when the job began");
    text_free(&work->model);
    return read_file(job, job_start, &work->model, work->problem);
}

static bool open_session(struct job_work *work)
{
    struct job *job = work->job;
    char *path = job_file(job, job_dataset);
    struct train_material material = {
        .model = work->model.data,
        .model_bytes = work->model.length,
        .memory_bytes_max = (size_t)work->world->options->model_bytes_max,
        .data = {job->request.dataset, path != NULL ? open(path, O_RDONLY | O_CLOEXEC) : -1},
        .spill_dir = job->path,
        .stopped = job_is_stopped,
        .arg = job,
    };
    bool ok = material.data.fd >= 0 ||
              problem_set(work->problem, 500, "io", "the job's dataset cannot be read");

    ok = ok && job_request_settle(&job->request, &work->basis.config, work->problem);
    work->options = job->request.options;
    work->options.memory = work->world->options->model_bytes_max;
    work->options.data_memory = DATA_MEMORY;
    work->options.checkpoint = work->checkpoint;
    work->options.output = work->result;
    ok = ok && train_session_open(&work->session, &work->options, &material, work->problem);
    if (material.data.fd >= 0)
        close(material.data.fd);
    free(path);
    return ok;
}

static bool train(struct job_work *work)
{
    const struct train_hooks hooks = job_hooks(work);
    struct job *job = work->job;
    struct train_options best = work->options;
    char *texts = NULL;
    bool ok = true;

    pace_begin(&work->pace, work->world->pace);
    work->saved = train_clock();
    if (work->options.search != NULL)
        ok = train_search(&work->options, &work->session, &hooks, &best, &texts, work->problem);
    best.resume = access(work->checkpoint, F_OK) == 0;
    ok = ok && train_run(&best, &work->session, &hooks, &work->outcome, work->problem);
    free(texts);
    if (!ok)
        return false;
    pthread_mutex_lock(&job->lock);
    job->record.phase = JOB_PHASE_TRAINED;
    job->record.metric = work->outcome.metric;
    job->record.best_epoch = work->outcome.best_epoch;
    job->record.epochs_done = work->outcome.epochs;
    job->record.refused = work->outcome.refused;
    pthread_mutex_unlock(&job->lock);
    return job_save(job, work->problem);
}

/* What serves now, judged on the examples that judged the job's epochs. */
static bool measure_serving(struct job_work *work, double *ret, bool *ret_larger)
{
    struct job *job = work->job;
    struct train_verdict verdict;
    struct text file;
    int64_t generation;
    bool ok;

    if (!job_export(job, work->world, &file, &generation, NULL, work->problem))
        return false;
    ok = train_session_exchange(&work->session, file.data, file.length,
                                (size_t)work->world->options->model_bytes_max, work->problem) &&
         train_measure(&work->options, &work->session, &verdict, work->problem);
    text_free(&work->model);
    work->model = file;                /* the session's model borrows nothing, but its bytes are these */
    if (!ok)
        return false;
    train_metric(&verdict, work->options.metric, ret, ret_larger);
    pthread_mutex_lock(&job->lock);
    job->record.serving_metric = *ret;
    pthread_mutex_unlock(&job->lock);
    return true;
}

/* False with 409 "held" where the result is worse than what serves, or somebody else decides. */
static bool pass_gate(struct job_work *work)
{
    struct job *job = work->job;
    double serving = NAN, metric = job->record.metric;
    bool larger = false;

    if (work->options.validation > 0.0 && !measure_serving(work, &serving, &larger))
        return false;
    if (strcmp(work->basis.config.publish, "manual") == 0)
        return problem_set(work->problem, 409, "held",
                           "the model's training.publish is manual: promote the job to have it served");
    if (!job->request.gate)
        return true;
    if (!isfinite(metric))
        return problem_set(work->problem, 409, "held",
                           "the result's %s is not finite on the validation examples",
                           work->options.metric);
    if (!isfinite(serving) || (larger ? metric >= serving : metric <= serving))
        return true;
    return problem_set(work->problem, 409, "held",
                       "the result's %s is %.6g on the validation examples, that of the model that "
                       "serves %.6g", work->options.metric, metric, serving);
}

static bool adopt(struct job *job, const struct job_world *world, bool patient,
                  struct problem *problem)
{
    struct text file;
    int64_t generation;
    bool ok = read_file(job, job_result, &file, problem);

    ok = ok && job_adopt(job, world, patient, &file, &generation, problem);
    text_free(&file);
    if (!ok)
        return false;
    pthread_mutex_lock(&job->lock);
    job->record.generation = generation;
    pthread_mutex_unlock(&job->lock);
    return true;
}

static bool go_on(struct job_work *work)
{
    return !job_is_stopped(work->job) ||
           problem_set(work->problem, 499, "stopped", "the job was stopped");
}

static bool go(struct job_work *work)
{
    struct job *job = work->job;
    double serving;
    bool larger;

    work->checkpoint = job_file(job, job_checkpoint);
    work->result = job_file(job, job_result);
    if (work->checkpoint == NULL || work->result == NULL)
        return problem_set(work->problem, 507, "no_memory", "no memory for the job");
    if (!take_start(work) || !open_session(work))
        return false;
    if (job->record.phase < JOB_PHASE_TRAINED && !train(work))
        return false;
    if (job->request.promote)
        return pass_gate(work) && go_on(work) && adopt(job, work->world, true, work->problem);
    return work->options.validation == 0.0 || measure_serving(work, &serving, &larger);
}

/* Messages hold no path of ours. */
static void hide_path(const struct job *job, struct problem *problem)
{
    size_t length = strlen(job->path) + 1;
    char *at;

    while ((at = strstr(problem->text, job->path)) != NULL && strlen(at) >= length)
        memmove(at, at + length, strlen(at + length) + 1);
}

static void conclude(struct job *job, const struct job_world *world, bool ok,
                     struct problem *problem)
{
    struct job_record record = job_record(job);
    struct problem worse = {0};

    hide_path(job, problem);
    job_request_words(problem);
    if (record.generation == 0)
        job_release(job, world);
    record.finished_ms = clock_unix_ms();
    if (ok)
        record.state = JOB_DONE;
    else if (atomic_load(&job->cancel))
        record.state = JOB_CANCELLED;
    else
        record.state = record.phase == JOB_PHASE_TRAINED ? JOB_HELD : JOB_FAILED;
    if (!ok && record.state != JOB_CANCELLED)
        snprintf(record.error, sizeof(record.error), "%s", problem->text);
    if (!job_become(job, &record, &worse))
        log_write(world->log, LOG_LEVEL_ERROR, "a job's end could not be kept", "job=%s reason=%s",
                  job->id, worse.text);
    else
        job_tidy(job, record.phase == JOB_PHASE_TRAINED && record.generation == 0 &&
                          record.state != JOB_CANCELLED);
    log_write(world->log, LOG_LEVEL_INFO, "job ended",
              "job=%s model=%s state=%s epochs=%lld generation=%lld%s%s", job->id, job->model,
              job_state_text(record.state), (long long)record.epochs_done,
              (long long)record.generation, record.error[0] != '\0' ? " reason=" : "",
              record.error);
    job_tell_state(job);
}

void job_run(struct job *job, const struct job_world *world)
{
    struct problem problem = {0};
    struct job_work work = {.job = job, .world = world, .problem = &problem};
    bool ok;

    setpriority(PRIO_PROCESS, (id_t)syscall(SYS_gettid), JOB_NICENESS);
    pthread_mutex_lock(&job->lock);
    job->record.state = JOB_RUNNING;
    if (job->record.started_ms == 0)
        job->record.started_ms = clock_unix_ms();
    pthread_mutex_unlock(&job->lock);
    job_tell_state(job);
    text_init(&work.model);
    ok = job_save(job, &problem) && go(&work);
    train_session_finish(&work.session);
    text_free(&work.model);
    free(work.checkpoint);
    free(work.result);
    if (!ok && problem.status == 499 && !atomic_load(&job->cancel))
        return;                        /* paused: it is still what it was */
    conclude(job, world, ok, &problem);
}

bool job_promote(struct job *job, const struct job_world *world, struct problem *problem)
{
    struct job_record record;

    if (!adopt(job, world, false, problem))
        return false;
    record = job_record(job);
    record.state = JOB_DONE;
    record.error[0] = '\0';
    if (!job_become(job, &record, problem))
        return false;
    job_tidy(job, false);
    job_tell_state(job);
    return true;
}
