/* SPDX-License-Identifier: Apache-2.0
 * server/jobs/job_learner.h - what a job asks of the learner of its model, and waits for. On the job's
 * thread. */
#ifndef SERVER_JOBS_JOB_LEARNER_H
#define SERVER_JOBS_JOB_LEARNER_H

#include "server/jobs/job_run.h"
#include "server/learning/learner.h"

/* The model with what it has learnt, as an ONNX file, and its generation: with `basis` the newest, and with
 * basis->hold the updates since what the job began from are held; without what serves. */
bool job_export(struct job *job, const struct job_world *world, struct text *ret_file,
                int64_t *ret_generation, struct learn_basis *basis, struct problem *problem);
/* Nothing is held for the job any more; fine if nothing was. */
void job_release(struct job *job, const struct job_world *world);
/* The result becomes a generation, once however often it is asked for. `patient` as the others are: what is
 * busy or being loaded is asked again until it answers or the job is to end or pause (499). */
bool job_adopt(struct job *job, const struct job_world *world, bool patient, const struct text *file,
               int64_t *ret_generation, struct problem *problem);

#endif
