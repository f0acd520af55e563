/* SPDX-License-Identifier: Apache-2.0
 * One lock guards the batcher; it is never held while anything computes or answers. A worker that
 * finds nothing to do spins for a moment, then sleeps. Who submits wakes sleepers once for all that
 * it has at hand (scheduler_flush), not once for each job. */
#include "config.h"

#include "server/serving/scheduler.h"

#include "server/clock.h"
#include "server/observe/log.h"
#include "server/observe/metrics.h"
#include "server/options.h"
#include "server/serving/scheduler_state.h"
#include "server/serving/worker.h"

#include <assert.h>
#include <math.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum {
    WORKERS_MAX = 256,
    SPIN_NS = 20000,                     /* about what it costs to sleep and be woken */
    INLINE_BATCH_FACTOR = 2,             /* of inline_us_max: see scheduler_state.h */
    INLINE_BATCH_FACTOR_CROWDED = 20,
    BACKLOG_NS = 200000                  /* less work than this waits for a worker that is up */
};

void scheduler_note_waiting(struct scheduler *scheduler)
{
    atomic_store_explicit(&scheduler->waiting, scheduler->batcher.jobs, memory_order_relaxed);
}

/* Ns until a worker that is up looks at the queue; infinite when all sleep. Holds the lock. */
static double soonest_look_ns(const struct scheduler *scheduler)
{
    double now_ns = (double)clock_now_ns(), soonest_ns = INFINITY;

    if (scheduler->spinning > 0)
        return 0;
    for (int i = 0; scheduler->running > 0 && i < scheduler->n_started; i++) {
        if (scheduler->workers[i].free_ns > 0)
            soonest_ns = fmin(soonest_ns, fmax(scheduler->workers[i].free_ns - now_ns, 0));
    }
    return soonest_ns;
}

bool scheduler_worth_waking(const struct scheduler *scheduler)
{
    if (scheduler->sleeping == 0 || scheduler->batcher.jobs == 0)
        return false;
    return soonest_look_ns(scheduler) + batcher_backlog_ns(&scheduler->batcher) > BACKLOG_NS;
}

void scheduler_answer_dropped(struct scheduler *scheduler, struct infer_job *dropped)
{
    uint64_t now_ns = clock_now_ns();

    for (struct infer_job *job = dropped, *next; job != NULL; job = next) {
        struct problem problem = {0};

        next = job->next;
        job->next = NULL;
        stats_queue_rows(job->entry->stats, -job->rows);
        job->started_ns = now_ns;
        if (job->deadline_ns <= now_ns)
            problem_set(&problem, 504, "deadline", "the deadline passed before the model ran");
        else
            problem_set(&problem, 499, "client_gone", "the client closed the connection");
        jobs_refuse(job, &problem);
        atomic_fetch_sub(&scheduler->pending, 1);
        atomic_fetch_add(&scheduler->finished, 1);
    }
}

void scheduler_run_turn(struct scheduler *scheduler, struct worker *worker, double *free_ns,
                        const struct batcher_turn *turn)
{
    struct model_entry *entry = model_entry_ref(turn->jobs->entry);
    double cost_ns = cost_model_estimate(&entry->queue->cost, turn->rows);
    uint64_t ns;

    *free_ns = cost_ns > 0 ? (double)clock_now_ns() + cost_ns : INFINITY;
    scheduler->running++;
    if (scheduler_worth_waking(scheduler))
        pthread_cond_signal(&scheduler->wake);
    pthread_mutex_unlock(&scheduler->lock);
    stats_queue_rows(entry->stats, -turn->rows);
    ns = worker_run(worker, turn->jobs, turn->n_jobs, turn->rows);
    atomic_fetch_sub(&scheduler->pending, turn->n_jobs);
    atomic_fetch_add(&scheduler->finished, turn->n_jobs);
    pthread_mutex_lock(&scheduler->lock);
    scheduler->running--;
    *free_ns = 0;
    batcher_ran(entry->queue, turn->rows, worker == scheduler->wide.worker ? 0 : ns);
    pthread_mutex_unlock(&scheduler->lock);
    model_entry_unref(entry);            /* may end a model that was replaced: not under the lock */
    pthread_mutex_lock(&scheduler->lock);
}

