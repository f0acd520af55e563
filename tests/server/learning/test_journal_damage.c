/* SPDX-License-Identifier: Apache-2.0
 * What of a journal's files was written over, exchanged or lost is refused, and named. */
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

static void tamper(const char *sql)
{
    journal_close(journal);
    journal = NULL;
    learning_tamper(&dir, sql);
}

START_TEST(tampering_is_refused_by_name)
{
    static const struct {
        const char *sql;
        enum storage_status expected;
        uint64_t generation;
    } rows[] = {
        {"UPDATE step SET seed=seed+1 WHERE generation=3", STORAGE_DAMAGED, 3},
        {"UPDATE step SET principal='mallory' WHERE generation=3", STORAGE_DAMAGED, 3},
        {"UPDATE step SET state=zeroblob(32) WHERE generation=5", STORAGE_DAMAGED, 5},
        {"UPDATE step SET idempotency_key=NULL WHERE generation=4", STORAGE_DAMAGED, 4},
        {"DELETE FROM step WHERE generation=4", STORAGE_DAMAGED, 4},
        {"DELETE FROM step WHERE generation=6", STORAGE_DAMAGED, 6},
        {"DELETE FROM example WHERE place=3<<20", STORAGE_DAMAGED, 3},
        {"UPDATE example SET id='other' WHERE id='p5-0'", STORAGE_DAMAGED, 5},
        {"UPDATE example SET digest=zeroblob(32) WHERE place=2<<20", STORAGE_DAMAGED, 2},
        {"UPDATE reply SET answer=zeroblob(3) WHERE idempotency_key='key-2'", STORAGE_DAMAGED, 0},
        {"UPDATE reply SET idempotency_key='key-3' WHERE idempotency_key='key-2'", STORAGE_DAMAGED, 0},
        {"UPDATE journal SET floor=2", STORAGE_DAMAGED, 0},
        {"UPDATE journal SET base=zeroblob(32)", STORAGE_DAMAGED, 0},
        {"CREATE TABLE more(x)", STORAGE_DAMAGED, 0},
        {"DROP INDEX reply_time", STORAGE_DAMAGED, 0},
        {"PRAGMA user_version=2", STORAGE_NEWER, 0},
        {"PRAGMA application_id=1", STORAGE_DAMAGED, 0},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct journal_options options = toy_options();
        struct storage_fault fault = {0};

        teardown();
        setup();
        learn(6);
        tamper(rows[i].sql);
        ck_assert_msg(journal_open(&dir, &options, &journal, &fault) == rows[i].expected, "%s: %s",
                      rows[i].sql, fault.text);
        ck_assert_ptr_null(journal);
        ck_assert_msg(fault.generation == rows[i].generation, "%s: generation %llu", rows[i].sql,
                      (unsigned long long)fault.generation);
        ck_assert_str_eq(fault.file, "journal.db");
    }
}
END_TEST

START_TEST(content_is_proven_when_read)
{
    const struct journal_row *row;
    struct journal_held *held;
    struct storage_fault fault = {0};
    struct journal_options options = toy_options();

    learn(6);
    tamper("UPDATE example SET inputs=zeroblob(length(inputs)) WHERE place=(6<<20)+1");
    open_journal(&options);
    check_row(3);
    ck_assert_int_eq(journal_read(journal, 6, &held, &row, &fault), STORAGE_DAMAGED);
    ck_assert_uint_eq(fault.generation, 6);
    check_row(5);
}
END_TEST

START_TEST(another_base_is_refused)
{
    struct journal_options options = toy_options();
    struct storage_fault fault = {0};

    learn(1);
    journal_close(journal);
    options.base = digest_of("another", 7);
    ck_assert_int_eq(journal_open(&dir, &options, &journal, &fault), STORAGE_OTHER_MODEL);
    ck_assert_ptr_null(journal);
}
END_TEST

START_TEST(a_lost_file_is_missed)
{
    static const char *const names[] = {"journal.db", "journal.head", "journal.db-wal"};

    for (size_t i = 0; i < 3; i++) {
        struct journal_options options = toy_options();
        struct storage_fault fault = {0};

        teardown();
        setup();
        learn(5);
        journal_close(journal);
        ck_assert_int_eq(unlinkat(dir.fd, names[i], 0), 0);
        unlinkat(dir.fd, "journal.db-shm", 0);
        ck_assert_msg(journal_open(&dir, &options, &journal, &fault) == STORAGE_DAMAGED, "%s",
                      names[i]);
        ck_assert_str_eq(fault.file, i == 2 ? "journal.db" : names[i]);
        ck_assert_msg(!storage_file_exists(&dir, names[i]) || i == 2, "%s was made again", names[i]);
    }
}
END_TEST

Suite *make_suite(void)
{
    Suite *suite = suite_create("journal damage");
    TCase *tc = tcase_create("damage");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_set_timeout(tc, 300);
    tcase_add_test(tc, tampering_is_refused_by_name);
    tcase_add_test(tc, content_is_proven_when_read);
    tcase_add_test(tc, another_base_is_refused);
    tcase_add_test(tc, a_lost_file_is_missed);
    suite_add_tcase(suite, tc);
    return suite;
}
