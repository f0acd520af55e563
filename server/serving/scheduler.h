/* SPDX-License-Identifier: Apache-2.0
 * server/serving/scheduler.h - bounded queues in front of the workers; batches form while workers
 * are busy. */
#ifndef SERVER_SERVING_SCHEDULER_H
#define SERVER_SERVING_SCHEDULER_H

#include "server/serving/registry.h"

struct scheduler;

/* priority of a request that names none; 1 is the highest, more than this is background. */
enum { JOB_PRIORITY_DEFAULT = 100 };

/* One prediction on its way. Its owner is whoever holds it: the handler until submit, the scheduler
 * until `finish` is called, the callee of `finish` afterwards. */
struct infer_job {
    struct model_entry *entry;           /* a reference */
    struct tensor *inputs;               /* one for each model input, in the model's order */
    int64_t rows;                        /* dimension 0 when the entry is batchable, else 1 */
    uint64_t deadline_ns;                /* CLOCK_MONOTONIC */
    int priority;                        /* lower goes first: see JOB_PRIORITY_DEFAULT */
    bool (*is_abandoned)(const struct infer_job *job);
    /* On the thread that computed, once. `outputs` (model order, this job's rows only) are valid during the
     * call, NULL when problem->status != 0. */
    void (*finish)(struct infer_job *job, const struct tensor *outputs,
                   const struct problem *problem);
    /* Filled by the scheduler before finish: */
    uint64_t queued_ns, started_ns, computed_ns;
    int64_t batch_rows;
    int64_t generation;
    struct infer_job *next;              /* the scheduler's, while it holds the job */
    uint64_t shape_key;                  /* the scheduler's: jobs with unlike keys never join */
};

/* Starts options->workers threads. Borrows its arguments. NULL sets `problem`. */
struct scheduler *scheduler_create(const struct options *options, struct log *log,
                                   struct metrics *metrics, struct problem *problem);
/* From now on every submit is refused with 503. Returns at once. */
void scheduler_close(struct scheduler *scheduler);
/* Closes, finishes what is queued (what has passed its deadline: 504) and stops the threads; submit, queue
 * and flush may still be called, and refuse or do nothing. */
void scheduler_stop(struct scheduler *scheduler);
/* Closes, finishes what is queued (what has passed its deadline: 504), stops the threads. */
void scheduler_destroy(struct scheduler *scheduler);
/* Predictions queued or under way. */
int64_t scheduler_pending(const struct scheduler *scheduler);
/* Predictions answered since the start: the watchdog looks whether it moves. */
int64_t scheduler_finished(const struct scheduler *scheduler);

/* What the most urgent prediction that waits can spare before its deadline, were all that waits computed
 * first; 0 when it is late already, UINT64_MAX when none waits. For what yields to predictions. Any
 * thread; takes the lock only if something waits. */
uint64_t scheduler_slack_ns(struct scheduler *scheduler);

/* Runs the job on the calling thread and calls finish before it returns, if the model is idle and
 * known to be so cheap that a worker is not worth waking (options->inline_us_max), and if requests
 * come to this thread one at a time. False: nothing has happened; submit it. */
bool scheduler_run_inline(struct scheduler *scheduler, struct infer_job *job);
/* Takes the job over. False (job untouched, `problem` set: 503 with Retry-After, 504) when the queue
 * is full or the deadline cannot be met. Any thread. */
bool scheduler_submit(struct scheduler *scheduler, struct infer_job *job, struct problem *problem);
/* The same in two halves: a network thread queues what its turn brings, then flushes once, so that what
 * arrived together is computed together and one worker is woken for all of it. */
bool scheduler_queue(struct scheduler *scheduler, struct infer_job *job, struct problem *problem);
void scheduler_flush(struct scheduler *scheduler);
/* For network threads: what is known to be cheap is computed here and now, and `finish` called; the rest is
 * flushed. */
void scheduler_end_turn(struct scheduler *scheduler);

#endif
