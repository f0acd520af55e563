/* SPDX-License-Identifier: Apache-2.0
 * server/learning/history.h - which rows lead to a generation, as ranges, in the order they are
 * applied. Pure, given the rows. */
#ifndef SERVER_LEARNING_HISTORY_H
#define SERVER_LEARNING_HISTORY_H

#include "server/learning/journal.h"

struct history_range {
    uint64_t first, last;
};

/* From generation `root` (0: the base model; the journal's floor; or above that a TRAIN row, whose
 * state is in a file of its own) through the ranges. */
struct history {
    uint64_t root;
    struct history_range *ranges;
    size_t n, capacity;
};

/* A row that changes the path rather than adding to it; collected from the journal once. */
struct history_jump {
    uint64_t generation;
    enum journal_kind kind;
    uint64_t first, last;
};

struct history_jumps {
    struct history_jump *items;     /* by generation */
    size_t n, capacity;
    uint64_t floor, last;
};

/* Reads the kinds of all rows. */
enum storage_status history_collect(struct journal *journal, struct history_jumps *ret,
                                    struct storage_fault *fault);
void history_jumps_finish(struct history_jumps *jumps);

/* The path to `generation`, from floor to last. NO_MEMORY only. */
enum storage_status history_to(const struct history_jumps *jumps, uint64_t generation,
                               struct history *ret, struct storage_fault *fault);
/* Takes generations first..last out. */
enum storage_status history_skip(struct history *history, uint64_t first, uint64_t last,
                                 struct storage_fault *fault);
void history_finish(struct history *history);

/* True if `part` is the beginning of `whole`. */
bool history_begins(const struct history *whole, const struct history *part);
/* The row of the path after `generation` (0 or the root: the first), 0 if it is the last or not on it. */
uint64_t history_next(const struct history *history, uint64_t generation);
/* The last row on it; its root if it has none. */
uint64_t history_end(const struct history *history);
/* The jump of that generation, NULL if its row is none. */
const struct history_jump *history_jump_at(const struct history_jumps *jumps, uint64_t generation);
/* True if the row is on it. */
bool history_has(const struct history *history, uint64_t generation);

#endif
