/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/learn/publish_policy.h"

void publish_policy_init(struct publish_policy *policy, int64_t every, uint64_t after_ns)
{
    *policy = (struct publish_policy){.every = every, .after_ns = after_ns};
}

bool publish_policy_add(struct publish_policy *policy, uint64_t now_ns)
{
    if (policy->waiting++ == 0)
        policy->since_ns = now_ns;
    return (policy->every > 0 && policy->waiting >= policy->every) ||
           now_ns >= publish_policy_due_ns(policy);
}

uint64_t publish_policy_due_ns(const struct publish_policy *policy)
{
    if (policy->waiting == 0 || policy->after_ns == 0 ||
        policy->since_ns > UINT64_MAX - policy->after_ns)
        return UINT64_MAX;
    return policy->since_ns + policy->after_ns;
}

void publish_policy_shown(struct publish_policy *policy)
{
    policy->waiting = 0;
}
