/* SPDX-License-Identifier: Apache-2.0
 * Going back: rollback, rewind, erasure, what retention keeps, and random histories of it all. */
#include "config.h"

#include "server/learning/history.h"
#include "tests/server/learning/recovery_case.h"

#include <stdlib.h>
#include <sys/uio.h>

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
    ASSERT_OK(recovery_prune(&dir, journal, UINT64_MAX, UINT64_MAX, 0, err));
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
    ASSERT_OK(recovery_prune(&dir, journal, UINT64_MAX, UINT64_MAX, 0, err));
    ck_assert(!storage_file_exists(&dir, "checkpoint-00000000000000000006.safetensors"));
    ck_assert(storage_file_exists(&dir, "checkpoint-00000000000000000002.safetensors"));
    learning_damage(&dir, "checkpoint-00000000000000000010.safetensors");
    restart();
    assert_ready(10);
    ck_assert_uint_eq(found.checkpoint, 2);
    assert_oracle(&model);
}
END_TEST

/* Within what is kept one by one, going back begins from a checkpoint near; files do not pile up. */
START_TEST(retention_keeps_ways_back)
{
    struct recovery_trainer trainer = toy_trainer(&toy);
    uint64_t generations[CHECKPOINT_LISTED_MAX];
    size_t n;

    options.generations_min = 40;
    restart();
    for (uint64_t g = 2; g <= 120; g += 2) {
        learn(g);
        checkpoint();
        ASSERT_OK(recovery_prune(&dir, journal, UINT64_MAX, UINT64_MAX, 0, err));
    }
    ck_assert_uint_le(journal_floor(journal), 80);
    ck_assert_uint_ge(journal_floor(journal), 60);
    ASSERT_OK(checkpoint_list(&dir, generations, &n, err));
    ck_assert_uint_le(n, 17);
    for (uint64_t to = 80; to <= 120; to += 5) {
        struct recovery_goal goal = {.to = to};
        struct digest expected = toy_oracle(to);

        ASSERT_OK(recovery_rebuild(&dir, journal, READ_MAX, &trainer, &goal, err));
        assert_state(&expected);
    }
}
END_TEST

/* Random histories: every jump, checkpoints and pruning anywhere, against a model of its own. */
/* Whether the newest state has grown out of that of the generation. */
static bool history_leads(uint64_t generation)
{
    struct history_jumps jumps;
    struct history path, part;
    bool leads;

    ASSERT_OK(history_collect(journal, &jumps, err));
    ASSERT_OK(history_to(&jumps, journal_last(journal), &path, err));
    ASSERT_OK(history_to(&jumps, generation, &part, err));
    leads = history_begins(&path, &part);
    history_finish(&path);
    history_finish(&part);
    history_jumps_finish(&jumps);
    return leads;
}

static enum storage_status storage_file_copy(const struct storage_dir *from, const char *name,
                                             const char *to, struct storage_fault *fault)
{
    unsigned char *data;
    size_t bytes;
    enum storage_status status = storage_file_read(from, name, READ_MAX, &data, &bytes, fault);

    if (status != STORAGE_OK)
        return status;
    status = storage_file_write(from, to, &(struct iovec){data, bytes}, 1, fault);
    free(data);
    return status;
}

START_TEST(random_histories)
{
    uint64_t seed = test_seed();
    int adopted = 0;

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
            } else if (dice == 4) {
                bool known = history_leads(target);

                if (toy_adopt(&dir, journal, &toy, target, &fault) != STORAGE_OK) {
                    ck_assert_int_eq(fault.status, STORAGE_NOT_FOUND);
                    ck_assert(!known);
                    toy = states[last];
                    continue;
                }
                adopted++;
            } else if (dice == 1) {
                checkpoint();
                continue;
            } else if (dice == 2) {
                ASSERT_OK(recovery_prune(&dir, journal, UINT64_MAX, UINT64_MAX, 0, err));
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
    ck_assert_int_gt(adopted, 0);
}
END_TEST

