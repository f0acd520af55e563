/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "server/learning/prediction_log.h"

#include "server/clock.h"
#include "server/observe/learning_stats.h"
#include "server/observe/log.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum {
    DIRECTORY_BYTES = 128,
    TIDY_MS_MIN = 1000, /* between two looks for what is too old */
    TIDY_MS_MAX = 10 * 1000,
    TIDY_PART = 10, /* of the time that predictions are kept */
    REST_MS = 1000, /* after a failed write */
};

/* What waits: one of the three. */
struct item {
    struct item *next;
    struct tap_sample *sample;      /* to be added */
    struct prediction_query *query; /* to be answered */
    uint64_t nonce;                 /* of `id`, to be settled */
    char id[PREDICTION_ID_BYTES_MAX + 1];
};

struct prediction_log {
    struct prediction_store_options options;
    struct learning_stats *stats;
    struct log *log;
    char *state_path, *model, *version;
    pthread_t thread;
    pthread_mutex_t lock; /* of what follows */
    pthread_cond_t wake;
    struct item *first, **last;
    int n_waiting;
    size_t waiting_bytes;
    bool closing;
    bool failing; /* the last write failed: nothing is accepted for a while */

    /* The thread's own. */
    struct storage_dir dir;
    struct prediction_store *store;
    int64_t failed_ms; /* when it last could not be opened or written; CLOCK_MONOTONIC */
};

static int64_t now_ms(void)
{
    return (int64_t)(clock_now_ns() / 1000000);
}

static void directory_name(const char *model, const char *version, char name[DIRECTORY_BYTES])
{
    snprintf(name, DIRECTORY_BYTES, "%.64s@%.20s.predictions", model, version);
}

bool prediction_log_exists(const char *state_path, const char *model, const char *version)
{
    char name[DIRECTORY_BYTES], path[4096];

    directory_name(model, version, name);
    return snprintf(path, sizeof(path), "%s/learning/%s/%s", state_path, name, prediction_file) <
               (int)sizeof(path) &&
           access(path, F_OK) == 0;
}

static void count(struct prediction_log *log, enum learning_number which, double amount)
{
    if (log->stats != NULL)
        learning_stats_add(log->stats, which, amount);
}

/* --- the file --- */

static void set_failing(struct prediction_log *log, bool failing)
{
    pthread_mutex_lock(&log->lock);
    log->failing = failing;
    pthread_mutex_unlock(&log->lock);
}

static void close_store(struct prediction_log *log)
{
    prediction_store_close(log->store);
    log->store = NULL;
}

/* A file that does not hold makes room for a new one; after anything else it is opened again later.
 */
static void fail(struct prediction_log *log, const struct storage_fault *fault)
{
    struct storage_fault aside = {0};

    log->failed_ms = now_ms();
    set_failing(log, true);
    log_write(log->log, fault->status == STORAGE_DAMAGED ? LOG_LEVEL_ERROR : LOG_LEVEL_WARNING,
              fault->status == STORAGE_DAMAGED ? "the log of predictions is damaged"
                                               : "predictions cannot be logged",
              "model=%s version=%s file=%s reason=%s", log->model, log->version, fault->file,
              fault->text);
    close_store(log);
    if (fault->status != STORAGE_DAMAGED)
        return;
    if (prediction_store_set_aside(&log->dir, &aside) != STORAGE_OK) {
        log_write(log->log, LOG_LEVEL_ERROR, "a damaged log cannot be set aside",
                  "model=%s version=%s reason=%s", log->model, log->version, aside.text);
        return;
    }
    log_write(log->log, LOG_LEVEL_WARNING, "a log of predictions was set aside, a new one begins",
              "model=%s version=%s file=%s", log->model, log->version, prediction_file_damaged);
    log->failed_ms = 0;
    set_failing(log, false);
}

static void measure(struct prediction_log *log)
{
    struct storage_fault fault = {0};
    uint64_t kept, bytes;

    if (log->store == NULL || log->stats == NULL)
        return;
    if (prediction_store_measure(log->store, &kept, &bytes, &fault) != STORAGE_OK) {
        fail(log, &fault);
        return;
    }
    learning_stats_set(log->stats, LEARNING_LOG_BYTES, (double)bytes);
    learning_stats_set(log->stats, LEARNING_LOG_PREDICTIONS, (double)kept);
}

