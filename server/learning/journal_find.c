/* SPDX-License-Identifier: Apache-2.0
 * server/learning/journal_find.c - questions to the journal: a key's answer, an example's place, the
 * lineage. All on its second connection, under its lock. */
#include "server/learning/journal_private.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static enum storage_status take_reply(sqlite3_stmt *statement, const char *key,
                                      const struct digest *body, struct journal_reply *ret,
                                      struct storage_fault *fault)
{
    const void *answer = sqlite3_column_blob(statement, REPLY_ANSWER);
    int bytes = sqlite3_column_bytes(statement, REPLY_ANSWER);
    struct digest stored, digest, found;

    ret->generation = (uint64_t)sqlite3_column_int64(statement, REPLY_GENERATION);
    if (!journal_column_digest(statement, REPLY_BODY, &stored) ||
        !journal_column_digest(statement, REPLY_DIGEST, &digest))
        return storage_fault_set(fault, STORAGE_DAMAGED, journal_file, 0,
                                 "%s: a malformed answer", journal_file);
    found = journal_reply_digest(key, &stored, ret->generation,
                                 sqlite3_column_int64(statement, REPLY_TIME), answer, (size_t)bytes);
    if (!digest_equal(&found, &digest))
        return storage_fault_set(fault, STORAGE_DAMAGED, journal_file, 0,
                                 "%s: a remembered answer is not that of its digest", journal_file);
    if (!digest_equal(&stored, body))
        return storage_fault_set(fault, STORAGE_CONFLICT, NULL, ret->generation,
                                 "the idempotency key came with another body, as generation %" PRIu64,
                                 ret->generation);
    ret->body = stored;
    ret->answer_bytes = (size_t)bytes;
    ret->answer = malloc((size_t)bytes + 1);
    if (ret->answer == NULL)
        return storage_fault_set(fault, STORAGE_NO_MEMORY, NULL, 0, "no memory for an answer");
    if (bytes > 0)
        memcpy(ret->answer, answer, (size_t)bytes);
    ret->answer[bytes] = '\0';
    return STORAGE_OK;
}

enum storage_status journal_find_reply(struct journal *journal, const char *key,
                                       const struct digest *body, struct journal_reply *ret,
                                       struct storage_fault *fault)
{
    sqlite3_stmt *statement = journal->reads[JOURNAL_READ_REPLY];
    enum storage_status status;
    int result;

    memset(ret, 0, sizeof(*ret));
    pthread_mutex_lock(&journal->lock);
    sqlite3_bind_text(statement, 1, key, -1, SQLITE_STATIC);
    result = sqlite3_step(statement);
    if (result == SQLITE_ROW)
        status = take_reply(statement, key, body, ret, fault);
    else if (result == SQLITE_DONE)
        status = STORAGE_NOT_FOUND;
    else
        status = journal_fault(journal->reader, "look up a key", fault);
    sqlite3_reset(statement);
    sqlite3_clear_bindings(statement);
    pthread_mutex_unlock(&journal->lock);
    return status;
}

bool journal_parse_place(const char *id, int64_t *ret_place)
{
    uint64_t parts[2] = {0, 0};
    int part = 0;

    for (const char *c = id; *c != '\0'; c++) {
        if (*c == '.' && part == 0 && c != id && c[1] != '\0') {
            part = 1;
        } else if (*c < '0' || *c > '9' || parts[part] > (UINT64_C(1) << 42)) {
            return false;
        } else {
            parts[part] = parts[part] * 10 + (uint64_t)(*c - '0');
        }
    }
    if (part != 1 || parts[0] >= UINT64_C(1) << 42 || parts[1] >= JOURNAL_EXAMPLES_MAX)
        return false;
    *ret_place = journal_place(parts[0], (size_t)parts[1]);
    return true;
}

/* The newest example of that id; by its own words first. */
static enum storage_status find_place(struct journal *journal, const char *id, int64_t *ret_place,
                                      struct storage_fault *fault)
{
    sqlite3_stmt *by_id = journal->reads[JOURNAL_READ_EXAMPLE_ID];
    sqlite3_stmt *by_place = journal->reads[JOURNAL_READ_EXAMPLE_PLACE];
    int64_t place;
    int result;

