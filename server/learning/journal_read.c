/* SPDX-License-Identifier: Apache-2.0
 * server/learning/journal_read.c - rows, answers and lineage, read on the journal's second
 * connection, under its lock. */
#include "server/learning/journal_private.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* A row in memory of its own: the examples' array, and behind it all bytes. */
struct journal_held {
    struct journal_row row;
    struct journal_example *examples;
    unsigned char *memory;
    size_t used, capacity;
};

bool journal_column_digest(sqlite3_stmt *statement, int column, struct digest *ret)
{
    const void *blob = sqlite3_column_blob(statement, column);

    if (blob == NULL || sqlite3_column_bytes(statement, column) != DIGEST_BYTES)
        return false;
    memcpy(ret->bytes, blob, DIGEST_BYTES);
    return true;
}

bool journal_step(sqlite3_stmt *statement, struct journal_row *ret)
{
    int64_t n_examples = sqlite3_column_int64(statement, STEP_EXAMPLES);

    memset(ret, 0, sizeof(*ret));
    ret->generation = (uint64_t)sqlite3_column_int64(statement, STEP_GENERATION);
    ret->kind = (enum journal_kind)sqlite3_column_int(statement, STEP_KIND);
    ret->time_ms = sqlite3_column_int64(statement, STEP_TIME);
    ret->seed = (uint64_t)sqlite3_column_int64(statement, STEP_SEED);
    ret->first = (uint64_t)sqlite3_column_int64(statement, STEP_FIRST);
    ret->last = (uint64_t)sqlite3_column_int64(statement, STEP_LAST);
    ret->n_examples = (size_t)n_examples;
    ret->principal = (const char *)sqlite3_column_text(statement, STEP_PRINCIPAL);
    ret->settings = (const char *)sqlite3_column_text(statement, STEP_SETTINGS);
    ret->key = (const char *)sqlite3_column_text(statement, STEP_KEY);
    return n_examples >= 0 && n_examples <= JOURNAL_EXAMPLES_MAX && ret->principal != NULL &&
           ret->settings != NULL && journal_column_digest(statement, STEP_STATE, &ret->state) &&
           journal_column_digest(statement, STEP_CHAIN, &ret->chain);
}

enum storage_status journal_chain_of(struct journal *journal, uint64_t generation,
                                     struct digest *ret, struct storage_fault *fault)
{
    sqlite3_stmt *statement = journal->reads[JOURNAL_READ_CHAIN];
    enum storage_status status = STORAGE_OK;
    int result;

    if (generation == atomic_load(&journal->floor)) {
        *ret = journal->floor_chain;
        return STORAGE_OK;
    }
    sqlite3_bind_int64(statement, 1, (int64_t)generation);
    result = sqlite3_step(statement);
    if (result == SQLITE_DONE)
        status = storage_fault_set(fault, STORAGE_NOT_FOUND, journal_file, generation,
                                   "%s has no generation %" PRIu64, journal_file, generation);
    else if (result != SQLITE_ROW)
        status = journal_fault(journal->reader, "read a row", fault);
    else if (!journal_column_digest(statement, 0, ret))
        status = storage_fault_set(fault, STORAGE_DAMAGED, journal_file, generation,
                                   "%s: generation %" PRIu64 ": malformed", journal_file, generation);
    sqlite3_reset(statement);
    return status;
}

enum storage_status journal_chain(struct journal *journal, uint64_t generation, struct digest *ret,
                                  struct storage_fault *fault)
{
    enum storage_status status;

    pthread_mutex_lock(&journal->lock);
    status = journal_chain_of(journal, generation, ret, fault);
    pthread_mutex_unlock(&journal->lock);
    return status;
}

/* A copy behind what is there; offsets, as the memory may move. False: out of memory. */
static bool keep(struct journal_held *held, const void *data, size_t bytes, size_t *ret_at)
{
    size_t capacity = held->capacity == 0 ? 4096 : held->capacity;
    unsigned char *grown;

    if (bytes > SIZE_MAX / 4 - held->used)
        return false;
    while (capacity < held->used + bytes)
        capacity *= 2;
    if (capacity != held->capacity) {
        grown = realloc(held->memory, capacity);
        if (grown == NULL)
            return false;
        held->memory = grown;
        held->capacity = capacity;
    }
    if (bytes > 0)
        memcpy(held->memory + held->used, data, bytes);
    *ret_at = held->used;
    held->used += bytes;
    return true;
}

