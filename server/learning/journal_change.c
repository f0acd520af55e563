/* SPDX-License-Identifier: Apache-2.0
 * server/learning/journal_change.c - what takes away: pruning, erasure, folding the log in. */
#include "server/learning/journal_private.h"

#include <inttypes.h>
#include <string.h>

/* As far as retention lets go. */
static enum storage_status retained(struct journal *journal, uint64_t generation, int64_t now_ms,
                                    uint64_t *ret, struct storage_fault *fault)
{
    sqlite3_stmt *statement = journal->reads[JOURNAL_READ_YOUNG];
    const struct journal_options *options = &journal->options;
    uint64_t last = atomic_load(&journal->last);
    int64_t young;
    int result;

    if (generation > last)
        generation = last;
    if (options->generations_min >= last)
        generation = 0;
    else if (generation > last - options->generations_min)
        generation = last - options->generations_min;
    if (options->age_min_ms > 0 && generation > 0) {
        pthread_mutex_lock(&journal->lock);
        sqlite3_bind_int64(statement, 1, INT64_MAX);
        sqlite3_bind_int64(statement, 2, now_ms - options->age_min_ms);
        result = database_number(statement, &young);
        pthread_mutex_unlock(&journal->lock);
        if (result != SQLITE_ROW)
            return journal_fault(journal->reader, "find its young rows", fault);
        if ((uint64_t)young <= generation)
            generation = (uint64_t)young - 1;
    }
    *ret = generation;
    return STORAGE_OK;
}

enum storage_status journal_prunable(struct journal *journal, int64_t now_ms, uint64_t *ret,
                                     struct storage_fault *fault)
{
    return retained(journal, UINT64_MAX, now_ms, ret, fault);
}

static int run_with(sqlite3_stmt *statement, int64_t number)
{
    sqlite3_bind_int64(statement, 1, number);
    return database_run(statement);
}

static int raise_floor(struct journal *journal, uint64_t floor, const struct digest *chain)
{
    sqlite3_stmt *statement = journal->writes[JOURNAL_WRITE_SET_FLOOR];
    struct digest digest = journal_note_digest(journal, floor, chain);
    int result;

    sqlite3_bind_int64(statement, 1, (int64_t)floor);
    sqlite3_bind_blob(statement, 2, chain->bytes, DIGEST_BYTES, SQLITE_STATIC);
    sqlite3_bind_blob(statement, 3, digest.bytes, DIGEST_BYTES, SQLITE_STATIC);
    result = database_run(statement);
    if (result == SQLITE_OK)
        result = run_with(journal->writes[JOURNAL_WRITE_FORGET_STEPS], (int64_t)floor);
    if (result == SQLITE_OK)
        result = run_with(journal->writes[JOURNAL_WRITE_FORGET_EXAMPLES],
                          journal_place(floor + 1, 0));
    return result;
}

enum storage_status journal_prune(struct journal *journal, uint64_t generation, int64_t now_ms,
                                  uint64_t *ret_floor, struct storage_fault *fault)
{
    uint64_t floor = atomic_load(&journal->floor);
    struct digest chain = journal->floor_chain;
    enum storage_status status = journal_may_change(journal, fault);
    int result;

    if (status == STORAGE_OK)
        status = retained(journal, generation, now_ms, &generation, fault);
    if (status != STORAGE_OK)
        return status;
    if (generation < floor)
        generation = floor;
    pthread_mutex_lock(&journal->lock);
    status = journal_chain_of(journal, generation, &chain, fault);
    pthread_mutex_unlock(&journal->lock);
    if (status != STORAGE_OK)
        return status;
    result = database_run(journal->writes[JOURNAL_WRITE_BEGIN]);
    if (result == SQLITE_OK && generation > floor)
        result = raise_floor(journal, generation, &chain);
    if (result == SQLITE_OK)
        result = run_with(journal->writes[JOURNAL_WRITE_FORGET_REPLIES],
                          now_ms - journal->options.key_age_min_ms);
    if (result == SQLITE_OK)
        result = database_run(journal->writes[JOURNAL_WRITE_COMMIT]);
    if (result != SQLITE_OK)
        return journal_give_up(journal, "prune", fault);
    pthread_mutex_lock(&journal->lock);
    journal->floor_chain = chain;
    atomic_store(&journal->floor, generation);
    pthread_mutex_unlock(&journal->lock);
    if (ret_floor != NULL)
        *ret_floor = generation;
    return STORAGE_OK;
}

