/* SPDX-License-Identifier: Apache-2.0
 * server/serving/worker.h - one thread's means to answer a batch: a runner, and buffers in which rows
 * of several requests become one input. Used by one thread at a time. */
#ifndef SERVER_SERVING_WORKER_H
#define SERVER_SERVING_WORKER_H

#include "server/clock.h"           /* in which deadlines are given */
#include "server/serving/scheduler.h"

struct worker;

/* `pool` (borrowed, may be NULL) splits each run over its threads. `output_bytes_max` bounds what a job
 * that is computed in several runs may hold; 0: no bound. NULL when out of memory. */
struct worker *worker_create(struct pool *pool, size_t output_bytes_max);
void worker_destroy(struct worker *worker);

/* Computes a chain of jobs of one entry, `rows` rows together, under one weight generation, and
 * calls `finish` for each, once. A batch that fails or does not come back row by row is computed
 * again job by job, so that nobody pays for a neighbour. A single job with more rows than the model's
 * batch size is computed in several runs. Returns the ns of compute, 0 if nothing succeeded. */
uint64_t worker_run(struct worker *worker, struct infer_job *jobs, int n_jobs, int64_t rows);

/* Answers a chain of jobs without computing, all with the same problem. */
void jobs_refuse(struct infer_job *jobs, const struct problem *problem);

#endif
