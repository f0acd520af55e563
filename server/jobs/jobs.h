/* SPDX-License-Identifier: Apache-2.0
 * server/jobs/jobs.h - the training jobs of the daemon: one at a time for each model, a few together, each on
 * a thread of its own at low priority; a bounded number waits, a bounded number of those that are over
 * is remembered. Whatever is acknowledged survives: a job under way goes on after a restart, and ends
 * bit for bit as if nothing had been. All that touches the disk is done by one thread. */
#ifndef SERVER_JOBS_JOBS_H
#define SERVER_JOBS_JOBS_H

#include "proto/problem.h"
#include "proto/text.h"
#include "server/jobs/job_run.h"

struct dataset_store;
struct jobs;
struct metrics;

enum jobs_work {
    JOBS_SUBMIT,                   /* form, request */
    JOBS_DELETE,                   /* id: cancels; what is over is forgotten */
    JOBS_PROMOTE                   /* id, form: model, version ("": any) */
};

/* Made by the caller, who gets it back in `finished`. */
struct jobs_call {
    enum jobs_work work;
    struct job form;               /* model, version, key, body; the rest is zero */
    struct job_request request;    /* taken over */
    char id[2 * JOB_ID_BYTES];     /* room to tell one that is too long */
    struct jobs_call *next;        /* the manager's */
    /* Once, on the manager's thread. problem->status 0: `body` is the answer, which may be taken; `created`:
     * a new job, of which call->id is the id. */
    void (*finished)(struct jobs_call *call, struct text *body, bool created,
                     const struct problem *problem);
};

/* Borrows its arguments; world->... too. Jobs that were under way go on. Without a state directory everything
 * is refused. NULL sets `problem`. */
struct jobs *jobs_create(const struct job_world *world, struct dataset_store *datasets,
                         struct metrics *metrics, struct problem *problem);
/* Pauses what runs and ends all threads. Takes NULL. */
void jobs_destroy(struct jobs *jobs);

/* Takes the call over. False (untouched, but for the request) sets `problem`. Any thread. */
bool jobs_submit(struct jobs *jobs, struct jobs_call *call, struct problem *problem);
/* A reference, or NULL with `problem`. Any thread. */
struct job *jobs_find(struct jobs *jobs, const char *id, struct problem *problem);
/* {"jobs": [...]}, newest first; of one model (NULL: of all), in one state ("": in any). Any thread. */
void jobs_list(struct jobs *jobs, const char *model, const char *state, struct text *text);

#endif
