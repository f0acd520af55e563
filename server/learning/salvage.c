/* SPDX-License-Identifier: Apache-2.0 */
#include "server/learning/salvage.h"

#include "server/clock.h"
#include "server/learning/journal_private.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct salvage {
    const struct storage_dir *dir;
    sqlite3 *db;
    sqlite3_stmt *step, *examples;
};

static sqlite3 *open_database(const struct storage_dir *dir, const char *file, int flags)
{
    sqlite3 *db;

    database_open(dir, file, flags, &db);
    if (db != NULL)
        sqlite3_db_config(db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    return db;
}

struct salvage *salvage_open(const struct storage_dir *dir, const char *file,
                             struct storage_fault *fault)
{
    static const char step[] = "SELECT * FROM step WHERE generation=?";
    static const char examples[] = "SELECT * FROM example WHERE place>=? AND place<? ORDER BY place";
    struct salvage *salvage = calloc(1, sizeof(*salvage));

    if (salvage == NULL) {
        storage_fault_set(fault, STORAGE_NO_MEMORY, NULL, 0, "out of memory");
        return NULL;
    }
    if (!storage_file_exists(dir, file)) {
        storage_fault_set(fault, STORAGE_NOT_FOUND, file, 0, "%s is gone", file);
        free(salvage);
        return NULL;
    }
    salvage->dir = dir;
    salvage->db = open_database(dir, file, SQLITE_OPEN_READWRITE);
    if (salvage->db != NULL &&
        sqlite3_prepare_v2(salvage->db, step, -1, &salvage->step, NULL) == SQLITE_OK &&
        sqlite3_prepare_v2(salvage->db, examples, -1, &salvage->examples, NULL) == SQLITE_OK)
        return salvage;
    if (salvage->db != NULL)
        journal_fault(salvage->db, "read it", fault);
    salvage_close(salvage);
    return NULL;
}

void salvage_close(struct salvage *salvage)
{
    if (salvage == NULL)
        return;
    sqlite3_finalize(salvage->step);
    sqlite3_finalize(salvage->examples);
    sqlite3_close(salvage->db);
    free(salvage);
}

bool salvage_note(struct salvage *salvage, struct salvage_anchor *ret)
{
    static const char sql[] = "SELECT identity,base,created_ms,floor,floor_chain,digest FROM journal";
    sqlite3_stmt *statement = NULL;
    struct digest digest, expected;
    struct journal journal = {0};
    bool good;

    if (salvage == NULL || sqlite3_prepare_v2(salvage->db, sql, -1, &statement, NULL) != SQLITE_OK)
        return false;
    good = sqlite3_step(statement) == SQLITE_ROW &&
           sqlite3_column_bytes(statement, 0) == STORAGE_IDENTITY_BYTES &&
           journal_column_digest(statement, 1, &ret->base) &&
           journal_column_digest(statement, 4, &ret->chain) &&
           journal_column_digest(statement, 5, &digest);
    if (good) {
        memcpy(ret->identity, sqlite3_column_blob(statement, 0), STORAGE_IDENTITY_BYTES);
        ret->created_ms = sqlite3_column_int64(statement, 2);
        ret->generation = (uint64_t)sqlite3_column_int64(statement, 3);
        memcpy(journal.identity, ret->identity, STORAGE_IDENTITY_BYTES);
        journal.options.base = ret->base;
        journal.created_ms = ret->created_ms;
        expected = journal_note_digest(&journal, ret->generation, &ret->chain);
        good = digest_equal(&expected, &digest);
    }
    sqlite3_finalize(statement);
    return good;
}

/* One example into its row's chain, its content against its digest. */
static bool take_example(sqlite3_stmt *statement, struct digester *digester)
{
    struct journal_example example = {
        .inputs = sqlite3_column_blob(statement, EXAMPLE_INPUTS),
        .inputs_bytes = (size_t)sqlite3_column_bytes(statement, EXAMPLE_INPUTS),
        .targets = sqlite3_column_blob(statement, EXAMPLE_TARGETS),
        .targets_bytes = (size_t)sqlite3_column_bytes(statement, EXAMPLE_TARGETS),
    };
    const unsigned char *salt = sqlite3_column_blob(statement, EXAMPLE_SALT);
    struct digest digest, found;

    if (!journal_column_digest(statement, EXAMPLE_DIGEST, &digest))
        return false;
    if (salt != NULL) { /* not erased */
        if (sqlite3_column_bytes(statement, EXAMPLE_SALT) != JOURNAL_SALT_BYTES)
            return false;
        found = journal_example_digest(salt, &example);
        if (!digest_equal(&found, &digest))
            return false;
    }
    journal_chain_example(digester, (const char *)sqlite3_column_text(statement, EXAMPLE_ID), &digest);
    return true;
}

static bool take_examples(struct salvage *salvage, const struct journal_row *row,
                          struct digester *digester)
{
    sqlite3_stmt *statement = salvage->examples;
    size_t n = 0;
    bool good = true;
    int result = SQLITE_ROW;

    sqlite3_bind_int64(statement, 1, journal_place(row->generation, 0));
    sqlite3_bind_int64(statement, 2, journal_place(row->generation + 1, 0));
    while (good && (result = sqlite3_step(statement)) == SQLITE_ROW) {
        good = sqlite3_column_int64(statement, EXAMPLE_PLACE) == journal_place(row->generation, n) &&
               take_example(statement, digester);
        n++;
    }
    sqlite3_reset(statement);
    return good && result == SQLITE_DONE && n == row->n_examples;
}

/* What a training job made, in a file of its own. */
static bool trained_holds(const struct storage_dir *dir, uint64_t generation)
{
    struct checkpoint trained;
    bool holds = trained_read(dir, generation, SIZE_MAX / 4, &trained, NULL) == STORAGE_OK;

    if (holds)
        checkpoint_finish(&trained);
    return holds;
}

/* Row `generation` follows from `chain`, which becomes its own. Sets `state`. NULL, or why it does not. */
static const char *take_row(struct salvage *salvage, uint64_t generation, uint64_t floor,
                            struct digest *chain, struct digest *state)
{
    struct digester digester;
    struct journal_row row;
    struct digest found;
    const char *why = NULL;

    sqlite3_bind_int64(salvage->step, 1, (int64_t)generation);
    switch (sqlite3_step(salvage->step)) {
    case SQLITE_ROW:
        if (!journal_step(salvage->step, &row)) {
            why = "the row is malformed";
            break;
        }
        journal_chain_start(&digester, chain, &row);
        if (!take_examples(salvage, &row, &digester)) {
            why = "its examples are not what their digests say";
            break;
        }
        found = journal_chain_finish(&digester, &row);
        if (!digest_equal(&found, &row.chain))
            why = "its content is not that of its chain";
        else if (row.kind >= JOURNAL_ROLLBACK && row.kind <= JOURNAL_ERASE && row.first < floor)
            why = "it goes back to what does not hold any more";
        else if (row.kind == JOURNAL_TRAIN && !trained_holds(salvage->dir, generation))
            why = "the file of what was trained does not hold";
        *chain = row.chain;
        *state = row.state;
        break;
    case SQLITE_DONE:
        why = "";
        break;
    default:
        why = "it cannot be read";
        break;
    }
    sqlite3_reset(salvage->step);
    return why;
}

struct salvage_reach salvage_walk(struct salvage *salvage, const struct salvage_anchor *anchor,
                                  uint64_t most, struct storage_fault *fault)
{
    struct salvage_reach reach = {.last = anchor->generation, .chain = anchor->chain};
    struct digest chain = anchor->chain, state;

    for (uint64_t generation = anchor->generation + 1; salvage != NULL && generation <= most;
         generation++) {
        const char *why = take_row(salvage, generation, anchor->generation, &chain, &state);

        if (why != NULL && why[0] != '\0')
            storage_fault_set(fault, STORAGE_DAMAGED, journal_file, generation,
                              "%s: row %" PRIu64 ": %s", journal_file, generation, why);
        if (why != NULL)
            break;
        if (!digest_is_none(&state))
            reach = (struct salvage_reach){generation, chain, state};
    }
    return reach;
}

bool salvage_chain(struct salvage *salvage, uint64_t generation, struct digest *ret)
{
    bool good;

    if (salvage == NULL)
        return false;
    sqlite3_bind_int64(salvage->step, 1, (int64_t)generation);
    good = sqlite3_step(salvage->step) == SQLITE_ROW &&
           journal_column_digest(salvage->step, STEP_CHAIN, ret);
    sqlite3_reset(salvage->step);
    return good;
}

/* ---- the whole one ---- */

static bool exec(sqlite3 *db, const char *sql)
{
    return sqlite3_exec(db, sql, NULL, NULL, NULL) == SQLITE_OK;
}

/* The rows that `from` yields into the table of `into`, as they are. */
static bool copy(sqlite3_stmt *from, sqlite3_stmt *into, bool (*holds)(sqlite3_stmt *row))
{
    int result;

    while ((result = sqlite3_step(from)) == SQLITE_ROW) {
        if (holds != NULL && !holds(from))
            continue;
        for (int i = 0; i < sqlite3_column_count(from); i++)
            if (sqlite3_bind_value(into, i + 1, sqlite3_column_value(from, i)) != SQLITE_OK)
                return false;
        if (database_run(into) != SQLITE_OK)
            return false;
    }
    return result == SQLITE_DONE;
}

static bool copy_range(sqlite3 *from, sqlite3 *into, const char *select, const char *insert,
                       int64_t first, int64_t end, bool (*holds)(sqlite3_stmt *row))
{
    sqlite3_stmt *rows = NULL, *add = NULL;
    bool good = sqlite3_prepare_v2(from, select, -1, &rows, NULL) == SQLITE_OK &&
                sqlite3_prepare_v2(into, insert, -1, &add, NULL) == SQLITE_OK;

    if (good) {
        sqlite3_bind_int64(rows, 1, first);
        sqlite3_bind_int64(rows, 2, end);
        good = copy(rows, add, holds);
    }
    sqlite3_finalize(rows);
    sqlite3_finalize(add);
    return good;
}

static bool reply_holds(sqlite3_stmt *row)
{
    const char *key = (const char *)sqlite3_column_text(row, REPLY_KEY);
    struct digest body, digest, found;

    if (key == NULL || !journal_column_digest(row, REPLY_BODY, &body) ||
        !journal_column_digest(row, REPLY_DIGEST, &digest))
        return false;
    found = journal_reply_digest(key, &body, (uint64_t)sqlite3_column_int64(row, REPLY_GENERATION),
                                 sqlite3_column_int64(row, REPLY_TIME),
                                 sqlite3_column_blob(row, REPLY_ANSWER),
                                 (size_t)sqlite3_column_bytes(row, REPLY_ANSWER));
    return digest_equal(&found, &digest);
}

static bool copy_all(struct salvage *salvage, sqlite3 *into, const struct salvage_anchor *anchor,
                     uint64_t last)
{
    int64_t first = (int64_t)anchor->generation + 1, end = (int64_t)last + 1;

    if (salvage == NULL)
        return true;
    if (!copy_range(salvage->db, into, "SELECT * FROM step WHERE generation>=? AND generation<?",
                    "INSERT INTO step VALUES(?,?,?,?,?,?,?,?,?,?,?,?)", first, end, NULL) ||
        !copy_range(salvage->db, into, "SELECT * FROM example WHERE place>=? AND place<?",
                    "INSERT INTO example VALUES(?,?,?,?,?,?)", journal_place((uint64_t)first, 0),
                    journal_place((uint64_t)end, 0), NULL))
        return false;
    /* Answers of keys are worth having, but not worth the rest. */
    copy_range(salvage->db, into, "SELECT * FROM reply WHERE generation>=? AND generation<?",
               "INSERT INTO reply VALUES(?,?,?,?,?,?)", 0, end, reply_holds);
    return true;
}

static bool set_note(struct journal *journal, const struct salvage_anchor *anchor)
{
    static const char sql[] =
        "UPDATE journal SET identity=?,created_ms=?,floor=?,floor_chain=?,digest=?";
    sqlite3_stmt *statement = NULL;
    struct digest digest;
    bool good;

    memcpy(journal->identity, anchor->identity, STORAGE_IDENTITY_BYTES);
    if (anchor->created_ms > 0)
        journal->created_ms = anchor->created_ms;
    digest = journal_note_digest(journal, anchor->generation, &anchor->chain);
    good = sqlite3_prepare_v2(journal->db, sql, -1, &statement, NULL) == SQLITE_OK;
    if (good) {
        sqlite3_bind_blob(statement, 1, anchor->identity, STORAGE_IDENTITY_BYTES, SQLITE_STATIC);
        sqlite3_bind_int64(statement, 2, journal->created_ms);
        sqlite3_bind_int64(statement, 3, (int64_t)anchor->generation);
        sqlite3_bind_blob(statement, 4, anchor->chain.bytes, DIGEST_BYTES, SQLITE_STATIC);
        sqlite3_bind_blob(statement, 5, digest.bytes, DIGEST_BYTES, SQLITE_STATIC);
        good = database_run(statement) == SQLITE_OK;
    }
    sqlite3_finalize(statement);
    return good;
}

enum storage_status salvage_write(struct salvage *salvage, const struct storage_dir *dir,
                                  const char *file, const struct salvage_anchor *anchor,
                                  uint64_t last, struct storage_fault *fault)
{
    struct journal journal = {.options = {.base = anchor->base}};
    enum storage_status status;
    int fd;

    status = storage_file_remove(dir, file, fault);
    fd = status == STORAGE_OK ? openat(dir->fd, file, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600) : -1;
    if (fd < 0)
        return status != STORAGE_OK ? status : storage_fault_errno(fault, file, "make it", errno);
    close(fd);
    journal.db = open_database(dir, file, SQLITE_OPEN_READWRITE);
    if (journal.db == NULL)
        return storage_fault_set(fault, STORAGE_NO_MEMORY, file, 0, "out of memory");
    status = journal_schema_create(&journal, fault);
    if (status == STORAGE_OK &&
        !(exec(journal.db, "PRAGMA synchronous=FULL") && exec(journal.db, "BEGIN IMMEDIATE") &&
          set_note(&journal, anchor) && copy_all(salvage, journal.db, anchor, last) &&
          exec(journal.db, "COMMIT")))
        status = journal_fault(journal.db, "write what holds", fault);
    sqlite3_close(journal.db);
    return status;
}
