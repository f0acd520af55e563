/* SPDX-License-Identifier: Apache-2.0
 * Recovery without faults of the machine: checkpoints and replay, going back, leaving out, erasing,
 * damage by name, what is served when not all can be had. */
#include "config.h"

#include "server/learning/recovery.h"
#include "tests/support/learning_case.h"
#include "tests/support/run_suite.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { READ_MAX = 1 << 20 };

static char root[64];
static struct storage_dir dir;
static struct journal *journal;
static struct toy toy;
static struct recovery found;
static struct journal_options options;

static void restart(void)
{
    struct recovery_trainer trainer = toy_trainer(&toy);

    journal_close(journal);
    toy_init(&toy);
    memset(toy.weights, 0xee, sizeof(toy.weights));     /* nothing may stay */
    recover(&dir, &options, READ_MAX, &trainer, &found);
    journal = found.journal;
}

static void assert_ready(uint64_t generation)
{
    ck_assert_msg(found.mode == RECOVERY_READY, "%s", found.faults[0].text);
    ck_assert_uint_eq(found.generation, generation);
    ck_assert_uint_eq(journal_last(journal), generation);
}

static void setup(void)
{
    journal = NULL;
    options = toy_options();
    learning_directory_make(root);
    ASSERT_OK(storage_dir_open(&dir, root, "m", err));
    toy_init(&toy);
    restart();
    assert_ready(0);
}

static void teardown(void)
{
    journal_close(journal);
    journal = NULL;
    storage_dir_close(&dir);
    learning_directory_remove(root);
}

static void learn(uint64_t to)
{
    struct toy_update update;

    while (journal_last(journal) < to) {
        toy_update_make(&update, journal_last(journal) + 1);
        toy_update_step(&toy, &update);
        ASSERT_OK(journal_append(journal, &update.row, 1, err));
    }
}

static void checkpoint(void)
{
    ASSERT_OK(toy_checkpoint(&dir, journal, &toy, err));
}

static void assert_state(const struct digest *expected)
{
    struct digest state = toy_state(&toy);

    ck_assert(digest_equal(&state, expected));
}

/* The state of updates first..last on top of the toy, without some. */
static void oracle(struct toy *model, uint64_t first, uint64_t last)
{
    struct toy_update update;

    for (uint64_t g = first; g <= last; g++) {
        toy_update_make(&update, g);
        toy_apply(model, &update.row);
    }
}

static void assert_oracle(struct toy *model)
{
    struct digest state = toy_state(model);

    assert_state(&state);
}

START_TEST(replay_comes_to_the_same_weights)
{
    struct digest expected = toy_oracle(9);

    learn(9);
    restart();
    assert_ready(9);
    ck_assert(found.replayed == 9 && found.checkpoint == 0);
    assert_state(&expected);
    checkpoint();
    learn(11);
    restart();
    assert_ready(11);
    ck_assert(found.replayed == 2 && found.checkpoint == 9);
    expected = toy_oracle(11);
    assert_state(&expected);
    ck_assert_uint_eq(found.n_faults, 0);
}
END_TEST

START_TEST(a_damaged_checkpoint_costs_nothing)
{
    struct digest expected = toy_oracle(9);

    for (uint64_t g = 3; g <= 9; g += 3) {
        learn(g);
        checkpoint();
        ASSERT_OK(recovery_prune(&dir, journal, 0, err));
    }
    ck_assert_uint_eq(journal_floor(journal), 6);
    learning_damage(&dir, "checkpoint-00000000000000000009.safetensors");
    restart();
    assert_ready(9);
    ck_assert(found.replayed == 3 && found.checkpoint == 6);
    ck_assert_uint_eq(found.n_faults, 1);
    ck_assert_int_eq(found.faults[0].status, STORAGE_DAMAGED);
    ck_assert_str_eq(found.faults[0].file, "checkpoint-00000000000000000009.safetensors");
    assert_state(&expected);
    ck_assert(storage_file_exists(&dir, "checkpoint-00000000000000000009.safetensors.damaged"));
    /* It is not one of the two kept: the good one stays until there are two good. */
    learn(10);
    checkpoint();
    ASSERT_OK(recovery_prune(&dir, journal, 0, err));
    ck_assert_uint_eq(journal_floor(journal), 6);
    ck_assert(storage_file_exists(&dir, "checkpoint-00000000000000000006.safetensors"));
    restart();
    assert_ready(10);
}
END_TEST

