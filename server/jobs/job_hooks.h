/* SPDX-License-Identifier: Apache-2.0
 * server/jobs/job_hooks.h - a job under way, and what its run tells of itself: steps, epochs and the trials
 * of a search become the job's record and its events; back come the orders to write a checkpoint, to
 * pause, to end. On the job's thread. */
#ifndef SERVER_JOBS_JOB_HOOKS_H
#define SERVER_JOBS_JOB_HOOKS_H

#include "server/jobs/job_run.h"
#include "server/learning/learner.h"
#include "server/learning/pace.h"
#include "server/training/train_run.h"

/* One job under way. */
struct job_work {
    struct job *job;
    const struct job_world *world;
    struct train_options options;
    struct learn_basis basis;
    struct train_session session;
    struct text model;             /* the file that the session's model is of */
    struct train_outcome outcome;
    struct pace_runner pace;
    double told, saved;            /* when, on the monotonic clock */
    char *checkpoint, *result;
    struct problem *problem;
};

/* They borrow `work`. */
struct train_hooks job_hooks(struct job_work *work);

#endif
