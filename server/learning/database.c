/* SPDX-License-Identifier: Apache-2.0 */
#include "server/learning/database.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum storage_status database_fault(sqlite3 *db, const char *file, const char *action,
                                   struct storage_fault *fault)
{
    int code = sqlite3_extended_errcode(db);
    enum storage_status status = STORAGE_IO;

    switch (code & 0xff) {
    case SQLITE_FULL:
        status = STORAGE_NO_SPACE;
        break;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
    case SQLITE_SCHEMA:
    case SQLITE_ERROR:
        status = STORAGE_DAMAGED;
        break;
    case SQLITE_NOMEM:
        status = STORAGE_NO_MEMORY;
        break;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        status = STORAGE_BUSY;
        break;
    case SQLITE_CONSTRAINT:
        status = STORAGE_CONFLICT;
        break;
    default:
        break;
    }
    return storage_fault_set(fault, status, file, 0, "%s: cannot %s: %s (SQLite %d, %s)",
                             file, action, sqlite3_errmsg(db), code,
                             strerror(sqlite3_system_errno(db)));
}

int database_open(const struct storage_dir *dir, const char *file, int flags, sqlite3 **ret)
{
    size_t size = strlen(dir->path) + strlen(file) + 2;
    char *path = malloc(size);
    int result;

    *ret = NULL;
    if (path == NULL)
        return SQLITE_NOMEM;
    snprintf(path, size, "%s/%s", dir->path, file);
    result = sqlite3_open_v2(path, ret, flags | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE, NULL);
    free(path);
    return result;
}

enum storage_status database_prepare(sqlite3 *db, const char *file, const char *const *sql, int n,
                                     sqlite3_stmt **statements, struct storage_fault *fault)
{
    for (int i = 0; i < n; i++)
        if (sqlite3_prepare_v3(db, sql[i], -1, SQLITE_PREPARE_PERSISTENT, &statements[i], NULL) !=
            SQLITE_OK)
            return database_fault(db, file, "prepare its statements", fault);
    return STORAGE_OK;
}

int database_run(sqlite3_stmt *statement)
{
    int result = sqlite3_step(statement);

    /* The reset's own result repeats the step's. */
    sqlite3_reset(statement);
    sqlite3_clear_bindings(statement);
    return result == SQLITE_DONE || result == SQLITE_ROW ? SQLITE_OK : result;
}

int database_number(sqlite3_stmt *statement, int64_t *ret)
{
    int result = sqlite3_step(statement);

    if (result == SQLITE_ROW)
        *ret = sqlite3_column_int64(statement, 0);
    sqlite3_reset(statement);
    sqlite3_clear_bindings(statement);
    return result;
}
