/* SPDX-License-Identifier: Apache-2.0
 * server/learning/feedback.h - a label that comes late, and the prediction that it belongs to. */
#ifndef SERVER_LEARNING_FEEDBACK_H
#define SERVER_LEARNING_FEEDBACK_H

#include "proto/problem.h"
#include "server/learning/digest.h"
#include "server/learning/prediction_store.h"

struct learn_job;
struct learn_made;

enum { FEEDBACK_KEY_BYTES = 9 + DIGEST_TEXT_BYTES };

/* Of a job of kind LEARN_JOB_FEEDBACK. */
struct learn_served {
    const char *id;
    struct tap_sample *sample;     /* as it was made, a reference; NULL: not there, or learnt before */
    int64_t generation, time_ms;
    uint64_t nonce;
    char key[FEEDBACK_KEY_BYTES + 1];   /* under which the journal knows that it has its label; "": none */
    struct digest label;           /* what the targets say, by value: 3 is 3 in any integer type */
    const struct learn_made *made; /* how good it was, while the learner writes the answer */
    struct problem problem;        /* why there is no prediction; status 0: there is one */
};

/* Joins the job with what the log has found: its inputs (places for the entry's are there) become
 * those of the prediction. False sets `problem`: 409 when the model has other inputs now, 422 when
 * there are not as many targets as rows. `found` is moved into the job in any case. Any thread. */
bool feedback_join(struct learn_job *job, const struct prediction_found *found,
                   struct problem *problem);

#endif
