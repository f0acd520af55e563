/* SPDX-License-Identifier: Apache-2.0 */
#include "server/learning/prediction_store_private.h"

#include "server/learning/digest.h"
#include "server/learning/prediction_record.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

enum {
    ROW_BYTES = 2 * PREDICTION_PAGE_BYTES, /* beside its content, at most: partly filled pages */
    EVICTED_AT_ONCE = 64,
    EXPIRED_AT_ONCE = 256,
    SAMPLE_PART = 4, /* one prediction is at most this part of the whole */
};

enum storage_status prediction_give_up(struct prediction_store *store, const char *action,
                                       struct storage_fault *fault)
{
    enum storage_status status = prediction_fault(store->db, action, fault);

    if (sqlite3_get_autocommit(store->db) == 0)
        sqlite3_exec(store->db, "ROLLBACK", NULL, NULL, NULL);
    store->open = false;
    return status;
}

enum storage_status prediction_look_at_size(struct prediction_store *store,
                                            struct storage_fault *fault)
{
    int64_t pages = 0;

    if (database_number(store->statements[STATEMENT_PAGES], &pages) != SQLITE_ROW)
        return prediction_give_up(store, "measure it", fault);
    store->used_bytes = (uint64_t)pages * PREDICTION_PAGE_BYTES;
    return STORAGE_OK;
}

static struct digest row_digest(const char *id, int64_t time_ms, uint64_t nonce, int64_t generation,
                                const void *content, size_t bytes)
{
    struct digester digester;

    digest_start(&digester, "inferd prediction 1");
    digest_text(&digester, id);
    digest_number(&digester, (uint64_t)time_ms);
    digest_number(&digester, nonce);
    digest_number(&digester, (uint64_t)generation);
    digest_number(&digester, content != NULL);
    digest_bytes(&digester, content, bytes);
    return digest_finish(&digester);
}

/* The oldest go until `bytes` more fit. */
static enum storage_status make_room(struct prediction_store *store, uint64_t bytes,
                                     struct storage_fault *fault)
{
    enum storage_status status = STORAGE_OK;
    int removed = 1;

    if (store->used_bytes + bytes > store->options.bytes_max)
        status = prediction_look_at_size(store, fault);
    while (status == STORAGE_OK && removed > 0 &&
           store->used_bytes + bytes > store->options.bytes_max) {
        sqlite3_bind_int(store->statements[STATEMENT_EVICT], 1, EVICTED_AT_ONCE);
        if (database_run(store->statements[STATEMENT_EVICT]) != SQLITE_OK)
            return prediction_give_up(store, "remove the oldest", fault);
        removed = sqlite3_changes(store->db); /* none: an empty database has a few pages, too */
        status = prediction_look_at_size(store, fault);
    }
    return status;
}

static bool grow_content(struct prediction_store *store, size_t bytes)
{
    unsigned char *grown;

    if (bytes <= store->content_max)
        return true;
    grown = realloc(store->content, bytes);
    if (grown == NULL)
        return false;
    store->content = grown;
    store->content_max = bytes;
    return true;
}

static int insert(struct prediction_store *store, const struct tap_sample *sample, size_t bytes)
{
    sqlite3_stmt *statement = store->statements[STATEMENT_ADD];
    struct digest digest;
    uint64_t nonce;

    if (getrandom(&nonce, sizeof(nonce), 0) != (ssize_t)sizeof(nonce))
        return SQLITE_IOERR;
    prediction_record_write(sample, store->content);
    digest =
        row_digest(sample->id, sample->time_ms, nonce, sample->generation, store->content, bytes);
    sqlite3_bind_text(statement, 1, sample->id, -1, SQLITE_STATIC);
    sqlite3_bind_int64(statement, 2, sample->time_ms);
    sqlite3_bind_int64(statement, 3, (int64_t)nonce);
    sqlite3_bind_int64(statement, 4, sample->generation);
    sqlite3_bind_blob64(statement, 5, store->content, bytes, SQLITE_STATIC);
    sqlite3_bind_blob(statement, 6, digest.bytes, DIGEST_BYTES, SQLITE_STATIC);
    return database_run(statement);
}

enum storage_status prediction_store_add(struct prediction_store *store,
                                         const struct tap_sample *sample,
                                         struct storage_fault *fault)
{
    size_t bytes = prediction_record_bytes(sample);
    enum storage_status status;

    if (bytes == 0 || sample->id == NULL || bytes > store->options.bytes_max / SAMPLE_PART)
        return storage_fault_set(fault, STORAGE_LIMIT, NULL, 0,
                                 "a prediction of %zu bytes; at most %llu are kept", bytes,
                                 (unsigned long long)(store->options.bytes_max / SAMPLE_PART));
    if (!grow_content(store, bytes))
        return storage_fault_set(fault, STORAGE_NO_MEMORY, NULL, 0, "no memory for a prediction");
    if (!store->open && database_run(store->statements[STATEMENT_BEGIN]) != SQLITE_OK)
        return prediction_give_up(store, "begin", fault);
    store->open = true;
    status = make_room(store, bytes + ROW_BYTES, fault);
    if (status != STORAGE_OK)
        return status;
    if (insert(store, sample, bytes) != SQLITE_OK)
        return prediction_give_up(store, "add a prediction", fault);
    store->used_bytes += bytes + ROW_BYTES; /* at most: looked at again when it seems to be full */
    return STORAGE_OK;
}

enum storage_status prediction_store_commit(struct prediction_store *store,
                                            struct storage_fault *fault)
{
    if (!store->open)
        return STORAGE_OK;
    store->open = false;
    if (database_run(store->statements[STATEMENT_COMMIT]) != SQLITE_OK)
        return prediction_give_up(store, "commit", fault);
    return STORAGE_OK;
}

