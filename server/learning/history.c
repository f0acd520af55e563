/* SPDX-License-Identifier: Apache-2.0 */
#include "server/learning/history.h"

#include <stdlib.h>
#include <string.h>

static enum storage_status no_memory(struct storage_fault *fault)
{
    return storage_fault_set(fault, STORAGE_NO_MEMORY, NULL, 0, "no memory for the history");
}

struct collecting {
    struct history_jumps *jumps;
    bool failed;
};

static bool collect(void *arg, const struct journal_row *row, size_t n_erased)
{
    struct collecting *collecting = arg;
    struct history_jumps *jumps = collecting->jumps;

    (void)n_erased;
    if (jumps->n == jumps->capacity) {
        size_t capacity = jumps->capacity == 0 ? 16 : 2 * jumps->capacity;
        struct history_jump *grown = realloc(jumps->items, capacity * sizeof(*grown));

        collecting->failed = grown == NULL;
        if (grown == NULL)
            return false;
        jumps->items = grown;
        jumps->capacity = capacity;
    }
    jumps->items[jumps->n++] =
        (struct history_jump){row->generation, row->kind, row->first, row->last};
    return true;
}

enum storage_status history_collect(struct journal *journal, struct history_jumps *ret,
                                    struct storage_fault *fault)
{
    struct collecting collecting = {ret, false};
    enum storage_status status;

    memset(ret, 0, sizeof(*ret));
    ret->floor = journal_floor(journal);
    ret->last = journal_last(journal);
    status = journal_jumps(journal, collect, &collecting, fault);
    if (status == STORAGE_OK && collecting.failed)
        status = no_memory(fault);
    if (status != STORAGE_OK)
        history_jumps_finish(ret);
    return status;
}

void history_jumps_finish(struct history_jumps *jumps)
{
    free(jumps->items);
    memset(jumps, 0, sizeof(*jumps));
}

/* Neighbours are joined, so that equal paths have equal ranges. */
static bool append(struct history *history, uint64_t first, uint64_t last)
{
    if (first > last)
        return true;
    if (history->n > 0 && history->ranges[history->n - 1].last + 1 == first) {
        history->ranges[history->n - 1].last = last;
        return true;
    }
    if (history->n == history->capacity) {
        size_t capacity = history->capacity == 0 ? 8 : 2 * history->capacity;
        struct history_range *grown = realloc(history->ranges, capacity * sizeof(*grown));

        if (grown == NULL)
            return false;
        history->ranges = grown;
        history->capacity = capacity;
    }
    history->ranges[history->n++] = (struct history_range){first, last};
    return true;
}

/* The newest jump at or before `generation`, -1 if there is none. */
static ptrdiff_t jump_before(const struct history_jumps *jumps, uint64_t generation)
{
    size_t low = 0, high = jumps->n;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (jumps->items[middle].generation <= generation)
            low = middle + 1;
        else
            high = middle;
    }
    return (ptrdiff_t)low - 1;
}

const struct history_jump *history_jump_at(const struct history_jumps *jumps, uint64_t generation)
{
    ptrdiff_t at = jump_before(jumps, generation);

    return at >= 0 && jumps->items[at].generation == generation ? &jumps->items[at] : NULL;
}

/* One thing to be done on the way back up: a range to go through, or (skip) to leave out. */
struct stride {
    uint64_t first, last;
    bool skip;
};

/* Down from `generation`, jump by jump, to where it all began. Each jump adds at most two. */
static size_t descend(const struct history_jumps *jumps, uint64_t generation, struct stride *strides,
                      uint64_t *ret_root)
{
    size_t n = 0;
    ptrdiff_t at;

    while ((at = jump_before(jumps, generation)) >= 0) {
        const struct history_jump *jump = &jumps->items[at];

        strides[n++] = (struct stride){jump->generation + 1, generation, false};
        if (jump->kind == JOURNAL_TRAIN) {
            *ret_root = jump->generation;
            return n;
        }
        if (jump->kind == JOURNAL_REWIND)
            strides[n++] = (struct stride){jump->first, jump->last, true};
        generation = jump->kind == JOURNAL_ROLLBACK ? jump->first : jump->generation - 1;
    }
    *ret_root = generation < jumps->floor ? generation : jumps->floor;
    strides[n++] = (struct stride){jumps->floor + 1, generation, false};
    return n;
}

enum storage_status history_to(const struct history_jumps *jumps, uint64_t generation,
                               struct history *ret, struct storage_fault *fault)
{
    struct stride *strides = calloc(2 * jumps->n + 1, sizeof(*strides));
    enum storage_status status = STORAGE_OK;
    size_t n;

    memset(ret, 0, sizeof(*ret));
    if (strides == NULL)
        return no_memory(fault);
    n = descend(jumps, generation, strides, &ret->root);
    while (status == STORAGE_OK && n-- > 0) {
        if (strides[n].skip)
            status = history_skip(ret, strides[n].first, strides[n].last, fault);
        else if (!append(ret, strides[n].first, strides[n].last))
            status = no_memory(fault);
    }
    free(strides);
    if (status != STORAGE_OK)
        history_finish(ret);
    return status;
}

enum storage_status history_skip(struct history *history, uint64_t first, uint64_t last,
                                 struct storage_fault *fault)
{
    struct history cut = {.root = history->root};

    if (first > last)
        return STORAGE_OK;
    for (size_t i = 0; i < history->n; i++) {
        uint64_t begin = history->ranges[i].first, end = history->ranges[i].last;
        uint64_t after = begin > last ? begin : last + 1;

        if (!append(&cut, begin, end < first ? end : first - 1) || !append(&cut, after, end)) {
            history_finish(&cut);
            return no_memory(fault);
        }
    }
    history_finish(history);
    *history = cut;
    return STORAGE_OK;
}

void history_finish(struct history *history)
{
    free(history->ranges);
    memset(history, 0, sizeof(*history));
}

bool history_begins(const struct history *whole, const struct history *part)
{
    if (whole->root != part->root || part->n > whole->n)
        return false;
    for (size_t i = 0; i < part->n; i++) {
        if (part->ranges[i].first != whole->ranges[i].first)
            return false;
        if (i + 1 < part->n ? part->ranges[i].last != whole->ranges[i].last
                            : part->ranges[i].last > whole->ranges[i].last)
            return false;
    }
    return true;
}

uint64_t history_next(const struct history *history, uint64_t generation)
{
    if (generation <= history->root)
        return history->n > 0 ? history->ranges[0].first : 0;
    for (size_t i = 0; i < history->n; i++) {
        const struct history_range *range = &history->ranges[i];

        if (generation < range->first || generation > range->last)
            continue;
        if (generation < range->last)
            return generation + 1;
        return i + 1 < history->n ? range[1].first : 0;
    }
    return 0;
}

uint64_t history_end(const struct history *history)
{
    return history->n > 0 ? history->ranges[history->n - 1].last : history->root;
}

bool history_has(const struct history *history, uint64_t generation)
{
    for (size_t i = 0; i < history->n; i++)
        if (generation >= history->ranges[i].first && generation <= history->ranges[i].last)
            return true;
    return false;
}
