/* SPDX-License-Identifier: Apache-2.0 */
#include "server/serving/registry.h"

#include "server/observe/metrics.h"
#include "server/options.h"
#include "server/serving/registry_state.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { RETRY_AFTER_LOADING_S = 1 };

static struct registry *registry_alloc(const struct options *options, struct log *log,
                                       struct metrics *metrics)
{
    struct registry *registry = calloc(1, sizeof(*registry));

    if (registry == NULL)
        return NULL;
    registry->options = options;
    registry->log = log;
    registry->metrics = metrics;
    pthread_mutex_init(&registry->lock, NULL);
    pthread_cond_init(&registry->wake, NULL);
    registry->repository = repository_create(options->model_repository, options->model);
    if (registry->repository != NULL && options->state_dir != NULL &&
        !repository_add_store(registry->repository, options->state_dir)) {
        repository_destroy(registry->repository);
        registry->repository = NULL;
    }
    return registry;
}

struct registry *registry_create(const struct options *options, struct log *log,
                                 struct metrics *metrics, struct problem *problem)
{
    struct registry *registry = registry_alloc(options, log, metrics);
    sigset_t all, before;

    if (registry != NULL && registry->repository != NULL) {
        metrics_describe_engine(metrics, engine_isa(), engine_blas());
        sigfillset(&all);                /* signals belong to the main thread */
        pthread_sigmask(SIG_SETMASK, &all, &before);
        registry->loader_started =
            pthread_create(&registry->loader, NULL, registry_loader_main, registry) == 0;
        pthread_sigmask(SIG_SETMASK, &before, NULL);
    }
    if (registry == NULL || !registry->loader_started) {
        problem_set(problem, 500, "no_memory", "the loader thread could not be started");
        registry_destroy(registry);
        return NULL;
    }
    return registry;
}

void registry_set_watch(struct registry *registry, const struct registry_watch *watch)
{
    registry->watch = *watch;
}

void registry_destroy(struct registry *registry)
{
    if (registry == NULL)
        return;
    pthread_mutex_lock(&registry->lock);
    registry->stopping = true;
    pthread_cond_broadcast(&registry->wake);
    pthread_mutex_unlock(&registry->lock);
    if (registry->loader_started)
        pthread_join(registry->loader, NULL);
    for (int i = 0; i < registry->n_slots; i++) {
        struct model_slot *slot = registry->slots[i];

        for (int v = 0; v < slot->n_versions; v++) {
            model_entry_unref(slot->versions[v].entry);
            free(slot->versions[v].reason);
        }
        free(slot->versions);
        free(slot->reason);
        free(slot);
    }
    free(registry->slots);
    free(registry->notes);
    repository_destroy(registry->repository);
    pthread_cond_destroy(&registry->wake);
    pthread_mutex_destroy(&registry->lock);
    free(registry);
}

bool registry_started(const struct registry *registry)
{
    return atomic_load(&registry->started);
}

struct model_slot *registry_slot(const struct registry *registry, const char *name, int *ret_index)
{
    int low = 0, high = registry->n_slots;

    while (low < high) {
        int middle = (low + high) / 2, order = strcmp(registry->slots[middle]->name, name);

        if (order == 0) {
            if (ret_index != NULL)
                *ret_index = middle;
            return registry->slots[middle];
        }
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    if (ret_index != NULL)
        *ret_index = low;
    return NULL;
}

/* The last waiting task that concerns the same model; a scan concerns all. */
static struct task *last_related(struct registry *registry, const char *name,
                                 struct task ***ret_end)
{
    struct task *related = NULL, **link = &registry->tasks;

    for (; *link != NULL; link = &(*link)->next) {
        if (name[0] == '\0' || (*link)->name[0] == '\0' || strcmp((*link)->name, name) == 0)
            related = *link;
    }
    *ret_end = link;
    return related;
}

/* Adds a task, or joins one that waits (a change never joins). False when out of memory or stopping. */
static bool enqueue(struct registry *registry, enum task_kind kind, const char *name,
                    struct registry_change change, struct registry_done done)
{
    struct task *task = calloc(1, sizeof(*task)), *related, **end;
    struct task_waiter *waiter = calloc(1, sizeof(*waiter));
    bool taken = false;

