/* SPDX-License-Identifier: Apache-2.0
 * server/learning/journal_schema.c - the tables. `journal` has one row: who the journal is, and the
 * floor that pruning has raised. Times are Unix milliseconds. */
#include "server/learning/journal_private.h"

#include "server/clock.h"

#include <stdio.h>
#include <string.h>
#include <sys/random.h>

enum { APPLICATION_ID = 0x696e666a };    /* "infj" */

static const struct {
    const char *name, *sql;
} tables[] = {
    {"journal", "CREATE TABLE journal(one INTEGER PRIMARY KEY CHECK(one=1), identity BLOB NOT NULL, "
                "base BLOB NOT NULL, created_ms INTEGER NOT NULL, floor INTEGER NOT NULL, "
                "floor_chain BLOB NOT NULL, digest BLOB NOT NULL) STRICT"},
    {"step", "CREATE TABLE step(generation INTEGER PRIMARY KEY, kind INTEGER NOT NULL, "
             "time_ms INTEGER NOT NULL, seed INTEGER NOT NULL, first INTEGER NOT NULL, "
             "last INTEGER NOT NULL, examples INTEGER NOT NULL, principal TEXT NOT NULL, "
             "settings TEXT NOT NULL, idempotency_key TEXT, state BLOB NOT NULL, "
             "chain BLOB NOT NULL) STRICT"},
    {"example", "CREATE TABLE example(place INTEGER PRIMARY KEY, id TEXT, salt BLOB, inputs BLOB, "
                "targets BLOB, digest BLOB NOT NULL) STRICT"},
    {"example_id", "CREATE INDEX example_id ON example(id) WHERE id IS NOT NULL"},
    {"reply", "CREATE TABLE reply(idempotency_key TEXT PRIMARY KEY, body BLOB NOT NULL, "
              "generation INTEGER NOT NULL, time_ms INTEGER NOT NULL, answer BLOB NOT NULL, "
              "digest BLOB NOT NULL) STRICT, WITHOUT ROWID"},
    {"reply_time", "CREATE INDEX reply_time ON reply(time_ms)"},
};

enum { TABLES = sizeof(tables) / sizeof(tables[0]) };

struct digest journal_genesis(const struct journal *journal)
{
    struct digester digester;

    digest_start(&digester, "inferd journal 1");
    digest_raw(&digester, journal->identity, sizeof(journal->identity));
    digest_raw(&digester, journal->options.base.bytes, DIGEST_BYTES);
    return digest_finish(&digester);
}

struct digest journal_note_digest(const struct journal *journal, uint64_t floor,
                                  const struct digest *floor_chain)
{
    struct digester digester;

    digest_start(&digester, "inferd journal note 1");
    digest_raw(&digester, journal->identity, sizeof(journal->identity));
    digest_raw(&digester, journal->options.base.bytes, DIGEST_BYTES);
    digest_number(&digester, (uint64_t)journal->created_ms);
    digest_number(&digester, floor);
    digest_raw(&digester, floor_chain->bytes, DIGEST_BYTES);
    return digest_finish(&digester);
}

static bool add_note(struct journal *journal)
{
    static const char sql[] = "INSERT INTO journal VALUES(1,?,?,?,0,?,?)";
    struct digest chain = journal_genesis(journal);
    struct digest digest = journal_note_digest(journal, 0, &chain);
    sqlite3_stmt *statement = NULL;
    bool ok = sqlite3_prepare_v2(journal->db, sql, -1, &statement, NULL) == SQLITE_OK;

    if (ok) {
        sqlite3_bind_blob(statement, 1, journal->identity, STORAGE_IDENTITY_BYTES, SQLITE_STATIC);
        sqlite3_bind_blob(statement, 2, journal->options.base.bytes, DIGEST_BYTES, SQLITE_STATIC);
        sqlite3_bind_int64(statement, 3, journal->created_ms);
        sqlite3_bind_blob(statement, 4, chain.bytes, DIGEST_BYTES, SQLITE_STATIC);
        sqlite3_bind_blob(statement, 5, digest.bytes, DIGEST_BYTES, SQLITE_STATIC);
        ok = sqlite3_step(statement) == SQLITE_DONE;
    }
    sqlite3_finalize(statement);
    return ok;
}

enum storage_status journal_schema_create(struct journal *journal, struct storage_fault *fault)
{
    char pragmas[96];
    enum storage_status status;
    bool ok;

    if (getrandom(journal->identity, sizeof(journal->identity), 0) !=
        (ssize_t)sizeof(journal->identity))
        return storage_fault_set(fault, STORAGE_IO, journal_file, 0, "no random numbers to be had");
    journal->created_ms = clock_unix_ms();
    snprintf(pragmas, sizeof(pragmas), "PRAGMA application_id=%d; PRAGMA user_version=%d;",
             APPLICATION_ID, JOURNAL_FORMAT);
    ok = sqlite3_exec(journal->db, "BEGIN IMMEDIATE", NULL, NULL, NULL) == SQLITE_OK &&
         sqlite3_exec(journal->db, pragmas, NULL, NULL, NULL) == SQLITE_OK;
    for (int i = 0; ok && i < TABLES; i++)
        ok = sqlite3_exec(journal->db, tables[i].sql, NULL, NULL, NULL) == SQLITE_OK;
    ok = ok && add_note(journal) &&
         sqlite3_exec(journal->db, "COMMIT", NULL, NULL, NULL) == SQLITE_OK;
    if (ok)
        return STORAGE_OK;
    status = journal_fault(journal->db, "make its tables", fault);
    sqlite3_exec(journal->db, "ROLLBACK", NULL, NULL, NULL);
    return status;
}

