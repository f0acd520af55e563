/* SPDX-License-Identifier: Apache-2.0
 * server/learning/pace.h - when training may compute: predictions go first. One for the daemon; each
 * thread that trains has a runner and calls pace_point() between mini-batches, where nothing is half
 * done. There it waits
 *
 *   - for its share of the CPU, if the daemon gives training a share: all runners draw on one budget;
 *   - while predictions queue, as long as a few of its own mini-batches take: longer would starve
 *     training on a server that is always full, so that it keeps about a tenth of its pace then.
 *
 * Waiting never changes what is learnt: only when. */
#ifndef SERVER_LEARNING_PACE_H
#define SERVER_LEARNING_PACE_H

#include "engine/learn/train_budget.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct pace;

/* What a pace sees of the world; tests have one of their own. */
struct pace_world {
    void *arg;
    uint64_t (*now_ns)(void *arg);       /* monotonic */
    uint64_t (*cpu_ns)(void *arg);       /* that the calling thread has used */
    void (*sleep_ns)(void *arg, uint64_t ns);
    /* What the most urgent prediction that waits can spare; UINT64_MAX: none waits. */
    uint64_t (*slack_ns)(void *arg);
};

/* One thread's. A plain value. */
struct pace_runner {
    struct pace *pace;
    struct train_budget own;             /* what its mini-batches cost */
    uint64_t cpu_ns;                     /* of the thread, when it last began to compute */
};

struct scheduler;

/* `percent` of one core for all training together (0: no limit), beside the predictions of `scheduler`, which
 * is borrowed. NULL when out of memory. */
struct pace *pace_create(int64_t percent, struct scheduler *scheduler);
/* The same in another world. */
struct pace *pace_create_in(int64_t percent, const struct pace_world *world);
void pace_destroy(struct pace *pace);
/* Nobody waits any more: the daemon stops. Any thread. */
void pace_hurry(struct pace *pace);

/* Before the thread's first mini-batch, and whenever it has done something else in between: what was used
 * until now is not training. `pace` NULL: it never waits. On the runner's thread, as all that follows. */
void pace_begin(struct pace_runner *runner, struct pace *pace);
/* After a mini-batch: books what it took, then waits for the next one's turn. Ends early when `stop` (may
 * be NULL) becomes true. */
void pace_point(struct pace_runner *runner, const atomic_bool *stop);
/* The two halves of it: books; then says for how long pace_wait() would now wait at least (0: not at all), so
 * that what has been computed can be brought home first. */
uint64_t pace_book(struct pace_runner *runner);
void pace_wait(struct pace_runner *runner, const atomic_bool *stop);

#endif