static bool keep_text(struct journal_held *held, const char *text, size_t *ret_at)
{
    return keep(held, text != NULL ? text : "", text != NULL ? strlen(text) + 1 : 1, ret_at);
}

/* One example's columns, proven by its digest. Pointers are offsets until all are there. */
static enum storage_status take_example(sqlite3_stmt *statement, struct journal_held *held, size_t n,
                                        struct digester *chain, struct storage_fault *fault)
{
    struct journal_example seen = {0}, *example = &held->examples[n];
    const char *id = (const char *)sqlite3_column_text(statement, EXAMPLE_ID);
    const unsigned char *salt = sqlite3_column_blob(statement, EXAMPLE_SALT);
    uint64_t generation = held->row.generation;
    struct digest digest, found;
    size_t at[3];

    seen.inputs = sqlite3_column_blob(statement, EXAMPLE_INPUTS);
    seen.inputs_bytes = (size_t)sqlite3_column_bytes(statement, EXAMPLE_INPUTS);
    seen.targets = sqlite3_column_blob(statement, EXAMPLE_TARGETS);
    seen.targets_bytes = (size_t)sqlite3_column_bytes(statement, EXAMPLE_TARGETS);
    seen.erased = sqlite3_column_type(statement, EXAMPLE_SALT) == SQLITE_NULL;
    if (!journal_column_digest(statement, EXAMPLE_DIGEST, &digest) ||
        sqlite3_column_int64(statement, EXAMPLE_PLACE) != journal_place(generation, n))
        return storage_fault_set(fault, STORAGE_DAMAGED, journal_file, generation,
                                 "%s: generation %" PRIu64 ": a malformed example", journal_file,
                                 generation);
    if (!seen.erased) {
        if (sqlite3_column_bytes(statement, EXAMPLE_SALT) == JOURNAL_SALT_BYTES)
            found = journal_example_digest(salt, &seen);
        if (sqlite3_column_bytes(statement, EXAMPLE_SALT) != JOURNAL_SALT_BYTES ||
            !digest_equal(&found, &digest))
            return storage_fault_set(fault, STORAGE_DAMAGED, journal_file, generation,
                                     "%s: generation %" PRIu64 ": example %zu is not that of its "
                                     "digest", journal_file, generation, n);
    }
    journal_chain_example(chain, id, &digest);
    if (!keep_text(held, id, &at[0]) || !keep(held, seen.inputs, seen.inputs_bytes, &at[1]) ||
        !keep(held, seen.targets, seen.targets_bytes, &at[2]))
        return storage_fault_set(fault, STORAGE_NO_MEMORY, journal_file, generation,
                                 "no memory for a row");
    *example = seen;
    example->id = id != NULL ? (const char *)(uintptr_t)(at[0] + 1) : NULL;   /* never NULL */
    example->inputs = (const void *)(uintptr_t)at[1];
    example->targets = (const void *)(uintptr_t)at[2];
    return STORAGE_OK;
}

static enum storage_status take_examples(struct journal *journal, struct journal_held *held,
                                         struct digester *chain, struct storage_fault *fault)
{
    sqlite3_stmt *statement = journal->reads[JOURNAL_READ_EXAMPLES];
    enum storage_status status = STORAGE_OK;
    size_t n = 0;
    int result;

    if (held->row.n_examples > 0) {
        held->examples = calloc(held->row.n_examples, sizeof(*held->examples));
        if (held->examples == NULL)
            return storage_fault_set(fault, STORAGE_NO_MEMORY, journal_file, 0, "out of memory");
    }
    sqlite3_bind_int64(statement, 1, journal_place(held->row.generation, 0));
    sqlite3_bind_int64(statement, 2, journal_place(held->row.generation + 1, 0));
    while ((result = sqlite3_step(statement)) == SQLITE_ROW && n < held->row.n_examples &&
           status == STORAGE_OK)
        status = take_example(statement, held, n++, chain, fault);
    if (status == STORAGE_OK && result != SQLITE_DONE && result != SQLITE_ROW)
        status = journal_fault(journal->reader, "read its examples", fault);
    else if (status == STORAGE_OK && (result == SQLITE_ROW || n != held->row.n_examples))
        status = storage_fault_set(fault, STORAGE_DAMAGED, journal_file, held->row.generation,
                                   "%s: generation %" PRIu64 ": examples are missing", journal_file,
                                   held->row.generation);
    sqlite3_reset(statement);
    return status;
}