static void cond_wait_until(pthread_cond_t *cond, pthread_mutex_t *lock, uint64_t when_ns)
{
    struct timespec when = {(time_t)(when_ns / 1000000000), (long)(when_ns % 1000000000)};

    if (when_ns == UINT64_MAX)
        pthread_cond_wait(cond, lock);
    else
        pthread_cond_timedwait(cond, lock, &when);
}

/* Spins until something waits or the time is over. */
static void spin(const struct scheduler *scheduler)
{
    uint64_t end_ns = clock_now_ns() + SPIN_NS;

    do {
        for (int i = 0; i < 32; i++) {
            if (atomic_load_explicit(&scheduler->waiting, memory_order_relaxed) > 0)
                return;
            __builtin_ia32_pause();
        }
    } while (clock_now_ns() < end_ns);
}

/* Nothing is due before `look_again_ns`: spins once, then sleeps. Holds the lock on entry and exit. */
static void rest(struct scheduler *scheduler, uint64_t look_again_ns, bool *spun)
{
    if (!*spun && look_again_ns == UINT64_MAX) {
        *spun = true;
        scheduler->spinning++;
        pthread_mutex_unlock(&scheduler->lock);
        spin(scheduler);
        pthread_mutex_lock(&scheduler->lock);
        scheduler->spinning--;
        return;
    }
    scheduler->sleeping++;
    cond_wait_until(&scheduler->wake, &scheduler->lock, look_again_ns);
    scheduler->sleeping--;
}

static void *worker_main(void *arg)
{
    struct worker_thread *self = arg;
    struct scheduler *scheduler = self->scheduler;
    bool spun = true;
    char name[16];

    snprintf(name, sizeof(name), "worker-%d", self->index);
    pthread_setname_np(pthread_self(), name);
    pthread_mutex_lock(&scheduler->lock);
    while (!scheduler->stopping || scheduler->batcher.jobs > 0) {
        struct batcher_turn turn;

        batcher_take(&scheduler->batcher, clock_now_ns(), &turn);
        scheduler_note_waiting(scheduler);
        if (turn.dropped != NULL) {
            pthread_mutex_unlock(&scheduler->lock);
            scheduler_answer_dropped(scheduler, turn.dropped);
            pthread_mutex_lock(&scheduler->lock);
        }
        if (turn.jobs != NULL) {
            metrics_add(scheduler->metrics, METRIC_WORKERS_BUSY, 1);
            if (!wide_run_turn(scheduler, &self->free_ns, &turn))
                scheduler_run_turn(scheduler, self->worker, &self->free_ns, &turn);
            metrics_add(scheduler->metrics, METRIC_WORKERS_BUSY, -1);
            spun = false;
        } else if (turn.dropped == NULL) {
            rest(scheduler, turn.look_again_ns, &spun);
        }
    }
    pthread_mutex_unlock(&scheduler->lock);
    return NULL;
}

static void *watch_main(void *arg)
{
    struct scheduler *scheduler = arg;

    pthread_setname_np(pthread_self(), "deadlines");
    pthread_mutex_lock(&scheduler->lock);
    while (!scheduler->stopping) {
        struct infer_job *dropped;

        cond_wait_until(&scheduler->watch, &scheduler->lock, scheduler->watch_ns);
        if (clock_now_ns() < scheduler->watch_ns)
            continue;
        scheduler->watch_ns = batcher_expire(&scheduler->batcher, clock_now_ns(), &dropped);
        scheduler_note_waiting(scheduler);
        pthread_mutex_unlock(&scheduler->lock);
        scheduler_answer_dropped(scheduler, dropped);
        pthread_mutex_lock(&scheduler->lock);
    }
    pthread_mutex_unlock(&scheduler->lock);
    return NULL;
}