START_TEST(adopted_state_is_kept_and_left)
{
    struct recovery_trainer trainer = toy_trainer(&toy);
    struct recovery_goal goal = {.to = 6};
    struct journal_row row = {.generation = 14, .kind = JOURNAL_ROLLBACK, .first = 6};
    struct toy model;
    uint64_t from;

    learn(4);
    checkpoint();
    learn(9);
    /* The job began at 5; 6 to 9 have come since. */
    ASSERT_OK(toy_adopt(&dir, journal, &toy, 5, err));
    toy_train(&model, 10);
    oracle(&model, 6, 9);
    assert_oracle(&model);
    ASSERT_OK(recovery_root(journal, &from, err));
    ck_assert_uint_eq(from, 10);
    learn(13);
    oracle(&model, 11, 13);
    /* Without a checkpoint behind it, from its own file. */
    restart();
    assert_ready(13);
    assert_oracle(&model);
    ck_assert_uint_eq(found.checkpoint, 10);
    checkpoint();
    ASSERT_OK(recovery_prune(&dir, journal, UINT64_MAX, UINT64_MAX, 0, err));
    ck_assert(storage_file_exists(&dir, "trained-00000000000000000010.safetensors"));
    ck_assert(storage_file_exists(&dir, "checkpoint-00000000000000000004.safetensors"));
    /* Back to before the job, and forward to behind it. */
    ASSERT_OK(recovery_rebuild(&dir, journal, READ_MAX, &trainer, &goal, err));
    toy_init(&model);
    oracle(&model, 1, 6);
    assert_oracle(&model);
    row.state = toy_state(&toy);
    ASSERT_OK(journal_append(journal, &row, 1, err));
    restart();
    assert_ready(14);
    assert_oracle(&model);
    checkpoint();
    ASSERT_OK(recovery_prune(&dir, journal, UINT64_MAX, UINT64_MAX, 0, err));
    goal.to = 12;
    ASSERT_OK(recovery_rebuild(&dir, journal, READ_MAX, &trainer, &goal, err));
    toy_train(&model, 10);
    oracle(&model, 6, 9);
    oracle(&model, 11, 12);
    assert_oracle(&model);
}
END_TEST

START_TEST(adopted_state_that_is_damaged_is_named)
{
    learn(3);
    ASSERT_OK(toy_adopt(&dir, journal, &toy, 2, err));
    learn(6);
    learning_damage(&dir, "trained-00000000000000000004.safetensors");
    restart();
    ck_assert_int_eq(found.mode, RECOVERY_READ_ONLY);
    ck_assert_str_eq(found.faults[0].file, "trained-00000000000000000004.safetensors");
}
END_TEST

START_TEST(a_job_from_what_was_left_is_refused)
{
    struct recovery_trainer trainer = toy_trainer(&toy);
    struct recovery_goal goal = {.to = 3};
    struct journal_row row = {.generation = 7, .kind = JOURNAL_ROLLBACK, .first = 3};
    struct storage_fault fault = {0};

    learn(6);
    ASSERT_OK(recovery_rebuild(&dir, journal, READ_MAX, &trainer, &goal, err));
    row.state = toy_state(&toy);
    ASSERT_OK(journal_append(journal, &row, 1, err));
    ck_assert_int_eq(toy_adopt(&dir, journal, &toy, 5, &fault), STORAGE_NOT_FOUND);
    ck_assert_uint_eq(journal_last(journal), 7);
    ck_assert(!storage_file_exists(&dir, "trained-00000000000000000008.safetensors"));
}
END_TEST

START_TEST(leftovers_and_old_outcomes_go)
{
    options.generations_min = 2;
    restart();
    learn(2);
    ASSERT_OK(toy_adopt(&dir, journal, &toy, 2, err));
    ASSERT_OK(storage_file_copy(&dir, "trained-00000000000000000003.safetensors",
                                "trained-00000000000000000099.safetensors", err));
    checkpoint();
    ASSERT_OK(recovery_prune(&dir, journal, UINT64_MAX, UINT64_MAX, 0, err));
    ck_assert(!storage_file_exists(&dir, "trained-00000000000000000099.safetensors"));
    ck_assert(storage_file_exists(&dir, "trained-00000000000000000003.safetensors"));
    for (uint64_t g = 5; g <= 12; g++) {
        learn(g);
        checkpoint();
        ASSERT_OK(recovery_prune(&dir, journal, UINT64_MAX, UINT64_MAX, 0, err));
    }
    ck_assert_uint_gt(journal_floor(journal), 3);
    ck_assert(!storage_file_exists(&dir, "trained-00000000000000000003.safetensors"));
    restart();
    assert_ready(12);
}
END_TEST