START_TEST(rollback_goes_back_and_on)
{
    struct recovery_trainer trainer = toy_trainer(&toy);
    struct recovery_goal goal = {.to = 4};
    struct journal_row row = {.generation = 9, .kind = JOURNAL_ROLLBACK, .first = 4};
    struct toy model;

    learn(4);
    checkpoint();
    learn(8);
    checkpoint();
    ASSERT_OK(recovery_rebuild(&dir, journal, READ_MAX, &trainer, &goal, err));
    toy_init(&model);
    oracle(&model, 1, 4);
    assert_oracle(&model);
    row.state = toy_state(&toy);
    ASSERT_OK(journal_append(journal, &row, 1, err));
    restart();
    assert_ready(9);
    assert_oracle(&model);
    /* The checkpoint of 8 leads elsewhere now. */
    ck_assert_uint_eq(found.checkpoint, 4);
    ck_assert_uint_eq(found.n_faults, 0);
    learn(12);
    oracle(&model, 10, 12);
    restart();
    assert_ready(12);
    assert_oracle(&model);
    /* A checkpoint of the rollback itself, and pruning that keeps what is needed. */
    checkpoint();
    ASSERT_OK(recovery_prune(&dir, journal, 0, err));
    ck_assert_uint_eq(journal_floor(journal), 4);
    ck_assert(!storage_file_exists(&dir, "checkpoint-00000000000000000008.safetensors"));
    learn(14);
    oracle(&model, 13, 14);
    learning_damage(&dir, "checkpoint-00000000000000000012.safetensors");
    restart();
    assert_ready(14);
    assert_oracle(&model);
    /* Forward again, to before the rollback. */
    goal.to = 7;
    ASSERT_OK(recovery_rebuild(&dir, journal, READ_MAX, &trainer, &goal, err));
    toy_init(&model);
    oracle(&model, 1, 7);
    assert_oracle(&model);
}
END_TEST

START_TEST(a_checkpoint_of_a_rollback_serves)
{
    struct recovery_trainer trainer = toy_trainer(&toy);
    struct recovery_goal goal = {.to = 3};
    struct journal_row row = {.generation = 7, .kind = JOURNAL_ROLLBACK, .first = 3};
    struct toy model;

    learn(6);
    ASSERT_OK(recovery_rebuild(&dir, journal, READ_MAX, &trainer, &goal, err));
    row.state = toy_state(&toy);
    ASSERT_OK(journal_append(journal, &row, 1, err));
    checkpoint();
    learn(9);
    toy_init(&model);
    oracle(&model, 1, 3);
    oracle(&model, 8, 9);
    restart();
    assert_ready(9);
    ck_assert_uint_eq(found.checkpoint, 7);
    ck_assert_uint_eq(found.replayed, 2);
    assert_oracle(&model);
}
END_TEST

START_TEST(rewind_leaves_a_range_out)
{
    struct recovery_trainer trainer = toy_trainer(&toy);
    struct recovery_goal goal = {.to = 8, .skip_first = 4, .skip_last = 5};
    struct journal_row row = {.generation = 9, .kind = JOURNAL_REWIND, .first = 4, .last = 5};
    struct toy model;

    learn(2);
    checkpoint();
    learn(6);
    checkpoint();
    learn(8);
    ASSERT_OK(recovery_rebuild(&dir, journal, READ_MAX, &trainer, &goal, err));
    toy_init(&model);
    oracle(&model, 1, 3);
    oracle(&model, 6, 8);
    assert_oracle(&model);
    row.state = toy_state(&toy);
    ASSERT_OK(journal_append(journal, &row, 1, err));
    learn(11);
    oracle(&model, 10, 11);
    restart();
    assert_ready(11);
    ck_assert_uint_eq(found.checkpoint, 2);
    assert_oracle(&model);
    /* Out of what is left, another. */
    goal = (struct recovery_goal){.to = 11, .skip_first = 3, .skip_last = 6};
    ASSERT_OK(recovery_rebuild(&dir, journal, READ_MAX, &trainer, &goal, err));
    toy_init(&model);
    oracle(&model, 1, 2);
    oracle(&model, 7, 8);
    oracle(&model, 10, 11);
    assert_oracle(&model);
}
END_TEST

