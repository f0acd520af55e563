/* SPDX-License-Identifier: Apache-2.0
 * server/learning/journal_private.h - shared by the journal's own files alone. */
#ifndef SERVER_LEARNING_JOURNAL_PRIVATE_H
#define SERVER_LEARNING_JOURNAL_PRIVATE_H

#include "server/learning/database.h"
#include "server/learning/head.h"
#include "server/learning/journal.h"

#include <pthread.h>
#include <stdatomic.h>

enum {
    JOURNAL_SALT_BYTES = 16,
    JOURNAL_ORDINAL_BITS = 20,
    JOURNAL_FRAME_BYTES = 24 + 4096,    /* of SQLite's log: a page and its header */
};

/* X(name, SQL): statements that live as long as their connection. */
#define JOURNAL_WRITE_MAP(X) \
    X(BEGIN, "BEGIN IMMEDIATE") \
    X(COMMIT, "COMMIT") \
    X(ADD_STEP, "INSERT INTO step VALUES(?,?,?,?,?,?,?,?,?,?,?,?)") \
    X(ADD_EXAMPLE, "INSERT INTO example VALUES(?,?,?,?,?,?)") \
    X(ADD_REPLY, "INSERT INTO reply VALUES(?,?,?,?,?,?)") \
    X(ERASE, "UPDATE example SET salt=NULL,inputs=NULL,targets=NULL WHERE place=?") \
    X(SET_FLOOR, "UPDATE journal SET floor=?,floor_chain=?,digest=?") \
    X(FORGET_STEPS, "DELETE FROM step WHERE generation<=?") \
    X(FORGET_EXAMPLES, "DELETE FROM example WHERE place<?") \
    X(FORGET_REPLIES, "DELETE FROM reply WHERE time_ms<?")

#define JOURNAL_READ_MAP(X) \
    X(STEP, "SELECT * FROM step WHERE generation=?") \
    X(CHAIN, "SELECT chain FROM step WHERE generation=?") \
    X(EXAMPLES, "SELECT * FROM example WHERE place>=? AND place<? ORDER BY place") \
    X(ERASED, "SELECT count(*) FROM example WHERE place>=? AND place<? AND salt IS NULL " \
              "AND coalesce(id,'') NOT GLOB '~*'") \
    X(COPIES, "SELECT count(*) FROM example WHERE place>=? AND place<? AND id GLOB '~*'") \
    X(FAMILY, "SELECT place FROM example WHERE place=?1 OR id=?2 ORDER BY place") \
    X(EXAMPLE_CALLED, "SELECT id FROM example WHERE place=?") \
    X(REPLY, "SELECT * FROM reply WHERE idempotency_key=?") \
    X(EXAMPLE_ID, "SELECT place FROM example WHERE id=? ORDER BY place DESC LIMIT 1") \
    X(EXAMPLE_PLACE, "SELECT place FROM example WHERE place=?") \
    X(LINEAGE, "SELECT * FROM step WHERE generation<? ORDER BY generation DESC LIMIT ?") \
    X(JUMPS, "SELECT * FROM step WHERE kind BETWEEN 5 AND 7 OR kind=3 ORDER BY generation") \
    X(YOUNG, "SELECT coalesce(min(generation),?) FROM step WHERE time_ms>?") \
    X(PAGES, "SELECT (SELECT page_count FROM pragma_page_count)-" \
             "(SELECT freelist_count FROM pragma_freelist_count)")

#define X(name, sql) JOURNAL_WRITE_##name,
enum journal_write { JOURNAL_WRITE_MAP(X) JOURNAL_WRITES };
#undef X
#define X(name, sql) JOURNAL_READ_##name,
enum journal_read { JOURNAL_READ_MAP(X) JOURNAL_READS };
#undef X

/* Columns of `step` and `reply`, in the order of the schema. */
enum { STEP_GENERATION, STEP_KIND, STEP_TIME, STEP_SEED, STEP_FIRST, STEP_LAST, STEP_EXAMPLES,
       STEP_PRINCIPAL, STEP_SETTINGS, STEP_KEY, STEP_STATE, STEP_CHAIN };
enum { EXAMPLE_PLACE, EXAMPLE_ID, EXAMPLE_SALT, EXAMPLE_INPUTS, EXAMPLE_TARGETS, EXAMPLE_DIGEST };
enum { REPLY_KEY, REPLY_BODY, REPLY_GENERATION, REPLY_TIME, REPLY_ANSWER, REPLY_DIGEST };

