/* SPDX-License-Identifier: Apache-2.0
 * server/serving/scheduler.h - bounded queues in front of the workers; batches form while workers
 * are busy. */
#ifndef SERVER_SERVING_SCHEDULER_H
#define SERVER_SERVING_SCHEDULER_H

#include "server/serving/registry.h"

struct scheduler;

/* One prediction on its way. Its owner is whoever holds it: the handler until submit, the scheduler
 * until `finish` is called, the callee of `finish` afterwards. */
struct infer_job {
    struct model_entry *entry;           /* a reference */
    struct tensor *inputs;               /* one for each model input, in the model's order */
    int64_t rows;                        /* dimension 0 when the entry is batchable, else 1 */
    uint64_t deadline_ns;                /* CLOCK_MONOTONIC */
    int priority;                        /* lower goes first; 0 is the default class's neighbour */
    bool (*is_abandoned)(const struct infer_job *job);
    /* On a worker thread, once. `outputs` (model order, this job's rows only) are valid during the
     * call, NULL when problem->status != 0. */
    void (*finish)(struct infer_job *job, const struct tensor *outputs,
                   const struct problem *problem);
    /* Filled by the scheduler before finish: */
    uint64_t queued_ns, started_ns, computed_ns;
    int64_t batch_rows;
    int64_t generation;
    struct infer_job *next;
};

/* Takes the job over. False (job untouched, `problem` set: 429 or 503 with Retry-After, 504) when the
 * queue is full or the deadline cannot be met. Any thread. */
bool scheduler_submit(struct scheduler *scheduler, struct infer_job *job, struct problem *problem);

#endif