START_TEST(erasure_rebuilds_without)
{
    static const char *const ids[] = {"p5-1", "4.0"};
    struct recovery_trainer trainer = toy_trainer(&toy);
    struct recovery_goal goal = {.to = 8, .without = ids, .n_without = 2};
    struct journal_row row = {.generation = 9, .kind = JOURNAL_ERASE, .first = 4};
    struct toy_update update;
    struct toy model;

    learn(2);
    checkpoint();
    learn(6);
    checkpoint();
    learn(8);
    ASSERT_OK(recovery_rebuild(&dir, journal, READ_MAX, &trainer, &goal, err));
    row.state = toy_state(&toy);
    ASSERT_OK(journal_erase(journal, ids, 2, &row, err));

    toy_init(&model);
    oracle(&model, 1, 3);
    for (uint64_t g = 4; g <= 8; g++) {
        toy_update_make(&update, g);
        if (g == 4)
            update.examples[0].erased = true;
        if (g == 5)
            update.examples[1].erased = true;
        toy_apply(&model, &update.row);
    }
    assert_oracle(&model);
    /* Before its checkpoint is written, from the one before the erased examples; the one after holds
     * their influence. */
    restart();
    assert_ready(9);
    ck_assert_uint_eq(found.checkpoint, 2);
    assert_oracle(&model);
    learn(10);
    oracle(&model, 10, 10);
    checkpoint();
    ASSERT_OK(recovery_prune(&dir, journal, 0, err));
    ck_assert(!storage_file_exists(&dir, "checkpoint-00000000000000000006.safetensors"));
    ck_assert(storage_file_exists(&dir, "checkpoint-00000000000000000002.safetensors"));
    learning_damage(&dir, "checkpoint-00000000000000000010.safetensors");
    restart();
    assert_ready(10);
    ck_assert_uint_eq(found.checkpoint, 2);
    assert_oracle(&model);
}
END_TEST

START_TEST(a_false_tombstone_is_damage)
{
    struct digest expected = toy_oracle(4);

    learn(7);
    journal_close(journal);
    journal = NULL;
    learning_tamper(&dir, "UPDATE example SET salt=NULL,inputs=NULL,targets=NULL WHERE id='p5-0'");
    restart();
    ck_assert_int_eq(found.mode, RECOVERY_READ_ONLY);
    ck_assert_uint_eq(found.generation, 4);
    ck_assert_uint_eq(found.faults[0].generation, 5);
    assert_state(&expected);
}
END_TEST

START_TEST(a_damaged_row_is_read_only_before_it)
{
    struct digest expected = toy_oracle(5);

    learn(3);
    checkpoint();
    learn(8);
    journal_close(journal);
    journal = NULL;
    learning_tamper(&dir, "UPDATE example SET targets=zeroblob(4) WHERE place=6<<20");
    restart();
    ck_assert_int_eq(found.mode, RECOVERY_READ_ONLY);
    ck_assert_ptr_null(found.journal);
    ck_assert_uint_eq(found.generation, 5);
    ck_assert_uint_eq(found.n_faults, 1);
    ck_assert_str_eq(found.faults[0].file, "journal.db");
    ck_assert_uint_eq(found.faults[0].generation, 6);
    assert_state(&expected);
}
END_TEST

/* A trainer that comes to other weights is never believed. */
START_TEST(other_weights_are_refused)
{
    struct digest expected = toy_oracle(4);
    struct toy_update update;

    learn(4);
    toy_update_make(&update, 5);
    toy_update_step(&toy, &update);
    update.row.state.bytes[0] ^= 1;
    ASSERT_OK(journal_append(journal, &update.row, 1, err));
    learn(7);
    restart();
    ck_assert_int_eq(found.mode, RECOVERY_READ_ONLY);
    ck_assert_uint_eq(found.generation, 4);
    ck_assert_uint_eq(found.faults[0].generation, 5);
    assert_state(&expected);
}
END_TEST

