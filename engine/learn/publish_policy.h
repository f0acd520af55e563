/* SPDX-License-Identifier: Apache-2.0
 * engine/learn/publish_policy.h - when predictions see what has been learnt: with every update, every so
 * many, or so long after the first that waits. Making weights ready for predictions costs as much as the
 * model is large, however small the update. Time is an argument; a plain value, one thread at a time. */
#ifndef ENGINE_LEARN_PUBLISH_POLICY_H
#define ENGINE_LEARN_PUBLISH_POLICY_H

#include <stdbool.h>
#include <stdint.h>

struct publish_policy {
    int64_t every;          /* updates; 0: by time alone */
    uint64_t after_ns;      /* that an update waits at most; 0: by count alone */
    int64_t waiting;        /* updates that predictions do not see yet */
    uint64_t since_ns;      /* when the first of them came */
};

void publish_policy_init(struct publish_policy *policy, int64_t every, uint64_t after_ns);
/* One more update. True: it is to be seen, and all before it. */
bool publish_policy_add(struct publish_policy *policy, uint64_t now_ns);
/* When what waits must be seen at the latest; UINT64_MAX: no such time. */
uint64_t publish_policy_due_ns(const struct publish_policy *policy);
/* Predictions see all. */
void publish_policy_shown(struct publish_policy *policy);

#endif
