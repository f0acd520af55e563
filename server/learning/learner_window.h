/* SPDX-License-Identifier: Apache-2.0
 * server/learning/learner_window.h - examples that are never trained on: one in training.holdout_every, by
 * a digest of the example itself, so that the same example is always or never among them. The newest of
 * them, at most training.holdout_examples and HOLDOUT_BYTES_MAX, are the window on which a candidate and
 * what serves are compared. They are rows' examples like all others: a restart reads them from the
 * journal, and an erasure takes them away. Part of struct learner_gate; the learner's thread. */
#ifndef SERVER_LEARNING_LEARNER_WINDOW_H
#define SERVER_LEARNING_LEARNER_WINDOW_H

#include "engine/learn/promotion.h"
#include "server/learning/journal.h"

enum { HOLDOUT_BYTES_MAX = 64 << 20 };

struct learner;

struct held_example {
    uint64_t generation;
    struct journal_example example;        /* one block: inputs, then targets */
};

struct learner_window {
    struct held_example *items;            /* a ring, `first` the oldest */
    size_t first, n, capacity;
    size_t bytes;
    char *settings;                        /* of a row that holds such examples, but for who is held out */
};

/* How many of an update's examples are held out: 1 in so many; 0: none. */
int64_t learner_holdout(const struct learner *learner);
bool example_is_held(const struct journal_example *example, int64_t every);

/* A row has been added: its held examples go into the window. `settings`: learn_row_settings(). */
void learner_window_add(struct learner *learner, const struct journal_row *row, const char *settings);
/* Both on the window, each example a pair, if there are `least` of them; else WAIT. `ret` is the comparison
 * that decided. */
enum promotion_verdict learner_window_judge(struct learner *learner, uint64_t least,
                                            struct promotion *ret);
/* From the journal: at the start, and after whatever went back. Examples of updates that were left behind,
 * as those of a candidate that was held back, are not in it. */
void learner_window_rebuild(struct learner *learner);
void learner_window_finish(struct learner_window *window);

#endif
