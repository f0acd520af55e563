/* SPDX-License-Identifier: Apache-2.0
 * server/learning/prediction_store_open.c - from a directory to a store whose tables are known, and
 * back. */
#include "server/learning/prediction_store_private.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

const char prediction_file[] = "predictions.db";
const char prediction_file_damaged[] = "predictions.db.damaged";

static const char log_file[] = "predictions.db-wal", index_file[] = "predictions.db-shm";

enum {
    APPLICATION_ID = 0x696e6670, /* "infp" */
    FORMAT = 1,
    BUSY_WAIT_MS = 2000,
};

static const char schema[] =
    "CREATE TABLE prediction(id TEXT PRIMARY KEY NOT NULL, time_ms INTEGER NOT NULL, "
    "nonce INTEGER NOT NULL, generation INTEGER NOT NULL, content BLOB, digest BLOB NOT NULL) STRICT";
static const char schema_index[] = "CREATE INDEX prediction_time ON prediction(time_ms)";

/* A store is written in one way only: what breaks its constraints was not written by it. */
enum storage_status prediction_fault(sqlite3 *db, const char *action, struct storage_fault *fault)
{
    enum storage_status status = database_fault(db, prediction_file, action, fault);

    return status == STORAGE_CONFLICT ? fault->status = STORAGE_DAMAGED : status;
}

enum storage_status prediction_damaged(struct storage_fault *fault, const char *what)
{
    return storage_fault_set(fault, STORAGE_DAMAGED, prediction_file, 0, "%s: %s", prediction_file,
                             what);
}

/* SQLite gives its files the mode of the database, so the database is made here. */
static enum storage_status make_file(const struct storage_dir *dir, struct storage_fault *fault)
{
    int fd = openat(dir->fd, prediction_file, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    struct stat info;
    bool regular;

    if (fd < 0)
        return errno == ELOOP ? prediction_damaged(fault, "not a regular file")
                              : storage_fault_errno(fault, prediction_file, "make it", errno);
    regular = fstat(fd, &info) == 0 && S_ISREG(info.st_mode);
    close(fd);
    return regular ? STORAGE_OK : prediction_damaged(fault, "not a regular file");
}

static enum storage_status connect(struct prediction_store *store, struct storage_fault *fault)
{
    static const char pragmas[] = "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;"
                                  "PRAGMA secure_delete=ON; PRAGMA cell_size_check=ON;"
                                  "PRAGMA trusted_schema=OFF; PRAGMA journal_size_limit=4194304;";
    int result = database_open(store->dir, prediction_file, SQLITE_OPEN_READWRITE, &store->db);

    if (store->db == NULL)
        return storage_fault_set(fault, STORAGE_NO_MEMORY, prediction_file, 0, "out of memory");
    if (result != SQLITE_OK ||
        sqlite3_db_config(store->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL) != SQLITE_OK ||
        sqlite3_busy_timeout(store->db, BUSY_WAIT_MS) != SQLITE_OK ||
        sqlite3_exec(store->db, pragmas, NULL, NULL, NULL) != SQLITE_OK)
        return prediction_fault(store->db, "open it", fault);
    return STORAGE_OK;
}

static bool pragma_number(sqlite3 *db, const char *sql, int64_t *ret)
{
    sqlite3_stmt *statement = NULL;
    bool good = sqlite3_prepare_v2(db, sql, -1, &statement, NULL) == SQLITE_OK &&
                sqlite3_step(statement) == SQLITE_ROW;

    if (good)
        *ret = sqlite3_column_int64(statement, 0);
    sqlite3_finalize(statement);
    return good;
}

static enum storage_status make_tables(struct prediction_store *store, struct storage_fault *fault)
{
    char pragmas[96];

