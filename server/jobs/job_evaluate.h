/* SPDX-License-Identifier: Apache-2.0
 * server/jobs/job_evaluate.h - how well a model does on a stored dataset: the newest generation, by the
 * code that judges a job's epochs, on a thread of its own, one evaluation after another. */
#ifndef SERVER_JOBS_JOB_EVALUATE_H
#define SERVER_JOBS_JOB_EVALUATE_H

#include "server/jobs/job_run.h"

struct dataset_store;
struct evaluations;

/* Made by the caller, who gets it back in `finished`. */
struct evaluation_call {
    char model[JOB_MODEL_BYTES + 1], version[JOB_VERSION_BYTES + 1];
    struct job_request request;    /* taken over */
    struct evaluation_call *next;  /* the queue's */
    bool (*is_abandoned)(const struct evaluation_call *call);
    /* Once, on the thread. problem->status 0: `body` is the answer, which may be taken. */
    void (*finished)(struct evaluation_call *call, struct text *body, const struct problem *problem);
};

/* What a request may say of an evaluation; 400 names what would mean nothing to it. Any thread. */
bool evaluation_check(const struct job_request *request, struct problem *problem);
/* Borrows its arguments. The thread starts with the first call. NULL when out of memory. */
struct evaluations *evaluations_create(const struct job_world *world, struct dataset_store *datasets);
/* Answers what waits, and ends the thread. Takes NULL. */
void evaluations_destroy(struct evaluations *evaluations);
/* Takes the call over. False (untouched) sets `problem`. Any thread. */
bool evaluations_submit(struct evaluations *evaluations, struct evaluation_call *call,
                        struct problem *problem);

#endif