    sqlite3_bind_text(by_id, 1, id, -1, SQLITE_STATIC);
    result = database_number(by_id, ret_place);
    if (result == SQLITE_DONE && journal_parse_place(id, &place)) {
        sqlite3_bind_int64(by_place, 1, place);
        result = database_number(by_place, ret_place);
    }
    if (result == SQLITE_DONE)
        return storage_fault_set(fault, STORAGE_NOT_FOUND, NULL, 0, "there is no example '%.128s'",
                                 id);
    return result == SQLITE_ROW ? STORAGE_OK
                                : journal_fault(journal->reader, "look for an example", fault);
}

enum storage_status journal_find_example(struct journal *journal, const char *id,
                                         uint64_t *ret_generation, size_t *ret_ordinal,
                                         struct storage_fault *fault)
{
    enum storage_status status;
    int64_t place;

    pthread_mutex_lock(&journal->lock);
    status = find_place(journal, id, &place, fault);
    pthread_mutex_unlock(&journal->lock);
    if (status == STORAGE_OK) {
        *ret_generation = journal_spot_of(place).generation;
        *ret_ordinal = journal_spot_of(place).ordinal;
    }
    return status;
}

/* Among the examples of a row. */
static int count_of(struct journal *journal, enum journal_read what, uint64_t generation, int64_t *ret)
{
    sqlite3_stmt *statement = journal->reads[what];

    sqlite3_bind_int64(statement, 1, journal_place(generation, 0));
    sqlite3_bind_int64(statement, 2, journal_place(generation + 1, 0));
    return database_number(statement, ret);
}

/* Calls `visit` for the rows of a bound statement. */
static enum storage_status visit_rows(struct journal *journal, sqlite3_stmt *statement, bool count,
                                      journal_visit visit, void *arg, struct storage_fault *fault)
{
    enum storage_status status = STORAGE_OK;
    int result = SQLITE_DONE;
    bool more = true;

    while (more && status == STORAGE_OK && (result = sqlite3_step(statement)) == SQLITE_ROW) {
        struct journal_row row;
        int64_t erased = 0, copies = 0;

        if (!journal_step(statement, &row))
            status = storage_fault_set(fault, STORAGE_DAMAGED, journal_file, row.generation,
                                       "%s: generation %" PRIu64 ": malformed", journal_file,
                                       row.generation);
        else if (count &&
                 (count_of(journal, JOURNAL_READ_ERASED, row.generation, &erased) != SQLITE_ROW ||
                  count_of(journal, JOURNAL_READ_COPIES, row.generation, &copies) != SQLITE_ROW))
            status = journal_fault(journal->reader, "count what was erased", fault);
        if (status != STORAGE_OK)
            break;
        row.n_copies = (size_t)copies;
        more = visit(arg, &row, (size_t)erased);
    }
    if (status == STORAGE_OK && result != SQLITE_ROW && result != SQLITE_DONE)
        status = journal_fault(journal->reader, "list its rows", fault);
    sqlite3_reset(statement);
    return status;
}

enum storage_status journal_lineage(struct journal *journal, uint64_t before, size_t limit,
                                    journal_visit visit, void *arg, struct storage_fault *fault)
{
    sqlite3_stmt *statement = journal->reads[JOURNAL_READ_LINEAGE];
    enum storage_status status;

    pthread_mutex_lock(&journal->lock);
    sqlite3_bind_int64(statement, 1, before == 0 ? INT64_MAX : (int64_t)before);
    sqlite3_bind_int64(statement, 2, limit < INT32_MAX ? (int64_t)limit : INT32_MAX);
    status = visit_rows(journal, statement, true, visit, arg, fault);
    pthread_mutex_unlock(&journal->lock);
    return status;
}

enum storage_status journal_jumps(struct journal *journal, journal_visit visit, void *arg,
                                  struct storage_fault *fault)
{
    enum storage_status status;

    pthread_mutex_lock(&journal->lock);
    status = visit_rows(journal, journal->reads[JOURNAL_READ_JUMPS], false, visit, arg, fault);
    pthread_mutex_unlock(&journal->lock);
    return status;
}
