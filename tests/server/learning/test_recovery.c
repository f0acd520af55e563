/* SPDX-License-Identifier: Apache-2.0
 * Recovery without faults of the machine: checkpoints and replay, damage by name, what is served when
 * not all can be had. */
#include "config.h"

#include "tests/server/learning/recovery_case.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

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
        ASSERT_OK(recovery_prune(&dir, journal, UINT64_MAX, UINT64_MAX, 0, err));
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
    ASSERT_OK(recovery_prune(&dir, journal, UINT64_MAX, UINT64_MAX, 0, err));
    ck_assert_uint_eq(journal_floor(journal), 6);
    ck_assert(storage_file_exists(&dir, "checkpoint-00000000000000000006.safetensors"));
    restart();
    assert_ready(10);
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
    ASSERT_OK(recovery_prune(&dir, journal, UINT64_MAX, UINT64_MAX, 0, err));
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

Suite *make_suite(void)
{
    Suite *suite = suite_create("recovery");
    TCase *tc = tcase_create("recovery");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_set_timeout(tc, 300 * test_scale());
    tcase_add_test(tc, replay_comes_to_the_same_weights);
    tcase_add_test(tc, a_damaged_checkpoint_costs_nothing);
    tcase_add_test(tc, a_false_tombstone_is_damage);
    tcase_add_test(tc, a_damaged_row_is_read_only_before_it);
    tcase_add_test(tc, other_weights_are_refused);
    tcase_add_test(tc, a_step_that_fails_is_named);
    tcase_add_test(tc, all_checkpoints_damaged);
    tcase_add_test(tc, without_a_journal_the_newest_checkpoint_serves);
    tcase_add_test(tc, a_checkpoint_past_the_end_is_proof_of_loss);
    tcase_add_test(tc, a_forked_journal_is_refused);
    tcase_add_test(tc, a_changed_model_file_begins_anew_read_only);
    suite_add_tcase(suite, tc);
    return suite;
}