/* Opens it unless that has just failed. A damaged file takes two turns. */
static bool has_store(struct prediction_log *log, struct storage_fault *fault)
{
    char name[DIRECTORY_BYTES];

    for (int turn = 0; turn < 2 && log->store == NULL; turn++) {
        enum storage_status status = STORAGE_OK;

        if (log->failed_ms != 0 && now_ms() - log->failed_ms < REST_MS) {
            storage_fault_set(fault, STORAGE_IO, prediction_file, 0,
                              "%s could not be opened or written a moment ago", prediction_file);
            return false;
        }
        *fault = (struct storage_fault){0};
        directory_name(log->model, log->version, name);
        if (log->dir.path == NULL)
            status = storage_dir_open(&log->dir, log->state_path, name, fault);
        if (status == STORAGE_OK)
            status = prediction_store_open(&log->dir, &log->options, &log->store, fault);
        if (status != STORAGE_OK)
            fail(log, fault);
    }
    if (log->store == NULL)
        return false;
    if (log->failed_ms != 0)
        set_failing(log, false);
    log->failed_ms = 0;
    return true;
}

/* --- what waits --- */

/* Adds the samples at the front of the list, with one commit; returns what comes after them. */
static struct item *add_all(struct prediction_log *log, struct item *items)
{
    struct storage_fault fault = {0};
    bool good = has_store(log, &fault);
    int added = 0, lost = 0;

    for (struct item *next; items != NULL && items->sample != NULL; items = next) {
        enum storage_status status = STORAGE_IO;

        if (good)
            status = prediction_store_add(log->store, items->sample, &fault);
        if (good && status == STORAGE_LIMIT)
            fault = (struct storage_fault){0};
        else
            good = good && status == STORAGE_OK;
        added += status == STORAGE_OK;
        lost += status != STORAGE_OK;
        next = items->next;
        tap_sample_unref(items->sample);
        free(items);
    }
    if (good && prediction_store_commit(log->store, &fault) != STORAGE_OK)
        good = false;
    if (!good) {
        lost += added;
        added = 0;
        if (log->store != NULL)
            fail(log, &fault);
    }
    count(log, LEARNING_LOGGED, added);
    count(log, LEARNING_LOG_LOST, lost);
    return items;
}

/* A damaged file is set aside, and the new one asked. */
static enum storage_status look_up(struct prediction_log *log, const char *id,
                                   struct prediction_found *ret, struct storage_fault *fault)
{
    enum storage_status status = STORAGE_DAMAGED;

    for (int turn = 0; turn < 2 && status == STORAGE_DAMAGED; turn++) {
        if (!has_store(log, fault))
            return STORAGE_IO;
        *fault = (struct storage_fault){0};
        status = id == NULL
                     ? prediction_store_scrub(log->store, fault)
                     : prediction_store_find(log->store, id, clock_unix_ms(), ret, fault);
        if (status != STORAGE_OK && status != STORAGE_NOT_FOUND && status != STORAGE_BUSY)
            fail(log, fault);
    }
    return status;
}

static void answer(struct prediction_log *log, struct prediction_query *query)
{
    struct prediction_found found = {0};
    struct storage_fault fault = {0};
    struct problem problem = {0};
    enum storage_status status = look_up(log, query->id, &found, &fault);

    if (status == STORAGE_NOT_FOUND)
        problem_set(
            &problem, 404, "unknown_prediction",
            "no prediction with the id '%.128s' is logged for model '%s': it was not logged, or "
            "is older than log_ttl_s, or had to make room",
            query->id, log->model);
    else if (status != STORAGE_OK)
        problem_set(&problem, 503, "log_failed", "the log of predictions cannot be read: %s",
                    fault.text);
    query->found(query, &found, &problem);
}

static void settle(struct prediction_log *log, const struct item *item)
{
    struct storage_fault fault = {0};

    if (has_store(log, &fault) &&
        prediction_store_settle(log->store, item->id, item->nonce, &fault) != STORAGE_OK)
        fail(log, &fault);
}

static void serve(struct prediction_log *log, struct item *items)
{
    while (items != NULL) {
        struct item *next = items->next;

        if (items->sample != NULL) {
            items = add_all(log, items);
            continue;
        }
        if (items->query != NULL)
            answer(log, items->query);
        else
            settle(log, items);
        free(items);
        items = next;
    }
}

/* Waits for items or for `until` (CLOCK_MONOTONIC); NULL with *ret_closing at the end. */
static struct item *take_all(struct prediction_log *log, int64_t until_ms, bool *ret_closing)
{
    const struct timespec until = {until_ms / 1000, until_ms % 1000 * 1000000};
    struct item *items;
    int result = 0;

    pthread_mutex_lock(&log->lock);
    while (log->first == NULL && !log->closing && result == 0)
        result = pthread_cond_timedwait(&log->wake, &log->lock, &until);
    items = log->first;
    log->first = NULL;
    log->last = &log->first;
    log->n_waiting = 0;
    log->waiting_bytes = 0;
    *ret_closing = log->closing;
    pthread_mutex_unlock(&log->lock);
    return items;
}

