/* SPDX-License-Identifier: Apache-2.0
 * Where a learner keeps what it learns: its directory, which generation the model file is, journal and
 * checkpoints. Learnt state belongs to the very bytes of a file: the directory is named
 * <model>@<version>@<first half of their digest>, so another file begins anew and the old one, put back,
 * goes on. */
#include "server/learning/learner_private.h"

#include "server/clock.h"
#include "server/observe/log.h"
#include "server/observe/statistics.h"
#include "server/options.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { NAME_MAX_BYTES = 160, LINEAGE_BYTES_MAX = 4096, KEY_AGE_S_MIN = 24 * 3600 };

static const char lineage_file[] = "lineage.json";

static void directory_name(const struct learner *learner, char name[NAME_MAX_BYTES])
{
    char hex[DIGEST_TEXT_BYTES + 1];

    snprintf(name, NAME_MAX_BYTES, "%.64s@%.20s@%.32s", learner->entry->name,
             learner->entry->version, digest_hex(&learner->base, hex));
}

bool learner_has_state(const char *state_path, const struct model_entry *entry)
{
    char path[4096], prefix[NAME_MAX_BYTES];
    struct dirent *found;
    bool has = false;
    DIR *dir;

    snprintf(prefix, sizeof(prefix), "%.64s@%.20s@", entry->name, entry->version);
    if (snprintf(path, sizeof(path), "%s/learning", state_path) >= (int)sizeof(path))
        return false;
    dir = opendir(path);
    while (dir != NULL && !has && (found = readdir(dir)) != NULL)
        has = strncmp(found->d_name, prefix, strlen(prefix)) == 0;
    if (dir != NULL)
        closedir(dir);
    return has;
}

bool learner_was_stored(const struct learner *learner)
{
    char path[4096], name[NAME_MAX_BYTES];

    directory_name(learner, name);
    return snprintf(path, sizeof(path), "%s/learning/%s/%s", learner->state_path, name,
                    lineage_file) < (int)sizeof(path) &&
           access(path, F_OK) == 0;
}

/* Which generation the model file itself is: what is learnt counts on from there. Written once, before the
 * journal is made. */
static enum storage_status read_lineage(struct learner *learner, struct storage_fault *fault)
{
    unsigned char *text = NULL;
    size_t length = 0;
    enum storage_status status = storage_file_read(&learner->dir, lineage_file, LINEAGE_BYTES_MAX,
                                                   &text, &length, fault);
    json_t *root, *base;

    if (status != STORAGE_OK)
        return status;
    root = json_loadb((const char *)text, length, 0, NULL);
    base = json_object_get(root, "generation");
    if (json_is_integer(base) && json_integer_value(base) >= 0)
        learner->generation_base = json_integer_value(base);
    else
        status = storage_fault_set(fault, STORAGE_DAMAGED, lineage_file, 0,
                                   "it does not say the generation of the model file");
    json_decref(root);
    free(text);
    return status;
}

static enum storage_status write_lineage(struct learner *learner, struct storage_fault *fault)
{
    char text[512], hex[DIGEST_TEXT_BYTES + 1];
    int length = snprintf(text, sizeof(text),
                          "{\"model\":\"%.64s\",\"version\":\"%.20s\",\"sha256\":\"%s\","
                          "\"generation\":%" PRId64 "}\n",
                          learner->entry->name, learner->entry->version,
                          digest_hex(&learner->base, hex), learner->generation_base);

    return storage_file_write(&learner->dir, lineage_file, &(struct iovec){text, (size_t)length}, 1,
                              fault);
}

static void log_faults(const struct learner *learner, const struct recovery *recovery)
{
    for (size_t i = 0; i < recovery->n_faults; i++)
        log_write(learner->log, LOG_LEVEL_ERROR, "learnt state is damaged",
                  "model=%s version=%s file=%s row=%" PRIu64 " reason=%s", learner->entry->name,
                  learner->entry->version, recovery->faults[i].file,
                  recovery->faults[i].generation, recovery->faults[i].text);
}

