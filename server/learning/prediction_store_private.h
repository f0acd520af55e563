/* SPDX-License-Identifier: Apache-2.0
 * server/learning/prediction_store_private.h - shared by the store's own files alone:
 * prediction_store_open.c opens, prediction_store.c adds, finds and removes. */
#ifndef SERVER_LEARNING_PREDICTION_STORE_PRIVATE_H
#define SERVER_LEARNING_PREDICTION_STORE_PRIVATE_H

#include "server/learning/database.h"
#include "server/learning/prediction_store.h"

/* X(name, SQL) */
#define STATEMENT_MAP(X)                                                                           \
    X(BEGIN, "BEGIN IMMEDIATE")                                                                    \
    X(COMMIT, "COMMIT")                                                                            \
    X(ADD, "INSERT OR REPLACE INTO prediction VALUES(?,?,?,?,?,?)")                                \
    X(FIND, "SELECT time_ms,nonce,generation,content,digest FROM prediction WHERE id=?")           \
    X(SETTLE, "UPDATE prediction SET content=NULL,digest=? WHERE id=? AND nonce=?")                \
    X(EXPIRE,                                                                                      \
      "DELETE FROM prediction WHERE rowid IN (SELECT rowid FROM prediction WHERE time_ms<? "       \
      "ORDER BY time_ms LIMIT ?)")                                                                 \
    X(EVICT, "DELETE FROM prediction WHERE rowid IN (SELECT rowid FROM prediction "                \
             "ORDER BY time_ms LIMIT ?)")                                                          \
    X(COUNT, "SELECT count(*) FROM prediction")                                                    \
    X(PAGES, "SELECT (SELECT page_count FROM pragma_page_count)-"                                  \
             "(SELECT freelist_count FROM pragma_freelist_count)")

#define X(name, sql) STATEMENT_##name,
enum statement { STATEMENT_MAP(X) STATEMENTS };
#undef X

/* Columns of FIND. */
enum { FIND_TIME, FIND_NONCE, FIND_GENERATION, FIND_CONTENT, FIND_DIGEST };

enum { PREDICTION_PAGE_BYTES = 4096 };

struct prediction_store {
    const struct storage_dir *dir;
    struct prediction_store_options options;
    sqlite3 *db;
    sqlite3_stmt *statements[STATEMENTS];
    bool open;              /* a transaction is */
    uint64_t used_bytes;    /* about, as of the last look */
    unsigned char *content; /* of the prediction being added */
    size_t content_max;
};

/* What an SQLite error means. */
enum storage_status prediction_fault(sqlite3 *db, const char *action, struct storage_fault *fault);
/* DAMAGED, and why. */
enum storage_status prediction_damaged(struct storage_fault *fault, const char *what);
/* Undoes the open transaction; what the error means. */
enum storage_status prediction_give_up(struct prediction_store *store, const char *action,
                                       struct storage_fault *fault);
/* Sets used_bytes. */
enum storage_status prediction_look_at_size(struct prediction_store *store,
                                            struct storage_fault *fault);

#endif