static bool pragma_number(sqlite3 *db, const char *sql, int64_t *ret)
{
    sqlite3_stmt *statement = NULL;
    bool ok = sqlite3_prepare_v2(db, sql, -1, &statement, NULL) == SQLITE_OK &&
              sqlite3_step(statement) == SQLITE_ROW;

    if (ok)
        *ret = sqlite3_column_int64(statement, 0);
    sqlite3_finalize(statement);
    return ok;
}

/* The schema that SQLite compiles its statements from is data in the file, too. */
static enum storage_status check_tables(struct journal *journal, struct storage_fault *fault)
{
    static const char sql[] = "SELECT name,sql FROM sqlite_schema WHERE sql IS NOT NULL";
    sqlite3_stmt *statement = NULL;
    enum storage_status status;
    int found = 0, result;

    if (sqlite3_prepare_v2(journal->db, sql, -1, &statement, NULL) != SQLITE_OK)
        return journal_fault(journal->db, "read its schema", fault);
    while ((result = sqlite3_step(statement)) == SQLITE_ROW) {
        const char *name = (const char *)sqlite3_column_text(statement, 0);
        const char *text = (const char *)sqlite3_column_text(statement, 1);
        int i = 0;

        while (i < TABLES && (name == NULL || strcmp(tables[i].name, name) != 0))
            i++;
        if (i == TABLES || text == NULL || strcmp(tables[i].sql, text) != 0)
            break;
        found++;
    }
    if (result != SQLITE_ROW && result != SQLITE_DONE)
        status = journal_fault(journal->db, "read its schema", fault);
    else if (found != TABLES || result == SQLITE_ROW)
        status = storage_fault_set(fault, STORAGE_DAMAGED, journal_file, 0,
                                   "%s: its tables are not those of a journal", journal_file);
    else
        status = STORAGE_OK;
    sqlite3_finalize(statement);
    return status;
}

static enum storage_status check_pages(struct journal *journal, struct storage_fault *fault)
{
    sqlite3_stmt *statement = NULL;
    const char *text = NULL;
    enum storage_status status = STORAGE_OK;

    if (sqlite3_prepare_v2(journal->db, "PRAGMA integrity_check(1)", -1, &statement, NULL) ==
            SQLITE_OK &&
        sqlite3_step(statement) == SQLITE_ROW)
        text = (const char *)sqlite3_column_text(statement, 0);
    if (text == NULL)
        status = journal_fault(journal->db, "check it", fault);
    else if (strcmp(text, "ok") != 0)
        status = storage_fault_set(fault, STORAGE_DAMAGED, journal_file, 0, "%s: %.200s",
                                   journal_file, text);
    sqlite3_finalize(statement);
    return status;
}

static enum storage_status check_note(struct journal *journal, struct storage_fault *fault)
{
    static const char sql[] = "SELECT identity,base,created_ms,floor,floor_chain,digest FROM journal";
    struct digest base, digest, expected, configured = journal->options.base;
    sqlite3_stmt *statement = NULL;
    enum storage_status status = STORAGE_OK;
    uint64_t floor;
    bool ok;

    if (sqlite3_prepare_v2(journal->db, sql, -1, &statement, NULL) != SQLITE_OK)
        return journal_fault(journal->db, "read its note", fault);
    ok = sqlite3_step(statement) == SQLITE_ROW &&
         sqlite3_column_bytes(statement, 0) == STORAGE_IDENTITY_BYTES &&
         journal_column_digest(statement, 1, &base) &&
         journal_column_digest(statement, 4, &journal->floor_chain) &&
         journal_column_digest(statement, 5, &digest);
    if (ok) {
        memcpy(journal->identity, sqlite3_column_blob(statement, 0), STORAGE_IDENTITY_BYTES);
        journal->created_ms = sqlite3_column_int64(statement, 2);
        floor = (uint64_t)sqlite3_column_int64(statement, 3);
        atomic_store(&journal->floor, floor);
        journal->options.base = base;
        expected = journal_note_digest(journal, floor, &journal->floor_chain);
        journal->options.base = configured;
        ok = digest_equal(&expected, &digest);
    }
    if (!ok && (sqlite3_errcode(journal->db) & 0xff) == SQLITE_IOERR)
        status = journal_fault(journal->db, "read its note", fault);
    else if (!ok)
        status = storage_fault_set(fault, STORAGE_DAMAGED, journal_file, 0,
                                   "%s: its note is not that of its digest", journal_file);
    else if (!digest_equal(&base, &configured))
        status = storage_fault_set(fault, STORAGE_OTHER_MODEL, journal_file, 0,
                                   "%s began from another model file than the one being served",
                                   journal_file);
    sqlite3_finalize(statement);
    return status;
}

enum storage_status journal_schema_check(struct journal *journal, struct storage_fault *fault)
{
    int64_t application, format;
    enum storage_status status;

    if (!pragma_number(journal->db, "PRAGMA application_id", &application) ||
        !pragma_number(journal->db, "PRAGMA user_version", &format))
        return journal_fault(journal->db, "read its format", fault);
    if (application != APPLICATION_ID)
        return storage_fault_set(fault, STORAGE_DAMAGED, journal_file, 0, "%s is not a journal",
                                 journal_file);
    if (format > JOURNAL_FORMAT)
        return storage_fault_set(fault, STORAGE_NEWER, journal_file, 0,
                                 "%s: format %lld; this inferd knows %d", journal_file,
                                 (long long)format, JOURNAL_FORMAT);
    if (format < 1)
        return storage_fault_set(fault, STORAGE_DAMAGED, journal_file, 0, "%s: no format number",
                                 journal_file);
    status = check_tables(journal, fault);
    if (status == STORAGE_OK)
        status = check_pages(journal, fault);
    return status == STORAGE_OK ? check_note(journal, fault) : status;
}