/* The next commit begins the log anew when all of it has been folded in; as long as someone reads what is
 * at its end, it grows. */
static enum storage_status fold(struct journal *journal, int mode, struct storage_fault *fault)
{
    uint64_t often = journal->options.log_bytes_max / JOURNAL_FRAME_BYTES;
    int frames = 0, done = 0;
    int result = sqlite3_wal_checkpoint_v2(journal->db, "main", mode, &frames, &done);

    if (result != SQLITE_OK)
        return journal_give_up(journal, "fold its log in", fault);
    journal->log_frames = frames > done ? (uint64_t)frames : 0;
    journal->fold_frames = journal->log_frames + often;
    return STORAGE_OK;
}

enum storage_status journal_tidy(struct journal *journal, bool all, struct storage_fault *fault)
{
    enum storage_status status = journal_may_change(journal, fault);
    struct storage_fault why = {0};

    if (status != STORAGE_OK || (!all && journal->log_frames < journal->fold_frames))
        return status;
    status = head_sync(&journal->head, &why);
    if (status != STORAGE_OK) {
        storage_fault_set(fault, status, why.file, 0, "%s", why.text);
        return journal_latch(journal, &why);
    }
    return fold(journal, all ? SQLITE_CHECKPOINT_TRUNCATE : SQLITE_CHECKPOINT_PASSIVE, fault);
}

/* Places of the examples, checked against the row that will follow. */
static enum storage_status find_all(struct journal *journal, const char *const *ids, size_t n_ids,
                                    const struct journal_row *row, struct storage_fault *fault)
{
    for (size_t i = 0; i < n_ids; i++) {
        uint64_t generation;
        size_t ordinal;
        enum storage_status status =
            journal_find_example(journal, ids[i], &generation, &ordinal, fault);

        if (status != STORAGE_OK)
            return status;
        if (generation < row->first)
            return storage_fault_set(fault, STORAGE_OUT_OF_ORDER, NULL, row->generation,
                                     "example '%.128s' is of generation %" PRIu64
                                     ", before the first that the erasure rebuilds, %" PRIu64,
                                     ids[i], generation, row->first);
    }
    return STORAGE_OK;
}

static int erase_one(struct journal *journal, const char *id)
{
    uint64_t generation;
    size_t ordinal;

    if (journal_find_example(journal, id, &generation, &ordinal, NULL) != STORAGE_OK)
        return SQLITE_IOERR;
    return run_with(journal->writes[JOURNAL_WRITE_ERASE], journal_place(generation, ordinal));
}

enum storage_status journal_erase(struct journal *journal, const char *const *ids, size_t n_ids,
                                  const struct journal_row *row, struct storage_fault *fault)
{
    struct digest chain = journal->chain;
    enum storage_status status = journal_may_change(journal, fault);
    int result;

    if (status == STORAGE_OK && row->kind != JOURNAL_ERASE)
        status = storage_fault_set(fault, STORAGE_OUT_OF_ORDER, NULL, row->generation,
                                   "an erasure needs a row of its kind");
    if (status == STORAGE_OK)
        status = journal_check_rows(journal, row, 1, fault);
    if (status == STORAGE_OK)
        status = find_all(journal, ids, n_ids, row, fault);
    if (status != STORAGE_OK)
        return status;
    result = database_run(journal->writes[JOURNAL_WRITE_BEGIN]);
    for (size_t i = 0; result == SQLITE_OK && i < n_ids; i++)
        result = erase_one(journal, ids[i]);
    if (result == SQLITE_OK)
        result = journal_add_row(journal, row, &chain);
    if (result == SQLITE_OK)
        result = database_run(journal->writes[JOURNAL_WRITE_COMMIT]);
    if (result != SQLITE_OK)
        return journal_give_up(journal, "erase", fault);
    journal_grown(journal, journal_cost(row, 1));
    journal_advance(journal, row->generation, &chain);
    return journal_tidy(journal, true, fault);
}
