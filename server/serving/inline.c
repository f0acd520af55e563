/* SPDX-License-Identifier: Apache-2.0
 * What a network thread computes itself: handing a cheap batch to a worker costs two wake-ups, moves its
 * rows to another core's cache, and gains nothing where no core is idle. */
#include "server/serving/scheduler.h"

#include "server/clock.h"
#include "server/observe/metrics.h"
#include "server/serving/scheduler_state.h"

/* What the calling thread has brought in this turn, and in the last one in which it brought anything. */
static _Thread_local struct {
    int jobs, jobs_before;
} turn_of_thread;

void scheduler_note_brought(void)
{
    turn_of_thread.jobs++;
}

void scheduler_note_flush(void)
{
    if (turn_of_thread.jobs > 0)
        turn_of_thread.jobs_before = turn_of_thread.jobs;
    turn_of_thread.jobs = 0;
}

bool scheduler_run_inline(struct scheduler *scheduler, struct infer_job *job)
{
    struct model_entry *entry = job->entry;
    struct worker *worker = NULL;
    int64_t rows = job->rows;
    uint64_t now_ns, ns;

    /* Where requests come several at a time, computing one delays the others, and joins none. */
    if (scheduler->inline_ns == 0 || turn_of_thread.jobs > 0 || turn_of_thread.jobs_before > 1)
        return false;
    now_ns = clock_now_ns();
    pthread_mutex_lock(&scheduler->lock);
    if (!scheduler->closed && scheduler->n_inline_idle > 0 &&
        batcher_begin_inline(job, now_ns, scheduler->inline_ns))
        worker = scheduler->inline_workers[--scheduler->n_inline_idle];
    pthread_mutex_unlock(&scheduler->lock);
    if (worker == NULL)
        return false;
    scheduler_note_brought();
    model_entry_ref(entry);
    job->queued_ns = job->started_ns = now_ns;
    job->next = NULL;
    ns = worker_run(worker, job, 1, rows);
    metrics_add(scheduler->metrics, METRIC_INLINE_RUNS, 1);
    pthread_mutex_lock(&scheduler->lock);
    batcher_ran(entry->queue, rows, ns);
    scheduler->inline_workers[scheduler->n_inline_idle++] = worker;
    pthread_mutex_unlock(&scheduler->lock);
    model_entry_unref(entry);
    return true;
}

/* Runs turn after turn of what is cheap, for inline_batch_ns at most. Holds the lock on entry and exit. */
static void run_cheap(struct scheduler *scheduler, struct worker *worker)
{
    double left_ns = scheduler->inline_batch_ns, free_ns = 0;

    while (left_ns > 0) {
        struct batcher_turn turn;
        uint64_t now_ns = clock_now_ns();

        batcher_take_cheap(&scheduler->batcher, now_ns, left_ns, &turn);
        scheduler_note_waiting(scheduler);
        if (turn.dropped != NULL) {
            pthread_mutex_unlock(&scheduler->lock);
            scheduler_answer_dropped(scheduler, turn.dropped);
            pthread_mutex_lock(&scheduler->lock);
        }
        if (turn.jobs == NULL)
            return;
        metrics_add(scheduler->metrics, METRIC_INLINE_RUNS, 1);
        scheduler_run_turn(scheduler, worker, &free_ns, &turn);
        left_ns -= (double)(clock_now_ns() - now_ns);
    }
}

void scheduler_end_turn(struct scheduler *scheduler)
{
    if (scheduler->inline_batch_ns > 0 &&
        atomic_load_explicit(&scheduler->unflushed, memory_order_relaxed)) {
        pthread_mutex_lock(&scheduler->lock);
        if (scheduler->n_inline_idle > 0) {
            struct worker *worker = scheduler->inline_workers[--scheduler->n_inline_idle];

            run_cheap(scheduler, worker);
            scheduler->inline_workers[scheduler->n_inline_idle++] = worker;
        }
        if (scheduler->batcher.jobs == 0)
            atomic_store_explicit(&scheduler->unflushed, false, memory_order_relaxed);
        pthread_mutex_unlock(&scheduler->lock);
    }
    scheduler_flush(scheduler);
}
