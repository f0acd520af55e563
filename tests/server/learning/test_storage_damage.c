/* SPDX-License-Identifier: Apache-2.0
 * Bits flip and files end early, anywhere in a model's directory, at rest. Then recovery comes to the
 * exact state, or serves a right one read-only and names what is damaged; never other weights, never
 * an acknowledged update lost in silence. By default a share of the places; INFERD_TEST_SCALE takes
 * more, 200 every bit. */
#include "config.h"

#include "server/learning/recovery.h"
#include "tests/support/learning_case.h"
#include "tests/support/run_suite.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { READ_MAX = 1 << 20, LAST = 8, PATH_BYTES = 160 };

static char work[64], start[96], copy[96];
static struct digest oracle[LAST + 2];
static long exact, read_only;

static void open_model(const char *root, struct storage_dir *dir, struct toy *toy,
                       struct recovery *found)
{
    struct recovery_trainer trainer = toy_trainer(toy);
    struct journal_options options = toy_options();

    toy_init(toy);
    ASSERT_OK(storage_dir_open(dir, root, "m", err));
    recover(dir, &options, READ_MAX, &trainer, found);
}

/* Eight updates, checkpoints of 3 and 6, pruned to 3; `folded`: nothing left in SQLite's log. */
static void make_start(bool folded)
{
    struct toy_update update;
    struct storage_dir dir;
    struct recovery found;
    struct toy toy;
    char root[96];

    snprintf(root, sizeof(root), "%s/made", work);
    snprintf(start, sizeof(start), "%s/start", work);
    snprintf(copy, sizeof(copy), "%s/copy", work);
    ck_assert_int_eq(mkdir(root, 0700), 0);
    open_model(root, &dir, &toy, &found);
    ck_assert_int_eq(found.mode, RECOVERY_READY);
    for (uint64_t g = 1; g <= LAST; g++) {
        toy_update_make(&update, g);
        toy_update_step(&toy, &update);
        ASSERT_OK(journal_append(found.journal, &update.row, 1, err));
        if (g % 3 == 0) {
            ASSERT_OK(toy_checkpoint(&dir, found.journal, &toy, err));
            ASSERT_OK(recovery_prune(&dir, found.journal, UINT64_MAX, UINT64_MAX, 0, err));
        }
    }
    if (folded)
        ASSERT_OK(journal_tidy(found.journal, true, err));
    journal_close(found.journal);
    storage_dir_close(&dir);
    ck_assert_int_eq(rename(root, start), 0);
}

static void setup(void)
{
    for (uint64_t g = 0; g <= LAST + 1; g++)
        oracle[g] = toy_oracle(g);
    learning_directory_make(work);
}

static void teardown(void)
{
    learning_directory_remove(work);
}

/* One more update, and a restart: what looked right can be built upon. */
static void go_on(struct journal *journal, struct storage_dir *dir, struct toy *toy,
                  const char *what)
{
    struct toy_update update;
    struct recovery found;
    struct digest state;

    toy_update_make(&update, LAST + 1);
    toy_update_step(toy, &update);
    if (journal_append(journal, &update.row, 1, NULL) != STORAGE_OK) {
        journal_close(journal);
        storage_dir_close(dir);
        return;
    }
    journal_close(journal);
    storage_dir_close(dir);
    open_model(copy, dir, toy, &found);
    ck_assert_msg(found.mode == RECOVERY_READY && found.generation == LAST + 1,
                  "%s: an update after it is lost: %s", what, found.faults[0].text);
    state = toy_state(toy);
    ck_assert_msg(digest_equal(&state, &oracle[LAST + 1]), "%s: other weights later", what);
    journal_close(found.journal);
    storage_dir_close(dir);
}

static void check(const char *name, bool one_bit, const char *what)
{
    struct storage_dir dir;
    struct recovery found;
    struct toy toy;
    struct digest state;

    open_model(copy, &dir, &toy, &found);
    ck_assert_msg(found.mode != RECOVERY_FAILED, "%s: %s", what, found.faults[0].text);
    state = toy_state(&toy);
    ck_assert_msg(found.generation <= LAST && digest_equal(&state, &oracle[found.generation]),
                  "%s: other weights, as generation %llu", what,
                  (unsigned long long)found.generation);
    for (size_t i = 0; i < found.n_faults; i++)
        ck_assert_msg(found.faults[i].file[0] != '\0', "%s: names no file: %s", what,
                      found.faults[i].text);
    /* The witness has two slots, and one bit hurts one of them. */
    ck_assert_msg(found.mode == RECOVERY_READY || !one_bit || strcmp(name, "journal.head") != 0,
                  "%s: %s", what, found.faults[0].text);
    if (found.mode == RECOVERY_READ_ONLY) {
        ck_assert_msg(found.n_faults > 0, "%s: read-only without a word", what);
        read_only++;
        storage_dir_close(&dir);
        return;
    }
    exact++;
    ck_assert_msg(found.generation == LAST, "%s: generation %llu without a word", what,
                  (unsigned long long)found.generation);
    if (strncmp(name, "checkpoint", 10) == 0)
        ck_assert_msg(found.n_faults == 1 && strcmp(found.faults[0].file, name) == 0,
                      "%s: not named", what);
    for (uint64_t g = 2; g <= LAST; g += 2) {
        struct journal_reply reply;
        struct toy_update update;

        toy_update_make(&update, g);
        ck_assert_msg(journal_find_reply(found.journal, update.key, &update.row.body, &reply, NULL) ==
                          STORAGE_OK, "%s: key %llu", what, (unsigned long long)g);
        free(reply.answer);
    }
    /* An index that lies would erase another example, or none. */
    for (uint64_t g = journal_floor(found.journal) + 1; g <= LAST; g++) {
        struct toy_update update;

        toy_update_make(&update, g);
        for (size_t i = 0; i < update.row.n_examples && update.examples[i].id != NULL; i++) {
            uint64_t generation;
            size_t ordinal;

            ck_assert_msg(journal_find_example(found.journal, update.examples[i].id, &generation,
                                               &ordinal, NULL) == STORAGE_OK &&
                              generation == g && ordinal == i,
                          "%s: example %s", what, update.examples[i].id);
        }
    }
    go_on(found.journal, &dir, &toy, what);
}

