/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "server/jobs/job_store.h"

#include "server/learning/dataset_store.h"
#include "server/learning/storage_dir.h"
#include "server/whole_file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

enum { RECORD_BYTES_MAX = 4 << 20 };

static const char record_file[] = "job.json";
const char job_dataset[] = "dataset";
const char job_start[] = "start.onnx";
const char job_checkpoint[] = "checkpoint.safetensors";
const char job_result[] = "result.onnx";

static bool io_problem(struct problem *problem, const char *what)
{
    const bool full = errno == ENOSPC || errno == EDQUOT;

    return problem_set(problem, full ? 507 : 500, full ? "disk_full" : "io", "%s: %s", what,
                       strerror(errno));
}

static char *join(const char *left, const char *right)
{
    size_t size = strlen(left) + strlen(right) + 2;
    char *path = malloc(size);

    if (path != NULL)
        snprintf(path, size, "%s/%s", left, right);
    return path;
}

bool job_store_open(struct job_store *store, const char *state_dir, struct problem *problem)
{
    int state;

    *store = (struct job_store){.path = join(state_dir, "jobs"), .fd = -1};
    if (store->path == NULL)
        return problem_set(problem, 507, "no_memory", "out of memory");
    if (mkdir(store->path, 0700) == 0) {
        state = open(state_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (state >= 0)
            fsync(state);
        if (state >= 0)
            close(state);
    }
    store->fd = open(store->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    return store->fd >= 0 || io_problem(problem, "state-dir: no directory for jobs");
}

void job_store_finish(struct job_store *store)
{
    if (store->fd >= 0)
        close(store->fd);
    free(store->path);
    *store = (struct job_store){.fd = -1};
}

char *job_file(const struct job *job, const char *name)
{
    return join(job->path, name);
}

/* With job->saving. */
static bool write_record(struct job *job, const struct text *text, struct problem *problem)
{
    char *path = job_file(job, record_file);
    bool ok = path != NULL && !text->failed;
    int fd = -1;

    if (!ok)
        problem_set(problem, 507, "no_memory", "no memory for the job");
    ok = ok && whole_file_write(path, &(struct whole_part){text->data, text->length}, 1, problem);
    if (ok) {
        fd = open(job->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        ok = (fd >= 0 && fsync(fd) == 0) || io_problem(problem, "the job cannot be kept");
    }
    if (fd >= 0)
        close(fd);
    free(path);
    return ok;
}

bool job_save(struct job *job, struct problem *problem)
{
    struct text text;
    bool ok;

    text_init(&text);
    pthread_mutex_lock(&job->saving);
    job_encode(job, JOB_FORM_OWN, &text);
    ok = write_record(job, &text, problem);
    pthread_mutex_unlock(&job->saving);
    text_free(&text);
    return ok;
}

bool job_become(struct job *job, const struct job_record *next, struct problem *problem)
{
    struct text text;
    bool ok;

    text_init(&text);
    pthread_mutex_lock(&job->saving);
    job_encode_as(job, next, &text);
    ok = write_record(job, &text, problem);
    pthread_mutex_lock(&job->lock);
    job->record = *next;
    pthread_mutex_unlock(&job->lock);
    pthread_mutex_unlock(&job->saving);
    text_free(&text);
    return ok;
}

/* ---- made ---- */

static bool random_id(char id[JOB_ID_BYTES + 1])
{
    unsigned char bytes[JOB_ID_BYTES / 2];

    if (getrandom(bytes, sizeof(bytes), 0) != (ssize_t)sizeof(bytes))
        return false;
    for (size_t i = 0; i < sizeof(bytes); i++)
        snprintf(id + 2 * i, 3, "%02x", bytes[i]);
    return true;
}

static bool fill(const struct job_store *store, struct dataset_store *datasets, struct job *job,
                 struct problem *problem)
{
    int fd = open(job->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    bool ok = fd >= 0 || io_problem(problem, "the job has no directory");

    ok = ok && dataset_store_link(datasets, job->request.dataset, fd, job_dataset, problem) &&
         job_save(job, problem);
    if (fd >= 0)
        close(fd);
    return ok && (fsync(store->fd) == 0 || io_problem(problem, "the job cannot be kept"));
}

struct job *job_store_make(const struct job_store *store, struct dataset_store *datasets,
                           const struct job *form, struct job_request *request,
                           struct problem *problem)
{
    char id[JOB_ID_BYTES + 1], *path;
    struct job *job;

    if (!random_id(id)) {
        job_request_finish(request);
        io_problem(problem, "no random number");
        return NULL;
    }
    path = join(store->path, id);
    job = path != NULL ? job_create(id, path, request) : NULL;
    free(path);
    if (job == NULL) {
        problem_set(problem, 507, "no_memory", "no memory for the job");
        return NULL;
    }
    memcpy(job->model, form->model, sizeof(job->model));
    memcpy(job->version, form->version, sizeof(job->version));
    memcpy(job->key, form->key, sizeof(job->key));
    job->body = form->body;
    job->record.created_ms = form->record.created_ms;
    if (mkdirat(store->fd, id, 0700) != 0) {
        io_problem(problem, "the job has no directory");
    } else if (fill(store, datasets, job, problem)) {
        return job;
    } else {
        job_remove(store, job->id);
    }
    job_unref(job);
    return NULL;
}

/* ---- found again ---- */

static int64_t number(const json_t *root, const char *name)
{
    return json_integer_value(json_object_get(root, name));
}

static double real(const json_t *value, double missing)
{
    return json_is_number(value) ? json_number_value(value) : missing;
}

static bool copy(char *to, size_t size, const json_t *root, const char *name)
{
    const char *text = json_string_value(json_object_get(root, name));

    return text != NULL && (size_t)snprintf(to, size, "%s", text) < size;
}

static bool take_trials(struct job *job, const json_t *list)
{
    size_t n = json_array_size(list);

    if (n == 0)
        return true;
    job->trials = calloc(n, sizeof(*job->trials));
    job->cap_trials = (int)n;
    for (size_t i = 0; i < n && job->trials != NULL; i++) {
        const json_t *from = json_array_get(list, i);
        struct job_trial *trial = &job->trials[job->n_trials++];

        trial->score = real(json_object_get(from, "score"), -INFINITY);
        trial->metric = real(json_object_get(from, "metric"), NAN);
        trial->best_epoch = number(from, "best_epoch");
        copy(trial->setting, sizeof(trial->setting), from, "setting");
    }
    return job->trials != NULL;
}

static bool take_digest(const json_t *root, const char *name, struct digest *ret)
{
    const char *text = json_string_value(json_object_get(root, name));

    return text != NULL && digest_parse(text, strlen(text), ret);
}

static bool take_record(struct job *job, const json_t *root)
{
    struct job_record *record = &job->record;
    const json_t *validation = json_object_get(root, "validation");
    const char *state = json_string_value(json_object_get(root, "state"));
    int64_t phase = number(root, "phase");

    if (state == NULL || !job_state_find(state, &record->state) || phase < JOB_PHASE_WAITING ||
        phase > JOB_PHASE_TRAINED || !copy(job->model, sizeof(job->model), root, "model") ||
        !copy(job->version, sizeof(job->version), root, "version") ||
        !copy(job->key, sizeof(job->key), root, "key") || !take_digest(root, "body", &job->body) ||
        !take_digest(root, "base", &record->base))
        return false;
    record->phase = (enum job_phase)phase;
    atomic_store(&job->cancel, json_is_true(json_object_get(root, "cancel")));
    record->created_ms = number(root, "created_ms");
    record->started_ms = number(root, "started_ms");
    record->finished_ms = number(root, "finished_ms");
    record->restarts = (int)number(root, "restarts");
    record->base_generation = number(root, "base_generation");
    record->generation = number(root, "generation");
    record->epochs_done = number(root, "epochs_done");
    record->best_epoch = number(root, "best_epoch");
    record->refused = number(root, "refused_steps");
    record->metric = real(json_object_get(validation, "job"), NAN);
    record->serving_metric = real(json_object_get(validation, "serving"), NAN);
    copy(record->error, sizeof(record->error), root, "error");
    return take_trials(job, json_object_get(root, "trials"));
}

/* The request again, from the dataset's name and the parameters. */
static bool take_request(const json_t *root, struct job_request *request, struct problem *problem)
{
    json_t *body = json_pack("{s:O, s:O?}", "dataset", json_object_get(root, "dataset"), "parameters",
                             json_object_get(root, "parameters"));
    char *text = body != NULL ? json_dumps(body, JSON_COMPACT) : NULL;
    bool ok = text != NULL && job_request_decode(text, strlen(text), request, problem);

    json_decref(body);
    free(text);
    return ok || problem_set(problem, 500, "damaged", "it does not say what was asked");
}

static struct job *load(const struct job_store *store, const char *id, struct problem *problem)
{
    char *path = join(store->path, id);
    struct storage_dir dir = {.path = path, .fd = -1};
    struct storage_fault fault = {0};
    struct job_request request;
    unsigned char *text = NULL;
    json_t *root = NULL;
    struct job *job = NULL;
    size_t length;

    if (path != NULL)
        dir.fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    if (dir.fd >= 0)
        storage_file_read(&dir, record_file, RECORD_BYTES_MAX, &text, &length, &fault);
    if (text != NULL)
        root = json_loadb((const char *)text, length, JSON_REJECT_DUPLICATES, NULL);
    if (root != NULL && take_request(root, &request, problem))
        job = job_create(id, path, &request);
    if (fault.status == STORAGE_NOT_FOUND) {           /* nobody has been told of it */
        job_remove(store, id);
    } else if (job == NULL || !take_record(job, root)) {
        problem_set(problem, 500, "damaged", "%s is damaged", record_file);
        job_unref(job);
        job = NULL;
    }
    json_decref(root);
    free(text);
    if (dir.fd >= 0)
        close(dir.fd);
    free(path);
    return job;
}

static bool is_id(const char *name)
{
    return strlen(name) == JOB_ID_BYTES && strspn(name, "0123456789abcdef") == JOB_ID_BYTES;
}

bool job_store_load(const struct job_store *store,
                    void (*found)(void *arg, struct job *job, const char *name, const char *why),
                    void *arg)
{
    int fd = openat(store->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
    struct dirent *entry;

    if (dir == NULL && fd >= 0)
        close(fd);
    while (dir != NULL && (entry = readdir(dir)) != NULL) {
        struct problem problem = {0};

        if (is_id(entry->d_name))
            found(arg, load(store, entry->d_name, &problem), entry->d_name, problem.text);
    }
    if (dir != NULL)
        closedir(dir);
    return dir != NULL;
}

/* ---- gone ---- */

static void remove_file(const struct job *job, const char *name)
{
    char *path = job_file(job, name);

    if (path != NULL)
        unlink(path);
    free(path);
}

void job_tidy(const struct job *job, bool keep_result)
{
    remove_file(job, job_dataset);
    remove_file(job, job_start);
    remove_file(job, job_checkpoint);
    if (!keep_result)
        remove_file(job, job_result);
}

void job_remove(const struct job_store *store, const char *id)
{
    int fd = openat(store->fd, id, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
    struct dirent *entry;

    if (dir == NULL && fd >= 0)
        close(fd);
    /* What an interrupted write has left, too. */
    while (dir != NULL && (entry = readdir(dir)) != NULL)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            unlinkat(dirfd(dir), entry->d_name, 0);
    if (dir != NULL)
        closedir(dir);
    unlinkat(store->fd, id, AT_REMOVEDIR);
    fsync(store->fd);
}