    if (task != NULL && waiter != NULL) {
        waiter->done = done;
        task->kind = kind;
        task->change = change;
        snprintf(task->name, sizeof(task->name), "%s", name);
        pthread_mutex_lock(&registry->lock);
        related = last_related(registry, name, &end);
        taken = !registry->stopping;
        if (taken && related != NULL && related->kind == kind && kind != TASK_CHANGE &&
            strcmp(related->name, name) == 0) {
            waiter->next = related->waiters;
            related->waiters = waiter;
        } else if (taken) {
            task->waiters = waiter;
            *end = task;
            task = NULL;
        }
        pthread_cond_signal(&registry->wake);
        pthread_mutex_unlock(&registry->lock);
    }
    free(task);
    if (!taken)
        free(waiter);
    return taken;
}

/* `done` must be called even when there is no room for a task. */
static void enqueue_or_refuse(struct registry *registry, enum task_kind kind, const char *name,
                              struct registry_change change, struct registry_done done)
{
    struct problem problem = {0};

    if (strlen(name) > MODEL_NAME_MAX)
        problem_set(&problem, 404, "unknown_model", "no model has a name of %zu bytes",
                    strlen(name));
    else if (!enqueue(registry, kind, name, change, done))
        problem_set(&problem, 503, "shutting_down", "the loader takes no more work");
    if (problem.status != 0 && done.call != NULL)
        done.call(done.arg, &problem);
}

void registry_scan(struct registry *registry, struct registry_done done)
{
    enqueue_or_refuse(registry, TASK_SCAN, "", (struct registry_change){0}, done);
}

void registry_load(struct registry *registry, const char *name, struct registry_done done)
{
    enqueue_or_refuse(registry, TASK_LOAD, name, (struct registry_change){0}, done);
}

void registry_unload(struct registry *registry, const char *name, struct registry_done done)
{
    enqueue_or_refuse(registry, TASK_UNLOAD, name, (struct registry_change){0}, done);
}

void registry_change(struct registry *registry, const char *name, struct registry_change change,
                     struct registry_done done)
{
    enqueue_or_refuse(registry, TASK_CHANGE, name, change, done);
}

/* The version by its text, or the newest that serves, or else the newest. NULL: none. */
static const struct version_slot *pick_version(const struct model_slot *slot, const char *version)
{
    const struct version_slot *newest = NULL;

    for (int i = 0; i < slot->n_versions; i++) {
        const struct version_slot *candidate = &slot->versions[i];

        if (version != NULL && version[0] != '\0') {
            if (strcmp(candidate->text, version) == 0)
                return candidate;
            continue;
        }
        if (newest == NULL || candidate->entry != NULL || newest->entry == NULL)
            newest = candidate;
    }
    return newest;
}

static void explain_absence(const struct model_slot *slot, const struct version_slot *version,
                            struct problem *problem)
{
    const char *why = version->reason != NULL ? version->reason : "not loaded";

    if (slot->unloaded) {                /* as if it were not there: no use in trying again soon */
        problem_set(problem, 404, "model_unloaded", "model '%s' is unloaded", slot->name);
        return;
    }
    if (version->state == MODEL_LOADING) {
        problem->retry_after_s = RETRY_AFTER_LOADING_S;
        problem_set(problem, 503, "model_loading", "model '%s' version %s is loading", slot->name,
                    version->text);
        return;
    }
    problem_set(problem, 503, "model_unavailable", "model '%s' version %s is unavailable: %s",
                slot->name, version->text, why);
}

/* Under the lock. */
static struct model_entry *find_entry(const struct model_slot *slot, const char *version,
                                      struct problem *problem)
{
    const struct version_slot *picked = pick_version(slot, version);

