/* SPDX-License-Identifier: Apache-2.0
 * server/learning/journal.h - what a model has learnt, one row an update, in one SQLite database a
 * model (WAL, synchronous=FULL). An append returns when its rows are on the disk.
 *
 * Rows are chained: each carries SHA-256 over all it holds and the row before it, so that no row can
 * change, vanish or be exchanged unseen. journal.head bears witness to the newest (head.h).
 *
 * Once a write, sync or commit has failed the journal is latched: every later change is refused with
 * LATCHED and never tried again on the same handle, as the kernel may have dropped the pages. The
 * caller recovers by a restart, which reads what the disk has. Reading goes on.
 *
 * Threads: one thread at a time changes it (the learner); reads are for any thread. */
#ifndef SERVER_LEARNING_JOURNAL_H
#define SERVER_LEARNING_JOURNAL_H

#include "server/learning/checkpoint.h"

enum {
    JOURNAL_FORMAT = 1,
    JOURNAL_KEY_BYTES_MAX = 255,
    JOURNAL_PRINCIPAL_BYTES_MAX = 255,
    JOURNAL_ID_BYTES_MAX = 128,
    JOURNAL_SETTINGS_BYTES_MAX = 1 << 16,
    JOURNAL_ANSWER_BYTES_MAX = 1 << 16,
    JOURNAL_EXAMPLES_MAX = 1 << 20,         /* of one update */
    JOURNAL_BLOB_BYTES_MAX = 1 << 28,       /* inputs or targets of one example */
    JOURNAL_ROWS_MAX = 4096,                /* of one append */
};

/* X(name, number in the file, text). Numbers never change. */
#define JOURNAL_KIND_MAP(X) \
    X(FINETUNE, 1, "finetune") \
    X(FEEDBACK, 2, "feedback") \
    X(TRAIN, 3, "train")         /* the state of trained-<generation>.safetensors, whatever was before; \
                                    learnt from that of generation `first` */ \
    X(PROMOTE, 4, "promote")     /* a mark, changes no weight: generation `first` serves */ \
    X(ROLLBACK, 5, "rollback")   /* to generation `first` */ \
    X(REWIND, 6, "rewind")       /* without generations `first` to `last` */ \
    X(ERASE, 7, "erase")         /* without the examples erased, the oldest in `first` */ \
    X(LABEL, 8, "label")         /* a mark: the settings name generation `first` */

#define X(name, number, text) JOURNAL_##name = number,
enum journal_kind { JOURNAL_KIND_MAP(X) };
#undef X

struct journal_example {
    /* By which it can be erased; NULL: "<generation>.<ordinal>". Or journal_copy_id(): an earlier
     * example that the update was mixed with; no other id begins with '~'. Copies follow the
     * update's own examples. */
    const char *id;
    const void *inputs, *targets;
    size_t inputs_bytes, targets_bytes;
    bool erased;                /* read only: its content is gone */
};

struct journal_row {
    uint64_t generation;        /* 1, 2, ... without gaps */
    enum journal_kind kind;
    int64_t time_ms;            /* Unix time */
    uint64_t seed;
    uint64_t first, last;       /* generations that the kind speaks of, else 0 */
    const char *principal;      /* who; NULL reads back as "" */
    const char *settings;       /* hyper-parameters, in the trainer's words */
    const struct journal_example *examples;
    size_t n_examples;
    size_t n_copies;            /* of lineage only: how many of them are copies */
    struct digest state;        /* checkpoint_state() after the step; none where it was not taken: the
                                   last row of an append vouches for those before it */
    struct digest chain;        /* read only */
    /* An idempotency key (NULL: none) is stored with the body it came with and the answer given. */
    const char *key;
    struct digest body;
    const void *answer;
    size_t answer_bytes;
    /* A further key with the same answer; appended only, never read back. */
    const char *also_key;
    struct digest also_body;
};

struct journal_options {
    struct digest base;             /* of the model file that learning begins from */
    uint64_t bytes_max;             /* of the database; 0: no limit */
    uint64_t log_bytes_max;         /* SQLite's log is folded in above this; 0: 4 MiB */
    int64_t key_age_min_ms;         /* keys are remembered at least so long; 0: a day */
    uint64_t generations_min;       /* rows that pruning never takes: as many as this ... */
    int64_t age_min_ms;             /* ... and all younger than this */
};

struct journal_size {
    uint64_t used_bytes;            /* of the database, without free pages */
    uint64_t file_bytes;            /* database and log, as they lie on the disk */
    uint64_t generations;           /* rows kept */
    uint64_t floor, last;           /* rows floor + 1 .. last are there */
};

/* An idempotency key's past. */
struct journal_reply {
    uint64_t generation;
    struct digest body;
    unsigned char *answer;          /* the caller frees it */
    size_t answer_bytes;
};

struct journal;

/* Opens or makes the journal of `dir`, which is borrowed, and proves it: SQLite's own integrity check,
 * the schema, the chain of every row, every remembered answer, the witness. It is made only where
 * nothing says that there was one: no witness, no checkpoint. On a fault `ret` is NULL: DAMAGED and
 * NEWER name the file and row; OTHER_MODEL: its base is another. */
enum storage_status journal_open(const struct storage_dir *dir,
                                 const struct journal_options *options, struct journal **ret,
                                 struct storage_fault *fault);
/* Without a last write: what is committed is safe already. */
void journal_close(struct journal *journal);

const unsigned char *journal_identity(const struct journal *journal);
const struct digest *journal_base(const struct journal *journal);
uint64_t journal_floor(const struct journal *journal);
uint64_t journal_last(const struct journal *journal);
/* STORAGE_OK, or what latched the journal. Any thread. */
enum storage_status journal_state(const struct journal *journal, struct storage_fault *ret_fault);