/* Returns when to look again. */
static int64_t tidy(struct prediction_log *log, int64_t begun_ms)
{
    int64_t gap_ms = log->options.ttl_ms / TIDY_PART;
    struct storage_fault fault = {0};
    bool more = false;

    if (!has_store(log, &fault))
        return begun_ms + REST_MS;
    if (prediction_store_expire(log->store, clock_unix_ms(), &more, &fault) != STORAGE_OK)
        fail(log, &fault);
    else if (!more)
        measure(log);
    if (more)
        return begun_ms; /* after what waits meanwhile */
    if (gap_ms < TIDY_MS_MIN)
        gap_ms = TIDY_MS_MIN;
    return begun_ms + (gap_ms > TIDY_MS_MAX ? TIDY_MS_MAX : gap_ms);
}

static void *log_main(void *arg)
{
    struct prediction_log *log = arg;
    int64_t tidy_ms = 0;
    bool closing = false;

    pthread_setname_np(pthread_self(), "predictions");
    while (!closing) {
        struct item *items = take_all(log, tidy_ms, &closing);
        int64_t begun_ms = now_ms();

        serve(log, items);
        if (begun_ms >= tidy_ms && !closing)
            tidy_ms = tidy(log, begun_ms);
    }
    close_store(log);
    storage_dir_close(&log->dir);
    return NULL;
}

/* --- from outside --- */

static void destroy(struct prediction_log *log)
{
    pthread_cond_destroy(&log->wake);
    pthread_mutex_destroy(&log->lock);
    free(log->state_path);
    free(log->model);
    free(log->version);
    free(log);
}

struct prediction_log *prediction_log_create(const struct prediction_log_params *params)
{
    struct prediction_log *log = calloc(1, sizeof(*log));
    pthread_condattr_t attributes;

    if (log == NULL)
        return NULL;
    log->options = params->store;
    log->stats = params->stats;
    log->log = params->log;
    log->last = &log->first;
    log->dir.fd = -1;
    pthread_mutex_init(&log->lock, NULL);
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&log->wake, &attributes);
    pthread_condattr_destroy(&attributes);
    log->state_path = strdup(params->state_path);
    log->model = strdup(params->model);
    log->version = strdup(params->version);
    if (log->state_path != NULL && log->model != NULL && log->version != NULL &&
        pthread_create(&log->thread, NULL, log_main, log) == 0)
        return log;
    destroy(log);
    return NULL;
}

void prediction_log_destroy(struct prediction_log *log)
{
    if (log == NULL)
        return;
    pthread_mutex_lock(&log->lock);
    log->closing = true;
    pthread_cond_signal(&log->wake);
    pthread_mutex_unlock(&log->lock);
    pthread_join(log->thread, NULL);
    destroy(log);
}

/* False when there is no room; the item stays the caller's then. */
static bool put(struct prediction_log *log, struct item *item)
{
    size_t bytes = item->sample != NULL ? item->sample->bytes : 0;
    bool good;

    pthread_mutex_lock(&log->lock);
    good = !log->closing && log->n_waiting < PREDICTION_LOG_QUEUE_MAX &&
           (item->sample == NULL ||
            (!log->failing && bytes <= PREDICTION_LOG_BYTES_MAX - log->waiting_bytes));
    if (good) {
        *log->last = item;
        log->last = &item->next;
        log->n_waiting++;
        log->waiting_bytes += bytes;
        pthread_cond_signal(&log->wake);
    } else if (item->sample != NULL) {
        count(log, LEARNING_LOG_REFUSED, 1);
    }
    pthread_mutex_unlock(&log->lock);
    return good;
}

bool prediction_log_add(struct prediction_log *log, struct tap_sample *sample)
{
    struct item *item;

    if (sample->id == NULL ||
        strnlen(sample->id, PREDICTION_ID_BYTES_MAX + 1) > PREDICTION_ID_BYTES_MAX)
        return false;
    item = calloc(1, sizeof(*item));
    if (item == NULL)
        return false;
    item->sample = tap_sample_ref(sample);
    if (put(log, item))
        return true;
    tap_sample_unref(sample);
    free(item);
    return false;
}

bool prediction_log_find(struct prediction_log *log, struct prediction_query *query,
                         struct problem *problem)
{
    struct item *item = calloc(1, sizeof(*item));

    if (item == NULL)
        return problem_set(problem, 507, "no_memory", "no memory for the request");
    item->query = query;
    if (put(log, item))
        return true;
    free(item);
    problem->retry_after_s = 1;
    return problem_set(problem, 503, "queue_full", "too many labels wait already");
}

void prediction_log_settle(struct prediction_log *log, const char *id, uint64_t nonce)
{
    struct item *item = calloc(1, sizeof(*item));

    if (item == NULL)
        return;
    snprintf(item->id, sizeof(item->id), "%s", id);
    item->nonce = nonce;
    if (!put(log, item))
        free(item);
}
