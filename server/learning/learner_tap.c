/* SPDX-License-Identifier: Apache-2.0
 * What a learner does with live predictions that its model's tap has taken copies of: on its own thread,
 * between updates. */
#include "server/learning/learner_private.h"

#include "server/observe/statistics.h"

typedef void (*sample_consumer)(struct learner *learner, const struct tap_sample *sample);

/* By use; NULL: nobody opens the tap for it. */
static const sample_consumer consumers[TAP_USES] = {
    [TAP_SHADOW] = learner_shadow_sample,
    [TAP_FEATURES] = learner_drift_sample,
};

/* On the thread of a prediction. Under the lock, so that a learner about to wait hears it. */
static void wake(void *arg)
{
    struct learner *learner = arg;

    pthread_mutex_lock(&learner->lock);
    pthread_cond_signal(&learner->wake);
    pthread_mutex_unlock(&learner->lock);
}

void learner_tap_begin(struct learner *learner)
{
    tap_attach(&learner->entry->tap, wake, learner);
}

void learner_sample(struct learner *learner)
{
    struct tap *tap = &learner->entry->tap;
    struct tap_sample *sample;

    pace_point(&learner->pace, NULL);
    sample = tap_take(tap);
    for (int i = 0; i < TAP_USES && sample != NULL; i++)
        if ((sample->uses & 1u << i) != 0 && consumers[i] != NULL)
            consumers[i](learner, sample);
    tap_sample_unref(sample);
    learning_stats_set(stats_learning(learner->entry->stats), LEARNING_SAMPLES_DROPPED,
                       (double)tap_counts(tap).dropped);
}