/* One transaction, one sync: all of the rows are durable, or none is. Generations go on from
 * journal_last(). OUT_OF_ORDER, LIMIT, CONFLICT (a key is taken) and BUSY change nothing and do not
 * latch; every other fault latches, and then the rows may yet be there after a restart. */
enum storage_status journal_append(struct journal *journal, const struct journal_row *rows,
                                   size_t n_rows, struct storage_fault *fault);
/* Bytes that appending these rows adds at most, for a check before any compute. */
uint64_t journal_cost(const struct journal_row *rows, size_t n_rows);
/* Whether an append of the row, as row->generation and after all before it, would be refused for what is in
 * it. To be asked before any compute. */
enum storage_status journal_admits(const struct journal *journal, const struct journal_row *row,
                                   struct storage_fault *fault);
/* Room for that many more bytes, below bytes_max and on the disk (NO_SPACE). Any thread. */
enum storage_status journal_room(struct journal *journal, uint64_t bytes,
                                 struct storage_fault *fault);

/* What was answered to the key; NOT_FOUND if it is new, CONFLICT if it came with another body. Any
 * thread. */
enum storage_status journal_find_reply(struct journal *journal, const char *key,
                                       const struct digest *body, struct journal_reply *ret,
                                       struct storage_fault *fault);
/* Where the example of that id is kept, erased or not. Any thread. */
enum storage_status journal_find_example(struct journal *journal, const char *id,
                                         uint64_t *ret_generation, size_t *ret_ordinal,
                                         struct storage_fault *fault);

/* Where an example is kept. */
struct journal_spot {
    uint64_t generation;
    size_t ordinal;
};

/* What a copy of that example is called, and back (false: `id` is no copy's). */
enum { JOURNAL_COPY_ID_BYTES = 48 };
void journal_copy_id(uint64_t generation, size_t ordinal, char id[JOURNAL_COPY_ID_BYTES]);
bool journal_copy_of(const char *id, struct journal_spot *ret);

/* The example in a place and all copies of it that are kept, oldest first; of a copy, those of its origin.
 * NOT_FOUND: none. Any thread. */
struct journal_family {
    struct journal_spot *spots;     /* the caller frees them */
    size_t n;
    bool whole;                     /* the example itself is kept, not only copies */
};
enum storage_status journal_find_family(struct journal *journal, uint64_t generation,
                                        size_t ordinal, struct journal_family *ret,
                                        struct storage_fault *fault);

/* The chain of row `generation`, or of the floor. Any thread. */
enum storage_status journal_chain(struct journal *journal, uint64_t generation, struct digest *ret,
                                  struct storage_fault *fault);
/* Row `generation`, proven against its chain and its examples' digests. It lives in memory of the
 * journal's until journal_row_release(). DAMAGED names the row. Any thread, for replay too. */
struct journal_held;
enum storage_status journal_read(struct journal *journal, uint64_t generation,
                                 struct journal_held **ret_held, const struct journal_row **ret,
                                 struct storage_fault *fault);
void journal_row_release(struct journal_held *held);

/* Lineage, newest first: calls `visit` for at most `limit` rows below generation `before` (0: from
 * the newest), without examples' content; false from it stops. `n_erased` of the row's own examples
 * are erased. Any thread; `visit` must not call the journal. */
typedef bool (*journal_visit)(void *arg, const struct journal_row *row, size_t n_erased);
enum storage_status journal_lineage(struct journal *journal, uint64_t before, size_t limit,
                                    journal_visit visit, void *arg, struct storage_fault *fault);

/* The same for all rows of the kinds that do not add to what was before (train, rollback, rewind,
 * erase), oldest first; their `n_erased` is not counted. Any thread. */
enum storage_status journal_jumps(struct journal *journal, journal_visit visit, void *arg,
                                  struct storage_fault *fault);

enum storage_status journal_measure(struct journal *journal, struct journal_size *ret,
                                    struct storage_fault *fault);

/* The newest generation that retention lets go. */
enum storage_status journal_prunable(struct journal *journal, int64_t now_ms, uint64_t *ret,
                                     struct storage_fault *fault);
/* Forgets rows up to and including `generation` as far as retention allows, and answers of keys that
 * are older than their age. `now_ms` is Unix time. The caller holds checkpoints that no longer need
 * those rows. */
enum storage_status journal_prune(struct journal *journal, uint64_t generation, int64_t now_ms,
                                  uint64_t *ret_floor, struct storage_fault *fault);
/* Overwrites the content of the examples with those ids (secure_delete) and appends `row` (of kind
 * ERASE, with the state after a rebuild) in one transaction; tombstones stay. Then folds SQLite's log
 * in and empties it, as it holds older pages. NOT_FOUND names the first id that is not there and
 * changes nothing. BUSY: erased and durable, but another process reads the database, so that the log
 * could not be emptied: journal_tidy() later. */
enum storage_status journal_erase(struct journal *journal, const char *const *ids, size_t n_ids,
                                  const struct journal_row *row, struct storage_fault *fault);
/* Folds SQLite's log into the database if it has grown (or if `all`, and then empties it), and syncs
 * the witness. Between appends, when nobody waits. */
enum storage_status journal_tidy(struct journal *journal, bool all, struct storage_fault *fault);

const char *journal_kind_name(enum journal_kind kind);

extern const char journal_file[];       /* "journal.db" */
extern const char journal_log_file[];   /* "journal.db-wal" */

#endif