    snprintf(pragmas, sizeof(pragmas), "PRAGMA application_id=%d; PRAGMA user_version=%d;",
             APPLICATION_ID, FORMAT);
    if (sqlite3_exec(store->db, "BEGIN IMMEDIATE", NULL, NULL, NULL) == SQLITE_OK &&
        sqlite3_exec(store->db, schema, NULL, NULL, NULL) == SQLITE_OK &&
        sqlite3_exec(store->db, schema_index, NULL, NULL, NULL) == SQLITE_OK &&
        sqlite3_exec(store->db, pragmas, NULL, NULL, NULL) == SQLITE_OK &&
        sqlite3_exec(store->db, "COMMIT", NULL, NULL, NULL) == SQLITE_OK)
        return STORAGE_OK;
    return prediction_give_up(store, "make its tables", fault);
}

/* The tables are these, to the letter: SQLite compiles its statements from what the file says. */
static enum storage_status check_tables(struct prediction_store *store, struct storage_fault *fault)
{
    static const char sql[] = "SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY name";
    static const char *const expected[] = {schema, schema_index};
    sqlite3_stmt *statement = NULL;
    size_t found = 0;
    int result;

    if (sqlite3_prepare_v2(store->db, sql, -1, &statement, NULL) != SQLITE_OK)
        return prediction_fault(store->db, "read its schema", fault);
    while ((result = sqlite3_step(statement)) == SQLITE_ROW) {
        const char *text = (const char *)sqlite3_column_text(statement, 0);

        if (found == 2 || text == NULL || strcmp(text, expected[found]) != 0)
            break;
        found++;
    }
    sqlite3_finalize(statement);
    if (result != SQLITE_ROW && result != SQLITE_DONE)
        return prediction_fault(store->db, "read its schema", fault);
    return result == SQLITE_DONE && found == 2
               ? STORAGE_OK
               : prediction_damaged(fault, "its tables are not those of a log");
}

static enum storage_status check(struct prediction_store *store, struct storage_fault *fault)
{
    int64_t application, format, tables;

    if (!pragma_number(store->db, "SELECT count(*) FROM sqlite_schema", &tables) ||
        !pragma_number(store->db, "PRAGMA application_id", &application) ||
        !pragma_number(store->db, "PRAGMA user_version", &format))
        return prediction_fault(store->db, "read its format", fault);
    if (tables == 0)
        return make_tables(store, fault);
    if (application != APPLICATION_ID)
        return prediction_damaged(fault, "not a log of predictions");
    if (format > FORMAT)
        return storage_fault_set(fault, STORAGE_NEWER, prediction_file, 0,
                                 "%s: format %lld; this inferd knows %d", prediction_file,
                                 (long long)format, FORMAT);
    return check_tables(store, fault);
}

static enum storage_status prepare(struct prediction_store *store, struct storage_fault *fault)
{
#define X(name, sql) sql,
    static const char *const sql[] = {STATEMENT_MAP(X)};
#undef X
    return database_prepare(store->db, prediction_file, sql, STATEMENTS, store->statements, fault);
}

enum storage_status prediction_store_open(const struct storage_dir *dir,
                                          const struct prediction_store_options *options,
                                          struct prediction_store **ret,
                                          struct storage_fault *fault)
{
    struct prediction_store *store = calloc(1, sizeof(*store));
    enum storage_status status;

    *ret = NULL;
    if (store == NULL)
        return storage_fault_set(fault, STORAGE_NO_MEMORY, prediction_file, 0, "out of memory");
    store->dir = dir;
    store->options = *options;
    status = make_file(dir, fault);
    if (status == STORAGE_OK)
        status = connect(store, fault);
    if (status == STORAGE_OK)
        status = check(store, fault);
    if (status == STORAGE_OK)
        status = prepare(store, fault);
    if (status == STORAGE_OK)
        status = prediction_look_at_size(store, fault);
    if (status == STORAGE_OK)
        *ret = store;
    else
        prediction_store_close(store);
    return status;
}

void prediction_store_close(struct prediction_store *store)
{
    if (store == NULL)
        return;
    for (int i = 0; i < STATEMENTS; i++)
        sqlite3_finalize(store->statements[i]);
    sqlite3_close(store->db);
    free(store->content);
    free(store);
}

enum storage_status prediction_store_set_aside(const struct storage_dir *dir,
                                               struct storage_fault *fault)
{
    enum storage_status status = storage_file_remove(dir, log_file, fault);

    if (status == STORAGE_OK)
        status = storage_file_remove(dir, index_file, fault);
    if (status == STORAGE_OK &&
        renameat(dir->fd, prediction_file, dir->fd, prediction_file_damaged) != 0 &&
        errno != ENOENT)
        status = storage_fault_errno(fault, prediction_file, "set it aside", errno);
    return status == STORAGE_OK ? storage_dir_sync(dir, fault) : status;
}