/* However many checkpoints come after it: the one that was written when it was promoted stays. */
START_TEST(thinning_spares_what_serves)
{
    const uint64_t promoted[] = {6, 7, 8};

    for (size_t i = 0; i < sizeof(promoted) / sizeof(promoted[0]); i++) {
        uint64_t generations[CHECKPOINT_LISTED_MAX], serving = promoted[i];
        size_t n;

        teardown();
        setup();
        for (uint64_t to = 2; to <= 120; to += 2) {
            learn(to);
            checkpoint();
            ASSERT_OK(recovery_prune(&dir, journal, to < serving ? UINT64_MAX : serving,
                                     to < serving ? UINT64_MAX : serving, INT64_MAX, err));
        }
        ck_assert_msg(storage_file_exists(&dir, serving == 6
                                                    ? "checkpoint-00000000000000000006.safetensors"
                                                    : "checkpoint-00000000000000000008.safetensors"),
                      "of %llu", (unsigned long long)serving);
        ASSERT_OK(checkpoint_list(&dir, generations, &n, err));
        ck_assert_uint_le(n, 18);
        restart();
        assert_ready(120);
    }
}
END_TEST

/* What serves is far behind a candidate: pruning keeps the way to it, and lets it go when it moves on. */
START_TEST(pruning_holds_what_serves)
{
    struct recovery_trainer trainer = toy_trainer(&toy);
    struct journal_row mark = {.kind = JOURNAL_PROMOTE, .settings = "{}"};
    struct recovery_goal serving = {.to = 5};
    struct toy model;

    for (uint64_t to = 2; to <= 20; to += 2) {
        learn(to);
        checkpoint();
        ASSERT_OK(recovery_prune(&dir, journal, to < 5 ? to : 5, UINT64_MAX, INT64_MAX, err));
    }
    ck_assert_uint_le(journal_floor(journal), 5);
    ASSERT_OK(recovery_rebuild(&dir, journal, READ_MAX, &trainer, &serving, err));
    toy_init(&model);
    oracle(&model, 1, 5);
    assert_oracle(&model);
    /* A mark changes no weight, is replayed over, and another state in it is found out. */
    restart();
    assert_ready(20);
    mark.generation = 21;
    mark.first = 20;
    mark.state = toy_state(&toy);
    ASSERT_OK(journal_append(journal, &mark, 1, err));
    restart();
    assert_ready(21);
    checkpoint();
    ASSERT_OK(recovery_prune(&dir, journal, 20, UINT64_MAX, INT64_MAX, err));
    ck_assert_uint_gt(journal_floor(journal), 5);
    ck_assert_uint_le(journal_floor(journal), 20);
    mark.generation = 22;
    mark.kind = JOURNAL_LABEL;
    mark.state.bytes[0] ^= 1;
    ASSERT_OK(journal_append(journal, &mark, 1, err));
    restart();
    ck_assert_int_eq(found.mode, RECOVERY_READ_ONLY);
    ck_assert_uint_eq(found.generation, 21);
}
END_TEST

static bool serves_early(void *self, const struct checkpoint *checkpoint)
{
    (void)self;
    return checkpoint->note.generation <= 4;
}

/* Where the journal is damaged only what may be served is: not the newest checkpoint. */
START_TEST(damage_does_not_promote)
{
    struct recovery_trainer trainer = toy_trainer(&toy);
    struct toy model;

    for (uint64_t to = 2; to <= 8; to += 2) {
        learn(to);
        checkpoint();
    }
    ASSERT_OK(journal_tidy(journal, true, err));
    journal_close(journal);
    learning_damage(&dir, journal_file);
    trainer.serves = serves_early;
    recover(&dir, &options, READ_MAX, &trainer, &found);
    ck_assert_int_eq(found.mode, RECOVERY_READ_ONLY);
    ck_assert_uint_eq(found.generation, 4);
    toy_init(&model);
    oracle(&model, 1, 4);
    assert_oracle(&model);
    journal = found.journal;
}
END_TEST

Suite *make_suite(void)
{
    Suite *suite = suite_create("history");
    TCase *tc = tcase_create("history");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_set_timeout(tc, 300 * test_scale());
    tcase_add_test(tc, rollback_goes_back_and_on);
    tcase_add_test(tc, a_checkpoint_of_a_rollback_serves);
    tcase_add_test(tc, rewind_leaves_a_range_out);
    tcase_add_test(tc, erasure_rebuilds_without);
    tcase_add_test(tc, retention_keeps_ways_back);
    tcase_add_test(tc, adopted_state_is_kept_and_left);
    tcase_add_test(tc, adopted_state_that_is_damaged_is_named);
    tcase_add_test(tc, a_job_from_what_was_left_is_refused);
    tcase_add_test(tc, leftovers_and_old_outcomes_go);
    tcase_add_test(tc, pruning_holds_what_serves);
    tcase_add_test(tc, thinning_spares_what_serves);
    tcase_add_test(tc, damage_does_not_promote);
    tcase_add_test(tc, random_histories);
    suite_add_tcase(suite, tc);
    return suite;
}