/* Brings trainer and journal to where they were. */
static bool recover_all(struct learner *learner, struct problem *problem)
{
    struct recovery_trainer trainer = learner_recovery(learner);
    struct recovery recovery = {0};
    const struct storage_fault *first;

    recover(&learner->dir, &learner->journal_options, (size_t)learner->options->model_bytes_max * 4,
            &trainer, &recovery);
    log_faults(learner, &recovery);
    learner->generation = recovery.generation;
    learner->checkpointed = recovery.checkpoint;
    learner->journal = recovery.journal;
    first = recovery.n_faults > 0 ? &recovery.faults[0] : NULL;
    if (recovery.mode == RECOVERY_FAILED) {
        if (first != NULL)
            problem_from_fault(problem, first);
        return problem_set(problem, 503, "storage_failed", "the learnt state cannot be read");
    }
    log_write(learner->log, LOG_LEVEL_INFO, "learnt state recovered",
              "model=%s version=%s generation=%" PRId64 " checkpoint=%" PRIu64 " replayed=%" PRIu64,
              learner->entry->name, learner->entry->version,
              learner->generation_base + (int64_t)learner->generation, recovery.checkpoint,
              recovery.replayed);
    if (recovery.mode == RECOVERY_READ_ONLY) {
        learner->state = LEARNER_READ_ONLY;
        problem_set(&learner->reason, 503, "damaged", "learning is off: %s%s%s",
                    first != NULL ? first->file : "", first != NULL ? ": " : "",
                    first != NULL ? first->text : "the learnt state is damaged");
    }
    learning_stats_set(stats_learning(learner->entry->stats), LEARNING_READ_ONLY,
                       recovery.mode == RECOVERY_READ_ONLY);
    learning_stats_note(stats_learning(learner->entry->stats), learner->reason.text, NULL);
    return true;
}

bool learner_store(struct learner *learner, struct problem *problem)
{
    struct storage_fault fault = {0};
    char name[NAME_MAX_BYTES];
    enum storage_status status;

    if (learner->stored)
        return true;
    directory_name(learner, name);
    status = storage_dir_open(&learner->dir, learner->state_path, name, &fault);
    if (status == STORAGE_OK)
        status = storage_file_exists(&learner->dir, lineage_file) ? read_lineage(learner, &fault)
                                                                  : write_lineage(learner, &fault);
    if (status != STORAGE_OK) {
        problem_from_fault(problem, &fault);
        return false;
    }
    learner->stored = true;
    learner->journal_options = (struct journal_options){
        .base = learner->base,
        .bytes_max = (uint64_t)learner->config.journal_bytes_max,
        .generations_min = (uint64_t)learner->config.keep_updates,
        /* That a prediction has its label is known for as long as it may be asked for. */
        .key_age_min_ms = learner->config.log_ttl_s > KEY_AGE_S_MIN ? learner->config.log_ttl_s * 1000
                                                                    : 0,
    };
    return recover_all(learner, problem);
}

/* The oldest generation that something still begins from. */
static uint64_t held_from(const struct learner *learner)
{
    uint64_t gate = learner_gate_hold(learner);

    return gate < learner->held ? gate : learner->held;
}

bool learner_checkpoint(struct learner *learner)
{
    struct checkpoint_note note = {.generation = learner->generation, .time_ms = clock_unix_ms(),
                                   .base = learner->base,
                                   .trainer = learner_has_candidate(learner) ? "" : checkpoint_serves};
    size_t count;
    struct named_tensor *tensors = learner_tensors(learner, &count);
    const struct journal_row *row = NULL;
    struct journal_held *held = NULL;
    struct storage_fault fault = {0};
    enum storage_status status = STORAGE_NO_MEMORY;

    memcpy(note.identity, journal_identity(learner->journal), sizeof(note.identity));
    if (tensors != NULL)
        status = journal_read(learner->journal, learner->generation, &held, &row, &fault);
    if (status == STORAGE_OK && row != NULL) {
        note.chain = row->chain;
        status = checkpoint_write(&learner->dir, &note, tensors, count, NULL, &fault);
    }
    journal_row_release(held);
    if (status == STORAGE_OK)
        status = recovery_prune(&learner->dir, learner->journal, held_from(learner),
                                learner_gate_hold(learner), clock_unix_ms(), &fault);
    free(tensors);
    learner->checkpointed = learner->generation; /* a failed one is not tried again at once */
    if (status == STORAGE_OK)
        return true;
    log_write(learner->log, LOG_LEVEL_ERROR, "checkpoint failed",
              "model=%s version=%s file=%s reason=%s", learner->entry->name,
              learner->entry->version, fault.file, fault.text);
    return false;
}
