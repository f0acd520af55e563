/* SPDX-License-Identifier: Apache-2.0
 * server/learning/learner_shadow.h - the candidate sees live traffic: copies of some predictions are computed
 * once more with its weights when the learner has nothing else to do, compared with what was answered, and
 * dropped. Part of struct learner_gate; the learner's thread. */
#ifndef SERVER_LEARNING_LEARNER_SHADOW_H
#define SERVER_LEARNING_LEARNER_SHADOW_H

#include "engine/engine.h"
#include "server/serving/tap.h"

struct learner;

struct learner_shadow {
    bool open;                     /* the tap is */
    struct runner *runner;
    struct weights *weights;       /* of generation `made` */
    uint64_t made;
    /* Since what serves is what it is. */
    uint64_t rows, classed;        /* compared; of those, rows of class scores */
    uint64_t other_class;          /* the largest score is another's */
    uint64_t values;
    double difference;             /* sum over values of |candidate - served| */
};

/* After what serves or waits has changed: opens or closes the tap. */
void learner_shadow_follow(struct learner *learner);
/* What serves is another: begins to count anew. */
void learner_shadow_reset(struct learner *learner);
void learner_shadow_finish(struct learner_shadow *shadow);
/* A consumer of the tap. */
void learner_shadow_sample(struct learner *learner, const struct tap_sample *sample);

#endif