static bool column_digest(sqlite3_stmt *statement, int column, struct digest *ret)
{
    const void *bytes = sqlite3_column_blob(statement, column);

    if (bytes == NULL || sqlite3_column_bytes(statement, column) != DIGEST_BYTES)
        return false;
    memcpy(ret->bytes, bytes, DIGEST_BYTES);
    return true;
}

/* What the statement's row holds, if it is what its digest says. */
static enum storage_status read_row(sqlite3_stmt *statement, const char *id,
                                    struct prediction_found *ret, struct storage_fault *fault)
{
    const void *content = sqlite3_column_blob(statement, FIND_CONTENT);
    size_t bytes = (size_t)sqlite3_column_bytes(statement, FIND_CONTENT);
    struct digest stored, found;

    ret->time_ms = sqlite3_column_int64(statement, FIND_TIME);
    ret->nonce = (uint64_t)sqlite3_column_int64(statement, FIND_NONCE);
    ret->generation = sqlite3_column_int64(statement, FIND_GENERATION);
    found = row_digest(id, ret->time_ms, ret->nonce, ret->generation, content, bytes);
    if (!column_digest(statement, FIND_DIGEST, &stored) || !digest_equal(&stored, &found))
        return prediction_damaged(fault, "a prediction is not that of its digest");
    if (content == NULL)
        return STORAGE_OK;
    ret->sample = prediction_record_read(content, bytes, id, ret->generation, ret->time_ms);
    return ret->sample != NULL
               ? STORAGE_OK
               : storage_fault_set(fault, STORAGE_NO_MEMORY, NULL, 0, "no memory for a prediction");
}

enum storage_status prediction_store_find(struct prediction_store *store, const char *id,
                                          int64_t now_ms, struct prediction_found *ret,
                                          struct storage_fault *fault)
{
    sqlite3_stmt *statement = store->statements[STATEMENT_FIND];
    enum storage_status status;
    int result;

    *ret = (struct prediction_found){0};
    sqlite3_bind_text(statement, 1, id, -1, SQLITE_STATIC);
    result = sqlite3_step(statement);
    if (result == SQLITE_ROW)
        status = read_row(statement, id, ret, fault);
    else if (result == SQLITE_DONE)
        status = STORAGE_NOT_FOUND;
    else
        status = prediction_fault(store->db, "look up a prediction", fault);
    sqlite3_reset(statement);
    sqlite3_clear_bindings(statement);
    if (status == STORAGE_OK && ret->time_ms < now_ms - store->options.ttl_ms) {
        tap_sample_unref(ret->sample);
        ret->sample = NULL;
        status = STORAGE_NOT_FOUND;
    }
    return status;
}

enum storage_status prediction_store_settle(struct prediction_store *store, const char *id,
                                            uint64_t nonce, struct storage_fault *fault)
{
    sqlite3_stmt *statement = store->statements[STATEMENT_SETTLE];
    struct prediction_found found;
    struct digest digest;
    enum storage_status status = prediction_store_commit(store, fault);

    if (status == STORAGE_OK)
        status = prediction_store_find(store, id, INT64_MIN / 2, &found, fault);
    if (status == STORAGE_NOT_FOUND)
        return STORAGE_OK;
    if (status != STORAGE_OK)
        return status;
    tap_sample_unref(found.sample);
    if (found.nonce != nonce || found.sample == NULL)
        return STORAGE_OK;
    digest = row_digest(id, found.time_ms, nonce, found.generation, NULL, 0);
    sqlite3_bind_blob(statement, 1, digest.bytes, DIGEST_BYTES, SQLITE_STATIC);
    sqlite3_bind_text(statement, 2, id, -1, SQLITE_STATIC);
    sqlite3_bind_int64(statement, 3, (int64_t)nonce);
    return database_run(statement) == SQLITE_OK ? STORAGE_OK
                                       : prediction_give_up(store, "settle a prediction", fault);
}

enum storage_status prediction_store_expire(struct prediction_store *store, int64_t now_ms,
                                            bool *ret_more, struct storage_fault *fault)
{
    sqlite3_stmt *statement = store->statements[STATEMENT_EXPIRE];
    enum storage_status status = prediction_store_commit(store, fault);

    *ret_more = false;
    if (status != STORAGE_OK)
        return status;
    sqlite3_bind_int64(statement, 1, now_ms - store->options.ttl_ms);
    sqlite3_bind_int(statement, 2, EXPIRED_AT_ONCE);
    if (database_run(statement) != SQLITE_OK)
        return prediction_give_up(store, "remove what is too old", fault);
    *ret_more = sqlite3_changes(store->db) == EXPIRED_AT_ONCE;
    return STORAGE_OK;
}

enum storage_status prediction_store_measure(struct prediction_store *store, uint64_t *ret_count,
                                             uint64_t *ret_bytes, struct storage_fault *fault)
{
    enum storage_status status = prediction_look_at_size(store, fault);
    int64_t count = 0;

    if (status == STORAGE_OK && database_number(store->statements[STATEMENT_COUNT], &count) != SQLITE_ROW)
        status = prediction_give_up(store, "count its predictions", fault);
    *ret_count = (uint64_t)count;
    *ret_bytes = store->used_bytes;
    return status;
}

enum storage_status prediction_store_scrub(struct prediction_store *store,
                                           struct storage_fault *fault)
{
    enum storage_status status = prediction_store_commit(store, fault);

    if (status != STORAGE_OK)
        return status;
    return sqlite3_wal_checkpoint_v2(store->db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL) ==
                   SQLITE_OK
               ? STORAGE_OK
               : prediction_fault(store->db, "fold its log in", fault);
}
