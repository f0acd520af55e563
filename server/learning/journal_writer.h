/* SPDX-License-Identifier: Apache-2.0
 * server/learning/journal_writer.h - the journal thread of one model: group commit. What has queued
 * while the disk synced becomes one transaction with one sync, and is acknowledged, or fails,
 * together. A step that follows another may be submitted before that one is safe: if the first
 * fails, so does every later one. No lock is held while the disk works. */
#ifndef SERVER_LEARNING_JOURNAL_WRITER_H
#define SERVER_LEARNING_JOURNAL_WRITER_H

#include "server/learning/journal.h"

struct journal_writer;

/* The caller's memory, with all that `row` points to, until `done` is called. */
struct journal_ticket {
    struct journal_row row;
    /* On the journal thread, in the order of submission. `fault` is set unless `status` is OK. It may
     * free the ticket and submit others. */
    void (*done)(struct journal_ticket *ticket, enum storage_status status,
                 const struct storage_fault *fault);
    void *arg;
    struct journal_ticket *next;        /* the writer's */
};

struct journal_counts {
    uint64_t commits, rows;             /* acknowledged */
    uint64_t commit_ns, commit_ns_max;  /* spent in commits */
};

/* Borrows the journal, which no other thread changes from here on. NULL sets `fault`. */
struct journal_writer *journal_writer_create(struct journal *journal, struct storage_fault *fault);
/* Any thread; never blocks on the disk. Generations go on from the last one submitted. */
void journal_writer_submit(struct journal_writer *writer, struct journal_ticket *ticket);
/* Runs `work` on the journal thread when all that was submitted before is done, and returns then: for
 * checkpoints, pruning, erasure. Not from the journal thread. */
void journal_writer_run(struct journal_writer *writer, void (*work)(void *arg), void *arg);
struct journal_counts journal_writer_counts(struct journal_writer *writer);
/* Finishes what is queued, then ends the thread. */
void journal_writer_destroy(struct journal_writer *writer);

#endif
