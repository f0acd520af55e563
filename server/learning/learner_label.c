/* SPDX-License-Identifier: Apache-2.0
 * Names for generations, kept as rows of the journal (the newest of a name counts), and what a rollback by
 * label or by time means. */
#include "server/learning/learner_private.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SETTINGS_BYTES = LEARN_LABEL_BYTES_MAX + 16 };

/* Labels have no characters that JSON would escape. */
static void print_settings(const char *label, char settings[SETTINGS_BYTES])
{
    snprintf(settings, SETTINGS_BYTES, "{\"label\":\"%s\"}", label);
}

bool learner_label(struct learner *learner, struct learn_job *job, struct learner_update *update,
                   struct problem *problem)
{
    int64_t newest = learner->generation_base + (int64_t)learner->generation;
    int64_t wanted = job->first >= 0 ? job->first : newest;
    char settings[SETTINGS_BYTES];

    *update = (struct learner_update){.job = job};
    text_init(&update->answer);
    if (wanted < learner->generation_base || wanted > newest)
        return problem_set(problem, 404, "unknown_generation",
                           "there is no generation %" PRId64 ": the file's is %" PRId64
                           ", the newest %" PRId64, wanted, learner->generation_base, newest);
    print_settings(job->label, settings);
    update->row.kind = JOURNAL_LABEL;
    update->row.first = (uint64_t)(wanted - learner->generation_base);
    update->settings = strdup(settings);
    if (update->settings == NULL)
        return problem_set(problem, 507, "no_memory", "no memory for a label");
    learner_fill_row(learner, update);
    learner_encode(job, NAN, NULL, 0, wanted, 1, &update->answer);
    learner_take_answer(update);
    return true;
}

struct search {
    const char *settings;          /* of the label, or NULL: */
    int64_t time_ms;
    uint64_t generation;
    bool found;
};

static bool look(void *arg, const struct journal_row *row, size_t n_erased)
{
    struct search *search = arg;

    (void)n_erased;
    if (search->settings != NULL) {
        search->found = row->kind == JOURNAL_LABEL && strcmp(row->settings, search->settings) == 0;
        search->generation = row->first;
    } else if (row->time_ms <= search->time_ms) {
        search->found = learner_gate_serves(row, &search->generation);
    }
    return !search->found;
}

bool learner_locate(struct learner *learner, const struct learn_job *job, int64_t *ret,
                    struct problem *problem)
{
    char settings[SETTINGS_BYTES];
    struct search search = {.time_ms = job->time_ms};
    struct storage_fault fault = {0};

    *ret = job->first;
    if (job->first >= 0)
        return true;
    if (job->label != NULL && job->label[0] != '\0') {
        print_settings(job->label, settings);
        search.settings = settings;
    }
    if (journal_lineage(learner->journal, 0, SIZE_MAX, look, &search, &fault) != STORAGE_OK) {
        problem_from_fault(problem, &fault);
        return false;
    }
    if (!search.found && search.settings != NULL)
        return problem_set(problem, 404, "unknown_label", "no generation has the label '%s'",
                           job->label);
    if (!search.found && journal_floor(learner->journal) > 0)
        return problem_set(problem, 404, "unknown_generation",
                           "what served at %" PRId64 " is no longer kept", job->time_ms);
    /* Before the first row the file itself served. */
    *ret = learner->generation_base + (search.found ? (int64_t)search.generation : 0);
    return true;
}
