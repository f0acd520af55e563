/* SPDX-License-Identifier: Apache-2.0
 * server/jobs/job_run.h - the work of a job: takes the model as it has learnt until now, trains it on the
 * examples, compares the result with what serves by then, and has the learner adopt it. Each step leaves
 * its outcome in the job's directory before the next begins, so that a job goes on where it was. On the
 * job's thread. */
#ifndef SERVER_JOBS_JOB_RUN_H
#define SERVER_JOBS_JOB_RUN_H

#include "server/jobs/job_store.h"

struct learning;
struct log;
struct options;
struct pace;
struct registry;

struct job_world {
    struct registry *registry;
    struct learning *learning;
    struct pace *pace;             /* may be NULL */
    const struct options *options;
    struct log *log;
};

/* Until it is over, cancelled, or paused (then it is still RUNNING). */
void job_run(struct job *job, const struct job_world *world);
/* Has the result of a job that is HELD or DONE adopted without a comparison. On a thread that may wait; 503
 * if the model cannot be asked now. */
bool job_promote(struct job *job, const struct job_world *world, struct problem *problem);

#endif