START_TEST(a_step_that_fails_is_named)
{
    struct recovery_trainer trainer = toy_trainer(&toy);
    struct digest expected = toy_oracle(5);

    learn(3);
    checkpoint();
    learn(8);
    journal_close(journal);
    toy.fail_at = 6;
    recover(&dir, &options, READ_MAX, &trainer, &found);
    journal = found.journal;
    ck_assert_int_eq(found.mode, RECOVERY_READ_ONLY);
    ck_assert_uint_eq(found.generation, 5);
    ck_assert_str_eq(found.faults[0].text, "the toy refuses");
    assert_state(&expected);
}
END_TEST

START_TEST(all_checkpoints_damaged)
{
    struct digest base = toy_oracle(0), eight = toy_oracle(8);

    /* While every row is kept, nothing is lost. */
    learn(4);
    checkpoint();
    learn(8);
    learning_damage(&dir, "checkpoint-00000000000000000004.safetensors");
    restart();
    assert_ready(8);
    ck_assert_uint_eq(found.replayed, 8);
    assert_state(&eight);
    /* When rows were pruned, the model file is all there is. */
    checkpoint();
    learn(10);
    checkpoint();
    ASSERT_OK(recovery_prune(&dir, journal, 0, err));
    ck_assert_uint_eq(journal_floor(journal), 8);
    learning_damage(&dir, "checkpoint-00000000000000000008.safetensors");
    learning_damage(&dir, "checkpoint-00000000000000000010.safetensors");
    restart();
    ck_assert_int_eq(found.mode, RECOVERY_READ_ONLY);
    ck_assert_uint_eq(found.generation, 0);
    ck_assert_uint_ge(found.n_faults, 3);
    assert_state(&base);
}
END_TEST

START_TEST(without_a_journal_the_newest_checkpoint_serves)
{
    static const char *const files[] = {"journal.db", "journal.db-wal", "journal.db-shm", "journal.head"};
    struct digest expected = toy_oracle(6);

    learn(3);
    checkpoint();
    learn(6);
    checkpoint();
    learn(8);
    journal_close(journal);
    journal = NULL;
    for (size_t i = 0; i < 4; i++)
        unlinkat(dir.fd, files[i], 0);
    restart();
    ck_assert_int_eq(found.mode, RECOVERY_READ_ONLY);
    ck_assert_uint_eq(found.generation, 6);
    ck_assert_str_eq(found.faults[0].file, "journal.db");
    assert_state(&expected);
    ck_assert(!storage_file_exists(&dir, "journal.db"));
}
END_TEST

/* The directory as it was is brought back, but for one file of the present. */
static void go_back(const char *copy, const char *keep)
{
    char from[256], to[256];

    journal_close(journal);
    journal = NULL;
    storage_dir_close(&dir);
    snprintf(from, sizeof(from), "%s/learning/m/%s", root, keep);
    snprintf(to, sizeof(to), "%s/learning/m/%s", copy, keep);
    ck_assert_int_eq(rename(from, to), 0);
    learning_directory_remove(root);
    ck_assert_int_eq(rename(copy, root), 0);
    ASSERT_OK(storage_dir_open(&dir, root, "m", err));
}

START_TEST(a_checkpoint_past_the_end_is_proof_of_loss)
{
    struct digest expected = toy_oracle(6);
    char copy[96];

    learn(4);
    snprintf(copy, sizeof(copy), "%s-copy", root);
    learning_directory_copy(root, copy);
    learn(6);
    checkpoint();
    go_back(copy, "checkpoint-00000000000000000006.safetensors");
    restart();
    ck_assert_int_eq(found.mode, RECOVERY_READ_ONLY);
    ck_assert_uint_eq(found.generation, 6);
    ck_assert_str_eq(found.faults[0].file, "journal.db");
    ck_assert_uint_eq(found.faults[0].generation, 5);
    assert_state(&expected);
}
END_TEST

/* Both are whole, but the witness has seen another row 5. */
START_TEST(a_forked_journal_is_refused)
{
    struct storage_dir other;
    struct journal *branch;
    struct toy_update update;
    char copy[96];

    learn(4);
    snprintf(copy, sizeof(copy), "%s-copy", root);
    learning_directory_copy(root, copy);
    toy_update_make(&update, 5);
    update.row.seed++;
    toy_update_step(&toy, &update);
    ASSERT_OK(journal_append(journal, &update.row, 1, err));
    /* The other branch, made in the copy, with this branch's witness. */
    ASSERT_OK(storage_dir_open(&other, copy, "m", err));
    ASSERT_OK(journal_open(&other, &options, &branch, err));
    toy_update_make(&update, 5);
    ASSERT_OK(journal_append(branch, &update.row, 1, err));
    journal_close(branch);
    storage_dir_close(&other);
    go_back(copy, "journal.head");
    restart();
    ck_assert_int_eq(found.mode, RECOVERY_READ_ONLY);
    ck_assert_uint_eq(found.faults[0].generation, 5);
    ck_assert_ptr_nonnull(strstr(found.faults[0].text, "journal.head"));
}
END_TEST

