/* SPDX-License-Identifier: Apache-2.0
 * Which generation serves. The journal says it: a promotion names it, and every other row that changes
 * weights is served itself unless its settings begin with the mark below. */
#include "server/learning/history.h"
#include "server/learning/learner_private.h"

#include "server/observe/log.h"
#include "server/observe/statistics.h"
#include "server/status_map.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

const char checkpoint_serves[] = "{\"serves\":true}";

/* Always first among a row's settings. */
static const char unpublished[] = "{\"published\":false";

static bool is_mark(enum journal_kind kind)
{
    return kind == JOURNAL_PROMOTE || kind == JOURNAL_LABEL;
}

void learner_gate_init(struct learner *learner)
{
    const char *publish = learner->config.publish;

    learner->gate.policy = strcmp(publish, "gate") == 0     ? GATE_JUDGE
                           : strcmp(publish, "manual") == 0 ? GATE_MANUAL
                                                            : GATE_OPEN;
    learner_judge_reset(learner);
}

void learner_gate_finish(struct learner *learner)
{
    trainer_destroy(learner->gate.serving);
    weights_unref(learner->gate.next);
    learner_window_finish(&learner->gate.window);
    learner_shadow_finish(&learner->gate.shadow);
    learner_alarm_finish(&learner->gate.alarm);
}

bool learner_has_candidate(const struct learner *learner)
{
    return learner->gate.policy != GATE_OPEN && learner->gate.changed > learner->gate.served;
}

uint64_t learner_gate_hold(const struct learner *learner)
{
    return learner->gate.policy == GATE_OPEN ? UINT64_MAX : learner->gate.served;
}

char *learner_gate_mark(char *settings, int64_t holdout)
{
    enum { HOLDOUT_BYTES = 48 };
    const char *rest = settings != NULL ? settings + 1 : "";
    size_t length = strlen(rest) + sizeof(unpublished) + HOLDOUT_BYTES;
    char *marked = settings != NULL ? malloc(length) : NULL, holds[HOLDOUT_BYTES] = "";

    if (holdout > 0)
        snprintf(holds, sizeof(holds), ",\"holdout_every\":%" PRId64, holdout);
    if (marked != NULL)
        snprintf(marked, length, "%s%s%s%s", unpublished, holds, rest[0] != '}' ? "," : "", rest);
    free(settings);
    return marked;
}

bool learner_gate_is_quarantine(const struct journal_row *row)
{
    static const char quarantine[] = "{\"quarantine\":";

    return row->kind == JOURNAL_ROLLBACK &&
           strncmp(row->settings, quarantine, sizeof(quarantine) - 1) == 0;
}

/* Bit for bit, optimiser and all. */
bool learner_copy_state(const struct trainer *from, struct trainer *to, struct problem *problem)
{
    int count = trainer_n_entries(from);
    struct trainer_entry *entries = calloc((size_t)count + 1, sizeof(*entries));
    struct engine_error err = {0};
    bool good = false;

    if (entries == NULL)
        return problem_set(problem, 507, "no_memory", "no memory for a candidate");
    for (int i = 0; i < count; i++)
        entries[i] = trainer_entry(from, i);
    good = trainer_restore(to, count, entries, &err) == ENGINE_OK;
    if (!good)
        problem_from_engine(problem, &err);
    free(entries);
    return good;
}

struct weights *learner_weights(struct learner *learner, struct problem *problem)
{
    struct engine_error err = {0};
    int64_t old;
    struct weights *from = model_entry_weights(learner->entry, &old), *weights;

    weights = trainer_publish(learner->trainer, from, &err);
    weights_unref(from);
    if (weights == NULL)
        problem_from_engine(problem, &err);
    return weights;
}

static void serve(struct learner *learner, struct weights *weights, uint64_t generation)
{
    model_entry_publish(learner->entry, weights, learner->generation_base + (int64_t)generation);
    learner->gate.served = generation;
    learning_stats_set(stats_learning(learner->entry->stats), LEARNING_GENERATION,
                       (double)(learner->generation_base + (int64_t)generation));
    learner_judge_reset(learner);
    learner_shadow_reset(learner);
}

