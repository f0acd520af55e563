/* SPDX-License-Identifier: Apache-2.0
 * server/learning/learner_alarm.h - when what serves has become worse by being published, it is taken back
 * (training.auto_rollback). The rule: the loss of new examples, each judged by what served before it was
 * learnt, has over the newest training.rollback_updates updates a mean of more than training.rollback_factor
 * times that over as many updates before them; Welch's t-test gives less than one in a hundred to chance;
 * and what serves has changed within the newer half. Then the generation that served at the end of the older
 * half serves again. Both halves begin anew after that, and with a restart. Part of struct learner_gate;
 * the learner's thread. */
#ifndef SERVER_LEARNING_LEARNER_ALARM_H
#define SERVER_LEARNING_LEARNER_ALARM_H

#include <stddef.h>
#include <stdint.h>

struct learner;
struct learn_job;

struct alarm_entry {
    double loss;                   /* mean over the update's examples */
    uint64_t served;               /* the journal's generation that was judged */
};

struct learner_alarm {
    struct alarm_entry *ring;      /* twice rollback_updates, `next` the oldest when it is full */
    size_t capacity, n, next;
};

/* The loss of an update's examples by what serves. */
void learner_alarm_add(struct learner *learner, double loss);
/* An order to go back, or NULL. */
struct learn_job *learner_alarm_look(struct learner *learner);
void learner_alarm_reset(struct learner_alarm *alarm);
void learner_alarm_finish(struct learner_alarm *alarm);

#endif
