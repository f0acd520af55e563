/* SPDX-License-Identifier: Apache-2.0
 * What a training job came to takes the place of what serves: its weights, then what has been learnt since it
 * began, once more on top of them. A job cannot be replayed from rows, so the outcome is in a file of its own
 * (trained-<generation>.safetensors), durable before the row that speaks of it. */
#include "server/learning/learner_private.h"

#include "server/clock.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum storage_status learner_write_trained(struct learner *learner, struct storage_fault *fault)
{
    struct checkpoint_note note = {.generation = learner->generation + 1,
                                   .time_ms = clock_unix_ms(),
                                   .base = learner->base,
                                   .trainer = ""};
    size_t count;
    struct named_tensor *tensors = learner_tensors(learner, &count);
    enum storage_status status = STORAGE_OK;

    memcpy(note.identity, journal_identity(learner->journal), sizeof(note.identity));
    if (tensors == NULL)
        status = storage_fault_set(fault, STORAGE_NO_MEMORY, NULL, 0, "no memory to keep the outcome");
    if (status == STORAGE_OK)
        status = journal_chain(learner->journal, learner->generation, &note.chain, fault);
    if (status == STORAGE_OK)
        status = trained_write(&learner->dir, &note, tensors, count, fault);
    free(tensors);
    return status;
}

static bool check(const struct learner *learner, const struct learn_job *job, uint64_t *ret_since,
                  struct problem *problem)
{
    int64_t since = job->first - learner->generation_base;

    if (job->basis == NULL || !digest_equal(&job->basis->base, &learner->base))
        return problem_set(problem, 409, "other_model",
                           "the model's file is another than when the job began");
    if (since < 0 || (uint64_t)since > learner->generation)
        return problem_set(problem, 409, "unknown_generation",
                           "the job began from generation %" PRId64 ", which there is not", job->first);
    *ret_since = (uint64_t)since;
    return true;
}

/* Back to what serves. */
static bool refuse(struct learner *learner, const struct storage_fault *why, struct problem *problem)
{
    if (why->status == STORAGE_NOT_FOUND)
        problem_set(problem, 409, "replaced", "%s", why->text);
    if (why->status == STORAGE_DAMAGED)
        problem_set(problem, 409, "cannot_reapply",
                    "the update of generation %" PRId64 " cannot be applied to what the job came to: %s",
                    learner->generation_base + (int64_t)why->generation, why->text);
    return learner_give_up(learner, why, problem);
}

bool learner_adopt(struct learner *learner, struct learn_job *job, struct learner_update *update,
                   struct problem *problem)
{
    struct recovery_trainer trainer = learner_recovery(learner);
    struct storage_fault fault = {0};
    uint64_t since = 0;

    *update = (struct learner_update){.job = job};
    text_init(&update->answer);
    if (!check(learner, job, &since, problem))
        return false;
    update->row.kind = JOURNAL_TRAIN;
    update->row.first = since;
    update->waits = learner_gate_waits(learner, job, update);
    update->settings = strdup("{}");
    if (update->waits)
        update->settings = learner_gate_mark(update->settings, 0);
    update->row.settings = update->settings;
    if (update->settings == NULL)
        return problem_set(problem, 507, "no_memory", "no memory to adopt the outcome");
    if (!learner_has_room(learner, &update->row, problem))
        return false;
    if (!learner_make_trainer_on(learner, job->file, job->file_bytes, problem)) {
        storage_fault_set(&fault, STORAGE_OTHER_MODEL, NULL, 0, "%s", problem->text);
        return refuse(learner, &fault, problem);
    }
    if (recovery_reapply(&learner->dir, learner->journal, &trainer, since, &fault) != STORAGE_OK ||
        learner_write_trained(learner, &fault) != STORAGE_OK)
        return refuse(learner, &fault, problem);
    learner->held = UINT64_MAX;
    learner->show = !update->waits;
    job->outcome.hidden = update->waits;
    learner_fill_row(learner, update);
    learner_encode(job, NAN, NULL, 0, learner->generation_base + (int64_t)learner->generation, 1,
                   &update->answer);
    learner_take_answer(update);
    return true;
}
