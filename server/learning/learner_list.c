/* SPDX-License-Identifier: Apache-2.0
 * Lineage as an answer: what was learnt, what serves, what waits and what was held back. */
#include "server/learning/history.h"
#include "server/learning/learner_private.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { GENERATIONS_MAX = 1000 };

static const char *const policies[] = {
    [GATE_OPEN] = "each", [GATE_JUDGE] = "gate", [GATE_MANUAL] = "manual"};

struct listing {
    const struct learner *learner;
    struct text text;
    int64_t count;
    struct history_range *quarantined;     /* in the order of their rows */
    size_t n_quarantined, capacity;
    bool failed;
};

/* What the gate took back: all between what served and the row that says so. */
static bool collect(void *arg, const struct journal_row *row, size_t n_erased)
{
    struct listing *listing = arg;

    (void)n_erased;
    if (!learner_gate_is_quarantine(row))
        return true;
    if (listing->n_quarantined == listing->capacity) {
        size_t capacity = 2 * listing->capacity + 16;
        struct history_range *grown = realloc(listing->quarantined, capacity * sizeof(*grown));

        if (grown == NULL) {
            listing->failed = true;
            return false;
        }
        listing->quarantined = grown;
        listing->capacity = capacity;
    }
    listing->quarantined[listing->n_quarantined++] =
        (struct history_range){row->first + 1, row->generation - 1};
    return true;
}

static bool is_quarantined(const struct listing *listing, uint64_t generation)
{
    for (size_t i = 0; i < listing->n_quarantined; i++)
        if (generation >= listing->quarantined[i].first &&
            generation <= listing->quarantined[i].last)
            return true;
    return false;
}

static const char *state_of(const struct listing *listing, const struct journal_row *row)
{
    const struct learner *learner = listing->learner;

    if (row->generation == learner->gate.served)
        return "served";
    if (is_quarantined(listing, row->generation))
        return "quarantined";
    if (learner_has_candidate(learner) && row->generation > learner->gate.served &&
        row->kind != JOURNAL_PROMOTE && row->kind != JOURNAL_LABEL)
        return "candidate";
    return NULL;
}

/* Which generations a row that is no update speaks of, and its settings: why, or the label. */
static void list_reference(const struct listing *listing, const struct journal_row *row,
                           struct text *text)
{
    int64_t base = listing->learner->generation_base;

    if (row->kind == JOURNAL_ROLLBACK)
        text_printf(text, ",\"to\":%" PRId64, base + (int64_t)row->first);
    if (row->kind == JOURNAL_PROMOTE)
        text_printf(text, ",\"promoted\":%" PRId64, base + (int64_t)row->first);
    if (row->kind == JOURNAL_LABEL)
        text_printf(text, ",\"of\":%" PRId64, base + (int64_t)row->first);
    if (row->kind == JOURNAL_TRAIN)
        text_printf(text, ",\"from\":%" PRId64,
                    listing->learner->generation_base + (int64_t)row->first);
    if (row->kind == JOURNAL_REWIND)
        text_printf(text, ",\"first\":%" PRId64 ",\"last\":%" PRId64, base + (int64_t)row->first,
                    base + (int64_t)row->last);
    if (row->kind >= JOURNAL_PROMOTE && strlen(row->settings) > 2) {
        text_puts(text, ",");
        text_append(text, row->settings + 1, strlen(row->settings) - 2);
    }
}

