/* SPDX-License-Identifier: Apache-2.0
 * Group commit: what queues behind one sync shares the next; a failure takes all that follows. */
#include "server/learning/journal_writer.h"
#include "tests/support/learning_case.h"
#include "tests/support/run_suite.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>

static char root[64];
static struct storage_dir dir;
static struct journal *journal;

struct sent {
    struct journal_ticket ticket;
    struct toy_update update;
    enum storage_status status;
    uint64_t order;
};

static _Atomic uint64_t n_done;

static void on_done(struct journal_ticket *ticket, enum storage_status status,
                    const struct storage_fault *fault)
{
    struct sent *sent = ticket->arg;

    (void)fault;
    sent->status = status;
    sent->order = atomic_fetch_add(&n_done, 1);
}

static void setup(void)
{
    struct journal_options options = toy_options();

    learning_directory_make(root);
    ASSERT_OK(storage_dir_open(&dir, root, "m", err));
    ASSERT_OK(journal_open(&dir, &options, &journal, err));
    atomic_store(&n_done, 0);
}

static void teardown(void)
{
    journal_close(journal);
    storage_dir_close(&dir);
    learning_directory_remove(root);
}

static struct sent *prepare(size_t n)
{
    struct sent *sent = calloc(n, sizeof(*sent));
    struct toy toy;

    toy_init(&toy);
    for (size_t i = 0; i < n; i++) {
        toy_update_make(&sent[i].update, i + 1);
        toy_update_step(&toy, &sent[i].update);
        sent[i].ticket = (struct journal_ticket){.row = sent[i].update.row, .done = on_done,
                                                 .arg = &sent[i]};
        sent[i].status = STORAGE_IN_FLIGHT;
    }
    return sent;
}

/* Keeps the journal thread busy until released, so that a queue builds up. */
struct gate {
    atomic_bool entered, open;
    struct journal_writer *writer;
};

static void wait_at(void *arg)
{
    struct gate *gate = arg;

    atomic_store(&gate->entered, true);
    while (!atomic_load(&gate->open))
        sched_yield();
}

static void nothing(void *arg)
{
    (void)arg;
}

static void *hold(void *arg)
{
    struct gate *gate = arg;

    journal_writer_run(gate->writer, wait_at, gate);
    return NULL;
}

static void submit_behind_gate(struct journal_writer *writer, struct sent *sent, size_t n)
{
    struct gate gate = {.writer = writer};
    pthread_t thread;

    ck_assert_int_eq(pthread_create(&thread, NULL, hold, &gate), 0);
    while (!atomic_load(&gate.entered))
        sched_yield();
    for (size_t i = 0; i < n; i++)
        journal_writer_submit(writer, &sent[i].ticket);
    atomic_store(&gate.open, true);
    pthread_join(thread, NULL);
    journal_writer_run(writer, nothing, NULL);
}

START_TEST(a_queue_shares_one_sync)
{
    enum { N = 100 };
    struct journal_writer *writer = journal_writer_create(journal, NULL);
    struct sent *sent = prepare(N);
    struct journal_counts counts;

    submit_behind_gate(writer, sent, N);
    counts = journal_writer_counts(writer);
    ck_assert_uint_eq(counts.rows, N);
    ck_assert_uint_eq(counts.commits, 1);
    for (size_t i = 0; i < N; i++) {
        ck_assert_int_eq(sent[i].status, STORAGE_OK);
        ck_assert_uint_eq(sent[i].order, i);
    }
    ck_assert_uint_eq(journal_last(journal), N);
    journal_writer_destroy(writer);
    free(sent);
}
END_TEST

START_TEST(more_than_a_group_goes_on)
{
    enum { N = 700 };
    struct journal_writer *writer = journal_writer_create(journal, NULL);
    struct sent *sent = prepare(N);

    submit_behind_gate(writer, sent, N);
    ck_assert_uint_eq(journal_writer_counts(writer).commits, 3);
    ck_assert_uint_eq(journal_last(journal), N);
    journal_writer_destroy(writer);
    free(sent);
}
END_TEST

START_TEST(a_failure_takes_all_that_follow)
{
    enum { N = 300 };
    struct journal_writer *writer = journal_writer_create(journal, NULL);
    struct sent *sent = prepare(N);

    /* A key used twice within the first 256. */
    sent[9].ticket.row.key = sent[3].ticket.row.key;
    sent[9].ticket.row.body = sent[3].ticket.row.body;
    submit_behind_gate(writer, sent, N);
    for (size_t i = 0; i < N; i++)
        ck_assert_msg(sent[i].status == (i < 256 ? STORAGE_CONFLICT : STORAGE_OUT_OF_ORDER),
                      "ticket %zu: %s", i, storage_status_text(sent[i].status));
    ck_assert_uint_eq(journal_last(journal), 0);
    /* Nothing was written, so it goes on from there. */
    sent[0].status = STORAGE_IN_FLIGHT;
    journal_writer_submit(writer, &sent[0].ticket);
    journal_writer_destroy(writer);
    ck_assert_int_eq(sent[0].status, STORAGE_OK);
    free(sent);
}
END_TEST

START_TEST(destroying_finishes_the_queue)
{
    enum { N = 50 };
    struct journal_writer *writer = journal_writer_create(journal, NULL);
    struct sent *sent = prepare(N);

    for (size_t i = 0; i < N; i++)
        journal_writer_submit(writer, &sent[i].ticket);
    journal_writer_destroy(writer);
    ck_assert_uint_eq(atomic_load(&n_done), N);
    ck_assert_int_eq(sent[N - 1].status, STORAGE_OK);
    free(sent);
}
END_TEST

Suite *make_suite(void)
{
    Suite *suite = suite_create("journal writer");
    TCase *tc = tcase_create("journal writer");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_set_timeout(tc, 300);
    tcase_add_test(tc, a_queue_shares_one_sync);
    tcase_add_test(tc, more_than_a_group_goes_on);
    tcase_add_test(tc, a_failure_takes_all_that_follow);
    tcase_add_test(tc, destroying_finishes_the_queue);
    suite_add_tcase(suite, tc);
    return suite;
}
