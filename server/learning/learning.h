/* SPDX-License-Identifier: Apache-2.0
 * server/learning/learning.h - the learners of all served models. One is made when the first update for
 * its entry comes, or when the entry is loaded and something has been learnt before: then the entry
 * does not serve until that is recovered. */
#ifndef SERVER_LEARNING_LEARNING_H
#define SERVER_LEARNING_LEARNING_H

#include "server/learning/learner.h"
#include "server/learning/prediction_log.h"

struct learning;
struct pace;

/* Borrows its arguments; `pace` may be NULL. Without options->state_dir every update is refused:
 * what is learnt would be lost. NULL when out of memory. */
struct learning *learning_create(const struct options *options, struct log *log,
                                 struct pace *pace);
/* Finishes what is queued, writes checkpoints, ends all threads. Nothing is submitted any more. */
void learning_destroy(struct learning *learning);
/* For registry_set_watch(). */
struct registry_watch learning_watch(struct learning *learning);
/* Takes the job over. False (untouched) sets `problem`. A job of kind LEARN_JOB_FEEDBACK goes by way of the
 * model's log of predictions, which finds what it belongs to. Any thread. */
bool learning_submit(struct learning *learning, struct learn_job *job, struct problem *problem);

/* Keeps the prediction until its label comes (prediction_log.h). False: it is not kept. Any thread. */
bool learning_log(struct learning *learning, struct model_entry *entry, struct tap_sample *sample);
/* The label of that job's prediction has been learnt: its content is let go from the log. Any thread. */
void learning_settle(struct learning *learning, const struct learn_job *job);
/* For an erasure: calls `query->found` (query->id NULL) when what was settled is in no file any more. False:
 * nothing has been logged, and it is not called. Any thread. */
bool learning_scrub(struct learning *learning, const struct model_entry *entry,
                    struct prediction_query *query);

#endif
