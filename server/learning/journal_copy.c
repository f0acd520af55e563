/* SPDX-License-Identifier: Apache-2.0
 * server/learning/journal_copy.c - copies of earlier examples that an update was mixed with: what they are
 * called, and which there are of an example. */
#include "server/learning/journal_private.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* No example of its own may be called so (journal_check_rows). */
static const char mark = '~';

void journal_copy_id(uint64_t generation, size_t ordinal, char id[JOURNAL_COPY_ID_BYTES])
{
    snprintf(id, JOURNAL_COPY_ID_BYTES, "%c%" PRIu64 ".%zu", mark, generation, ordinal);
}

bool journal_copy_of(const char *id, struct journal_spot *ret)
{
    int64_t place;

    if (id == NULL || id[0] != mark || !journal_parse_place(id + 1, &place))
        return false;
    *ret = journal_spot_of(place);
    return true;
}

/* What the example in a place is a copy of, or itself. */
static enum storage_status origin_of(struct journal *journal, struct journal_spot *spot,
                                     struct storage_fault *fault)
{
    sqlite3_stmt *statement = journal->reads[JOURNAL_READ_EXAMPLE_CALLED];
    int result;

    sqlite3_bind_int64(statement, 1, journal_place(spot->generation, spot->ordinal));
    result = sqlite3_step(statement);
    if (result == SQLITE_ROW)
        journal_copy_of((const char *)sqlite3_column_text(statement, 0), spot);
    sqlite3_reset(statement);
    return result == SQLITE_ROW || result == SQLITE_DONE
               ? STORAGE_OK
               : journal_fault(journal->reader, "look for an example", fault);
}

static enum storage_status collect(struct journal *journal, const struct journal_spot *origin,
                                   struct journal_family *ret, struct storage_fault *fault)
{
    sqlite3_stmt *statement = journal->reads[JOURNAL_READ_FAMILY];
    char id[JOURNAL_COPY_ID_BYTES];
    size_t capacity = 0;
    int result;

    journal_copy_id(origin->generation, origin->ordinal, id);
    sqlite3_bind_int64(statement, 1, journal_place(origin->generation, origin->ordinal));
    sqlite3_bind_text(statement, 2, id, -1, SQLITE_TRANSIENT);
    while ((result = sqlite3_step(statement)) == SQLITE_ROW) {
        struct journal_spot spot = journal_spot_of(sqlite3_column_int64(statement, 0));

        if (ret->n == capacity) {
            struct journal_spot *grown;

            capacity = capacity == 0 ? 16 : capacity * 2;
            grown = realloc(ret->spots, capacity * sizeof(*grown));
            if (grown == NULL)
                break;
            ret->spots = grown;
        }
        ret->whole = ret->whole || (spot.generation == origin->generation &&
                                    spot.ordinal == origin->ordinal);
        ret->spots[ret->n++] = spot;
    }
    sqlite3_reset(statement);
    if (result == SQLITE_DONE)
        return STORAGE_OK;
    if (result == SQLITE_ROW)
        return storage_fault_set(fault, STORAGE_NO_MEMORY, NULL, 0, "no memory for its copies");
    return journal_fault(journal->reader, "look for copies", fault);
}

enum storage_status journal_find_family(struct journal *journal, uint64_t generation,
                                        size_t ordinal, struct journal_family *ret,
                                        struct storage_fault *fault)
{
    struct journal_spot origin = {generation, ordinal};
    struct journal_family family = {0};
    enum storage_status status;

    pthread_mutex_lock(&journal->lock);
    status = origin_of(journal, &origin, fault);
    if (status == STORAGE_OK)
        status = collect(journal, &origin, &family, fault);
    pthread_mutex_unlock(&journal->lock);
    if (status == STORAGE_OK && family.n == 0)
        status = storage_fault_set(fault, STORAGE_NOT_FOUND, NULL, generation,
                                   "there is no example %" PRIu64 ".%zu", generation, ordinal);
    if (status != STORAGE_OK) {
        free(family.spots);
        return status;
    }
    *ret = family;
    return STORAGE_OK;
}