bool learner_gate_serves(const struct journal_row *row, uint64_t *ret)
{
    if (row->kind == JOURNAL_LABEL ||
        strncmp(row->settings, unpublished, sizeof(unpublished) - 1) == 0)
        return false;
    *ret = row->kind == JOURNAL_PROMOTE ? row->first : row->generation;
    return true;
}

/* --- at the start --- */

struct served_scan {
    uint64_t served, changed;
    bool found;
};

/* Newest first, until both are known. */
static bool scan(void *arg, const struct journal_row *row, size_t n_erased)
{
    struct served_scan *scan = arg;

    (void)n_erased;
    if (scan->changed == 0 && !is_mark(row->kind))
        scan->changed = row->generation;
    if (!scan->found)
        scan->found = learner_gate_serves(row, &scan->served);
    return !scan->found || scan->changed == 0;
}

/* The trainer is at the newest generation: the second one takes its place, it goes back to what served. */
static bool open_candidate(struct learner *learner, struct problem *problem)
{
    const struct recovery_goal goal = {.to = learner->gate.served};
    struct trainer *newest = learner->gate.serving;
    struct storage_fault fault = {0};

    if (learner_rebuild(learner, &goal, &fault) != STORAGE_OK) {
        problem_from_fault(problem, &fault);
        return false;
    }
    if (learner->gate.served > 0 && !learner_publish_as(learner, learner->gate.served, problem))
        return false;
    learner->gate.serving = learner->trainer;
    learner->trainer = newest;
    learner_shadow_follow(learner);
    return true;
}

/* The configuration says now that everything serves: on the record before it does. */
static bool promote_all(struct learner *learner, struct problem *problem)
{
    struct learn_job nobody = {.kind = LEARN_JOB_PROMOTE};
    char settings[] = "{\"reason\":\"training.publish is each\"}";
    struct learner_update update = {.job = &nobody, .settings = settings};
    struct storage_fault fault = {0};

    update.row.kind = JOURNAL_PROMOTE;
    update.row.first = learner->generation;
    update.row.state = learner_digest(learner);
    learner_fill_row(learner, &update);
    if (journal_append(learner->journal, &update.row, 1, &fault) == STORAGE_OK)
        return true;
    problem_from_fault(problem, &fault);
    return false;
}

static bool find(struct learner *learner, struct served_scan *ret, struct problem *problem)
{
    struct storage_fault fault = {0};

    if (learner->journal == NULL ||
        journal_lineage(learner->journal, 0, SIZE_MAX, scan, ret, &fault) == STORAGE_OK)
        return true;
    problem_from_fault(problem, &fault);
    return false;
}

bool learner_gate_find(struct learner *learner, bool *ret_candidate, struct problem *problem)
{
    struct served_scan found = {0};

    if (!find(learner, &found, problem))
        return false;
    *ret_candidate = learner->gate.policy != GATE_OPEN && found.changed > found.served;
    return true;
}

bool learner_gate_open(struct learner *learner, struct problem *problem)
{
    struct learner_gate *gate = &learner->gate;
    struct served_scan found = {0};
    bool good = true;

    if (!find(learner, &found, problem))
        return false;
    /* Without a journal recovery has seen to it that the state is one that has served. */
    gate->served = learner->journal != NULL ? found.served : learner->generation;
    gate->changed = found.changed;
    learning_stats_set(stats_learning(learner->entry->stats), LEARNING_NEWEST,
                       (double)(learner->generation_base + (int64_t)learner->generation));
    learner_window_rebuild(learner);
    if (gate->policy == GATE_OPEN && gate->changed > gate->served) {
        good = promote_all(learner, problem);
    } else if (gate->policy != GATE_OPEN) {
        gate->serving = learner_new_trainer(learner, problem);
        good = gate->serving != NULL && learner_copy_state(learner->trainer, gate->serving, problem);
        if (good && gate->changed > gate->served)
            return open_candidate(learner, problem);
    }
    if (gate->policy == GATE_OPEN)
        gate->served = learner->generation;
    good = good && (learner->generation == 0 || learner_publish_as(learner, gate->served, problem));
    return good;
}

