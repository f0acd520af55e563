/* SPDX-License-Identifier: Apache-2.0
 * server/learning/learner_gate.h - what is learnt and what serves may be two things: with
 * training.publish "gate" or "manual" the trainer's state is a candidate, and predictions go on with the
 * generation that was promoted last. `serving` is a second trainer that stands there: it scores new
 * examples beside the candidate, and gives its state back when the candidate is quarantined. Part of
 * struct learner; the learner's thread. */
#ifndef SERVER_LEARNING_LEARNER_GATE_H
#define SERVER_LEARNING_LEARNER_GATE_H

#include "engine/learn/promotion.h"
#include "engine/train/trainer.h"
#include "proto/problem.h"
#include "proto/text.h"
#include "server/learning/journal.h"
#include "server/learning/learner.h"
#include "server/learning/learner_alarm.h"
#include "server/learning/learner_shadow.h"
#include "server/learning/learner_window.h"

struct learner_update;

enum gate_policy {
    GATE_OPEN,                  /* every update serves once it is durable */
    GATE_JUDGE,                  /* what stands the comparison */
    GATE_MANUAL                 /* what is told to */
};

enum { GATE_RECENT = 16 };

struct learner_gate {
    enum gate_policy policy;
    uint64_t served;               /* the journal's generation whose weights serve */
    uint64_t changed;              /* the newest that changed weights: a candidate if after `served` */
    struct trainer *serving;       /* NULL with GATE_OPEN */
    struct weights *next;          /* of a promotion that is not committed yet */
    struct promotion pairs;        /* new examples, before they are learnt, since the last verdict */
    double recent[GATE_RECENT];    /* differences of the newest of them */
    uint64_t n_recent;
    struct learner_window window;  /* held out */
    struct learner_shadow shadow;
    struct learner_alarm alarm;
};

/* --- learner_gate.c --- */
void learner_gate_init(struct learner *learner);
void learner_gate_finish(struct learner *learner);
/* After recovery: whether there is something that has been learnt and does not serve. */
bool learner_gate_find(struct learner *learner, bool *ret_candidate, struct problem *problem);
/* After that: publishes what served last, and stands ready. */
bool learner_gate_open(struct learner *learner, struct problem *problem);
/* The trainer's state serves, as that generation. */
bool learner_publish_as(struct learner *learner, uint64_t generation, struct problem *problem);
/* The trainer's state as a generation of the served model. */
struct weights *learner_weights(struct learner *learner, struct problem *problem);
/* Unless GATE_OPEN: the update is durable; publishes what it makes the server serve, if anything. */
bool learner_gate_committed(struct learner *learner, const struct learner_update *update,
                            struct problem *problem);
/* What the row of a job that waits for promotion says: `settings` with members more, in new memory; it is
 * freed. NULL when out of memory. */
char *learner_gate_mark(char *settings, int64_t holdout);
/* A rollback by which a candidate was held back. */
bool learner_gate_is_quarantine(const struct journal_row *row);
/* True if what the job leads to is not seen by predictions before it is promoted; of an erasure `update`
 * knows the examples. */
bool learner_gate_waits(struct learner *learner, const struct learn_job *job,
                        const struct learner_update *update);
bool learner_has_candidate(const struct learner *learner);
/* Up to which row pruning may go: the way back to what serves stays. */
uint64_t learner_gate_hold(const struct learner *learner);
/* True if something serves since the row: generation `ret`. */
bool learner_gate_serves(const struct journal_row *row, uint64_t *ret);
/* The trainer's note in a checkpoint of what serves: the only ones that do where the journal is damaged. */
extern const char checkpoint_serves[];
/* One trainer's state into another of the same model, bit for bit, optimiser and all. */
bool learner_copy_state(const struct trainer *from, struct trainer *to, struct problem *problem);

/* --- learner_promote.c --- */
/* LEARN_JOB_PROMOTE: computes the update. */
bool learner_promote(struct learner *learner, struct learn_job *job, struct learner_update *update,
                     struct problem *problem);

/* --- learner_label.c --- */
/* LEARN_JOB_LABEL: computes the update. */
bool learner_label(struct learner *learner, struct learn_job *job, struct learner_update *update,
                   struct problem *problem);
/* The generation that a rollback asks for, by number, label or time. */
bool learner_locate(struct learner *learner, const struct learn_job *job, int64_t *ret,
                    struct problem *problem);

/* --- learner_judge.c --- */
/* Scores the examples of a job that is about to be learnt, by what serves and by the candidate. Returns an
 * order to be carried out first (its `finish` frees it), or NULL. */
struct learn_job *learner_judge(struct learner *learner, const struct learn_job *job);
/* The loss of each example, all in one batch (or, unless `by_row`, of the batch as one example). False
 * where they cannot be told apart or the batch is refused. */
bool learner_score(struct trainer *trainer, const struct trainer_batch *batch, bool by_row, int64_t rows,
                   double *ret_losses);
/* A job of the learner's own, or NULL. `note` as in struct learn_job; copied. */
struct learn_job *learner_order(const struct learner *learner, enum learn_kind kind, int64_t to,
                                const char *note);
/* Begins to count anew. */
void learner_judge_reset(struct learner *learner);

#endif
