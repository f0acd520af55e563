/* SPDX-License-Identifier: Apache-2.0
 * server/learning/journal_open.c - from a directory to a journal that is proven, and back. */
#include "server/learning/journal_private.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

const char journal_file[] = "journal.db";
const char journal_log_file[] = "journal.db-wal";

enum { BUSY_WAIT_MS = 2000, LOG_BYTES_MAX = 4 << 20, KEY_AGE_MIN_MS = 24 * 3600 * 1000 };

const char *journal_kind_name(enum journal_kind kind)
{
    switch (kind) {
#define X(name, number, text) \
    case JOURNAL_##name: \
        return text;
        JOURNAL_KIND_MAP(X)
#undef X
    }
    return "unknown";
}

enum storage_status journal_fault(sqlite3 *db, const char *action, struct storage_fault *fault)
{
    return database_fault(db, journal_file, action, fault);
}

enum storage_status journal_latch(struct journal *journal, const struct storage_fault *fault)
{
    if (!atomic_load(&journal->latched)) {
        journal->why = *fault;
        atomic_store(&journal->latched, true);
    }
    return fault->status;
}

enum storage_status journal_state(const struct journal *journal, struct storage_fault *ret_fault)
{
    if (!atomic_load(&journal->latched))
        return STORAGE_OK;
    return storage_fault_set(ret_fault, STORAGE_LATCHED, journal->why.file, 0,
                             "training has stopped until a restart: %.250s", journal->why.text);
}

/* WAL: one sync a commit. Folding the log in is ours to time (journal_tidy), never a commit's or a
 * close's. secure_delete: what is deleted or erased is overwritten. */
