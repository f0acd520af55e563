/* SPDX-License-Identifier: Apache-2.0
 * server/serving/scheduler_state.h - the inside of the scheduler, for scheduler.c (queues and workers)
 * and inline.c (what is computed on network threads). */
#ifndef SERVER_SERVING_SCHEDULER_STATE_H
#define SERVER_SERVING_SCHEDULER_STATE_H

#include "server/serving/batcher.h"
#include "server/serving/worker.h"

#include <pthread.h>
#include <stdatomic.h>

enum { INLINE_WORKERS_MAX = 16 };        /* more network threads than this do not compute at once */

struct worker_thread {
    struct scheduler *scheduler;
    struct worker *worker;
    pthread_t thread;
    int index;
    double free_ns;                      /* while it runs: when it is expected to be through */
};

struct scheduler {
    struct log *log;
    struct metrics *metrics;
    uint64_t inline_ns;                  /* a single request that costs less runs where it arrived */
    /* A batch that costs less does too. More than that is worth handing over, where there are more cores
     * than the network threads and their clients keep busy. */
    double inline_batch_ns;
    pthread_mutex_t lock;
    pthread_cond_t wake;                 /* workers */
    pthread_cond_t watch;                /* the thread that answers what waits too long */
    struct batcher batcher;
    int sleeping, spinning, running;     /* workers */
    bool closed, stopping;
    uint64_t watch_ns;                   /* when the watch looks next */
    /* wide.c: for one large run while all other workers idle. Made when it is first wanted. */
    struct {
        struct pool *pool;
        struct worker *worker;
        size_t output_bytes_max;
        bool busy, failed;
    } wide;
    struct worker *inline_workers[INLINE_WORKERS_MAX];
    int n_inline_idle;
    _Atomic int64_t pending, finished;
    _Atomic int64_t waiting;             /* batcher.jobs, for those who spin without the lock */
    _Atomic bool unflushed;              /* jobs were queued since the last flush */
    pthread_t watch_thread;
    bool watch_started;
    int n_workers, n_started;
    struct worker_thread workers[];
};

/* All but the first under the lock, which scheduler_run_turn() lets go while it computes. */

/* Answers what was dropped: each is late, or its client has gone. */
void scheduler_answer_dropped(struct scheduler *scheduler, struct infer_job *dropped);
void scheduler_note_waiting(struct scheduler *scheduler);
/* A worker that runs or spins looks at the queue again before it sleeps, so a little work can wait for
 * it, and grows into a batch meanwhile, if it comes back soon; only more is worth another's wake-up. */
bool scheduler_worth_waking(const struct scheduler *scheduler);
/* Computes a turn and books its cost. While it runs, *free_ns says when it is expected to be through. */
void scheduler_run_turn(struct scheduler *scheduler, struct worker *worker, double *free_ns,
                        const struct batcher_turn *turn);

/* wide.c: computes the turn with the threads of all cores, if it is known to be large and nothing else is to
 * be done. False: it is to be run as any other. */
bool wide_run_turn(struct scheduler *scheduler, double *free_ns, const struct batcher_turn *turn);
void wide_finish(struct scheduler *scheduler);

/* inline.c: the calling thread has queued a job, or run one; it has flushed. */
void scheduler_note_brought(void);
void scheduler_note_flush(void);

#endif