static bool list_row(void *arg, const struct journal_row *row, size_t n_erased)
{
    struct listing *listing = arg;
    struct text *text = &listing->text;
    const char *state = state_of(listing, row);
    char hex[DIGEST_TEXT_BYTES + 1];

    text_printf(text,
                "%s{\"generation\":%" PRId64 ",\"kind\":\"%s\",\"time_ms\":%" PRId64
                ",\"examples\":%zu,\"erased\":%zu,\"replayed\":%zu",
                listing->count++ > 0 ? "," : "",
                listing->learner->generation_base + (int64_t)row->generation,
                journal_kind_name(row->kind), row->time_ms, row->n_examples - row->n_copies, n_erased,
                row->n_copies);
    if (state != NULL)
        text_printf(text, ",\"state\":\"%s\"", state);
    if (!digest_is_none(&row->state))
        text_printf(text, ",\"digest\":\"%s\"", digest_hex(&row->state, hex));
    list_reference(listing, row, text);
    if (row->principal != NULL && row->principal[0] != '\0') {
        text_puts(text, ",\"principal\":");
        text_json_string(text, row->principal, strlen(row->principal));
    }
    text_puts(text, "}");
    return !text->failed;
}

static void list_head(const struct learner *learner, struct text *text)
{
    const struct model_entry *entry = learner->entry;
    const struct learner_gate *gate = &learner->gate;
    int64_t base = learner->generation_base, newest = base + (int64_t)learner->generation;
    char hex[DIGEST_TEXT_BYTES + 1];

    text_puts(text, "{\"model_name\":");
    text_json_string(text, entry->name, strlen(entry->name));
    text_puts(text, ",\"model_version\":");
    text_json_string(text, entry->version, strlen(entry->version));
    text_printf(text, ",\"generation\":%" PRId64 ",\"served\":%" PRId64 ",\"publish\":\"%s\"", newest,
                base + (int64_t)gate->served, policies[gate->policy]);
    if (learner_has_candidate(learner))
        text_printf(text, ",\"candidate\":{\"generation\":%" PRId64 ",\"compared\":%" PRIu64
                    ",\"difference\":%.6g,\"p\":%.4g,\"held_out\":%zu", newest, gate->pairs.n,
                    gate->pairs.mean, promotion_p_value(&gate->pairs), gate->window.n);
    if (learner_has_candidate(learner) && gate->shadow.rows > 0)
        text_printf(text, ",\"shadow\":{\"rows\":%" PRIu64 ",\"other_class\":%.6g,"
                    "\"difference\":%.6g}", gate->shadow.rows,
                    (double)gate->shadow.other_class / (double)gate->shadow.rows,
                    gate->shadow.difference / (double)(gate->shadow.values + (gate->shadow.values == 0)));
    if (learner_has_candidate(learner))
        text_puts(text, "}");
    text_printf(text, ",\"base\":{\"generation\":%" PRId64 ",\"sha256\":\"%s\"},\"generations\":[",
                base, digest_hex(&learner->base, hex));
}

void learner_list(struct learner *learner, struct learn_job *job)
{
    struct listing listing = {.learner = learner};
    struct storage_fault fault = {0};
    struct problem problem = {0};
    int64_t limit = job->count > 0 && job->count < GENERATIONS_MAX ? job->count : GENERATIONS_MAX;
    int64_t before = job->first > learner->generation_base ? job->first - learner->generation_base
                                                           : 0;
    enum storage_status status = STORAGE_OK;

    text_init(&listing.text);
    list_head(learner, &listing.text);
    if (learner->journal != NULL && !(job->first > 0 && before == 0)) {
        status = journal_jumps(learner->journal, collect, &listing, &fault);
        if (status == STORAGE_OK && listing.failed)
            status = storage_fault_set(&fault, STORAGE_NO_MEMORY, NULL, 0, "no memory to list");
        if (status == STORAGE_OK)
            status = journal_lineage(learner->journal, (uint64_t)before, (size_t)limit, list_row,
                                     &listing, &fault);
    }
    free(listing.quarantined);
    if (status != STORAGE_OK) {
        text_free(&listing.text);
        problem_from_fault(&problem, &fault);
        learner_fail(job, &problem);
        return;
    }
    text_puts(&listing.text, "]}");
    learner_reply(job, &listing.text, "application/json",
                  learner->generation_base + (int64_t)learner->generation);
}