static void reset(const char *name, char path[PATH_BYTES])
{
    learning_directory_remove(copy);
    learning_directory_copy(start, copy);
    snprintf(path, PATH_BYTES, "%s/learning/m/%s", copy, name);
}

static void flip(const char *path, size_t bit)
{
    int fd = open(path, O_RDWR);
    unsigned char byte;

    ck_assert_int_eq(pread(fd, &byte, 1, (off_t)(bit / 8)), 1);
    byte ^= (unsigned char)(1 << bit % 8);
    ck_assert_int_eq(pwrite(fd, &byte, 1, (off_t)(bit / 8)), 1);
    close(fd);
}

static void damage_file(const char *name, long flips, long cuts)
{
    uint64_t seed = test_seed();
    char path[PATH_BYTES], what[PATH_BYTES];
    struct stat info;
    size_t bits;

    reset(name, path);
    ck_assert_msg(stat(path, &info) == 0 && info.st_size > 0, "%s is not there", name);
    bits = (size_t)info.st_size * 8;
    if ((size_t)flips > bits)
        flips = (long)bits;
    /* One from each of as many equal stretches. */
    for (long i = 0; i < flips; i++) {
        size_t width = bits / (size_t)flips;
        size_t bit = (size_t)i * width + test_random(&seed) % width;

        reset(name, path);
        flip(path, bit);
        snprintf(what, sizeof(what), "%s, bit %zu", name, bit);
        check(name, true, what);
    }
    for (long i = 0; i < cuts; i++) {
        size_t length = test_random(&seed) % (size_t)info.st_size;

        if (i % 2 == 0)
            length -= length % 512;
        reset(name, path);
        ck_assert_int_eq(truncate(path, (off_t)length), 0);
        snprintf(what, sizeof(what), "%s, cut to %zu bytes", name, length);
        check(name, false, what);
    }
    printf("%s: %ld flips, %ld cuts: %ld exact, %ld read-only\n", name, flips, cuts, exact, read_only);
}

static const struct {
    const char *name;
    bool folded;
    long flips, cuts;
} rows[] = {
    {"journal.db", true, 1200, 60},
    {"journal.db-wal", false, 1200, 60},
    {"journal.db", false, 200, 20},
    {"journal.head", true, 500, 40},
    {"journal.head", false, 300, 20},
    {"checkpoint-00000000000000000006.safetensors", false, 300, 40},
    {"checkpoint-00000000000000000003.safetensors", true, 50, 10},
};

START_TEST(damage_is_seen)
{
    make_start(rows[_i].folded);
    damage_file(rows[_i].name, rows[_i].flips * test_scale(), rows[_i].cuts * test_scale());
}
END_TEST

/* Whole sectors lost or exchanged: zeros, or another part of the same file. */
START_TEST(sectors_are_missed)
{
    static const char *const names[] = {"journal.db", "journal.db-wal"};
    uint64_t seed = test_seed();

    make_start(_i == 0);
    for (int i = 0; i < 150 * test_scale(); i++) {
        char path[PATH_BYTES], what[PATH_BYTES];
        unsigned char sector[512] = {0};
        struct stat info;
        size_t at, from;
        int fd;

        reset(names[_i], path);
        ck_assert_int_eq(stat(path, &info), 0);
        at = test_random(&seed) % ((size_t)info.st_size / 512);
        from = test_random(&seed) % ((size_t)info.st_size / 512);
        fd = open(path, O_RDWR);
        if (i % 2 == 0)
            ck_assert_int_eq(pread(fd, sector, 512, (off_t)from * 512), 512);
        ck_assert_int_eq(pwrite(fd, sector, 512, (off_t)at * 512), 512);
        close(fd);
        snprintf(what, sizeof(what), "%s, sector %zu from %zu", names[_i], at,
                 i % 2 == 0 ? from : SIZE_MAX);
        check(names[_i], false, what);
    }
}
END_TEST

Suite *make_suite(void)
{
    Suite *suite = suite_create("storage damage");
    TCase *tc = tcase_create("storage damage");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_set_timeout(tc, 3000 * test_scale());
    tcase_add_loop_test(tc, damage_is_seen, 0, sizeof(rows) / sizeof(rows[0]));
    tcase_add_loop_test(tc, sectors_are_missed, 0, 2);
    suite_add_tcase(suite, tc);
    return suite;
}