static int configure(sqlite3 *db)
{
    static const char pragmas[] = "PRAGMA journal_mode=WAL;"
                                  "PRAGMA synchronous=FULL;"
                                  "PRAGMA secure_delete=ON;"
                                  "PRAGMA wal_autocheckpoint=0;"
                                  "PRAGMA cell_size_check=ON;"
                                  "PRAGMA trusted_schema=OFF;";
    int result = sqlite3_db_config(db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);

    if (result == SQLITE_OK)
        result = sqlite3_db_config(db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    if (result == SQLITE_OK)
        result = sqlite3_busy_timeout(db, BUSY_WAIT_MS);
    return result == SQLITE_OK ? sqlite3_exec(db, pragmas, NULL, NULL, NULL) : result;
}

/* Pragmas fail in silence when a value does not take. */
static bool configured(sqlite3 *db)
{
    static const struct {
        const char *sql, *expected;
    } rows[] = {
        {"PRAGMA journal_mode", "wal"},
        {"PRAGMA synchronous", "2"},
        {"PRAGMA secure_delete", "1"},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        sqlite3_stmt *statement = NULL;
        bool holds = sqlite3_prepare_v2(db, rows[i].sql, -1, &statement, NULL) == SQLITE_OK &&
                     sqlite3_step(statement) == SQLITE_ROW &&
                     strcmp((const char *)sqlite3_column_text(statement, 0), rows[i].expected) == 0;

        sqlite3_finalize(statement);
        if (!holds)
            return false;
    }
    return true;
}

static enum storage_status connect(const struct storage_dir *dir, sqlite3 **ret,
                                   struct storage_fault *fault)
{
    int result = database_open(dir, journal_file, SQLITE_OPEN_READWRITE, ret);

    if (*ret == NULL)
        return storage_fault_set(fault, STORAGE_NO_MEMORY, journal_file, 0, "out of memory");
    if (result != SQLITE_OK || configure(*ret) != SQLITE_OK)
        return journal_fault(*ret, "open it", fault);
    if (!configured(*ret))
        return storage_fault_set(fault, STORAGE_IO, journal_file, 0,
                                 "%s: SQLite refuses WAL or its settings on this file system",
                                 journal_file);
    return STORAGE_OK;
}

static enum storage_status prepare_all(struct journal *journal, struct storage_fault *fault)
{
#define X(name, sql) sql,
    static const char *const writes[] = {JOURNAL_WRITE_MAP(X)};
    static const char *const reads[] = {JOURNAL_READ_MAP(X)};
#undef X
    enum storage_status status = connect(journal->dir, &journal->reader, fault);

    if (status == STORAGE_OK)
        status = database_prepare(journal->db, journal_file, writes, JOURNAL_WRITES, journal->writes,
                                  fault);
    if (status == STORAGE_OK)
        status = database_prepare(journal->reader, journal_file, reads, JOURNAL_READS,
                                  journal->reads, fault);
    return status;
}

/* SQLite calls this after each commit. The log's file does not shrink when it has been folded in: so its
 * length says nothing of what is in it. */
static int note_log(void *arg, sqlite3 *db, const char *name, int frames)
{
    struct journal *journal = arg;

    (void)db;
    (void)name;
    journal->log_frames = (uint64_t)frames;
    return SQLITE_OK;
}

/* True if anything says that this model has learnt before. */
static enum storage_status any_trace(struct journal *journal, bool *ret, struct storage_fault *fault)
{
    uint64_t generations[CHECKPOINT_LISTED_MAX];
    struct storage_fault local = {0};
    struct head head;
    size_t n;
    enum storage_status status = head_open(journal->dir, &head, &local);

    if (status == STORAGE_OK)
        head_close(&head);
    /* A witness of nothing is no trace: the making of the journal was interrupted. */
    *ret = status != STORAGE_NOT_FOUND && (status != STORAGE_OK || head.note.generation > 0);
    if (*ret)
        return STORAGE_OK;
    status = checkpoint_list(journal->dir, generations, &n, fault);
    if (status == STORAGE_OK)
        *ret = n > 0;
    return status;
}

/* SQLite makes its files with the mode of the database, so the database is made here. An empty one is
 * as good as none: nothing has been promised in it. */
static enum storage_status make_file(struct journal *journal, bool *ret_new,
                                     struct storage_fault *fault)
{
    struct stat info;
    bool trace;
    enum storage_status status;
    int fd;

    if (fstatat(journal->dir->fd, journal_file, &info, AT_SYMLINK_NOFOLLOW) == 0 &&
        info.st_size > 0) {
        if (!S_ISREG(info.st_mode))
            return storage_fault_set(fault, STORAGE_DAMAGED, journal_file, 0,
                                     "%s is not a regular file", journal_file);
        *ret_new = false;
        return STORAGE_OK;
    }
    status = any_trace(journal, &trace, fault);
    if (status != STORAGE_OK)
        return status;
    if (trace)
        return storage_fault_set(fault, STORAGE_DAMAGED, journal_file, 0,
                                 "%s is gone, but its witness or a checkpoint is there", journal_file);
    fd = openat(journal->dir->fd, journal_file, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return storage_fault_errno(fault, journal_file, "make it", errno);
    close(fd);
    *ret_new = true;
    return STORAGE_OK;
}

static bool no_tables(sqlite3 *db)
{
    sqlite3_stmt *statement = NULL;
    bool none = sqlite3_prepare_v2(db, "SELECT 1 FROM sqlite_schema", -1, &statement, NULL) ==
                    SQLITE_OK &&
                sqlite3_step(statement) == SQLITE_DONE;

    sqlite3_finalize(statement);
    return none;
}

static enum storage_status bring_up(struct journal *journal, struct storage_fault *fault)
{
    bool is_new = false, trace = true;
    enum storage_status status = make_file(journal, &is_new, fault);

    if (status == STORAGE_OK)
        status = storage_file_settle(journal->dir, journal_log_file, fault);
    if (status == STORAGE_OK)
        status = connect(journal->dir, &journal->db, fault);
    if (status == STORAGE_OK)
        sqlite3_wal_hook(journal->db, note_log, journal);
    /* Its making may have been interrupted before the tables. */
    if (status == STORAGE_OK && !is_new && no_tables(journal->db)) {
        status = any_trace(journal, &trace, fault);
        is_new = !trace;
    }
    if (status == STORAGE_OK && is_new)
        status = journal_schema_create(journal, fault);
    if (status == STORAGE_OK)
        status = journal_schema_check(journal, fault);
    if (status == STORAGE_OK)
        status = prepare_all(journal, fault);
    if (status == STORAGE_OK)
        status = journal_verify(journal, fault);
    if (status == STORAGE_OK)
        status = journal_witness(journal, fault);
    /* The witness's name, and those of checkpoints that a crash may have left in the cache alone. */
    return status == STORAGE_OK ? storage_dir_sync(journal->dir, fault) : status;
}

enum storage_status journal_open(const struct storage_dir *dir,
                                 const struct journal_options *options, struct journal **ret,
                                 struct storage_fault *fault)
{
    struct journal *journal = calloc(1, sizeof(*journal));
    enum storage_status status;

    *ret = NULL;
    if (journal == NULL || pthread_mutex_init(&journal->lock, NULL) != 0) {
        free(journal);
        return storage_fault_set(fault, STORAGE_NO_MEMORY, journal_file, 0, "out of memory");
    }
    journal->dir = dir;
    journal->head.fd = -1;
    journal->options = *options;
    if (journal->options.log_bytes_max == 0)
        journal->options.log_bytes_max = LOG_BYTES_MAX;
    journal->used_most = UINT64_MAX;
    journal->fold_frames = journal->options.log_bytes_max / JOURNAL_FRAME_BYTES;
    if (journal->options.key_age_min_ms <= 0)
        journal->options.key_age_min_ms = KEY_AGE_MIN_MS;
    status = bring_up(journal, fault);
    if (status == STORAGE_OK)
        *ret = journal;
    else
        journal_close(journal);
    return status;
}

void journal_close(struct journal *journal)
{
    if (journal == NULL)
        return;
    for (int i = 0; i < JOURNAL_READS; i++)
        sqlite3_finalize(journal->reads[i]);
    for (int i = 0; i < JOURNAL_WRITES; i++)
        sqlite3_finalize(journal->writes[i]);
    sqlite3_close(journal->reader);
    sqlite3_close(journal->db);
    head_close(&journal->head);
    pthread_mutex_destroy(&journal->lock);
    free(journal);
}

const unsigned char *journal_identity(const struct journal *journal)
{
    return journal->identity;
}

const struct digest *journal_base(const struct journal *journal)
{
    return &journal->options.base;
}

uint64_t journal_floor(const struct journal *journal)
{
    return atomic_load(&journal->floor);
}

uint64_t journal_last(const struct journal *journal)
{
    return atomic_load(&journal->last);
}
