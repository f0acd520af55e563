/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "server/jobs/job_run.h"

#include "server/jobs/job_learner.h"
#include "server/learning/pace.h"
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
#include <time.h>
#include <unistd.h>

enum { JOB_NICENESS = 10, DATA_MEMORY = 256 << 20 };

static const double TELL_S = 0.25;

/* One job under way. */
struct work {
    struct job *job;
    const struct job_world *world;
    struct train_options options;
    struct learn_basis basis;
    struct train_session session;
    struct text model;             /* the file that the session's model is of */
    struct train_outcome outcome;
    struct pace_runner pace;
    double told, saved;            /* when, on the monotonic clock */
    char *checkpoint, *result;
    struct problem *problem;
};

static int64_t now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

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

/* ---- what hooks tell ---- */

static enum train_order order_of(const struct job *job)
{
    if (atomic_load(&job->cancel))
        return TRAIN_STOP;
    return atomic_load(&job->pause) ? TRAIN_PAUSE : TRAIN_GO_ON;
}

static bool go_on(struct work *work)
{
    return !job_is_stopped(work->job) ||
           problem_set(work->problem, 499, "stopped", "the job was stopped");
}

static void tell_moment(struct work *work, const struct train_moment *moment)
{
    struct text data;

    text_init(&data);
    text_printf(&data, "{\"epoch\":%lld,\"epochs\":%lld,\"step\":%lld,\"steps\":%lld,\"loss\":",
                (long long)moment->epoch, (long long)moment->epochs, (long long)moment->step,
                (long long)moment->steps);
    text_json_finite(&data, moment->loss);
    text_printf(&data, ",\"examples_per_second\":%.1f,\"seconds_left\":%.1f}",
                moment->examples_a_second, moment->seconds_left);
    job_tell(work->job, "progress", &data);
    text_free(&data);
}

static enum train_order on_step(void *arg, const struct train_moment *moment)
{
    struct work *work = arg;
    struct job *job = work->job;
    enum train_order order = order_of(job);
    double now = train_clock();

    pthread_mutex_lock(&job->lock);
    job->record.moment = *moment;
    pthread_mutex_unlock(&job->lock);
    if (now - work->told >= TELL_S) {
        work->told = now;
        tell_moment(work, moment);
    }
    if (order != TRAIN_GO_ON)
        return order;
    pace_point(&work->pace, &job->cancel);
    if (now - work->saved < job->request.checkpoint_s)
        return TRAIN_GO_ON;
    work->saved = now;
    return TRAIN_CHECKPOINT;
}

static enum train_order on_epoch(void *arg, const struct train_epoch *epoch)
{
    struct work *work = arg;
    struct job *job = work->job;
    struct text data;

    pthread_mutex_lock(&job->lock);
    job->record.epochs_done = (int64_t)epoch->point->epoch;
    if (epoch->best) {
        job->record.best_epoch = job->record.epochs_done;
        job->record.metric = epoch->point->metric;
    }
    pthread_mutex_unlock(&job->lock);
    text_init(&data);
    text_printf(&data, "{\"epoch\":%.0f,\"loss\":", epoch->point->epoch);
    text_json_finite(&data, epoch->point->loss);
    if (epoch->judged) {
        text_puts(&data, ",\"validation_loss\":");
        text_json_finite(&data, epoch->point->validation_loss);
    }
    text_printf(&data, ",\"metric\":\"%s\",\"value\":", work->options.metric);
    text_json_finite(&data, epoch->point->metric);
    text_printf(&data, ",\"best\":%s,\"seconds\":%.3f}", epoch->best ? "true" : "false",
                epoch->point->seconds);
    job_tell(job, "epoch", &data);
    text_free(&data);
    return order_of(job);
}

/* With the lock. */
static bool grow_trials(struct job *job)
{
    int cap = job->cap_trials * 2 + 16;
    struct job_trial *grown;

    if (job->n_trials < job->cap_trials)
        return true;
    grown = realloc(job->trials, (size_t)cap * sizeof(*grown));
    if (grown == NULL)
        return false;
    job->trials = grown;
    job->cap_trials = cap;
    return true;
}

static bool add_trial(struct job *job, const struct job_trial *trial)
{
    bool ok;

    pthread_mutex_lock(&job->lock);
    ok = grow_trials(job);
    if (ok)
        job->trials[job->n_trials++] = *trial;
    pthread_mutex_unlock(&job->lock);
    return ok;
}

static void on_trial(void *arg, int number, const struct train_outcome *outcome, const char *setting)
{
    struct work *work = arg;
    struct job_trial trial = {outcome->score, outcome->metric, outcome->best_epoch, ""};
    struct problem ignored = {0};
    struct text data;

    snprintf(trial.setting, sizeof(trial.setting), "%.*s", JOB_SETTING_BYTES - 1, setting);
    if (number != work->job->n_trials + 1 || !add_trial(work->job, &trial))
        return;
    text_init(&data);
    text_printf(&data, "{\"trial\":%d,\"setting\":", number);
    text_json_string(&data, trial.setting, strlen(trial.setting));
    if (isfinite(outcome->metric))
        text_printf(&data, ",\"value\":%.9g", outcome->metric);
    text_puts(&data, "}");
    job_tell(work->job, "trial", &data);
    text_free(&data);
    job_save(work->job, &ignored);      /* else this trial is run again after a crash, to the same end */
}

static bool known_trial(void *arg, int number, struct train_outcome *ret)
{
    const struct job *job = ((struct work *)arg)->job;

    if (number > job->n_trials)
        return false;
    *ret = (struct train_outcome){.score = job->trials[number - 1].score,
                                  .metric = job->trials[number - 1].metric,
                                  .best_epoch = job->trials[number - 1].best_epoch};
    return true;
}

/* ---- the phases ---- */

/* The model that it begins from, which stays the same however often the job is resumed. */
static bool take_start(struct work *work)
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

static bool open_session(struct work *work)
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

static bool train(struct work *work)
{
    const struct train_hooks hooks = {.arg = work, .step = on_step, .epoch = on_epoch,
                                      .trial = on_trial, .known = known_trial};
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
static bool measure_serving(struct work *work, double *ret, bool *ret_larger)
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
static bool pass_gate(struct work *work)
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

static bool go(struct work *work)
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
    record.finished_ms = now_ms();
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
    struct work work = {.job = job, .world = world, .problem = &problem};
    bool ok;

    setpriority(PRIO_PROCESS, (id_t)syscall(SYS_gettid), JOB_NICENESS);
    pthread_mutex_lock(&job->lock);
    job->record.state = JOB_RUNNING;
    if (job->record.started_ms == 0)
        job->record.started_ms = now_ms();
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
