/* SPDX-License-Identifier: Apache-2.0
 * One large run while all other workers idle: its kernels are split over as many threads as there are
 * workers. Never among small ones: it begins only when nothing runs or waits, and there is one at a time;
 * what comes meanwhile gets its workers as ever, and the pool's tasks that are late are taken by those of its
 * threads that do run. */
#include "server/serving/scheduler_state.h"

#include "server/observe/metrics.h"

#include <pthread.h>

enum { WIDE_NS = 5000000, POOL_SPIN_US = 20 };

/* Holds the lock on entry and exit. */
static bool make_ready(struct scheduler *scheduler)
{
    struct pool *pool;
    struct worker *worker;

    if (scheduler->wide.worker != NULL || scheduler->wide.failed)
        return !scheduler->wide.failed;
    pthread_mutex_unlock(&scheduler->lock);
    pool = pool_create(scheduler->n_workers, POOL_SPIN_US);
    worker = pool != NULL ? worker_create(pool, scheduler->wide.output_bytes_max) : NULL;
    pthread_mutex_lock(&scheduler->lock);
    scheduler->wide.pool = pool;
    scheduler->wide.worker = worker;
    scheduler->wide.failed = worker == NULL;
    return worker != NULL;
}

/* Its cost is that of one thread: wide runs are not learnt from, else one would speak against the next. */
static bool is_worth_it(const struct scheduler *scheduler, const struct batcher_turn *turn)
{
    return scheduler->n_workers > 1 && !scheduler->wide.busy && scheduler->running == 0 &&
           scheduler->batcher.jobs == 0 &&
           cost_model_estimate(&turn->jobs->entry->queue->cost, turn->rows) >= WIDE_NS;
}

bool wide_run_turn(struct scheduler *scheduler, double *free_ns, const struct batcher_turn *turn)
{
    bool ready;

    if (!is_worth_it(scheduler, turn))
        return false;
    scheduler->wide.busy = true;
    ready = make_ready(scheduler);
    if (ready) {
        metrics_add(scheduler->metrics, METRIC_WIDE_RUNS, 1);
        scheduler_run_turn(scheduler, scheduler->wide.worker, free_ns, turn);
    }
    scheduler->wide.busy = false;
    return ready;
}

void wide_finish(struct scheduler *scheduler)
{
    worker_destroy(scheduler->wide.worker);
    pool_destroy(scheduler->wide.pool);
}
