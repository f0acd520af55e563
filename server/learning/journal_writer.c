/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "server/learning/journal_writer.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* One transaction: rows are copied into the group's array, examples are not. */
enum { GROUP_ROWS_MAX = 256 };
#define GROUP_BYTES_MAX (UINT64_C(8) << 20)

struct journal_writer {
    struct journal *journal;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t wake, idle;
    /* Under the lock. */
    struct journal_ticket *first, **end;
    void (*work)(void *arg);            /* to be run when the queue is empty */
    void *arg;
    uint64_t works_done;
    bool stop;
    struct journal_counts counts;
    /* The thread's. */
    struct journal_row rows[GROUP_ROWS_MAX];
};

static uint64_t now_ns(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * UINT64_C(1000000000) + (uint64_t)time.tv_nsec;
}

/* The head of the queue, as much as one transaction takes; cut off from it. */
static struct journal_ticket *take_group(struct journal_writer *writer, size_t *ret_n)
{
    struct journal_ticket *group = writer->first, *ticket = group;
    uint64_t bytes = 0;
    size_t n = 0;

    for (;;) {
        writer->rows[n++] = ticket->row;
        bytes += journal_cost(&ticket->row, 1);
        if (ticket->next == NULL || n == GROUP_ROWS_MAX || bytes >= GROUP_BYTES_MAX)
            break;
        ticket = ticket->next;
    }
    writer->first = ticket->next;
    if (writer->first == NULL)
        writer->end = &writer->first;
    ticket->next = NULL;
    *ret_n = n;
    return group;
}

/* Without the lock. */
static void commit(struct journal_writer *writer, struct journal_ticket *group, size_t n)
{
    struct storage_fault fault = {0};
    uint64_t started = now_ns(), spent;
    enum storage_status status = journal_append(writer->journal, writer->rows, n, &fault);

    spent = now_ns() - started;
    pthread_mutex_lock(&writer->lock);
    if (status == STORAGE_OK) {
        writer->counts.commits++;
        writer->counts.rows += n;
        writer->counts.commit_ns += spent;
        if (spent > writer->counts.commit_ns_max)
            writer->counts.commit_ns_max = spent;
    }
    pthread_mutex_unlock(&writer->lock);
    while (group != NULL) {
        struct journal_ticket *next = group->next;

        group->done(group, status, &fault);
        group = next;
    }
}

static void *run(void *arg)
{
    struct journal_writer *writer = arg;

    pthread_mutex_lock(&writer->lock);
    for (;;) {
        if (writer->first != NULL) {
            size_t n;
            struct journal_ticket *group = take_group(writer, &n);

            pthread_mutex_unlock(&writer->lock);
            commit(writer, group, n);
            /* Nobody waits for this; a fault latches, which the next append will say. */
            journal_tidy(writer->journal, false, NULL);
            pthread_mutex_lock(&writer->lock);
        } else if (writer->work != NULL) {
            pthread_mutex_unlock(&writer->lock);
            writer->work(writer->arg);
            pthread_mutex_lock(&writer->lock);
            writer->work = NULL;
            writer->works_done++;
            pthread_cond_broadcast(&writer->idle);
        } else if (writer->stop) {
            break;
        } else {
            pthread_cond_wait(&writer->wake, &writer->lock);
        }
    }
    pthread_mutex_unlock(&writer->lock);
    return NULL;
}

struct journal_writer *journal_writer_create(struct journal *journal, struct storage_fault *fault)
{
    struct journal_writer *writer = calloc(1, sizeof(*writer));

    if (writer == NULL) {
        storage_fault_set(fault, STORAGE_NO_MEMORY, NULL, 0, "no memory for the journal thread");
        return NULL;
    }
    writer->journal = journal;
    writer->end = &writer->first;
    pthread_mutex_init(&writer->lock, NULL);
    pthread_cond_init(&writer->wake, NULL);
    pthread_cond_init(&writer->idle, NULL);
    if (pthread_create(&writer->thread, NULL, run, writer) == 0)
        return writer;
    storage_fault_set(fault, STORAGE_NO_MEMORY, NULL, 0, "no thread for the journal");
    pthread_cond_destroy(&writer->idle);
    pthread_cond_destroy(&writer->wake);
    pthread_mutex_destroy(&writer->lock);
    free(writer);
    return NULL;
}

void journal_writer_submit(struct journal_writer *writer, struct journal_ticket *ticket)
{
    ticket->next = NULL;
    pthread_mutex_lock(&writer->lock);
    *writer->end = ticket;
    writer->end = &ticket->next;
    pthread_cond_signal(&writer->wake);
    pthread_mutex_unlock(&writer->lock);
}

void journal_writer_run(struct journal_writer *writer, void (*work)(void *arg), void *arg)
{
    uint64_t mine;

    pthread_mutex_lock(&writer->lock);
    while (writer->work != NULL)
        pthread_cond_wait(&writer->idle, &writer->lock);
    writer->work = work;
    writer->arg = arg;
    mine = writer->works_done + 1;
    pthread_cond_signal(&writer->wake);
    while (writer->works_done < mine)
        pthread_cond_wait(&writer->idle, &writer->lock);
    pthread_mutex_unlock(&writer->lock);
}

struct journal_counts journal_writer_counts(struct journal_writer *writer)
{
    struct journal_counts counts;

    pthread_mutex_lock(&writer->lock);
    counts = writer->counts;
    pthread_mutex_unlock(&writer->lock);
    return counts;
}

void journal_writer_destroy(struct journal_writer *writer)
{
    if (writer == NULL)
        return;
    pthread_mutex_lock(&writer->lock);
    writer->stop = true;
    pthread_cond_signal(&writer->wake);
    pthread_mutex_unlock(&writer->lock);
    pthread_join(writer->thread, NULL);
    pthread_cond_destroy(&writer->idle);
    pthread_cond_destroy(&writer->wake);
    pthread_mutex_destroy(&writer->lock);
    free(writer);
}
