/* SPDX-License-Identifier: Apache-2.0
 * tests/server/learning/recovery_case.h - a toy model's directory that is learnt in, restarted and gone
 * back in; for test_recovery.c and test_history.c. */
#ifndef TESTS_SERVER_LEARNING_RECOVERY_CASE_H
#define TESTS_SERVER_LEARNING_RECOVERY_CASE_H

#include "server/learning/recovery.h"
#include "tests/support/learning_case.h"
#include "tests/support/run_suite.h"

#include <string.h>

enum { READ_MAX = 1 << 20 };

static char root[64];
static struct storage_dir dir;
static struct journal *journal;
static struct toy toy;
static struct recovery found;
static struct journal_options options;

static inline void restart(void)
{
    struct recovery_trainer trainer = toy_trainer(&toy);

    journal_close(journal);
    toy_init(&toy);
    memset(toy.weights, 0xee, sizeof(toy.weights));     /* nothing may stay */
    recover(&dir, &options, READ_MAX, &trainer, &found);
    journal = found.journal;
}

static inline void assert_ready(uint64_t generation)
{
    ck_assert_msg(found.mode == RECOVERY_READY, "%s", found.faults[0].text);
    ck_assert_uint_eq(found.generation, generation);
    ck_assert_uint_eq(journal_last(journal), generation);
}

static inline void setup(void)
{
    journal = NULL;
    options = toy_options();
    learning_directory_make(root);
    ASSERT_OK(storage_dir_open(&dir, root, "m", err));
    toy_init(&toy);
    restart();
    assert_ready(0);
}

static inline void teardown(void)
{
    journal_close(journal);
    journal = NULL;
    storage_dir_close(&dir);
    learning_directory_remove(root);
}

static inline void learn(uint64_t to)
{
    struct toy_update update;

    while (journal_last(journal) < to) {
        toy_update_make(&update, journal_last(journal) + 1);
        toy_update_step(&toy, &update);
        ASSERT_OK(journal_append(journal, &update.row, 1, err));
    }
}

static inline void checkpoint(void)
{
    ASSERT_OK(toy_checkpoint(&dir, journal, &toy, err));
}

static inline void assert_state(const struct digest *expected)
{
    struct digest state = toy_state(&toy);

    ck_assert(digest_equal(&state, expected));
}

/* The state of updates first..last on top of the toy, without some. */
static inline void oracle(struct toy *model, uint64_t first, uint64_t last)
{
    struct toy_update update;

    for (uint64_t g = first; g <= last; g++) {
        toy_update_make(&update, g);
        toy_apply(model, &update.row);
    }
}

static inline void assert_oracle(struct toy *model)
{
    struct digest state = toy_state(model);

    assert_state(&state);
}

#endif
