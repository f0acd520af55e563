/* SPDX-License-Identifier: Apache-2.0
 * server/serving/batcher.h - which waiting predictions are computed together, and when. Pure: no
 * thread, no clock, no I/O; the time is an argument, so a seeded test can drive it step by step. The
 * scheduler calls it under its lock.
 *
 * Each model has a queue, bounded in rows, ordered by priority and then by arrival. Models take turns.
 * A turn takes the oldest job and what can be joined with it: same entry, same shapes but for
 * dimension 0, up to the model's batch size. Nothing waits for company unless the model asks for a
 * delay: batches form from what arrives while the workers are busy. */
#ifndef SERVER_SERVING_BATCHER_H
#define SERVER_SERVING_BATCHER_H

#include "proto/problem.h"
#include "server/serving/scheduler.h"

#include <stdbool.h>
#include <stdint.h>

/* What a run costs: a + b * rows, fitted to recent runs by least squares with forgetting. */
struct cost_model {
    double weight, rows, rows_squared, ns, rows_ns;   /* decayed sums */
    double rows_max;                     /* the largest of recent runs */
};

/* In the ring of its batcher while it holds jobs; owned by the model entry. */
struct model_queue {
    struct infer_job *first, *last;
    int64_t rows;
    int running;                         /* runs under way */
    int batch_size_max;                  /* 1: jobs are never joined */
    uint64_t delay_ns;
    struct cost_model cost;
    struct model_queue *next, *previous;
};

struct batcher {
    struct model_queue *turn;            /* whose turn it is; NULL when nothing waits */
    int64_t queue_rows_max;
    int workers;
    bool hurry;                          /* nothing waits for company any more: shutting down */
    int64_t jobs;                        /* waiting in all queues */
};

/* One decision. The chains are linked by job->next and now the caller's. */
struct batcher_turn {
    struct infer_job *jobs;              /* to compute together; NULL: nothing is due */
    int n_jobs;
    int64_t rows;
    struct infer_job *dropped;           /* to answer without computing: late or abandoned */
    uint64_t look_again_ns;              /* when something falls due; UINT64_MAX: no such time */
};

void batcher_init(struct batcher *batcher, int64_t queue_rows_max, int workers);

/* NULL when out of memory. */
struct model_queue *model_queue_create(int batch_size_max, uint64_t delay_ns);
/* The queue must be empty. NULL is fine. */
void model_queue_destroy(struct model_queue *queue);

/* Queues the job; sets job->queued_ns and shape_key. False sets `problem`: 400 when it has more rows
 * than a queue can hold, 503 with retry_after_s when the queue is full or the deadline is unlikely to
 * be met, 504 when it has passed. */
bool batcher_push(struct batcher *batcher, struct infer_job *job, uint64_t now_ns,
                  struct problem *problem);
/* What to compute next. A turn that has jobs must be ended by batcher_ran(). */
void batcher_take(struct batcher *batcher, uint64_t now_ns, struct batcher_turn *ret_turn);
/* The same, but leaves alone what is not known to cost less than `cost_ns_max`. */
void batcher_take_cheap(struct batcher *batcher, uint64_t now_ns, double cost_ns_max,
                        struct batcher_turn *ret_turn);
/* A run over `rows` rows took `ns`; 0 when it failed. */
void batcher_ran(struct model_queue *queue, int64_t rows, uint64_t ns);
/* Takes out all that is late or abandoned. Returns the earliest deadline that is left. */
uint64_t batcher_expire(struct batcher *batcher, uint64_t now_ns, struct infer_job **ret_dropped);

/* True when the job may run at once on the thread that brought it: its model is idle and a run is
 * known to cost less than `inline_ns`. If so, it must be ended by batcher_ran(). */
bool batcher_begin_inline(const struct infer_job *job, uint64_t now_ns, uint64_t inline_ns);

/* Expected ns of a run; 0 when nothing is known yet. */
double cost_model_estimate(const struct cost_model *cost, int64_t rows);
/* The same for who must not be surprised: what is far larger than all recent runs is taken to cost as much
 * for each row as they did. */
double cost_model_upper(const struct cost_model *cost, int64_t rows);
void cost_model_learn(struct cost_model *cost, int64_t rows, uint64_t ns);
/* Expected ns that one worker needs for all that waits; infinite when some model's cost is unknown. */
double batcher_backlog_ns(const struct batcher *batcher);
/* Expected ns until a job of `queue` that arrives now is done. */
double batcher_wait_estimate(const struct batcher *batcher, const struct model_queue *queue,
                             int64_t rows);

#endif