static struct scheduler *scheduler_alloc(const struct options *options, struct log *log,
                                         struct metrics *metrics)
{
    int64_t n_workers = options->workers > 0 ? options->workers : sysconf(_SC_NPROCESSORS_ONLN);
    struct scheduler *scheduler;
    pthread_condattr_t monotonic;

    n_workers = n_workers < 1 ? 1 : n_workers > WORKERS_MAX ? WORKERS_MAX : n_workers;
    scheduler = calloc(1, sizeof(*scheduler) + (size_t)n_workers * sizeof(scheduler->workers[0]));
    if (scheduler == NULL)
        return NULL;
    scheduler->log = log;
    scheduler->metrics = metrics;
    scheduler->inline_ns = (uint64_t)options->inline_us_max * 1000;
    scheduler->inline_batch_ns =
        (double)scheduler->inline_ns *
        (sysconf(_SC_NPROCESSORS_ONLN) > 2 * options_network_threads(options) ? INLINE_BATCH_FACTOR
                                                                      : INLINE_BATCH_FACTOR_CROWDED);
    scheduler->n_workers = (int)n_workers;
    scheduler->wide.output_bytes_max = (size_t)options->plan_bytes_max;
    scheduler->watch_ns = UINT64_MAX;
    batcher_init(&scheduler->batcher, options->queue_rows_max, scheduler->n_workers);
    pthread_mutex_init(&scheduler->lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&scheduler->wake, &monotonic);
    pthread_cond_init(&scheduler->watch, &monotonic);
    pthread_condattr_destroy(&monotonic);
    return scheduler;
}

/* Signals belong to the main thread. */
static int thread_start(pthread_t *thread, void *(*main)(void *), void *arg)
{
    sigset_t all, before;
    int error;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    error = pthread_create(thread, NULL, main, arg);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return error;
}

static bool scheduler_start(struct scheduler *scheduler, size_t output_bytes_max)
{
    for (int i = 0; i < INLINE_WORKERS_MAX && scheduler->inline_ns > 0; i++) {
        scheduler->inline_workers[i] = worker_create(NULL, output_bytes_max);
        if (scheduler->inline_workers[i] == NULL)
            return false;
        scheduler->n_inline_idle++;
    }
    for (int i = 0; i < scheduler->n_workers; i++) {
        struct worker_thread *self = &scheduler->workers[i];

        self->scheduler = scheduler;
        self->index = i;
        self->worker = worker_create(NULL, output_bytes_max);
        if (self->worker == NULL || thread_start(&self->thread, worker_main, self) != 0)
            return false;
        scheduler->n_started++;
        metrics_add(scheduler->metrics, METRIC_WORKERS, 1);
    }
    scheduler->watch_started = thread_start(&scheduler->watch_thread, watch_main, scheduler) == 0;
    return scheduler->watch_started;
}

struct scheduler *scheduler_create(const struct options *options, struct log *log,
                                   struct metrics *metrics, struct problem *problem)
{
    struct scheduler *scheduler = scheduler_alloc(options, log, metrics);

    if (scheduler == NULL || !scheduler_start(scheduler, (size_t)options->plan_bytes_max)) {
        problem_set(problem, 500, "no_memory", "worker threads could not be started");
        scheduler_destroy(scheduler);
        return NULL;
    }
    return scheduler;
}

void scheduler_close(struct scheduler *scheduler)
{
    pthread_mutex_lock(&scheduler->lock);
    scheduler->closed = scheduler->batcher.hurry = true;
    pthread_cond_broadcast(&scheduler->wake);
    pthread_mutex_unlock(&scheduler->lock);
}

void scheduler_stop(struct scheduler *scheduler)
{
    scheduler_close(scheduler);
    pthread_mutex_lock(&scheduler->lock);
    scheduler->stopping = true;
    pthread_cond_broadcast(&scheduler->wake);
    pthread_cond_broadcast(&scheduler->watch);
    pthread_mutex_unlock(&scheduler->lock);
    for (int i = 0; i < scheduler->n_started; i++)
        pthread_join(scheduler->workers[i].thread, NULL);
    if (scheduler->watch_started)
        pthread_join(scheduler->watch_thread, NULL);
    assert(scheduler->batcher.jobs == 0);
    metrics_add(scheduler->metrics, METRIC_WORKERS, -scheduler->n_started);
    scheduler->n_started = 0;
    scheduler->watch_started = false;
}

