/* SPDX-License-Identifier: Apache-2.0
 * server/learning/prediction_store.h - the file of a prediction log: predictions by id, in a SQLite
 * database (WAL, synchronous=NORMAL: what has been committed survives the process, and a power cut
 * but for the newest). Bounded by age and by bytes: the oldest go first. An id names its newest
 * prediction.
 *
 * A prediction whose label has been learnt is settled: its content goes, as the journal has it from
 * then on, and the id stays until it is old, so that the label is known to be there.
 *
 * Each row carries SHA-256 over itself. Anything that is not as it was written is DAMAGED, and the
 * caller sets the file aside: what is lost are predictions that have no label yet.
 *
 * One thread. */
#ifndef SERVER_LEARNING_PREDICTION_STORE_H
#define SERVER_LEARNING_PREDICTION_STORE_H

#include "server/learning/storage_dir.h"
#include "server/serving/tap.h"

enum { PREDICTION_ID_BYTES_MAX = 128 };

struct prediction_store_options {
    int64_t ttl_ms;
    uint64_t bytes_max; /* of the database; SQLite's log comes on top, a few MiB at most */
};

struct prediction_store;

/* `dir` is borrowed. On a fault `ret` is NULL; DAMAGED and NEWER name the file. */
enum storage_status prediction_store_open(const struct storage_dir *dir,
                                          const struct prediction_store_options *options,
                                          struct prediction_store **ret,
                                          struct storage_fault *fault);
/* What has not been committed is lost. NULL is fine. */
void prediction_store_close(struct prediction_store *store);
/* Moves a file that does not hold out of the way, in the place of one that was set aside before.
 * The store is closed. */
enum storage_status prediction_store_set_aside(const struct storage_dir *dir,
                                               struct storage_fault *fault);

/* Adds a prediction in an open transaction, or begins one; the oldest go if it would be too large.
 * LIMIT: it is too large by itself, or has no form as bytes. Any other fault: what has not been
 * committed is gone, and prediction_store_commit() need not be called. */
enum storage_status prediction_store_add(struct prediction_store *store,
                                         const struct tap_sample *sample,
                                         struct storage_fault *fault);
/* Nothing if no transaction is open. */
enum storage_status prediction_store_commit(struct prediction_store *store,
                                            struct storage_fault *fault);

/* Where a label belongs. */
struct prediction_found {
    struct tap_sample *sample; /* one reference, the caller's; NULL: settled */
    int64_t generation, time_ms;
    uint64_t nonce; /* tells it from other predictions of the same id */
};

/* NOT_FOUND when there is none, or it is too old. */
enum storage_status prediction_store_find(struct prediction_store *store, const char *id,
                                          int64_t now_ms, struct prediction_found *ret,
                                          struct storage_fault *fault);
/* Lets the content go of the prediction of that id and nonce; fine if there is none. Commits. */
enum storage_status prediction_store_settle(struct prediction_store *store, const char *id,
                                            uint64_t nonce, struct storage_fault *fault);
/* Removes some of what is too old; *ret_more if there is more. Commits. */
enum storage_status prediction_store_expire(struct prediction_store *store, int64_t now_ms,
                                            bool *ret_more, struct storage_fault *fault);
/* Folds SQLite's log in and empties it, as it holds older pages: what was settled or removed is in no file
 * then. BUSY: another process reads the database. */
enum storage_status prediction_store_scrub(struct prediction_store *store,
                                           struct storage_fault *fault);
/* Predictions that are kept, and the bytes of the database that they take. */
enum storage_status prediction_store_measure(struct prediction_store *store, uint64_t *ret_count,
                                             uint64_t *ret_bytes, struct storage_fault *fault);

extern const char prediction_file[];         /* "predictions.db" */
extern const char prediction_file_damaged[]; /* "predictions.db.damaged" */

#endif
