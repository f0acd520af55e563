/* SPDX-License-Identifier: Apache-2.0
 * server/jobs/job_store.h - jobs on the disk: <state-dir>/jobs/<id>/ with
 *
 *   job.json                 what was asked, and what it came to; replaced as a whole
 *   dataset                  the examples: another name of the dataset's file, so that it stays as it was
 *                            whatever becomes of the dataset
 *   start.onnx               the model that it begins from, with what had been learnt by then
 *   checkpoint.safetensors   where it is
 *   result.onnx              what it came to, until that is adopted
 *
 * Any thread; one for each job. */
#ifndef SERVER_JOBS_JOB_STORE_H
#define SERVER_JOBS_JOB_STORE_H

#include "server/jobs/job.h"

struct dataset_store;

struct job_store {
    char *path;                    /* <state-dir>/jobs */
    int fd;
};

/* Makes the directory. False sets `problem`; finish it either way. */
bool job_store_open(struct job_store *store, const char *state_dir, struct problem *problem);
void job_store_finish(struct job_store *store);

/* A new directory with the dataset's file in it and job.json, durable. NULL sets `problem`. The request is
 * taken over. */
struct job *job_store_make(const struct job_store *store, struct dataset_store *datasets,
                           const struct job *form, struct job_request *request,
                           struct problem *problem);
/* Calls back with each job that is there, in no order; with NULL and the directory's name for one that cannot
 * be read. */
bool job_store_load(const struct job_store *store,
                    void (*found)(void *arg, struct job *job, const char *name, const char *why),
                    void *arg);

/* job.json as the job is now, durable. */
bool job_save(struct job *job, struct problem *problem);
/* job.json with `next` in the place of the record, durable; then it is the job's: nobody sees an end that a
 * crash could take back. False sets `problem`, but it is the job's all the same. */
bool job_become(struct job *job, const struct job_record *next, struct problem *problem);
/* The path of one of its files. The caller frees it; NULL when out of memory. */
char *job_file(const struct job *job, const char *name);
extern const char job_dataset[], job_start[], job_checkpoint[], job_result[];
/* Removes what only a job under way needs, and the result unless `keep_result`. */
void job_tidy(const struct job *job, bool keep_result);
/* Removes all of it. */
void job_remove(const struct job_store *store, const char *id);

#endif
