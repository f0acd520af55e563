/* SPDX-License-Identifier: Apache-2.0
 * engine/learn/train_budget.h - how much of the machine training may take: a bucket of CPU seconds
 * that fills at a share of the cores and is spent mini-batch by mini-batch. A trainer asks between
 * mini-batches, so a predict deadline never waits for more than one. Time is an argument; a plain
 * value, one thread at a time. */
#ifndef ENGINE_LEARN_TRAIN_BUDGET_H
#define ENGINE_LEARN_TRAIN_BUDGET_H

#include <stdint.h>

struct train_budget {
    double share;           /* of one core, in seconds a second; 0 and less: no limit */
    double burst_s;         /* the bucket's size */
    double left_s;          /* may fall below zero by one mini-batch */
    double cost_s;          /* of a mini-batch: a running mean */
    uint64_t filled_ns;     /* when it was last filled */
};

/* Starts full. `share` of one core: 0.5 is half a core, 2 two cores. */
void train_budget_init(struct train_budget *budget, double share, double burst_s, uint64_t now_ns);
/* Nanoseconds to wait before the next mini-batch, 0: go on. `slack_ns` is the time that the most
 * urgent waiting prediction can spare (UINT64_MAX: none waits): training yields when a mini-batch
 * costs more than that. */
uint64_t train_budget_wait_ns(struct train_budget *budget, uint64_t now_ns, uint64_t slack_ns);
/* A mini-batch has taken so much CPU time. */
void train_budget_spend(struct train_budget *budget, uint64_t cpu_ns);

#endif
