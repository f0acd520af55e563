/* SPDX-License-Identifier: Apache-2.0
 * The loader thread: one task after the other, in the order in which they were asked for. */
#include "config.h"

#include "server/serving/registry_state.h"

#include "server/observe/log.h"
#include "server/observe/metrics.h"
#include "server/status_map.h"

#include <stdlib.h>
#include <string.h>

/* Lines of what was passed over, when they are news. */
static void log_notes(struct registry *registry, struct repository_snapshot *snapshot)
{
    char *rest = NULL, *notes = snapshot->notes;

    if (notes != NULL && (registry->notes == NULL || strcmp(notes, registry->notes) != 0)) {
        char *copy = strdup(notes);

        for (char *line = copy != NULL ? strtok_r(copy, "\n", &rest) : NULL; line != NULL;
             line = strtok_r(NULL, "\n", &rest))
            log_write(registry->log, LOG_LEVEL_WARNING, "passed over in the model repository",
                      "what=%s", line);
        free(copy);
    }
    free(registry->notes);
    registry->notes = notes;             /* kept for the next comparison */
    snapshot->notes = NULL;
}

static bool snapshot_has(const struct repository_snapshot *snapshot, const char *name)
{
    int low = 0, high = snapshot->n_models;

    while (low < high) {
        int middle = (low + high) / 2, order = strcmp(snapshot->models[middle].name, name);

        if (order == 0)
            return true;
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return false;
}

/* One model's failure is told by name and reason, and is not the scan's. */
static void run_scan(struct registry *registry, struct problem *problem)
{
    struct repository_snapshot snapshot;
    struct engine_error err = {0};

    metrics_add(registry->metrics, METRIC_REPOSITORY_SCANS, 1);
    if (!repository_scan(registry->repository, &snapshot, &err)) {
        log_write(registry->log, LOG_LEVEL_ERROR, "scan failed", "reason=%s", err.text);
        problem_from_engine(problem, &err);
        return;
    }
    log_notes(registry, &snapshot);
    for (int i = 0; i < snapshot.n_models; i++) {
        struct problem own = {0};

        registry_apply(registry, &snapshot.models[i], false, &own);
    }
    for (int i = registry->n_slots - 1; i >= 0; i--) {
        if (!snapshot_has(&snapshot, registry->slots[i]->name))
            registry_retire(registry, registry->slots[i], true);
    }
    repository_snapshot_finish(&snapshot);
}

static void run_load(struct registry *registry, const char *name, struct problem *problem)
{
    struct model_slot *slot = registry_slot(registry, name, NULL);
    struct repository_snapshot snapshot;
    struct engine_error err = {0};

    if (!repository_scan_model(registry->repository, name, &snapshot, &err)) {
        problem_from_engine(problem, &err);
        return;
    }
    if (snapshot.n_models == 1) {
        registry_apply(registry, &snapshot.models[0], true, problem);
    } else {
        if (slot != NULL)
            registry_retire(registry, slot, true);
        problem_set(problem, 404, "unknown_model", "no model named '%s' in the repository", name);
    }
    repository_snapshot_finish(&snapshot);
}

static void run_unload(struct registry *registry, const char *name, struct problem *problem)
{
    struct model_slot *slot = registry_slot(registry, name, NULL);

    if (slot != NULL)
        registry_retire(registry, slot, false);
    else
        problem_set(problem, 404, "unknown_model", "no model named '%s'", name);
}

static void run_change(struct registry *registry, const struct task *task, struct problem *problem)
{
    if (repository_is_users(registry->repository, task->name))
        problem_set(problem, 409, "not_writable",
                    "model '%s' lies in the model repository, which is not written", task->name);
    else if (task->change.call(task->change.arg, problem))
        run_load(registry, task->name, problem);
}

static void task_finish(struct task *task, const struct problem *problem)
{
    for (struct task_waiter *waiter = task->waiters, *next; waiter != NULL; waiter = next) {
        next = waiter->next;
        if (waiter->done.call != NULL)
            waiter->done.call(waiter->done.arg, problem);
        free(waiter);
    }
    free(task);
}

static void run_task(struct registry *registry, struct task *task)
{
    struct problem problem = {0};

    switch (task->kind) {
    case TASK_SCAN:
        run_scan(registry, &problem);
        atomic_store(&registry->started, true);
        break;
    case TASK_LOAD:
        run_load(registry, task->name, &problem);
        break;
    case TASK_UNLOAD:
        run_unload(registry, task->name, &problem);
        break;
    case TASK_CHANGE:
        run_change(registry, task, &problem);
        break;
    }
    task_finish(task, &problem);
}

/* Waits for a task and takes it; NULL when it is time to stop. */
static struct task *next_task(struct registry *registry)
{
    struct task *task;

    pthread_mutex_lock(&registry->lock);
    while (registry->tasks == NULL && !registry->stopping)
        pthread_cond_wait(&registry->wake, &registry->lock);
    task = registry->stopping ? NULL : registry->tasks;
    if (task != NULL)
        registry->tasks = task->next;
    pthread_mutex_unlock(&registry->lock);
    return task;
}

void *registry_loader_main(void *arg)
{
    struct registry *registry = arg;
    struct problem stopping = {0};
    struct task *task;

    pthread_setname_np(pthread_self(), "loader");
    while ((task = next_task(registry)) != NULL)
        run_task(registry, task);
    problem_set(&stopping, 503, "shutting_down", "the server is shutting down");
    while ((task = registry->tasks) != NULL) {   /* nobody adds one any more */
        registry->tasks = task->next;
        task_finish(task, &stopping);
    }
    return NULL;
}
