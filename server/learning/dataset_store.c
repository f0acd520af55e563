/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "server/learning/dataset_store.h"

#include "server/learning/dataset_describe.h"
#include "server/observe/log.h"
#include "server/options.h"
#include "server/serving/repository.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { JOBS_MAX = 64, LISTED_MAX = 10000 };

struct dataset_store {
    const struct options *options;
    struct log *log;
    int dir_fd;                  /* -1: no state directory */
    _Atomic uint64_t used_bytes; /* of all data sets */
    struct dataset_cache *cache; /* the thread's */
    bool threaded;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    struct dataset_job *first, **last;
    int n_jobs;
    bool stopping;
};

static bool io_problem(struct problem *problem, const char *what)
{
    const bool full = errno == ENOSPC || errno == EDQUOT;

    return problem_set(problem, full ? 507 : 500, full ? "disk_full" : "io", "%s: %s", what,
                       strerror(errno));
}

bool dataset_name_check(const char *name, struct problem *problem)
{
    if (model_name_is_valid(name))
        return true;
    return problem_set(problem, 400, "bad_name",
                       "a dataset's name begins with a letter or digit and has up to %d letters, "
                       "digits and . _ -",
                       DATASET_NAME_MAX);
}

/* Calls back for each data set; removes what an earlier process left half uploaded if `tidy`. */
static bool each_file(const struct dataset_store *store, bool tidy,
                      bool (*visit)(void *arg, const char *name, uint64_t bytes), void *arg)
{
    int fd = openat(store->dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
    struct dirent *entry;
    struct stat info;
    bool good = dir != NULL;

    if (dir == NULL && fd >= 0)
        close(fd);
    while (good && (entry = readdir(dir)) != NULL) {
        if (tidy && strncmp(entry->d_name, UPLOAD_PREFIX, strlen(UPLOAD_PREFIX)) == 0)
            unlinkat(store->dir_fd, entry->d_name, 0);
        if (!model_name_is_valid(entry->d_name) ||
            fstatat(store->dir_fd, entry->d_name, &info, AT_SYMLINK_NOFOLLOW) != 0 ||
            !S_ISREG(info.st_mode))
            continue;
        good = visit(arg, entry->d_name, (uint64_t)info.st_size);
    }
    if (dir != NULL)
        closedir(dir);
    return good;
}

static bool add_bytes(void *arg, const char *name, uint64_t bytes)
{
    struct dataset_store *store = arg;

    (void)name;
    atomic_fetch_add(&store->used_bytes, bytes);
    return true;
}

static int open_file(const struct dataset_store *store, const char *name, struct stat *ret_info,
                     struct problem *problem)
{
    int fd = openat(store->dir_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

    if (fd >= 0 && fstat(fd, ret_info) == 0 && S_ISREG(ret_info->st_mode))
        return fd;
    if (fd >= 0)
        close(fd);
    problem_set(problem, 404, "unknown_dataset", "no dataset named '%s'", name);
    return -1;
}

/* Synced before it gets its name, and the name synced before anybody is told. */
static bool publish(struct dataset_store *store, struct dataset_job *job, bool *ret_created,
                    struct problem *problem)
{
    struct stat before, after;
    bool replaced = fstatat(store->dir_fd, job->name, &before, AT_SYMLINK_NOFOLLOW) == 0;

    if (fsync(job->upload.fd) != 0 || fstat(job->upload.fd, &after) != 0)
        return io_problem(problem, "the dataset could not be stored");
    if (renameat(store->dir_fd, job->upload.name, store->dir_fd, job->name) != 0)
        return io_problem(problem, "the dataset could not be named");
    atomic_fetch_add(&store->used_bytes, (uint64_t)after.st_size);
    if (replaced)
        atomic_fetch_sub(&store->used_bytes, (uint64_t)before.st_size);
    if (fsync(store->dir_fd) != 0)
        return io_problem(problem, "the dataset's name could not be stored");
    *ret_created = !replaced;
    return true;
}

static bool put(struct dataset_store *store, struct dataset_job *job, struct text *body,
                bool *ret_created, struct problem *problem)
{
    struct stat info;

    if (fstat(job->upload.fd, &info) != 0)
        return io_problem(problem, "the upload cannot be read");
    if (!dataset_describe(NULL, job->name, job->upload.fd, &info, body, problem))
        return false;
    if (job->is_abandoned(job))
        return problem_set(problem, 499, "client_gone", "the client has gone");
    if (!publish(store, job, ret_created, problem))
        return false;
    dataset_cache_keep(store->cache, job->name, &info, body);
    log_write(store->log, LOG_LEVEL_INFO, "dataset stored", "dataset=%s bytes=%lld", job->name,
              (long long)info.st_size);
    return true;
}

static bool describe(struct dataset_store *store, const char *name, struct text *body,
                     struct problem *problem)
{
    struct stat info;
    int fd = open_file(store, name, &info, problem);
    bool good = fd >= 0 && dataset_describe(store->cache, name, fd, &info, body, problem);

    if (fd >= 0)
        close(fd);
    return good;
}

static bool remove_file(struct dataset_store *store, const char *name, struct text *body,
                        struct problem *problem)
{
    struct stat info;
    int fd = open_file(store, name, &info, problem);

    if (fd < 0)
        return false;
    close(fd);
    if (unlinkat(store->dir_fd, name, 0) != 0 || fsync(store->dir_fd) != 0)
        return io_problem(problem, "the dataset could not be removed");
    atomic_fetch_sub(&store->used_bytes, (uint64_t)info.st_size);
    text_puts(body, "{\"name\":");
    text_json_string(body, name, strlen(name));
    text_puts(body, ",\"removed\":true}");
    log_write(store->log, LOG_LEVEL_INFO, "dataset removed", "dataset=%s", name);
    return true;
}

struct listing {
    struct dataset_listed {
        char name[DATASET_NAME_MAX + 1];
        uint64_t bytes;
    } *files;
    int n, capacity;
};

static bool add_listed(void *arg, const char *name, uint64_t bytes)
{
    struct listing *listing = arg;

    if (listing->n == LISTED_MAX)
        return true;
    if (listing->n == listing->capacity) {
        int capacity = listing->capacity * 2 + 16;
        struct dataset_listed *grown = realloc(listing->files, (size_t)capacity * sizeof(*grown));

        if (grown == NULL)
            return false;
        listing->files = grown;
        listing->capacity = capacity;
    }
    memcpy(listing->files[listing->n].name, name, strlen(name) + 1);
    listing->files[listing->n++].bytes = bytes;
    return true;
}

static int by_name(const void *left, const void *right)
{
    return strcmp(((const struct dataset_listed *)left)->name,
                  ((const struct dataset_listed *)right)->name);
}

static bool list(struct dataset_store *store, struct text *body, struct problem *problem)
{
    struct listing listing = {0};
    bool good = each_file(store, false, add_listed, &listing);

    if (good && listing.n > 0)
        qsort(listing.files, (size_t)listing.n, sizeof(listing.files[0]), by_name);
    text_puts(body, "{\"datasets\":[");
    for (int i = 0; good && i < listing.n; i++) {
        text_puts(body, i > 0 ? ",{\"name\":" : "{\"name\":");
        text_json_string(body, listing.files[i].name, strlen(listing.files[i].name));
        text_printf(body, ",\"bytes\":%llu}", (unsigned long long)listing.files[i].bytes);
    }
    text_puts(body, "]}");
    free(listing.files);
    return good || io_problem(problem, "the datasets cannot be listed");
}

static void run(struct dataset_store *store, struct dataset_job *job)
{
    struct problem problem = {0};
    struct text body;
    bool created = false;

    text_init(&body);
    if (job->is_abandoned(job))
        problem_set(&problem, 499, "client_gone", "the client has gone");
    else if (job->work == DATASET_PUT)
        put(store, job, &body, &created, &problem);
    else if (job->work == DATASET_DESCRIBE)
        describe(store, job->name, &body, &problem);
    else if (job->work == DATASET_REMOVE)
        remove_file(store, job->name, &body, &problem);
    else
        list(store, &body, &problem);
    if (problem.status == 0 && body.failed)
        problem_set(&problem, 507, "no_memory", "no memory for the answer");
    upload_finish(&job->upload);
    job->finished(job, &body, created, &problem);
    text_free(&body);
}

static void *thread_main(void *arg)
{
    struct dataset_store *store = arg;
    struct dataset_job *job;

    for (;;) {
        pthread_mutex_lock(&store->lock);
        while (store->first == NULL && !store->stopping)
            pthread_cond_wait(&store->wake, &store->lock);
        job = store->first;
        if (job != NULL) {
            store->first = job->next;
            store->n_jobs--;
            if (store->first == NULL)
                store->last = &store->first;
        }
        pthread_mutex_unlock(&store->lock);
        if (job == NULL)
            return NULL;
        run(store, job);
    }
}

/* <state>/datasets, made if it is not there. */
static bool open_dir(struct dataset_store *store, struct problem *problem)
{
    int state = open(store->options->state_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (state >= 0 && (mkdirat(state, "datasets", 0700) == 0 || errno == EEXIST))
        store->dir_fd = openat(state, "datasets", O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    if (store->dir_fd < 0)
        io_problem(problem, "state-dir: no directory for datasets");
    else
        fsync(state);
    if (state >= 0)
        close(state);
    return store->dir_fd >= 0 && each_file(store, true, add_bytes, store);
}

struct dataset_store *dataset_store_create(const struct options *options, struct log *log,
                                           struct problem *problem)
{
    struct dataset_store *store = calloc(1, sizeof(*store));

    if (store == NULL) {
        problem_set(problem, 507, "no_memory", "out of memory");
        return NULL;
    }
    store->options = options;
    store->log = log;
    store->dir_fd = -1;
    store->last = &store->first;
    pthread_mutex_init(&store->lock, NULL);
    pthread_cond_init(&store->wake, NULL);
    if (options->state_dir == NULL)
        return store;
    store->cache = dataset_cache_create();
    if (store->cache == NULL) {
        problem_set(problem, 507, "no_memory", "out of memory");
    } else if (open_dir(store, problem)) {
        store->threaded = pthread_create(&store->thread, NULL, thread_main, store) == 0;
        if (!store->threaded)
            problem_set(problem, 500, "no_thread", "no thread for datasets");
    }
    if (!store->threaded) {
        dataset_store_destroy(store);
        return NULL;
    }
    return store;
}

void dataset_store_destroy(struct dataset_store *store)
{
    if (store == NULL)
        return;
    if (store->threaded) {
        pthread_mutex_lock(&store->lock);
        store->stopping = true;
        pthread_cond_signal(&store->wake);
        pthread_mutex_unlock(&store->lock);
        pthread_join(store->thread, NULL);
    }
    dataset_cache_destroy(store->cache);
    pthread_cond_destroy(&store->wake);
    pthread_mutex_destroy(&store->lock);
    if (store->dir_fd >= 0)
        close(store->dir_fd);
    free(store);
}

static bool check_open(const struct dataset_store *store, struct problem *problem)
{
    return store->dir_fd >= 0 ||
           problem_set(problem, 503, "no_state_dir",
                       "datasets need a state directory: start inferd with --state-dir");
}

bool dataset_store_admit(struct dataset_store *store, int *ret_dir_fd, uint64_t *ret_bytes_max,
                         struct problem *problem)
{
    uint64_t used = atomic_load(&store->used_bytes);
    uint64_t total = (uint64_t)store->options->dataset_bytes_total_max;

    if (!check_open(store, problem))
        return false;
    if (used >= total)
        return problem_set(problem, 507, "over_budget",
                           "datasets take %llu bytes together, of the %llu that are allowed: remove "
                           "some",
                           (unsigned long long)used, (unsigned long long)total);
    *ret_dir_fd = store->dir_fd;
    *ret_bytes_max = (uint64_t)store->options->dataset_bytes_max;
    if (*ret_bytes_max > total - used)
        *ret_bytes_max = total - used;
    return true;
}

int dataset_store_open(const struct dataset_store *store, const char *name, struct problem *problem)
{
    struct stat info;

    if (!check_open(store, problem) || !dataset_name_check(name, problem))
        return -1;
    return open_file(store, name, &info, problem);
}

bool dataset_store_link(const struct dataset_store *store, const char *name, int dir_fd,
                        const char *as, struct problem *problem)
{
    if (!check_open(store, problem) || !dataset_name_check(name, problem))
        return false;
    if (linkat(store->dir_fd, name, dir_fd, as, 0) == 0)
        return true;
    if (errno == ENOENT)
        return problem_set(problem, 404, "unknown_dataset", "no dataset named '%s'", name);
    return io_problem(problem, "the dataset cannot be kept for the job");
}

bool dataset_store_submit(struct dataset_store *store, struct dataset_job *job,
                          struct problem *problem)
{
    bool full;

    if (!check_open(store, problem))
        return false;
    pthread_mutex_lock(&store->lock);
    full = store->n_jobs >= JOBS_MAX;
    if (!full) {
        job->next = NULL;
        *store->last = job;
        store->last = &job->next;
        store->n_jobs++;
        pthread_cond_signal(&store->wake);
    }
    pthread_mutex_unlock(&store->lock);
    if (full) {
        problem->retry_after_s = 1;
        return problem_set(problem, 503, "overloaded", "too many requests for datasets are waiting");
    }
    return true;
}
