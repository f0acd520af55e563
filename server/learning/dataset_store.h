/* SPDX-License-Identifier: Apache-2.0
 * server/learning/dataset_store.h - named data files in the state directory: uploaded whole, looked
 * through before they are taken, replaced and removed at once or not at all. All that touches the disk
 * is done by one thread of its own, one job after another. */
#ifndef SERVER_LEARNING_DATASET_STORE_H
#define SERVER_LEARNING_DATASET_STORE_H

#include "proto/problem.h"
#include "proto/text.h"
#include "server/http/upload.h"

struct dataset_store;
struct log;
struct options;

enum dataset_work { DATASET_PUT, DATASET_DESCRIBE, DATASET_REMOVE, DATASET_LIST };
enum { DATASET_NAME_MAX = 64 };

/* Made by the caller, who gets it back in `finished`. */
struct dataset_job {
    enum dataset_work work;
    char name[DATASET_NAME_MAX + 1]; /* not for LIST */
    struct upload upload;            /* PUT: taken over by the store */
    struct dataset_job *next;        /* the store's */
    bool (*is_abandoned)(const struct dataset_job *job);
    /* Once for each job, from the store's thread. problem->status 0: `body` is the answer (JSON), which
     * the callee may take over; `created` tells a new name from a replaced one. */
    void (*finished)(struct dataset_job *job, struct text *body, bool created,
                     const struct problem *problem);
};

/* Borrows its arguments. Without options->state_dir everything is refused. NULL when out of memory or
 * with `problem` if the directory cannot be used. */
struct dataset_store *dataset_store_create(const struct options *options, struct log *log,
                                           struct problem *problem);
/* Finishes what is queued. Takes NULL. */
void dataset_store_destroy(struct dataset_store *store);

/* ^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$ */
bool dataset_name_check(const char *name, struct problem *problem);
/* Whether an upload may begin: then *ret_dir_fd is where it goes and *ret_bytes_max how large it may
 * be. Any thread. */
bool dataset_store_admit(struct dataset_store *store, int *ret_dir_fd, uint64_t *ret_bytes_max,
                         struct problem *problem);
/* Opens a dataset to read; it stays as it is, whatever becomes of its name. -1 sets `problem`. Any
 * thread that may wait for the disk. */
int dataset_store_open(const struct dataset_store *store, const char *name, struct problem *problem);
/* A further name for the file of a dataset, in a directory of the same state directory: it keeps its content
 * there when the dataset is replaced or removed. Any thread that may wait for the disk. */
bool dataset_store_link(const struct dataset_store *store, const char *name, int dir_fd,
                        const char *as, struct problem *problem);
/* Takes the job over. False (untouched) sets `problem`. Any thread. */
bool dataset_store_submit(struct dataset_store *store, struct dataset_job *job,
                          struct problem *problem);

#endif
