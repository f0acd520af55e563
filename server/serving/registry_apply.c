/* SPDX-License-Identifier: Apache-2.0
 * From what lies in the repository to what serves. New versions are loaded before old ones go, and
 * old ones stay while a new one fails. Runs on the loader thread. */
#include "server/serving/registry_state.h"

#include "server/clock.h"
#include "server/observe/log.h"
#include "server/observe/metrics.h"
#include "server/options.h"
#include "server/serving/model_entry.h"
#include "server/serving/worker.h"
#include "server/status_map.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static enum stats_load_failure failure_kind(enum engine_status status)
{
    switch (status) {
    case ENGINE_BAD_MODEL:
        return STATS_LOAD_FAILURE_BAD_MODEL;
    case ENGINE_UNSUPPORTED:
        return STATS_LOAD_FAILURE_UNSUPPORTED;
    case ENGINE_OVER_BUDGET:
        return STATS_LOAD_FAILURE_OVER_BUDGET;
    case ENGINE_NO_MEMORY:
        return STATS_LOAD_FAILURE_NO_MEMORY;
    case ENGINE_IO:
        return STATS_LOAD_FAILURE_IO;
    default:
        return STATS_LOAD_FAILURE_OTHER;
    }
}

/* Replaces *reason under the lock; `text` may be NULL. */
static void set_reason(struct registry *registry, char **reason, const char *text)
{
    char *copy = text != NULL ? strdup(text) : NULL, *old;

    pthread_mutex_lock(&registry->lock);
    old = *reason;
    *reason = copy;
    pthread_mutex_unlock(&registry->lock);
    free(old);
}

static struct model_slot *add_slot(struct registry *registry, const char *name)
{
    struct model_slot *slot = calloc(1, sizeof(*slot)), **more;
    int index;

    if (slot == NULL)
        return NULL;
    snprintf(slot->name, sizeof(slot->name), "%s", name);
    registry_slot(registry, name, &index);
    pthread_mutex_lock(&registry->lock);
    more = reallocarray(registry->slots, (size_t)registry->n_slots + 1, sizeof(*more));
    if (more != NULL) {
        memmove(more + index + 1, more + index,
                (size_t)(registry->n_slots - index) * sizeof(*more));
        more[index] = slot;
        registry->slots = more;
        registry->n_slots++;
    }
    pthread_mutex_unlock(&registry->lock);
    if (more == NULL)
        free(slot);
    return more != NULL ? slot : NULL;
}

static struct version_slot *find_version(struct model_slot *slot, uint64_t number)
{
    for (int i = 0; i < slot->n_versions; i++) {
        if (slot->versions[i].number == number)
            return &slot->versions[i];
    }
    return NULL;
}

/* The version's slot, made if there is none. */
static struct version_slot *want_version(struct registry *registry, struct model_slot *slot,
                                         const struct repository_version *seen)
{
    struct version_slot *found = find_version(slot, seen->number), *more;
    int index = 0;

    if (found != NULL)
        return found;
    pthread_mutex_lock(&registry->lock);
    more = reallocarray(slot->versions, (size_t)slot->n_versions + 1, sizeof(*more));
    if (more != NULL) {
        while (index < slot->n_versions && more[index].number < seen->number)
            index++;
        memmove(more + index + 1, more + index,
                (size_t)(slot->n_versions - index) * sizeof(*more));
        memset(&more[index], 0, sizeof(*more));
        more[index].number = seen->number;
        snprintf(more[index].text, sizeof(more[index].text), "%s", seen->text);
        more[index].state = MODEL_LOADING;
        slot->versions = more;
        slot->n_versions++;
    }
    pthread_mutex_unlock(&registry->lock);
    return more != NULL ? &more[index] : NULL;
}

/* Puts `entry` (NULL: nothing) in the place of what serves; requests under way keep what they hold. */
static void swap_entry(struct registry *registry, struct version_slot *version,
                       struct model_entry *entry, enum model_state state)
{
    struct model_entry *old;

    pthread_mutex_lock(&registry->lock);
    old = version->entry;
    version->entry = entry;
    version->state = state;
    pthread_mutex_unlock(&registry->lock);
    if ((old == NULL) != (entry == NULL))
        metrics_add(registry->metrics, METRIC_MODELS_LOADED, entry != NULL ? 1 : -1);
    if (version->stats != NULL)
        stats_set_ready(version->stats, entry != NULL,
                        entry != NULL ? (int64_t)model_bytes(entry->model) : 0);
    if (old != NULL && registry->watch.leaving != NULL)
        registry->watch.leaving(registry->watch.arg, old);
    model_entry_unref(old);
}

