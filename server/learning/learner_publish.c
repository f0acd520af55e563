/* SPDX-License-Identifier: Apache-2.0
 * When predictions see what has been learnt. Never before it is durable; after that by the model's policy. */
#include "server/learning/learner_private.h"

#include "server/clock.h"
#include "server/observe/statistics.h"

enum { NS_PER_MS = 1000000 };

void learner_publish_begin(struct learner *learner)
{
    publish_policy_init(&learner->policy, learner->config.publish_every,
                        (uint64_t)learner->config.publish_ms * NS_PER_MS);
}

bool learner_publish_plan(struct learner *learner)
{
    bool seen = learner->gate.policy == GATE_OPEN &&
                publish_policy_add(&learner->policy, clock_now_ns());

    learner->show = learner->show || seen;
    return seen;
}

bool learner_publish(struct learner *learner, struct problem *problem)
{
    if (!learner_publish_as(learner, learner->generation, problem))
        return false;
    publish_policy_shown(&learner->policy);
    learner->show = false;
    return true;
}

void learner_note_newest(const struct learner *learner)
{
    learning_stats_set(stats_learning(learner->entry->stats), LEARNING_NEWEST,
                       (double)(learner->generation_base + (int64_t)learner->generation));
}

bool learner_show(struct learner *learner, const struct learner_update *update,
                  struct problem *problem)
{
    learner_note_newest(learner);
    if (learner->gate.policy != GATE_OPEN)
        return learner_gate_committed(learner, update, problem);
    return !learner->show || learner_publish(learner, problem);
}

uint64_t learner_show_due_ns(const struct learner *learner)
{
    /* What could not be made durable is never shown. */
    return learner->ahead ? UINT64_MAX : publish_policy_due_ns(&learner->policy);
}

void learner_show_late(struct learner *learner)
{
    struct problem problem = {0};

    /* Without memory it is tried again with the next update. */
    if (!learner_publish(learner, &problem))
        publish_policy_shown(&learner->policy);
}