struct journal {
    const struct storage_dir *dir;
    struct journal_options options;
    unsigned char identity[STORAGE_IDENTITY_BYTES];
    int64_t created_ms;
    /* The changing thread's. */
    sqlite3 *db;
    sqlite3_stmt *writes[JOURNAL_WRITES];
    struct head head;
    struct digest chain, floor_chain;       /* of the last row, of the floor */
    uint64_t log_frames, fold_frames;       /* in SQLite's log; it is folded in from so many on */
    /* Everybody's, under the lock. */
    pthread_mutex_t lock;
    sqlite3 *reader;
    sqlite3_stmt *reads[JOURNAL_READS];
    uint64_t used_most;                     /* the database has at most so many bytes */
    uint64_t disk_asked_ns, disk_room;      /* when the disk had room, and how much that still grants */
    /* Everybody's. */
    _Atomic uint64_t last, floor;
    atomic_bool latched;                    /* `why` is written before */
    struct storage_fault why;
};

/* journal_open.c */
/* What a SQLite error means; names the database. */
enum storage_status journal_fault(sqlite3 *db, const char *action, struct storage_fault *fault);
/* No change is accepted after this; returns the status of `fault`, which it keeps. */
enum storage_status journal_latch(struct journal *journal, const struct storage_fault *fault);

/* journal_schema.c */
/* Makes the tables in an empty database. */
enum storage_status journal_schema_create(struct journal *journal, struct storage_fault *fault);
/* The tables are exactly those, and SQLite finds nothing wrong. */
enum storage_status journal_schema_check(struct journal *journal, struct storage_fault *fault);
struct digest journal_note_digest(const struct journal *journal, uint64_t floor,
                                  const struct digest *floor_chain);
/* The chain before the first row. */
struct digest journal_genesis(const struct journal *journal);

/* journal_digest.c */
struct digest journal_example_digest(const unsigned char salt[JOURNAL_SALT_BYTES],
                                     const struct journal_example *example);
/* The chain of `row`: start, every example in order, finish. */
void journal_chain_start(struct digester *digester, const struct digest *previous,
                         const struct journal_row *row);
void journal_chain_example(struct digester *digester, const char *id, const struct digest *example);
struct digest journal_chain_finish(struct digester *digester, const struct journal_row *row);
struct digest journal_reply_digest(const char *key, const struct digest *body, uint64_t generation,
                                   int64_t time_ms, const void *answer, size_t answer_bytes);

/* journal_verify.c: every row's chain (examples by the digests they carry) and every answer; sets
 * `last` and `chain`. */
enum storage_status journal_verify(struct journal *journal, struct storage_fault *fault);
/* The witness against the rows; makes it in a journal that is new. */
enum storage_status journal_witness(struct journal *journal, struct storage_fault *fault);

/* journal_read.c */
/* A step's columns; text lives as long as the statement's row does. False: malformed. */
bool journal_step(sqlite3_stmt *statement, struct journal_row *ret);
/* The digest in a column; false if it is none. */
bool journal_column_digest(sqlite3_stmt *statement, int column, struct digest *ret);
enum storage_status journal_chain_of(struct journal *journal, uint64_t generation,
                                     struct digest *ret, struct storage_fault *fault);

/* journal_find.c: "<generation>.<ordinal>", as examples without an id of their own are called. */
bool journal_parse_place(const char *id, int64_t *ret_place);

/* journal_room.c: LIMIT unless that many more bytes are below bytes_max. */
enum storage_status journal_within(struct journal *journal, uint64_t bytes,
                                   struct storage_fault *fault);
/* Rows of that cost have been added. */
void journal_grown(struct journal *journal, uint64_t bytes);

/* journal_append.c: one row within a transaction; adds to the chain. The SQLite result. */
int journal_add_row(struct journal *journal, const struct journal_row *row, struct digest *chain);
/* What every change begins with: not latched. */
enum storage_status journal_may_change(struct journal *journal, struct storage_fault *fault);
/* Undoes the transaction and latches unless the failure is harmless (BUSY, CONFLICT). */
enum storage_status journal_give_up(struct journal *journal, const char *action,
                                    struct storage_fault *fault);
/* After a commit: the new end, and the witness. */
void journal_advance(struct journal *journal, uint64_t last, const struct digest *chain);
/* Limits and order of rows that are to follow the last. */
enum storage_status journal_check_rows(struct journal *journal, const struct journal_row *rows,
                                       size_t n_rows, struct storage_fault *fault);

static inline int64_t journal_place(uint64_t generation, size_t ordinal)
{
    return (int64_t)(generation << JOURNAL_ORDINAL_BITS | ordinal);
}

static inline struct journal_spot journal_spot_of(int64_t place)
{
    return (struct journal_spot){(uint64_t)place >> JOURNAL_ORDINAL_BITS,
                                 (size_t)(place & (JOURNAL_EXAMPLES_MAX - 1))};
}

#endif
