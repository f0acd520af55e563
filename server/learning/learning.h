/* SPDX-License-Identifier: Apache-2.0
 * server/learning/learning.h - the learners of all served models. One is made when the first update for
 * its entry comes, or when the entry is loaded and something has been learnt before: then the entry
 * does not serve until that is recovered. */
#ifndef SERVER_LEARNING_LEARNING_H
#define SERVER_LEARNING_LEARNING_H

#include "server/learning/learner.h"

struct learning;
struct pace;

/* Borrows its arguments; `pace` may be NULL. Without options->state_dir every update is refused: what is learnt would be
 * lost. NULL when out of memory. */
struct learning *learning_create(const struct options *options, struct log *log,
                                 struct pace *pace);
/* Finishes what is queued, writes checkpoints, ends all threads. Nothing is submitted any more. */
void learning_destroy(struct learning *learning);
/* For registry_set_watch(). */
struct registry_watch learning_watch(struct learning *learning);
/* Takes the job over. False (untouched) sets `problem`. Any thread. */
bool learning_submit(struct learning *learning, struct learn_job *job, struct problem *problem);

#endif