static void drop_version(struct registry *registry, struct model_slot *slot, int index)
{
    struct version_slot *version = &slot->versions[index];
    char *reason = version->reason;

    log_write(registry->log, LOG_LEVEL_INFO, "model version unloaded", "model=%s version=%s",
              slot->name, version->text);
    swap_entry(registry, version, NULL, MODEL_UNAVAILABLE);
    pthread_mutex_lock(&registry->lock);
    memmove(version, version + 1,
            (size_t)(slot->n_versions - index - 1) * sizeof(*version));
    slot->n_versions--;
    pthread_mutex_unlock(&registry->lock);
    free(reason);
}

static void load_failed(struct registry *registry, const struct model_slot *slot,
                        struct version_slot *version, const struct engine_error *err,
                        struct problem *problem)
{
    bool serving = version->entry != NULL;
    struct engine_error named = *err;

    set_reason(registry, &version->reason, err->text);
    pthread_mutex_lock(&registry->lock);
    version->state = serving ? MODEL_READY : MODEL_UNAVAILABLE;
    pthread_mutex_unlock(&registry->lock);
    if (version->stats != NULL)
        stats_load_failed(version->stats, failure_kind(err->status));
    log_write(registry->log, LOG_LEVEL_ERROR,
              serving ? "model reload failed, the old one goes on serving" : "model load failed",
              "model=%s version=%s reason=%s", slot->name, version->text, err->text);
    engine_error_prefix(&named, "model '%s' version %s", slot->name, version->text);
    problem_from_engine(problem, &named);
}

/* One more than what has been served last, updates learnt since then included. */
static int64_t next_generation(const struct version_slot *version)
{
    int64_t generation = version->generation;

    if (version->entry != NULL)
        weights_unref(model_entry_weights(version->entry, &generation));
    return generation + 1;
}

/* Loads the file and makes an entry of it; NULL sets `err`. */
static struct model_entry *load_entry(struct registry *registry, const struct model_slot *slot,
                                      struct version_slot *version, struct engine_error *err)
{
    const struct options *options = registry->options;
    const struct model_config *config = &slot->config;
    const struct model_options model_options = {
        .optimise = true,
        .inference_mode = true,
        .memory_bytes_max = (size_t)options->model_bytes_max,
        .plan_bytes_max = (size_t)options->plan_bytes_max,
    };
    struct model_entry_params params = {
        .name = slot->name,
        .version = version->text,
        .batch_size_max = (int)(config->batch_size_max >= 0 ? config->batch_size_max
                                                            : options->batch_size_max),
        .queue_delay_us =
            config->queue_delay_us >= 0 ? config->queue_delay_us : options->queue_delay_us,
        .stats = version->stats,
        .generation = next_generation(version),
    };
    struct repository_file file;

    params.model = repository_load(registry->repository, slot->name, version->text, &model_options,
                                   &file, err);
    version->tried.model = file.stamp;
    params.file_fd = file.fd;
    params.file_stamp = file.stamp;
    return params.model != NULL ? model_entry_create(&params, err) : NULL;
}

/* What the old entry has learnt is closed before the new one may open it. */
static struct model_entry *load_watched(struct registry *registry, const struct model_slot *slot,
                                        struct version_slot *version, struct engine_error *err)
{
    const struct registry_watch *watch = &registry->watch;
    struct model_entry *entry = load_entry(registry, slot, version, err);

    if (entry == NULL || watch->loading == NULL)
        return entry;
    if (version->entry != NULL)
        watch->leaving(watch->arg, version->entry);
    if (watch->loading(watch->arg, entry, &slot->config, err))
        return entry;
    model_entry_unref(entry);
    return NULL;
}

static bool load_version(struct registry *registry, struct model_slot *slot,
                         struct version_slot *version, const struct repository_version *seen,
                         struct problem *problem)
{
    struct engine_error err = {0};
    uint64_t start_ns = clock_now_ns();
    struct model_entry *entry = NULL;

    if (version->stats == NULL)
        version->stats = metrics_model(registry->metrics, slot->name, version->text);
    if (version->entry == NULL) {
        pthread_mutex_lock(&registry->lock);
        version->state = MODEL_LOADING;
        pthread_mutex_unlock(&registry->lock);
    }
    if (seen->reason != NULL)
        engine_error_set(&err, ENGINE_IO, "%s", seen->reason);
    else if (version->stats == NULL)
        engine_error_set(&err, ENGINE_NO_MEMORY, "no memory for statistics");
    else
        entry = load_watched(registry, slot, version, &err);
    if (entry == NULL) {
        load_failed(registry, slot, version, &err, problem);
        return false;
    }
    version->generation = next_generation(version);
    version->served = version->tried;
    set_reason(registry, &version->reason, NULL);
    swap_entry(registry, version, entry, MODEL_READY);
    log_write(registry->log, LOG_LEVEL_INFO, "model loaded",
              "model=%s version=%s generation=%lld ms=%.1f bytes=%zu batch_size_max=%d "
              "parameters=%lld",
              slot->name, version->text, (long long)version->generation,
              (double)(clock_now_ns() - start_ns) / 1e6, model_bytes(entry->model),
              entry->batch_size_max, (long long)model_parameter_count(entry->model));
    return true;
}