/* Offsets become pointers, now that nothing moves. */
static void settle_pointers(struct journal_held *held, const size_t texts[3])
{
    held->row.principal = (char *)held->memory + texts[0];
    held->row.settings = (char *)held->memory + texts[1];
    held->row.key = held->row.key != NULL ? (char *)held->memory + texts[2] : NULL;
    held->row.examples = held->examples;
    for (size_t i = 0; i < held->row.n_examples; i++) {
        struct journal_example *example = &held->examples[i];

        if (example->id != NULL)
            example->id = (char *)held->memory + (uintptr_t)example->id - 1;
        example->inputs = held->memory + (uintptr_t)example->inputs;
        example->targets = held->memory + (uintptr_t)example->targets;
    }
}

static enum storage_status take_row(struct journal *journal, uint64_t generation,
                                    struct journal_held *held, struct storage_fault *fault)
{
    sqlite3_stmt *statement = journal->reads[JOURNAL_READ_STEP];
    struct digest previous = {{0}}, chain;
    struct digester digester;
    size_t texts[3];
    enum storage_status status =
        generation == 0 ? STORAGE_OK : journal_chain_of(journal, generation - 1, &previous, fault);
    int result;

    if (status != STORAGE_OK)
        return status;
    sqlite3_bind_int64(statement, 1, (int64_t)generation);
    result = sqlite3_step(statement);
    if (result == SQLITE_DONE)
        status = storage_fault_set(fault, STORAGE_NOT_FOUND, journal_file, generation,
                                   "%s has no generation %" PRIu64, journal_file, generation);
    else if (result != SQLITE_ROW)
        status = journal_fault(journal->reader, "read a row", fault);
    else if (!journal_step(statement, &held->row))
        status = storage_fault_set(fault, STORAGE_DAMAGED, journal_file, generation,
                                   "%s: generation %" PRIu64 ": malformed", journal_file, generation);
    else if (!keep_text(held, held->row.principal, &texts[0]) ||
             !keep_text(held, held->row.settings, &texts[1]) ||
             !keep_text(held, held->row.key, &texts[2]))
        status = storage_fault_set(fault, STORAGE_NO_MEMORY, journal_file, generation,
                                   "no memory for a row");
    if (status == STORAGE_OK) {
        journal_chain_start(&digester, &previous, &held->row);
        status = take_examples(journal, held, &digester, fault);
    }
    if (status == STORAGE_OK) {
        chain = journal_chain_finish(&digester, &held->row);
        if (!digest_equal(&chain, &held->row.chain))
            status = storage_fault_set(fault, STORAGE_DAMAGED, journal_file, generation,
                                       "%s: generation %" PRIu64 ": its content is not that of its "
                                       "chain", journal_file, generation);
        settle_pointers(held, texts);
    }
    sqlite3_reset(statement);
    return status;
}

enum storage_status journal_read(struct journal *journal, uint64_t generation,
                                 struct journal_held **ret_held, const struct journal_row **ret,
                                 struct storage_fault *fault)
{
    struct journal_held *held = calloc(1, sizeof(*held));
    enum storage_status status;

    if (held == NULL)
        return storage_fault_set(fault, STORAGE_NO_MEMORY, journal_file, 0, "out of memory");
    pthread_mutex_lock(&journal->lock);
    status = take_row(journal, generation, held, fault);
    pthread_mutex_unlock(&journal->lock);
    if (status != STORAGE_OK) {
        journal_row_release(held);
        return status;
    }
    *ret_held = held;
    *ret = &held->row;
    return STORAGE_OK;
}

void journal_row_release(struct journal_held *held)
{
    if (held == NULL)
        return;
    free(held->examples);
    free(held->memory);
    free(held);
}
