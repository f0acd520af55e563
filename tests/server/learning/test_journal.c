/* SPDX-License-Identifier: Apache-2.0
 * The journal by its own promises: order, groups, keys, lineage, pruning, erasure, limits, modes. */
#include "config.h"

#include "tests/server/learning/journal_case.h"
#include "tests/support/run_suite.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

START_TEST(rows_read_back_after_reopening)
{
    learn(12);
    reopen();
    ck_assert_uint_eq(journal_last(journal), 12);
    for (uint64_t g = 1; g <= 12; g++)
        check_row(g);
    learn(14);
    check_row(14);
}
END_TEST

START_TEST(a_group_is_one_transaction)
{
    struct toy_update *updates = calloc(5, sizeof(*updates));
    struct journal_row rows[5];
    struct storage_fault fault = {0};

    for (int i = 0; i < 5; i++) {
        toy_update_make(&updates[i], (uint64_t)i + 1);
        toy_update_step(&toy, &updates[i]);
        rows[i] = updates[i].row;
    }
    rows[4].key = rows[3].key;      /* taken by then: all five fall */
    ck_assert_int_eq(journal_append(journal, rows, 5, &fault), STORAGE_CONFLICT);
    ck_assert_uint_eq(journal_last(journal), 0);
    rows[4].key = NULL;
    ASSERT_OK(journal_append(journal, rows, 5, err));
    reopen();
    ck_assert_uint_eq(journal_last(journal), 5);
    for (uint64_t g = 1; g <= 4; g++)
        check_row(g);
    free(updates);
}
END_TEST

START_TEST(a_key_applies_once)
{
    struct journal_reply reply;
    struct storage_fault fault = {0};
    struct digest body = digest_of("key-2", 5), other = digest_of("another body", 12);

    learn(3);
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(journal_find_reply(journal, "new", &body, &reply, &fault), STORAGE_NOT_FOUND);
        ASSERT_OK(journal_find_reply(journal, "key-2", &body, &reply, err));
        ck_assert_uint_eq(reply.generation, 2);
        ck_assert_str_eq((char *)reply.answer, "{\"generation\":2}");
        ck_assert_uint_eq(reply.answer_bytes, strlen("{\"generation\":2}"));
        free(reply.answer);
        ck_assert_int_eq(journal_find_reply(journal, "key-2", &other, &reply, &fault),
                         STORAGE_CONFLICT);
        reopen();
    }
}
END_TEST

/* Either key has the answer, and neither can come again. */
START_TEST(a_row_may_have_two_keys)
{
    struct digest first = digest_of("first", 5), second = digest_of("second", 6);
    struct storage_fault fault = {0};
    struct journal_reply reply;
    struct journal_row row = {.generation = 1, .kind = JOURNAL_FEEDBACK, .time_ms = 1,
                              .key = "a", .body = first, .answer = "{}", .answer_bytes = 2,
                              .also_key = "b", .also_body = second};

    ASSERT_OK(journal_append(journal, &row, 1, err));
    for (int i = 0; i < 2; i++) {
        ASSERT_OK(journal_find_reply(journal, "a", &first, &reply, err));
        free(reply.answer);
        ASSERT_OK(journal_find_reply(journal, "b", &second, &reply, err));
        ck_assert_uint_eq(reply.generation, 1);
        ck_assert_str_eq((char *)reply.answer, "{}");
        free(reply.answer);
        ck_assert_int_eq(journal_find_reply(journal, "b", &first, &reply, &fault), STORAGE_CONFLICT);
        reopen();
    }
    row.generation = 2;
    row.key = NULL;
    ck_assert_int_eq(journal_append(journal, &row, 1, &fault), STORAGE_CONFLICT);
    row.also_key = "";
    ck_assert_int_eq(journal_append(journal, &row, 1, &fault), STORAGE_LIMIT);
    row.also_key = "c";
    ASSERT_OK(journal_append(journal, &row, 1, err));
}
END_TEST

