/* SPDX-License-Identifier: Apache-2.0
 * server/jobs/job_learner.h - what a job asks of the learner of its model, and waits for. On the job's
 * thread. */
#ifndef SERVER_JOBS_JOB_LEARNER_H
#define SERVER_JOBS_JOB_LEARNER_H

#include "server/jobs/job_run.h"
#include "server/learning/learner.h"

/* The entry that the job is for, waiting while its model is being loaded. The caller gives it back.
 * NULL with 499 when the job is to end or pause. */
struct model_entry *job_entry(struct job *job, const struct job_world *world,
                              struct problem *problem);
/* The model with what it has learnt, as an ONNX file, and its generation. `basis` may be NULL; with
 * basis->hold the updates since what the job began from are held. */
bool job_export(struct job *job, const struct job_world *world, struct text *ret_file,
                int64_t *ret_generation, struct learn_basis *basis, struct problem *problem);
/* Nothing is held for the job any more; fine if nothing was. */
void job_release(struct job *job, const struct job_world *world);
/* The result becomes a generation, once however often it is asked for. */
bool job_adopt(struct job *job, const struct job_world *world, const struct text *file,
               int64_t *ret_generation, struct problem *problem);

#endif
