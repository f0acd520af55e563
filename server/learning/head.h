/* SPDX-License-Identifier: Apache-2.0
 * server/learning/head.h - journal.head, the witness: the newest generation the journal has committed,
 * written beside it. SQLite takes a damaged end of its log for a write that a crash interrupted and
 * drops it without a word; the witness is how that is told from a loss. It is written after each
 * commit and not synced, so it costs microseconds: after kill -9 it is exact, after a power cut at
 * most behind, never ahead. Two slots in turn, each with its digest: a torn write leaves the other. */
#ifndef SERVER_LEARNING_HEAD_H
#define SERVER_LEARNING_HEAD_H

#include "server/learning/checkpoint.h"

struct head_note {
    unsigned char identity[STORAGE_IDENTITY_BYTES];
    uint64_t generation;
    struct digest chain;        /* of that generation's row */
};

struct head {
    int fd;
    uint64_t sequence;          /* of the newest slot */
    struct head_note note;
};

extern const char head_file[];      /* "journal.head" */

/* NOT_FOUND if there is none (an empty or short file is none: its making was interrupted); DAMAGED if
 * neither slot holds. Read-only users close it at once. */
enum storage_status head_open(const struct storage_dir *dir, struct head *ret,
                              struct storage_fault *fault);
/* Makes it or replaces what is there; durable once the caller has synced the directory. */
enum storage_status head_create(const struct storage_dir *dir, const struct head_note *note,
                                struct head *ret, struct storage_fault *fault);
/* Into the older slot; not synced. */
enum storage_status head_write(struct head *head, const struct head_note *note,
                               struct storage_fault *fault);
enum storage_status head_sync(struct head *head, struct storage_fault *fault);
void head_close(struct head *head);

#endif
