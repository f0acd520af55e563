/* SPDX-License-Identifier: Apache-2.0
 * When config.json asks for another build of the trainer (learn_method.h) than what has been learnt was
 * learnt with. What there is is recovered as it was made; then the change is a row of kind TRAIN: weights
 * stay as they are, what the new optimiser keeps begins anew, and the outcome is in a file of its own, like
 * that of a training job. Where that cannot be, what was goes on, and the log says why. */
#include "server/learning/history.h"
#include "server/learning/learner_private.h"

#include "server/observe/log.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

struct method_scan {
    struct learn_config method;
    bool found;
};

/* The newest row that says it: marks and ways back are learnt by no method. */
static bool scan(void *arg, const struct journal_row *row, size_t n_erased)
{
    struct method_scan *scan = arg;
    json_t *root;

    (void)n_erased;
    if (row->settings == NULL || strstr(row->settings, "\"method\":") == NULL)
        return true;
    root = json_loads(row->settings, 0, NULL);
    scan->found = learn_method_read(json_object_get(root, "method"), &scan->method);
    json_decref(root);
    return !scan->found;
}

enum storage_status learner_method_recover(struct learner *learner, struct journal *journal,
                                           struct storage_fault *fault)
{
    struct method_scan found = {.found = false};
    struct problem problem = {0};
    enum storage_status status = journal_lineage(journal, 0, SIZE_MAX, scan, &found, fault);

    if (status != STORAGE_OK || !found.found ||
        learn_method_moved(&learner->config, &found.method) == NULL)
        return status;
    learn_method_take_build(&learner->config, &found.method);
    if (learner_make_trainer(learner, &problem))
        return STORAGE_OK;
    return storage_fault_set(fault, STORAGE_OTHER_MODEL, journal_file, 0, "%s", problem.text);
}

static const struct trainer_entry *find(const struct trainer_entry *entries, int count,
                                        const struct trainer_entry *like)
{
    for (int i = 0; i < count; i++)
        if (strcmp(entries[i].name, like->name) == 0 && entries[i].part == like->part &&
            entries[i].tensor.dtype == like->tensor.dtype &&
            shape_equal(&entries[i].tensor.shape, &like->tensor.shape))
            return &entries[i];
    return NULL;
}

/* What `from` has learnt, and, of the same optimiser, how it stands, into `to`. False: `to` would lose
 * weights, the first of which is named. */
static bool carry(const struct trainer *from, struct trainer *to, bool same_optimiser,
                  struct problem *problem)
{
    int n_from = trainer_n_entries(from), n_to = trainer_n_entries(to);
    struct trainer_entry *entries = calloc((size_t)(n_from + n_to) + 1, sizeof(*entries));
    struct trainer_entry *old = entries != NULL ? entries + n_to : NULL;
    struct engine_error err = {0};
    bool good = entries != NULL;

    for (int i = 0; i < n_to && good; i++)
        entries[i] = trainer_entry(to, i);
    for (int i = 0; i < n_from && good; i++) {
        old[i] = trainer_entry(from, i);
        if ((old[i].part == TRAINER_WEIGHT || old[i].part == TRAINER_STATISTIC) &&
            find(entries, n_to, &old[i]) == NULL)
            good = problem_set(problem, 409, "config_moved",
                               "what '%.64s' has learnt would be lost", old[i].name);
    }
    for (int i = 0; i < n_to && good; i++) {
        const struct trainer_entry *was = find(old, n_from, &entries[i]);

        if (was != NULL && (same_optimiser || was->part == TRAINER_WEIGHT ||
                            was->part == TRAINER_STATISTIC))
            entries[i] = *was;
    }
    if (entries == NULL)
        problem_set(problem, 507, "no_memory", "no memory for another trainer");
    else if (good && trainer_restore(to, n_to, entries, &err) != ENGINE_OK)
        good = problem_set(problem, 409, "config_moved", "%s", err.text);
    free(entries);
    return good;
}

/* The outcome's file, then its row, then a checkpoint: nothing shall depend on one file. */
static bool put_on_record(struct learner *learner, struct problem *problem)
{
    struct learn_job nobody = {.kind = LEARN_JOB_ADOPT};
    struct learner_update update = {.job = &nobody};
    struct storage_fault fault = {0};
    struct text text;
    bool good;

    text_init(&text);
    text_puts(&text, "{\"reason\":\"config.json\",\"method\":");
    learn_method_write(&learner->config, &text);
    text_append(&text, "}", sizeof("}"));
    if (text.failed) {
        text_free(&text);
        return problem_set(problem, 507, "no_memory", "no memory for a row");
    }
    update.settings = text.data;
    update.row.kind = JOURNAL_TRAIN;
    update.row.first = learner->generation;
    update.row.state = learner_digest(learner);
    good = learner_write_trained(learner, &fault) == STORAGE_OK;
    if (good) {
        learner_fill_row(learner, &update);
        good = journal_append(learner->journal, &update.row, 1, &fault) == STORAGE_OK;
    }
    learner->group_bytes = 0;
    text_free(&text);
    if (good)
        learner_checkpoint(learner);
    else
        problem_from_fault(problem, &fault);
    return good;
}

static void log_kept(const struct learner *learner, const char *key, const char *why)
{
    log_write(learner->log, LOG_LEVEL_WARNING, "config.json asks for what cannot be changed now",
              "model=%s version=%s key=training.%s reason=%s", learner->entry->name,
              learner->entry->version, key, why);
}

bool learner_method_apply(struct learner *learner, const struct learn_config *wanted,
                          struct problem *problem)
{
    const char *key = learn_method_moved(&learner->config, wanted);
    struct learn_config recorded = learner->config;
    struct trainer *old = learner->trainer, *made;
    struct problem why = {0};
    bool candidate = false;

    if (key == NULL || learner->journal == NULL)
        return true;
    if (!learner_gate_find(learner, &candidate, problem))
        return false;
    if (candidate) {
        log_kept(learner, key, "a candidate waits: promote it or roll back, then restart");
        return true;
    }
    learn_method_take_build(&learner->config, wanted);
    made = learner_new_trainer(learner, &why);
    if (made == NULL || !carry(old, made, strcmp(key, "optimiser") != 0, &why)) {
        trainer_destroy(made);
        learner->config = recorded;
        log_kept(learner, key, why.text);
        return true;
    }
    learner->trainer = made;
    trainer_destroy(old);
    if (!put_on_record(learner, problem))
        return false;
    log_write(learner->log, LOG_LEVEL_INFO, "config.json has changed how the model learns",
              "model=%s version=%s key=training.%s generation=%" PRId64, learner->entry->name,
              learner->entry->version, key, learner->generation_base + (int64_t)learner->generation);
    return true;
}