void scheduler_destroy(struct scheduler *scheduler)
{
    if (scheduler == NULL)
        return;
    scheduler_stop(scheduler);
    for (int i = 0; i < scheduler->n_workers; i++)
        worker_destroy(scheduler->workers[i].worker);
    for (int i = 0; i < INLINE_WORKERS_MAX; i++)
        worker_destroy(scheduler->inline_workers[i]);
    wide_finish(scheduler);
    pthread_cond_destroy(&scheduler->wake);
    pthread_cond_destroy(&scheduler->watch);
    pthread_mutex_destroy(&scheduler->lock);
    free(scheduler);
}

int64_t scheduler_pending(const struct scheduler *scheduler)
{
    return atomic_load(&scheduler->pending);
}

int64_t scheduler_finished(const struct scheduler *scheduler)
{
    return atomic_load(&scheduler->finished);
}

uint64_t scheduler_slack_ns(struct scheduler *scheduler)
{
    double backlog_ns, left_ns;

    if (atomic_load_explicit(&scheduler->waiting, memory_order_relaxed) == 0)
        return UINT64_MAX;
    pthread_mutex_lock(&scheduler->lock);
    backlog_ns = batcher_backlog_ns(&scheduler->batcher) / scheduler->n_workers;
    /* The watch looks no later than the earliest deadline. */
    left_ns = (double)scheduler->watch_ns - (double)clock_now_ns() - backlog_ns;
    if (scheduler->batcher.jobs == 0)
        left_ns = INFINITY;
    pthread_mutex_unlock(&scheduler->lock);
    if (left_ns >= (double)UINT64_MAX)
        return UINT64_MAX;
    return left_ns > 0 ? (uint64_t)left_ns : 0;
}

bool scheduler_queue(struct scheduler *scheduler, struct infer_job *job, struct problem *problem)
{
    struct model_stats *stats = job->entry->stats;
    int64_t rows = job->rows;
    bool taken = false, watch = false;

    pthread_mutex_lock(&scheduler->lock);
    if (scheduler->closed) {
        problem->retry_after_s = 1;
        problem_set(problem, 503, "shutting_down", "the server is shutting down");
    } else if (batcher_push(&scheduler->batcher, job, clock_now_ns(), problem)) {
        taken = true;
        atomic_fetch_add(&scheduler->pending, 1);
        atomic_store_explicit(&scheduler->unflushed, true, memory_order_relaxed);
        stats_queue_rows(stats, rows);
        watch = job->deadline_ns < scheduler->watch_ns;
        if (watch)
            scheduler->watch_ns = job->deadline_ns;
    }
    pthread_mutex_unlock(&scheduler->lock);
    if (watch)
        pthread_cond_signal(&scheduler->watch);
    if (taken)
        scheduler_note_brought();
    return taken;
}

void scheduler_flush(struct scheduler *scheduler)
{
    bool wake;

    scheduler_note_flush();
    if (!atomic_load_explicit(&scheduler->unflushed, memory_order_relaxed))
        return;
    pthread_mutex_lock(&scheduler->lock);
    atomic_store_explicit(&scheduler->unflushed, false, memory_order_relaxed);
    scheduler_note_waiting(scheduler);
    wake = scheduler_worth_waking(scheduler);
    pthread_mutex_unlock(&scheduler->lock);
    if (wake)
        pthread_cond_signal(&scheduler->wake);
}

bool scheduler_submit(struct scheduler *scheduler, struct infer_job *job, struct problem *problem)
{
    bool taken = scheduler_queue(scheduler, job, problem);

    scheduler_flush(scheduler);
    return taken;
}
