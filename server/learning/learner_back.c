/* SPDX-License-Identifier: Apache-2.0
 * Going back: to a generation, to all but a range of updates, to all but some examples. The trainer is
 * rebuilt from a checkpoint and the journal's rows; the outcome is a new generation. */
#include "server/learning/learner_private.h"

#include "server/options.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PLACE_TEXT_BYTES = 48 };

static bool unknown(const struct learner *learner, int64_t generation, struct problem *problem)
{
    return problem_set(problem, 404, "unknown_generation",
                       "there is no generation %" PRId64 " to go back from or to: the file's is %"
                       PRId64 ", the newest %" PRId64, generation, learner->generation_base,
                       learner->generation_base + (int64_t)learner->generation);
}

/* From a served generation to the journal's; at least `least`. */
static bool to_row(const struct learner *learner, int64_t served, int64_t least, uint64_t *ret,
                   struct problem *problem)
{
    int64_t row = served - learner->generation_base;

    if (row < least || (uint64_t)row > learner->generation)
        return unknown(learner, served, problem);
    *ret = (uint64_t)row;
    return true;
}

/* The examples' own places and those of their copies. */
static bool add_family(struct learner_update *update, const struct journal_family *family,
                       size_t *capacity)
{
    for (size_t i = 0; i < family->n; i++) {
        const struct journal_spot *spot = &family->spots[i];
        char *text;

        if (update->n_ids == *capacity) {
            size_t larger = *capacity == 0 ? 64 : 2 * *capacity;
            const char **grown = realloc(update->ids, larger * sizeof(*grown));

            if (grown == NULL)
                return false;
            update->ids = grown;
            *capacity = larger;
        }
        text = malloc(PLACE_TEXT_BYTES);
        if (text == NULL)
            return false;
        snprintf(text, PLACE_TEXT_BYTES, "%" PRIu64 ".%zu", spot->generation, spot->ordinal);
        update->ids[update->n_ids++] = text;
        if (spot->generation < update->row.first)
            update->row.first = spot->generation;
    }
    return true;
}

static bool aim_erase(struct learner *learner, struct learn_job *job,
                      struct learner_update *update, struct recovery_goal *goal,
                      struct problem *problem)
{
    size_t capacity = 0;

    update->row.kind = JOURNAL_ERASE;
    update->row.first = UINT64_MAX;
    for (size_t i = 0; i < job->n_places; i++) {
        struct storage_fault fault = {0};
        struct journal_family family;
        enum storage_status status;
        uint64_t row = 0;
        bool good;

        if (!to_row(learner, job->places[i].generation, 1, &row, problem))
            return false;
        status = job->places[i].row < JOURNAL_EXAMPLES_MAX
                     ? journal_find_family(learner->journal, row, (size_t)job->places[i].row,
                                           &family, &fault)
                     : STORAGE_NOT_FOUND;
        if (status == STORAGE_NOT_FOUND)
            return problem_set(problem, 404, "unknown_example",
                               "examples[%zu]: generation %" PRId64 " keeps no row %" PRId64, i,
                               job->places[i].generation, job->places[i].row);
        if (status != STORAGE_OK) {
            problem_from_fault(problem, &fault);
            return false;
        }
        job->outcome.partly = job->outcome.partly || !family.whole;
        good = add_family(update, &family, &capacity);
        free(family.spots);
        if (!good)
            return problem_set(problem, 507, "no_memory", "no memory to erase");
    }
    *goal = (struct recovery_goal){.to = learner->generation, .without = update->ids,
                                   .n_without = update->n_ids};
    return true;
}

/* What the request means in rows of the journal. */
static bool aim(struct learner *learner, struct learn_job *job, struct learner_update *update,
                struct recovery_goal *goal, struct problem *problem)
{
    struct journal_row *row = &update->row;
    int64_t to;

    if (job->kind == LEARN_JOB_ERASE)
        return aim_erase(learner, job, update, goal, problem);
    if (job->kind == LEARN_JOB_ROLLBACK) {
        row->kind = JOURNAL_ROLLBACK;
        if (!learner_locate(learner, job, &to, problem) || !to_row(learner, to, 0, &row->first, problem))
            return false;
        goal->to = row->first;
        return true;
    }
    row->kind = JOURNAL_REWIND;
    if (!to_row(learner, job->first, 1, &row->first, problem) ||
        !to_row(learner, job->last, 1, &row->last, problem))
        return false;
    *goal = (struct recovery_goal){.to = learner->generation, .skip_first = row->first,
                                   .skip_last = row->last};
    return true;
}