/* What is refused changes nothing and does not latch. */
START_TEST(bad_rows_are_refused)
{
    static char long_text[JOURNAL_SETTINGS_BYTES_MAX + 2];
    struct toy_update update;
    struct journal_example huge = {.inputs_bytes = JOURNAL_BLOB_BYTES_MAX + 1};
    struct storage_fault fault = {0};

    memset(long_text, 'x', sizeof(long_text) - 1);
    learn(4);
    for (int i = 0; i < 15; i++) {
        enum storage_status expected = STORAGE_LIMIT;
        struct journal_row row;

        toy_update_make(&update, 5);
        row = update.row;
        switch (i) {
        case 0: row.generation = 4; expected = STORAGE_OUT_OF_ORDER; break;
        case 1: row.generation = 6; expected = STORAGE_OUT_OF_ORDER; break;
        case 2: row.kind = (enum journal_kind)0; break;
        case 3: row.kind = (enum journal_kind)9; break;
        case 4: row.key = ""; break;
        case 5: row.key = long_text; break;
        case 6: row.principal = long_text; break;
        case 7: row.settings = long_text; break;
        case 8: row.answer_bytes = JOURNAL_ANSWER_BYTES_MAX + 1; break;
        case 9: row.n_examples = JOURNAL_EXAMPLES_MAX; break;
        case 10: row.examples = &huge; row.n_examples = 1; break;
        case 11: row.kind = JOURNAL_ROLLBACK; row.first = 5; expected = STORAGE_OUT_OF_ORDER; break;
        case 12: row.kind = JOURNAL_PROMOTE; row.first = 5; expected = STORAGE_OUT_OF_ORDER; break;
        case 13: row.kind = JOURNAL_LABEL; row.first = 5; expected = STORAGE_OUT_OF_ORDER; break;
        default: row.kind = JOURNAL_REWIND; row.first = 0; expected = STORAGE_NOT_FOUND; break;
        }
        memset(&fault, 0, sizeof(fault));
        ck_assert_msg(journal_append(journal, &row, 1, &fault) == expected, "case %d: %s", i,
                      fault.text);
        ck_assert_msg(fault.text[0] != '\0', "case %d", i);
    }
    ASSERT_OK(journal_state(journal, err));
    ck_assert_uint_eq(journal_last(journal), 4);
    learn(5);
    check_row(5);
}
END_TEST

struct listing {
    uint64_t generations[32];
    size_t n, limit, erased;
};

static bool list(void *arg, const struct journal_row *row, size_t n_erased)
{
    struct listing *listing = arg;

    listing->generations[listing->n++] = row->generation;
    listing->erased += n_erased;
    return listing->n < listing->limit;
}

START_TEST(lineage_pages)
{
    struct listing listing = {.limit = 32};

    learn(10);
    ASSERT_OK(journal_lineage(journal, 0, 4, list, &listing, err));
    ck_assert_uint_eq(listing.n, 4);
    ck_assert_uint_eq(listing.generations[0], 10);
    ck_assert_uint_eq(listing.generations[3], 7);
    ASSERT_OK(journal_lineage(journal, 7, 100, list, &listing, err));
    ck_assert_uint_eq(listing.n, 10);
    for (size_t i = 0; i < 10; i++)
        ck_assert_uint_eq(listing.generations[i], 10 - i);
    listing = (struct listing){.limit = 2};
    ASSERT_OK(journal_lineage(journal, 0, 100, list, &listing, err));
    ck_assert_uint_eq(listing.n, 2);
}
END_TEST

START_TEST(pruning_keeps_what_retention_holds)
{
    static const struct {
        const char *name;
        uint64_t generations_min;
        int64_t age_min_ms;
        uint64_t ask, floor;
    } rows[] = {
        {"nothing held", 0, 0, 6, 6},
        {"a number", 7, 0, 9, 5},
        {"more than there are", 20, 0, 9, 0},
        {"an age", 0, 3500, 12, 8},     /* rows are a second apart; now is that of row 12 */
        {"both", 2, 6500, 12, 5},
        {"past the end", 0, 0, 99, 12},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct journal_options options = toy_options();
        struct storage_fault fault = {0};
        struct journal_held *held;
        const struct journal_row *row;
        struct journal_size size;
        uint64_t floor = 0;

        teardown();
        setup();
        learn(12);
        journal_close(journal);
        options.generations_min = rows[i].generations_min;
        options.age_min_ms = rows[i].age_min_ms;
        open_journal(&options);
        ASSERT_OK(journal_prune(journal, rows[i].ask, 1700000012000, &floor, err));
        ck_assert_msg(floor == rows[i].floor, "%s: %llu", rows[i].name, (unsigned long long)floor);
        journal_close(journal);
        open_journal(&options);
        ASSERT_OK(journal_measure(journal, &size, err));
        ck_assert_uint_eq(size.floor, floor);
        ck_assert_uint_eq(size.last, 12);
        for (uint64_t g = 1; g <= 12; g++) {
            if (g <= floor)
                ck_assert_int_eq(journal_read(journal, g, &held, &row, &fault), STORAGE_NOT_FOUND);
            else
                check_row(g);
        }
        learn(13);
        check_row(13);
    }
}
END_TEST

