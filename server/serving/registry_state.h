/* SPDX-License-Identifier: Apache-2.0
 * server/serving/registry_state.h - what the registry holds: private to registry*.c.
 *
 * Slots are changed by the loader thread alone, and only under the lock; so the loader reads them
 * without it, and everyone else with it. */
#ifndef SERVER_SERVING_REGISTRY_STATE_H
#define SERVER_SERVING_REGISTRY_STATE_H

#include "server/serving/registry.h"
#include "server/serving/repository.h"

#include <pthread.h>
#include <stdatomic.h>

/* Which files: two equal ones need no load. */
struct version_stamps {
    struct file_stamp model, config;
};

struct version_slot {
    uint64_t number;
    char text[VERSION_TEXT_MAX];
    enum model_state state;
    char *reason;                        /* of the last failure, NULL after a success */
    struct model_entry *entry;           /* what serves, or NULL */
    struct version_stamps served;        /* what the entry was loaded from */
    struct version_stamps tried;         /* the last attempt */
    int64_t generation;
    struct model_stats *stats;
};

struct model_slot {
    char name[MODEL_NAME_MAX + 1];
    bool unloaded;                       /* by the API: scans leave it alone */
    char *reason;                        /* what is wrong with all of it, or NULL */
    struct model_config config;
    struct version_slot *versions;       /* ascending */
    int n_versions;
};

enum task_kind { TASK_SCAN, TASK_LOAD, TASK_UNLOAD, TASK_CHANGE };

struct task_waiter {
    struct registry_done done;
    struct task_waiter *next;
};

struct task {
    enum task_kind kind;
    char name[MODEL_NAME_MAX + 1];       /* "" for a scan */
    struct registry_change change;
    struct task_waiter *waiters;
    struct task *next;
};

struct registry {
    const struct options *options;
    struct log *log;
    struct metrics *metrics;
    struct repository *repository;
    struct registry_watch watch;
    char *notes;                         /* of the last scan; the loader's */
    pthread_mutex_t lock;
    struct model_slot **slots;           /* sorted by name */
    int n_slots;
    struct task *tasks;                  /* waiting, in order */
    pthread_cond_t wake;
    bool stopping;
    pthread_t loader;
    bool loader_started;
    _Atomic bool started;
};

/* The slot of a name, or NULL; `ret_index` (may be NULL) is where it is or belongs. */
struct model_slot *registry_slot(const struct registry *registry, const char *name,
                                 int *ret_index);

/* registry_apply.c, called by the loader: brings one model to what was seen in the repository. `ask`
 * is true when the API asked for it: what failed before is tried again. False sets `problem`. */
bool registry_apply(struct registry *registry, const struct repository_model *seen, bool ask,
                    struct problem *problem);
/* Stops serving a model. Kept in the index as unloaded, or (`forget`) dropped from it. */
void registry_retire(struct registry *registry, struct model_slot *slot, bool forget);

/* registry_loader.c */
void *registry_loader_main(void *registry);

#endif
