/* SPDX-License-Identifier: Apache-2.0
 * server/learning/database.h - what the SQLite files of a model's directory have in common. */
#ifndef SERVER_LEARNING_DATABASE_H
#define SERVER_LEARNING_DATABASE_H

#include "server/learning/storage_dir.h"

#include <sqlite3.h>

/* What the newest error of `db` means; names the file. A constraint that does not hold is a CONFLICT. */
enum storage_status database_fault(sqlite3 *db, const char *file, const char *action,
                                   struct storage_fault *fault);
/* One thread's connection to a file of `dir`; `flags` as SQLite has them, to make or only to read it. The
 * SQLite result; `ret` is to be closed unless it is NULL, which is when memory is out. */
int database_open(const struct storage_dir *dir, const char *file, int flags, sqlite3 **ret);
/* `n` statements that live as long as the connection. */
enum storage_status database_prepare(sqlite3 *db, const char *file, const char *const *sql, int n,
                                     sqlite3_stmt **statements, struct storage_fault *fault);
/* A statement that returns no row: bound before, reset after. The SQLite result, OK for one that is done. */
int database_run(sqlite3_stmt *statement);
/* "SELECT ..." with one number as its answer: SQLITE_ROW if it came. */
int database_number(sqlite3_stmt *statement, int64_t *ret);

#endif
