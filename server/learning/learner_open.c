/* SPDX-License-Identifier: Apache-2.0
 * A learner's life and what ends it: opened with the model's file and what has been learnt before, latched
 * when a write has failed, closed with a checkpoint. */
#include "server/learning/learner_private.h"

#include "server/observe/log.h"
#include "server/observe/statistics.h"
#include "server/status_map.h"

#include <inttypes.h>
#include <stdlib.h>

void problem_from_fault(struct problem *problem, const struct storage_fault *fault)
{
    switch (fault->status) {
    case STORAGE_LIMIT:
    case STORAGE_NO_SPACE:
    case STORAGE_NO_MEMORY:
        problem_set(problem, 507, "storage_full", "%s", fault->text);
        break;
    case STORAGE_CONFLICT:
        problem_set(problem, 409, "key_conflict",
                    "the Idempotency-Key was used with another request before");
        break;
    case STORAGE_NOT_FOUND:
        problem_set(problem, 404, "unknown_generation", "%s", fault->text);
        break;
    default:
        problem_set(problem, 503, "storage_failed", "learning is off: %s%s%s", fault->file,
                    fault->file[0] != '\0' ? ": " : "", fault->text);
    }
}

void learner_latch(struct learner *learner, const struct storage_fault *fault)
{
    struct problem reason = {0};

    problem_set(&reason, 503, "storage_failed",
                "learning is off until a restart, predictions go on: %s%s%s", fault->file,
                fault->file[0] != '\0' ? ": " : "", fault->text);
    log_write(learner->log, LOG_LEVEL_ERROR, "learning is off until a restart",
              "model=%s version=%s generation=%" PRId64 " file=%s reason=%s", learner->entry->name,
              learner->entry->version, learner->generation_base + (int64_t)learner->generation,
              fault->file, fault->text);
    pthread_mutex_lock(&learner->lock);
    learner->state = LEARNER_READ_ONLY;
    learner->reason = reason;
    pthread_mutex_unlock(&learner->lock);
    learning_stats_set(stats_learning(learner->entry->stats), LEARNING_READ_ONLY, 1);
    learning_stats_note(stats_learning(learner->entry->stats), reason.text, NULL);
}

bool learner_open(struct learner *learner, struct problem *problem)
{
    const struct learn_config wanted = learner->config;

    weights_unref(model_entry_weights(learner->entry, &learner->generation_base));
    pace_begin(&learner->pace, learner->pace.pace);
    learner_watch_begin(learner);
    learner_publish_begin(learner);
    learner_gate_init(learner);
    if (!learner_load(learner, problem))
        return false;
    if (learner_was_stored(learner) && !learner_store(learner, problem))
        return false;
    if (!learner_method_apply(learner, &wanted, problem) || !learner_gate_open(learner, problem))
        return false;
    if (learner->stored)
        learner_note_newest(learner);
    learner_mix_begin(learner);
    learner_drift_begin(learner);
    return true;
}

void learner_close(struct learner *learner)
{
    if (learner->journal != NULL && learner->state == LEARNER_READY &&
        learner->generation > learner->checkpointed)
        learner_checkpoint(learner);
    journal_close(learner->journal);
    if (learner->stored)
        storage_dir_close(&learner->dir);
    learner_mix_end(learner);
    learner_drift_end(learner);
    free(learner->layer_of);
    prequential_destroy(learner->prequential);
    learner_gate_finish(learner);
    prequential_destroy(learner->feedback);
    trainer_destroy(learner->trainer);
    model_unref(learner->model);
    free(learner->file);
}