/* --- while it runs --- */

/* True if what serves has learnt from one of the rows first..last. */
static bool has_learnt(const struct history *path, int64_t first, int64_t last)
{
    for (size_t i = 0; i < path->n; i++)
        if ((int64_t)path->ranges[i].first <= last && (int64_t)path->ranges[i].last >= first)
            return true;
    return false;
}

/* A rewind or an erasure takes something away from what serves. When in doubt it does. */
static bool reaches_served(struct learner *learner, const struct learn_job *job,
                           const struct learner_update *update)
{
    int64_t base = learner->generation_base;
    struct history_jumps jumps;
    struct history path = {0};
    struct storage_fault fault = {0};
    bool reaches = true;

    if (history_collect(learner->journal, &jumps, &fault) != STORAGE_OK)
        return true;
    if (history_to(&jumps, learner->gate.served, &path, &fault) == STORAGE_OK) {
        reaches = job->kind == LEARN_JOB_REWIND &&
                  has_learnt(&path, job->first - base, job->last - base);
        for (size_t i = 0; i < update->n_ids; i++) {      /* of what is to be erased, copies too */
            int64_t row = strtoll(update->ids[i], NULL, 10);

            reaches = reaches || has_learnt(&path, row, row);
        }
        history_finish(&path);
    }
    history_jumps_finish(&jumps);
    return reaches;
}

bool learner_gate_waits(struct learner *learner, const struct learn_job *job,
                        const struct learner_update *update)
{
    switch (job->kind) {
    case LEARN_JOB_ROLLBACK:
    case LEARN_JOB_PROMOTE:
    case LEARN_JOB_LABEL:
    case LEARN_JOB_ADOPT:          /* judged by its own examples */
        return false;
    case LEARN_JOB_REWIND:
    case LEARN_JOB_ERASE:
        return learner->gate.policy != GATE_OPEN && !reaches_served(learner, job, update);
    default:
        return learner->gate.policy != GATE_OPEN;
    }
}

static void log_promotion(const struct learner *learner, const struct journal_row *row)
{
    log_write(learner->log, LOG_LEVEL_INFO, "candidate promoted",
              "model=%s version=%s generation=%" PRId64 " why=%s", learner->entry->name,
              learner->entry->version, learner->generation_base + (int64_t)row->first, row->settings);
}

bool learner_gate_committed(struct learner *learner, const struct learner_update *update,
                            struct problem *problem)
{
    struct learner_gate *gate = &learner->gate;
    const struct journal_row *row = &update->row;
    bool good = true;

    if (!is_mark(row->kind))
        gate->changed = row->generation;
    if (row->kind == JOURNAL_PROMOTE) {
        serve(learner, gate->next, row->first);
        gate->next = NULL;
        learning_stats_add(stats_learning(learner->entry->stats), LEARNING_PROMOTIONS, 1);
        log_promotion(learner, row);
    } else if (!is_mark(row->kind) && !update->waits) {
        good = learner_copy_state(learner->trainer, gate->serving, problem) &&
               learner_publish_as(learner, row->generation, problem);
    } else if (row->kind == JOURNAL_REWIND || row->kind == JOURNAL_ERASE) {
        learner_judge_reset(learner);      /* the candidate is another */
    }
    if (row->kind >= JOURNAL_ROLLBACK && !is_mark(row->kind))
        learner_window_rebuild(learner);
    learner_shadow_follow(learner);
    return good;
}

bool learner_publish_as(struct learner *learner, uint64_t generation, struct problem *problem)
{
    struct weights *weights = learner_weights(learner, problem);

    if (weights == NULL)
        return false;
    serve(learner, weights, generation);
    return true;
}