static bool stamps_equal(const struct version_stamps *a, const struct version_stamps *b)
{
    return file_stamp_equal(&a->model, &b->model) && file_stamp_equal(&a->config, &b->config);
}

static bool apply_version(struct registry *registry, struct model_slot *slot,
                          const struct repository_model *seen_model,
                          const struct repository_version *seen, bool ask,
                          struct problem *problem)
{
    const struct version_stamps stamps = {seen->stamp, seen_model->config_stamp};
    struct version_slot *version = want_version(registry, slot, seen);

    if (version == NULL)
        return problem_set(problem, 507, "no_memory", "no memory for model '%s'", slot->name);
    if (version->entry != NULL && stamps_equal(&version->served, &stamps)) {
        set_reason(registry, &version->reason, NULL);
        return true;
    }
    /* What has failed before is tried again when it has changed or someone asks. */
    if (!ask && version->reason != NULL && stamps_equal(&version->tried, &stamps))
        return problem_set(problem, 422, "load_failed", "%s", version->reason);
    version->tried = stamps;
    return load_version(registry, slot, version, seen, problem);
}

static bool is_wanted(const struct repository_model *seen, uint64_t number)
{
    for (int i = 0; i < seen->n_versions; i++) {
        if (seen->versions[i].number == number)
            return true;
    }
    return false;
}

/* What is wrong with the whole model is said once, not at each scan. */
static void note_model_reason(struct registry *registry, struct model_slot *slot,
                              const char *reason)
{
    bool news = reason != NULL && (slot->reason == NULL || strcmp(slot->reason, reason) != 0);
    struct model_stats *stats;

    if (news) {
        log_write(registry->log, LOG_LEVEL_ERROR, "model cannot be loaded", "model=%s reason=%s",
                  slot->name, reason);
        stats = metrics_model(registry->metrics, slot->name, "");
        if (stats != NULL)
            stats_load_failed(stats, STATS_LOAD_FAILURE_BAD_CONFIG);
    }
    set_reason(registry, &slot->reason, reason);
}

bool registry_apply(struct registry *registry, const struct repository_model *seen, bool ask,
                    struct problem *problem)
{
    struct model_slot *slot = registry_slot(registry, seen->name, NULL);
    bool good = true;

    if (slot == NULL)
        slot = add_slot(registry, seen->name);
    if (slot == NULL)
        return problem_set(problem, 507, "no_memory", "no memory for model '%s'", seen->name);
    if (slot->unloaded && !ask)
        return true;
    note_model_reason(registry, slot, seen->reason);
    if (seen->broken)
        return problem_set(problem, 422, "bad_config", "model '%s': %s", seen->name,
                           seen->reason != NULL ? seen->reason : "cannot be read");
    pthread_mutex_lock(&registry->lock);
    slot->unloaded = false;
    slot->config = seen->config;
    pthread_mutex_unlock(&registry->lock);
    for (int i = 0; i < seen->n_versions; i++)
        good = apply_version(registry, slot, seen, &seen->versions[i], ask, problem) && good;
    for (int i = slot->n_versions - 1; good && i >= 0; i--) {
        if (!is_wanted(seen, slot->versions[i].number))
            drop_version(registry, slot, i);
    }
    if (seen->reason != NULL)
        return problem_set(problem, 422, "load_failed", "model '%s': %s", seen->name, seen->reason);
    return good;
}

static void forget_slot(struct registry *registry, struct model_slot *slot)
{
    int index;

    registry_slot(registry, slot->name, &index);
    pthread_mutex_lock(&registry->lock);
    memmove(registry->slots + index, registry->slots + index + 1,
            (size_t)(registry->n_slots - index - 1) * sizeof(*registry->slots));
    registry->n_slots--;
    pthread_mutex_unlock(&registry->lock);
    free(slot->reason);
    free(slot->versions);
    free(slot);
}

void registry_retire(struct registry *registry, struct model_slot *slot, bool forget)
{
    if (forget) {
        while (slot->n_versions > 0)
            drop_version(registry, slot, slot->n_versions - 1);
        forget_slot(registry, slot);
        return;
    }
    pthread_mutex_lock(&registry->lock);
    slot->unloaded = true;
    pthread_mutex_unlock(&registry->lock);
    for (int i = 0; i < slot->n_versions; i++) {
        struct version_slot *version = &slot->versions[i];

        if (version->entry != NULL)
            log_write(registry->log, LOG_LEVEL_INFO, "model version unloaded",
                      "model=%s version=%s", slot->name, version->text);
        set_reason(registry, &version->reason, "unloaded");
        swap_entry(registry, version, NULL, MODEL_UNAVAILABLE);
    }
}
