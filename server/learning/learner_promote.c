/* SPDX-License-Identifier: Apache-2.0
 * Promotion: what a candidate has learnt, or part of it, becomes what serves. */
#include "server/learning/history.h"
#include "server/learning/learner_private.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Between what serves and the newest, on the way to it. */
static bool leads_on(struct learner *learner, uint64_t generation, bool *ret,
                     struct storage_fault *fault)
{
    struct history_jumps jumps;
    struct history served = {0}, way = {0}, newest = {0};
    bool good = history_collect(learner->journal, &jumps, fault) == STORAGE_OK;

    if (!good)
        return false;
    good = history_to(&jumps, learner->gate.served, &served, fault) == STORAGE_OK &&
           history_to(&jumps, generation, &way, fault) == STORAGE_OK &&
           history_to(&jumps, learner->generation, &newest, fault) == STORAGE_OK;
    *ret = good && history_begins(&way, &served) && history_begins(&newest, &way);
    history_finish(&served);
    history_finish(&way);
    history_finish(&newest);
    history_jumps_finish(&jumps);
    return good;
}

static bool aim(struct learner *learner, const struct learn_job *job, uint64_t *ret,
                struct problem *problem)
{
    int64_t base = learner->generation_base;
    int64_t wanted = job->first >= 0 ? job->first : base + (int64_t)learner->generation;
    struct storage_fault fault = {0};
    bool leads = false;

    if (learner->gate.policy == GATE_OPEN)
        return problem_set(problem, 409, "nothing_to_promote",
                           "model '%s' serves every update: training.publish in its config.json is "
                           "neither gate nor manual", learner->entry->name);
    if (wanted > base + (int64_t)learner->generation)
        return problem_set(problem, 404, "unknown_generation",
                           "there is no generation %" PRId64 ": the newest is %" PRId64, wanted,
                           base + (int64_t)learner->generation);
    if (!learner_has_candidate(learner) || wanted <= base + (int64_t)learner->gate.served)
        return problem_set(problem, 409, "nothing_to_promote",
                           "generation %" PRId64 " serves, and %" PRId64 " is not after it",
                           base + (int64_t)learner->gate.served, wanted);
    *ret = (uint64_t)(wanted - base);
    if (!leads_on(learner, *ret, &leads, &fault)) {
        problem_from_fault(problem, &fault);
        return false;
    }
    if (leads)
        return true;
    return problem_set(problem, 409, "not_a_candidate",
                       "generation %" PRId64 " was quarantined or left behind: roll back to it if it is "
                       "wanted", wanted);
}

/* Weights and second trainer as of `generation`; the trainer is at the newest again. */
static bool prepare(struct learner *learner, uint64_t generation, struct problem *problem)
{
    const struct recovery_goal there = {.to = generation}, back = {.to = learner->generation};
    struct storage_fault fault = {0};

    if (generation != learner->generation &&
        learner_rebuild(learner, &there, &fault) != STORAGE_OK)
        return learner_give_up(learner, &fault, problem);
    weights_unref(learner->gate.next);
    learner->gate.next = learner_weights(learner, problem);
    if (learner->gate.next != NULL)
        learner_copy_state(learner->trainer, learner->gate.serving, problem);
    if (generation != learner->generation &&
        learner_rebuild(learner, &back, &fault) != STORAGE_OK) {
        /* Neither trainer stands where it should. */
        problem_from_fault(problem, &fault);
        learner->ahead = true;
        learner_latch(learner, &fault);
        return false;
    }
    return problem->status == 0;
}

bool learner_promote(struct learner *learner, struct learn_job *job, struct learner_update *update,
                     struct problem *problem)
{
    *update = (struct learner_update){.job = job};
    text_init(&update->answer);
    update->row.kind = JOURNAL_PROMOTE;
    if (!aim(learner, job, &update->row.first, problem))
        return false;
    update->settings = strdup(job->note != NULL ? job->note : "{}");
    if (update->settings == NULL)
        return problem_set(problem, 507, "no_memory", "no memory to promote");
    if (!prepare(learner, update->row.first, problem))
        return false;
    learner_fill_row(learner, update);
    learner_encode(job, NAN, NULL, 0, learner->generation_base + (int64_t)update->row.first, 1,
                   &update->answer);
    learner_take_answer(update);
    return true;
}