START_TEST(keys_outlive_their_rows)
{
    struct digest body = digest_of("key-4", 5);
    struct journal_reply reply;
    struct storage_fault fault = {0};
    int64_t day = 24 * 3600 * 1000;

    learn(6);
    ASSERT_OK(journal_prune(journal, 6, 1700000006000, NULL, err));
    ASSERT_OK(journal_find_reply(journal, "key-4", &body, &reply, err));
    free(reply.answer);
    ASSERT_OK(journal_prune(journal, 6, 1700000004001 + day, NULL, err));
    ck_assert_int_eq(journal_find_reply(journal, "key-4", &body, &reply, &fault), STORAGE_NOT_FOUND);
    body = digest_of("key-6", 5);
    ASSERT_OK(journal_find_reply(journal, "key-6", &body, &reply, err));
    free(reply.answer);
}
END_TEST

/* True if any file of the model's directory holds the bytes. */
static bool anywhere(const void *bytes, size_t size)
{
    DIR *listing = opendir(dir.path);
    struct dirent *entry;
    bool found = false;

    while ((entry = readdir(listing)) != NULL) {
        unsigned char *data;
        size_t length;

        if (entry->d_type != DT_REG)
            continue;
        ASSERT_OK(storage_file_read(&dir, entry->d_name, 1 << 26, &data, &length, err));
        found = found || memmem(data, length, bytes, size) != NULL;
        free(data);
    }
    closedir(listing);
    return found;
}

START_TEST(erased_content_is_nowhere)
{
    static const char *const ids[] = {"p5-1", "2.0"};
    struct journal_row erase = {.generation = 9, .kind = JOURNAL_ERASE, .first = 2};
    struct listing listing = {.limit = 32};
    struct toy_update five, two;
    const struct journal_row *row;
    struct journal_held *held;
    struct storage_fault fault = {0};

    toy_update_make(&five, 5);
    toy_update_make(&two, 2);
    learn(8);
    ck_assert(anywhere(five.examples[1].inputs, 8));
    ck_assert(anywhere(two.examples[0].inputs, 8));
    erase.state = toy_state(&toy);
    ASSERT_OK(journal_erase(journal, ids, 2, &erase, err));
    ck_assert(!anywhere(five.examples[1].inputs, 8));
    ck_assert(!anywhere(two.examples[0].inputs, 8));
    ck_assert(anywhere(five.examples[0].inputs, 8));
    reopen();
    ck_assert_uint_eq(journal_last(journal), 9);
    ASSERT_OK(journal_read(journal, 5, &held, &row, err));
    ck_assert(row->examples[1].erased && !row->examples[0].erased);
    ck_assert_uint_eq(row->examples[1].inputs_bytes, 0);
    ck_assert_str_eq(row->examples[1].id, "p5-1");
    journal_row_release(held);
    check_row(4);
    ASSERT_OK(journal_lineage(journal, 0, 32, list, &listing, err));
    ck_assert_uint_eq(listing.erased, 2);
    /* An unknown id changes nothing. */
    erase.generation = 10;
    ck_assert_int_eq(journal_erase(journal, (const char *const[]){"p3-0", "nobody"}, 2, &erase, &fault),
                     STORAGE_NOT_FOUND);
    ck_assert_ptr_nonnull(strstr(fault.text, "nobody"));
    check_row(3);
}
END_TEST

START_TEST(pruned_content_is_nowhere)
{
    struct toy_update update;

    toy_update_make(&update, 3);
    learn(8);
    ck_assert(anywhere(update.examples[1].inputs, 8));
    ASSERT_OK(journal_prune(journal, 5, 0, NULL, err));
    ASSERT_OK(journal_tidy(journal, true, err));
    ck_assert(!anywhere(update.examples[1].inputs, 8));
}
END_TEST

