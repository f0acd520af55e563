/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/learn/train_budget.h"

#include <math.h>

static const double ns = 1e-9;

void train_budget_init(struct train_budget *budget, double share, double burst_s, uint64_t now_ns)
{
    *budget = (struct train_budget){.share = share, .burst_s = burst_s, .left_s = burst_s,
                                    .filled_ns = now_ns};
}

static void fill(struct train_budget *budget, uint64_t now_ns)
{
    /* A clock that has gone back fills nothing. */
    if (now_ns > budget->filled_ns)
        budget->left_s += (double)(now_ns - budget->filled_ns) * ns * budget->share;
    budget->filled_ns = now_ns;
    if (budget->left_s > budget->burst_s)
        budget->left_s = budget->burst_s;
}

uint64_t train_budget_wait_ns(struct train_budget *budget, uint64_t now_ns, uint64_t slack_ns)
{
    double wait_s = 0.0;

    /* A mini-batch that would cost a prediction its deadline waits until that one has gone. */
    if (slack_ns != UINT64_MAX && (double)slack_ns * ns < budget->cost_s)
        wait_s = budget->cost_s;
    if (budget->share > 0.0) {
        fill(budget, now_ns);
        if (budget->left_s < 0.0)
            wait_s = fmax(wait_s, -budget->left_s / budget->share);
    }
    return (uint64_t)ceil(wait_s / ns);
}

void train_budget_spend(struct train_budget *budget, uint64_t cpu_ns)
{
    double cost_s = (double)cpu_ns * ns;

    budget->cost_s = budget->cost_s == 0.0 ? cost_s : 0.8 * budget->cost_s + 0.2 * cost_s;
    if (budget->share > 0.0)
        budget->left_s -= cost_s;
}
