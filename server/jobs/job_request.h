/* SPDX-License-Identifier: Apache-2.0
 * server/jobs/job_request.h - what a training job is asked for:
 *
 *   {"dataset": "flowers", "parameters": {"epochs": 20, "batch_size": 16, "learning_rate": 0.01}}
 *
 * to the options of `inferd train`. Everything that can be said of a request without the model and the data
 * is said here: unknown names, kinds, ranges. Any thread. */
#ifndef SERVER_JOBS_JOB_REQUEST_H
#define SERVER_JOBS_JOB_REQUEST_H

#include "proto/problem.h"
#include "server/learning/learn_config.h"
#include "server/training/train_options.h"

#include <jansson.h>

struct job_request {
    json_t *root;                  /* the body; options' texts live in it, and in: */
    char *spaces[TRAIN_SPACE_MAX];
    const char *dataset;
    json_t *parameters;            /* as they were given; borrowed, may be NULL */
    struct train_options options;
    bool promote;                  /* adopt the result without being asked */
    bool gate;                     /* ... only if it is not worse than what serves */
    double checkpoint_s;           /* between checkpoints */
};

/* On failure `problem` is set and nothing is held. */
bool job_request_decode(const char *body, size_t bytes, struct job_request *ret,
                        struct problem *problem);
void job_request_finish(struct job_request *request);

/* What the model's config.json settles for those that learn: loss, and which tensors. 409 where the request
 * says otherwise. `config` outlives the request. */
bool job_request_settle(struct job_request *request, const struct learn_config *config,
                        struct problem *problem);

/* A message of the training code, which speaks of "--rate", in the words of the request. */
void job_request_words(struct problem *problem);

#endif
