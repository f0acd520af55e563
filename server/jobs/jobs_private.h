/* SPDX-License-Identifier: Apache-2.0
 * server/jobs/jobs_private.h - the manager of jobs (jobs.h) inside: jobs.c has its thread and what is called
 * from outside, jobs_queue.c the list and who runs next, jobs_calls.c what is asked for. The manager's
 * thread, but for what others do with the lock; where it waits for the disk, without. */
#ifndef SERVER_JOBS_JOBS_PRIVATE_H
#define SERVER_JOBS_JOBS_PRIVATE_H

#include "server/jobs/jobs.h"

struct jobs {
    struct job_world world;
    struct dataset_store *datasets;
    struct metrics *metrics;
    struct job_store store;
    bool threaded;
    pthread_t thread;
    pthread_mutex_t lock;          /* of what follows */
    pthread_cond_t wake;
    struct jobs_call *first, **last;
    int n_calls;
    bool stopping;
    struct job *all;               /* newest first */
    int64_t counted[JOB_STATES];   /* as the metrics have them; the thread's */
};

/* ---- jobs_queue.c: with the lock ---- */

/* NULL if there is none. */
struct job *jobs_lookup(const struct jobs *jobs, const char *id);
/* Newest first. */
void jobs_insert(struct jobs *jobs, struct job *job);
void jobs_drop(struct jobs *jobs, const struct job *job);
int jobs_count(const struct jobs *jobs, enum job_state state);
/* The oldest that waits and whose model has no other; NULL if none may start. */
struct job *jobs_next(const struct jobs *jobs);
/* On a thread of its own; not `busy` afterwards if there is none to be had. */
void jobs_start(struct jobs *jobs, struct job *job);
void jobs_join_finished(struct jobs *jobs);
/* Those beyond the number or the age that are kept. Lets the lock go for each. */
void jobs_forget_old(struct jobs *jobs);
/* For /metrics. */
void jobs_count_all(struct jobs *jobs);

/* ---- without the lock ---- */

/* Whoever has seen that a job is over finds its thread gone as well. */
void jobs_await_end(struct jobs *jobs, struct job *job);
/* A job that waits and is not wanted any more. False with `problem` if that is not durable. */
bool jobs_end_cancelled(struct job *job, struct problem *problem);
/* jobs_calls.c: does what is asked for, and calls back. */
void jobs_answer(struct jobs *jobs, struct jobs_call *call);

#endif
