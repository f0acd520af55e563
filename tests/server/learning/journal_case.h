/* SPDX-License-Identifier: Apache-2.0
 * tests/server/learning/journal_case.h - a journal of the toy model in a directory of its own, for the suites
 * of the journal. */
#ifndef TESTS_SERVER_LEARNING_JOURNAL_CASE_H
#define TESTS_SERVER_LEARNING_JOURNAL_CASE_H

#include "server/learning/journal.h"
#include "tests/support/learning_case.h"

static char root[64];
static struct storage_dir dir;
static struct journal *journal;
static struct toy toy;

static inline void open_journal(const struct journal_options *options)
{
    ASSERT_OK(journal_open(&dir, options, &journal, err));
}

static inline void setup(void)
{
    struct journal_options options = toy_options();

    learning_directory_make(root);
    ASSERT_OK(storage_dir_open(&dir, root, "digits", err));
    toy_init(&toy);
    open_journal(&options);
}

static inline void teardown(void)
{
    journal_close(journal);
    storage_dir_close(&dir);
    learning_directory_remove(root);
}

static inline void reopen(void)
{
    struct journal_options options = toy_options();

    journal_close(journal);
    open_journal(&options);
}

/* Updates journal_last() + 1 .. to, each in a transaction of its own. */
static inline void learn(uint64_t to)
{
    struct toy_update update;

    while (journal_last(journal) < to) {
        toy_update_make(&update, journal_last(journal) + 1);
        toy_update_step(&toy, &update);
        ASSERT_OK(journal_append(journal, &update.row, 1, err));
    }
}

static inline void check_row(uint64_t generation)
{
    const struct journal_row *row;
    struct journal_held *held;
    struct toy_update update;
    struct digest state = toy_oracle(generation);

    toy_update_make(&update, generation);
    ASSERT_OK(journal_read(journal, generation, &held, &row, err));
    ck_assert_uint_eq(row->generation, generation);
    ck_assert_int_eq(row->kind, update.row.kind);
    ck_assert_int_eq(row->time_ms, update.row.time_ms);
    ck_assert_uint_eq(row->seed, update.row.seed);
    ck_assert_str_eq(row->principal, update.row.principal);
    ck_assert_str_eq(row->settings, update.row.settings);
    ck_assert_pstr_eq(row->key, update.row.key);
    ck_assert(digest_equal(&row->state, &state));
    ck_assert_uint_eq(row->n_examples, update.row.n_examples);
    for (size_t i = 0; i < row->n_examples; i++) {
        const struct journal_example *a = &row->examples[i], *b = &update.examples[i];

        ck_assert_pstr_eq(a->id, b->id);
        ck_assert(!a->erased);
        ck_assert_uint_eq(a->inputs_bytes, b->inputs_bytes);
        ck_assert_mem_eq(a->inputs, b->inputs, a->inputs_bytes);
        ck_assert_uint_eq(a->targets_bytes, b->targets_bytes);
        ck_assert_mem_eq(a->targets, b->targets, a->targets_bytes);
    }
    journal_row_release(held);
}

#endif