START_TEST(a_changed_model_file_begins_anew_read_only)
{
    struct digest base = toy_oracle(0);

    learn(3);
    checkpoint();
    options.base = digest_of("new", 3);
    restart();
    ck_assert_int_eq(found.mode, RECOVERY_READ_ONLY);
    ck_assert_uint_eq(found.generation, 0);
    ck_assert_int_eq(found.faults[0].status, STORAGE_OTHER_MODEL);
    assert_state(&base);
}
END_TEST

/* Random histories: every jump, checkpoints and pruning anywhere, against a model of its own. */
START_TEST(random_histories)
{
    uint64_t seed = test_seed();

    for (int round = 0; round < 30 * test_scale(); round++) {
        struct recovery_trainer trainer = toy_trainer(&toy);
        struct toy states[48];

        teardown();
        setup();
        toy_init(&states[0]);
        while (journal_last(journal) < 47) {
            uint64_t last = journal_last(journal), next = last + 1, dice = test_random(&seed) % 20;
            uint64_t target = journal_floor(journal);
            struct journal_row row = {.generation = next};
            struct storage_fault fault = {0};
            struct recovery_goal goal;

            target += test_random(&seed) % (last - target + 1);
            goal = (struct recovery_goal){.to = target};
            if (dice == 0 && recovery_rebuild(&dir, journal, READ_MAX, &trainer, &goal, &fault) ==
                                 STORAGE_OK) {
                struct digest a = toy_state(&toy), b = toy_state(&states[target]);

                ck_assert_msg(digest_equal(&a, &b), "to %llu", (unsigned long long)target);
                row.kind = JOURNAL_ROLLBACK;
                row.first = target;
                row.state = a;
                ASSERT_OK(journal_append(journal, &row, 1, err));
            } else if (dice == 0) {
                ck_assert_int_eq(fault.status, STORAGE_NOT_FOUND);
                toy = states[last];
                continue;
            } else if (dice == 1) {
                checkpoint();
                continue;
            } else if (dice == 2) {
                ASSERT_OK(recovery_prune(&dir, journal, 0, err));
                continue;
            } else if (dice == 3) {
                restart();
                assert_ready(last);
                assert_oracle(&states[last]);
                continue;
            } else {
                learn(next);
            }
            states[next] = toy;
        }
        restart();
        assert_ready(47);
        assert_oracle(&states[47]);
    }
}
END_TEST

Suite *make_suite(void)
{
    Suite *suite = suite_create("recovery");
    TCase *tc = tcase_create("recovery");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_set_timeout(tc, 300 * test_scale());
    tcase_add_test(tc, replay_comes_to_the_same_weights);
    tcase_add_test(tc, a_damaged_checkpoint_costs_nothing);
    tcase_add_test(tc, rollback_goes_back_and_on);
    tcase_add_test(tc, a_checkpoint_of_a_rollback_serves);
    tcase_add_test(tc, rewind_leaves_a_range_out);
    tcase_add_test(tc, erasure_rebuilds_without);
    tcase_add_test(tc, a_false_tombstone_is_damage);
    tcase_add_test(tc, a_damaged_row_is_read_only_before_it);
    tcase_add_test(tc, other_weights_are_refused);
    tcase_add_test(tc, a_step_that_fails_is_named);
    tcase_add_test(tc, all_checkpoints_damaged);
    tcase_add_test(tc, without_a_journal_the_newest_checkpoint_serves);
    tcase_add_test(tc, a_checkpoint_past_the_end_is_proof_of_loss);
    tcase_add_test(tc, a_forked_journal_is_refused);
    tcase_add_test(tc, a_changed_model_file_begins_anew_read_only);
    tcase_add_test(tc, random_histories);
    suite_add_tcase(suite, tc);
    return suite;
}
