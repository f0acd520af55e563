/* SPDX-License-Identifier: Apache-2.0
 * A group of updates that have been computed becomes durable, live and answered. */
#include "server/learning/learner_private.h"

#include "server/clock.h"
#include "server/observe/statistics.h"

/* One transaction. An erasure is durable even if its journal's log cannot be emptied yet (BUSY). */
static bool write_rows(struct learner *learner, struct learner_group *group,
                       struct storage_fault *fault)
{
    struct journal_row rows[LEARNER_GROUP_MAX];

    if (group->updates[0].job->kind == LEARN_JOB_ERASE)
        return learner_erase(learner, &group->updates[0], fault) == STORAGE_OK;
    for (int i = 0; i < group->n_updates; i++)
        rows[i] = group->updates[i].row;
    return journal_append(learner->journal, rows, (size_t)group->n_updates, fault) == STORAGE_OK;
}

/* Older checkpoints hold the influence of what was erased: a new one lets them go. What a training job
 * came to shall not depend on one file, and what serves beside a candidate not on the journal. */
static bool wants_checkpoint(const struct learner *learner, enum learn_kind kind)
{
    return kind == LEARN_JOB_ERASE || kind == LEARN_JOB_ADOPT ||
           (learner->gate.policy != GATE_OPEN &&
            (kind == LEARN_JOB_PROMOTE || kind == LEARN_JOB_ROLLBACK));
}

void learner_commit(struct learner *learner, struct learner_group *group)
{
    struct learning_stats *stats = stats_learning(learner->entry->stats);
    struct storage_fault fault = {0};
    struct problem problem = {0};
    uint64_t begun_ns = clock_now_ns();
    bool good, anew;

    if (group->n_updates == 0)
        return;
    /* One transaction: its rows are there together, so the last one's digest is enough. */
    group->updates[group->n_updates - 1].row.state = learner_digest(learner);
    anew = wants_checkpoint(learner, group->updates[0].job->kind);
    good = write_rows(learner, group, &fault);
    begun_ns = clock_now_ns() - begun_ns;
    learning_stats_committed(stats, begun_ns);
    if (!good) {
        learner->ahead = true;
        learner_latch(learner, &fault);
        problem_from_fault(&problem, &fault);
    } else {
        good = learner_show(learner, &group->updates[group->n_updates - 1], &problem);
        learning_stats_add(stats, LEARNING_UPDATES, group->n_updates);
    }
    for (int i = 0; i < group->n_updates; i++) {
        struct learner_update *update = &group->updates[i];
        const struct problem none = {0};

        update->job->outcome.commit_ns = begun_ns;
        if (good)
            update->job->finish(update->job, &update->answer, "application/json",
                                learner->generation_base + (int64_t)update->row.generation, &none);
        else
            learner_refuse(update->job, &problem);
        learner_update_finish(update);
    }
    group->n_updates = 0;
    learner->group_bytes = 0;
    if (good && journal_tidy(learner->journal, false, &fault) != STORAGE_OK &&
        fault.status != STORAGE_BUSY)
        learner_latch(learner, &fault);
    if (good && (anew || learner->generation - learner->checkpointed >=
                             (uint64_t)learner->config.checkpoint_updates))
        learner_checkpoint(learner);
}
