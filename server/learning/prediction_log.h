/* SPDX-License-Identifier: Apache-2.0
 * server/learning/prediction_log.h - predictions that wait for their label: what a request with
 * "parameters":{"log":true} was answered and from what, by its id, in the file of
 * prediction_store.h.
 *
 * A thread of its own writes and looks up; no prediction waits for the disk. What is accepted waits
 * in a bounded queue, is written with all that waits beside it, and survives kill -9 from then on
 * (milliseconds later, unless the disk is slow); a power cut takes what was written since SQLite
 * last folded its log in. What cannot be accepted is not, and the answer says so. An orderly stop
 * loses nothing.
 *
 * A lookup comes after all that was accepted before it. A file that does not hold is set aside,
 * named in the log, and begun anew. */
#ifndef SERVER_LEARNING_PREDICTION_LOG_H
#define SERVER_LEARNING_PREDICTION_LOG_H

#include "proto/problem.h"
#include "server/learning/prediction_store.h"

struct log;
struct learning_stats;
struct prediction_log;

enum {
    PREDICTION_LOG_QUEUE_MAX = 4096,     /* predictions and other requests that wait */
    PREDICTION_LOG_BYTES_MAX = 32 << 20, /* of predictions that wait */
};

struct prediction_log_params {
    const char *state_path, *model, *version; /* copied */
    struct prediction_store_options store;
    struct learning_stats *stats; /* may be NULL */
    struct log *log;
};

/* True if predictions were logged before. Reads the directory only. */
bool prediction_log_exists(const char *state_path, const char *model, const char *version);
/* Starts the thread, which opens the file. NULL when out of memory. */
struct prediction_log *prediction_log_create(const struct prediction_log_params *params);
/* Writes what waits, answers every lookup, ends the thread. NULL is fine. */
void prediction_log_destroy(struct prediction_log *log);

/* True: accepted (with a reference of its own). False: the queue is full, or writing fails. Any
 * thread. */
bool prediction_log_add(struct prediction_log *log, struct tap_sample *sample);

/* A question. Its owner is the caller until prediction_log_find(), the log until `found` is called.
 */
struct prediction_query {
    const char *id; /* NULL: to be told when what has been settled before is in no file any more */
    /* On the log's thread, once. problem->status 0: `found` holds it, and its sample is the
     * callee's. 404: there is none of that id, or it is too old. */
    void (*found)(struct prediction_query *query, const struct prediction_found *found,
                  const struct problem *problem);
};

/* False sets `problem` (503: the queue is full). Any thread. */
bool prediction_log_find(struct prediction_log *log, struct prediction_query *query,
                         struct problem *problem);
/* The label of that prediction has been learnt: its content is let go, sooner or later. Any thread.
 */
void prediction_log_settle(struct prediction_log *log, const char *id, uint64_t nonce);
#endif