    if (picked != NULL && picked->entry != NULL)
        return model_entry_ref(picked->entry);
    if (picked != NULL)
        explain_absence(slot, picked, problem);
    else if (version != NULL && version[0] != '\0')
        problem_set(problem, 404, "unknown_version", "model '%s' has no version '%.64s'",
                    slot->name, version);
    else
        problem_set(problem, 503, "model_unavailable", "model '%s' is unavailable: %s",
                    slot->name, slot->reason != NULL ? slot->reason : "it has no version");
    return NULL;
}

struct model_entry *registry_find(struct registry *registry, const char *name, const char *version,
                                  struct problem *problem)
{
    struct model_entry *entry = NULL;
    const struct model_slot *slot;

    pthread_mutex_lock(&registry->lock);
    slot = registry_slot(registry, name, NULL);
    if (slot != NULL)
        entry = find_entry(slot, version, problem);
    pthread_mutex_unlock(&registry->lock);
    if (slot == NULL) {
        if (registry_started(registry))
            problem_set(problem, 404, "unknown_model", "no model named '%.256s'", name);
        else {
            problem->retry_after_s = RETRY_AFTER_LOADING_S;
            problem_set(problem, 503, "starting", "models are being loaded");
        }
    }
    return entry;
}

struct model_entry *registry_find_label(struct registry *registry, const char *name,
                                        const char *label, struct problem *problem)
{
    char version[VERSION_TEXT_MAX] = "";
    const struct model_slot *slot;

    pthread_mutex_lock(&registry->lock);
    slot = registry_slot(registry, name, NULL);
    for (int i = 0; slot != NULL && i < slot->config.n_labels; i++) {
        if (strcmp(slot->config.labels[i].name, label) == 0)
            snprintf(version, sizeof(version), "%llu",
                     (unsigned long long)slot->config.labels[i].version);
    }
    pthread_mutex_unlock(&registry->lock);
    if (slot != NULL && version[0] == '\0') {
        problem_set(problem, 404, "unknown_label", "model '%s' has no label '%.64s'", name, label);
        return NULL;
    }
    return registry_find(registry, name, version, problem);
}

static bool list_add(struct registry_list *list, const struct model_slot *slot,
                     const struct version_slot *version)
{
    struct registry_row *more =
        reallocarray(list->rows, (size_t)list->n_rows + 1, sizeof(*more)), *row;
    const char *reason = version != NULL ? version->reason : slot->reason;

    if (more == NULL)
        return false;
    list->rows = more;
    row = &more[list->n_rows++];
    memset(row, 0, sizeof(*row));
    row->state = version != NULL ? version->state : MODEL_UNAVAILABLE;
    row->name = strdup(slot->name);
    if (version != NULL)
        row->version = strdup(version->text);
    if (reason == NULL)
        reason = slot->reason;
    if (reason != NULL)
        row->reason = strdup(reason);
    return row->name != NULL && (version == NULL || row->version != NULL);
}

static bool list_slot(struct registry_list *list, const struct model_slot *slot)
{
    bool good = true;

    if (slot->n_versions == 0)
        return list_add(list, slot, NULL);
    for (int i = 0; i < slot->n_versions; i++)
        good = list_add(list, slot, &slot->versions[i]) && good;
    return good;
}

bool registry_list(struct registry *registry, const char *name, struct registry_list *ret_list)
{
    struct registry_list list = {0};
    bool good = true;

    pthread_mutex_lock(&registry->lock);
    for (int i = 0; i < registry->n_slots; i++) {
        if (name == NULL || strcmp(registry->slots[i]->name, name) == 0)
            good = list_slot(&list, registry->slots[i]) && good;
    }
    pthread_mutex_unlock(&registry->lock);
    if (good)
        *ret_list = list;
    else
        registry_list_finish(&list);
    return good;
}

void registry_list_finish(struct registry_list *list)
{
    for (int i = 0; i < list->n_rows; i++) {
        free(list->rows[i].name);
        free(list->rows[i].version);
        free(list->rows[i].reason);
    }
    free(list->rows);
    memset(list, 0, sizeof(*list));
}

const char *model_state_text(enum model_state state)
{
    static const char *const texts[] = {"LOADING", "READY", "UNLOADING", "UNAVAILABLE"};

    return texts[state];
}