START_TEST(the_size_has_a_limit)
{
    struct journal_options options = toy_options();
    struct storage_fault fault = {0};
    struct toy_update update;
    struct journal_size size;
    enum storage_status status = STORAGE_OK;

    journal_close(journal);
    options.bytes_max = 300000;
    open_journal(&options);
    while (status == STORAGE_OK) {
        toy_update_make(&update, journal_last(journal) + 1);
        toy_update_step(&toy, &update);
        status = journal_append(journal, &update.row, 1, &fault);
    }
    ck_assert_int_eq(status, STORAGE_LIMIT);
    ck_assert_uint_gt(journal_last(journal), 20);
    ASSERT_OK(journal_state(journal, err));
    ASSERT_OK(journal_measure(journal, &size, err));
    ck_assert_uint_le(size.used_bytes, options.bytes_max);
    ck_assert_int_eq(journal_room(journal, journal_cost(&update.row, 1), &fault), STORAGE_LIMIT);
    /* Pruning makes room again. */
    ASSERT_OK(journal_prune(journal, journal_last(journal) - 2, 0, NULL, err));
    ASSERT_OK(journal_append(journal, &update.row, 1, err));
}
END_TEST

/* What the estimate promises is never less than what an append takes. */
START_TEST(the_cost_is_an_upper_bound)
{
    for (int i = 0; i < 60; i++) {
        struct journal_size before, after;
        struct toy_update update;

        toy_update_make(&update, journal_last(journal) + 1);
        ASSERT_OK(journal_measure(journal, &before, err));
        ASSERT_OK(journal_append(journal, &update.row, 1, err));
        ASSERT_OK(journal_measure(journal, &after, err));
        ck_assert_uint_le(after.used_bytes, before.used_bytes + journal_cost(&update.row, 1));
    }
}
END_TEST

START_TEST(the_log_stays_small)
{
    struct journal_options options = toy_options();
    struct journal_size size;

    journal_close(journal);
    options.log_bytes_max = 200000;
    open_journal(&options);
    for (uint64_t to = 20; to <= 300; to += 20) {
        learn(to);
        ASSERT_OK(journal_tidy(journal, false, err));
    }
    ASSERT_OK(journal_measure(journal, &size, err));
    ck_assert_uint_lt(size.file_bytes - size.used_bytes, 1000000);
}
END_TEST

START_TEST(files_are_private)
{
    static const char *const names[] = {"journal.db", "journal.db-wal", "journal.db-shm",
                                        "journal.head"};
    struct stat info;

    umask(0);
    teardown();
    setup();
    learn(2);
    ASSERT_OK(toy_checkpoint(&dir, journal, &toy, err));
    for (size_t i = 0; i < 4; i++) {
        ck_assert_int_eq(fstatat(dir.fd, names[i], &info, 0), 0);
        ck_assert_msg((info.st_mode & 0777) == 0600, "%s: %o", names[i], info.st_mode & 0777);
    }
    ck_assert_int_eq(fstatat(dir.fd, "checkpoint-00000000000000000002.safetensors", &info, 0), 0);
    ck_assert_int_eq(info.st_mode & 0777, 0600);
    ck_assert_int_eq(fstat(dir.fd, &info), 0);
    ck_assert_int_eq(info.st_mode & 0777, 0700);
}
END_TEST

START_TEST(model_names_are_plain)
{
    static const char *const names[] = {"", ".", "..", ".hidden", "a/b", "/"};

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        struct storage_fault fault = {0};
        struct storage_dir other;

        ck_assert_msg(storage_dir_open(&other, root, names[i], &fault) == STORAGE_NOT_FOUND, "'%s'",
                      names[i]);
    }
}
END_TEST

Suite *make_suite(void)
{
    Suite *suite = suite_create("journal");
    TCase *tc = tcase_create("journal");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_set_timeout(tc, 300);
    tcase_add_test(tc, rows_read_back_after_reopening);
    tcase_add_test(tc, a_group_is_one_transaction);
    tcase_add_test(tc, a_key_applies_once);
    tcase_add_test(tc, a_row_may_have_two_keys);
    tcase_add_test(tc, bad_rows_are_refused);
    tcase_add_test(tc, lineage_pages);
    tcase_add_test(tc, pruning_keeps_what_retention_holds);
    tcase_add_test(tc, keys_outlive_their_rows);
    tcase_add_test(tc, erased_content_is_nowhere);
    tcase_add_test(tc, pruned_content_is_nowhere);
    tcase_add_test(tc, the_size_has_a_limit);
    tcase_add_test(tc, the_cost_is_an_upper_bound);
    tcase_add_test(tc, the_log_stays_small);
    tcase_add_test(tc, files_are_private);
    tcase_add_test(tc, model_names_are_plain);
    suite_add_tcase(suite, tc);
    return suite;
}