enum storage_status learner_rebuild(struct learner *learner, const struct recovery_goal *goal,
                                    struct storage_fault *fault)
{
    struct recovery_trainer trainer = learner_recovery(learner);

    return recovery_rebuild(&learner->dir, learner->journal,
                            (size_t)learner->options->model_bytes_max * 4, &trainer, goal, fault);
}

bool learner_give_up(struct learner *learner, const struct storage_fault *why,
                     struct problem *problem)
{
    struct recovery_goal newest = {.to = learner->generation};
    struct storage_fault worse = {0};

    if (why->status == STORAGE_DAMAGED)
        problem_set(problem, 409, "cannot_rebuild", "generation %" PRId64 ": %s",
                    learner->generation_base + (int64_t)why->generation, why->text);
    else
        problem_from_fault(problem, why);
    if (learner_rebuild(learner, &newest, &worse) != STORAGE_OK) {
        learner->ahead = true;
        learner_latch(learner, &worse);
    }
    return false;
}

/* What a training job began from is in all that it came to: it cannot be taken out of that alone. */
static bool reaches(struct learner *learner, const struct journal_row *row, struct problem *problem)
{
    struct storage_fault fault = {0};
    uint64_t root = 0;

    if (row->kind == JOURNAL_ROLLBACK)
        return true;
    if (recovery_root(learner->journal, &root, &fault) != STORAGE_OK) {
        problem_from_fault(problem, &fault);
        return false;
    }
    return row->first > root ||
           problem_set(problem, 409, "trained_on",
                       "generation %" PRId64 " is what a training job or a change of config.json came "
                       "to, which has learnt from the updates before it: roll back to generation %"
                       PRId64 " first, and do that again afterwards",
                       learner->generation_base + (int64_t)root,
                       learner->generation_base + (int64_t)root - 1);
}

bool learner_go_back(struct learner *learner, struct learn_job *job, struct learner_update *update,
                     struct problem *problem)
{
    struct recovery_goal goal = {0};
    struct storage_fault fault = {0};

    *update = (struct learner_update){.job = job};
    text_init(&update->answer);
    if (!aim(learner, job, update, &goal, problem))
        return false;
    /* The row says it all by itself. */
    update->waits = learner_gate_waits(learner, job, update);
    update->settings = strdup(job->note != NULL ? job->note : "{}");
    if (update->waits)
        update->settings = learner_gate_mark(update->settings, 0);
    update->row.settings = update->settings;
    if (update->settings == NULL)
        return problem_set(problem, 507, "no_memory", "no memory to go back");
    if (update->row.kind != JOURNAL_ROLLBACK && update->row.first <= journal_floor(learner->journal))
        return problem_set(problem, 404, "unknown_generation",
                           "the updates from generation %" PRId64 " on are no longer kept one by one",
                           learner->generation_base + (int64_t)update->row.first);
    if (!reaches(learner, &update->row, problem))
        return false;
    learner_mix_drop(learner);
    if (learner_rebuild(learner, &goal, &fault) != STORAGE_OK)
        return learner_give_up(learner, &fault, problem);
    learner->show = !update->waits;
    job->outcome.hidden = update->waits;
    learner_fill_row(learner, update);
    learner_encode(job, NAN, NULL, 0, learner->generation_base + (int64_t)learner->generation, 1,
                   &update->answer);
    learner_take_answer(update);
    return true;
}

enum storage_status learner_erase(struct learner *learner, struct learner_update *update,
                                  struct storage_fault *fault)
{
    enum storage_status status = journal_erase(learner->journal, update->ids, update->n_ids,
                                               &update->row, fault);

    /* Erased and durable; only the log could not be emptied yet, which journal_tidy() will. */
    if (status == STORAGE_BUSY && journal_last(learner->journal) == update->row.generation)
        return STORAGE_OK;
    return status;
}
