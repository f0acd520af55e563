/* SPDX-License-Identifier: Apache-2.0
 * server/serving/registry.h - name and version to a loaded model; loads, unloads and replaces
 * without disturbing anyone. Entries are reference-counted: whoever found one may finish with it.
 *
 * Loading happens on one loader thread of the registry's own, and so does every `done` callback:
 * once for each call, with problem->status 0 on success. Finding takes a short lock. */
#ifndef SERVER_SERVING_REGISTRY_H
#define SERVER_SERVING_REGISTRY_H

#include "engine/engine.h"
#include "proto/problem.h"
#include "proto/wire_tensor.h"
#include "server/serving/repository.h"
#include "server/serving/tap.h"

struct log;
struct metrics;
struct model_queue;                      /* server/serving/batcher.h */
struct model_stats;                      /* server/observe/statistics.h */
struct options;
struct registry;

struct model_entry {
    const char *name, *version;
    struct model *model;
    bool batchable;
    int batch_size_max;                  /* 1 when not batchable */
    int64_t queue_delay_us;              /* how long a batch may wait to fill */
    const struct tensor_spec *inputs, *outputs;
    int n_inputs, n_outputs;
    struct model_stats *stats;           /* lives as long as struct metrics */
    struct model_queue *queue;           /* the scheduler's, under its lock */
    struct tap tap;                      /* for who wants to see its predictions */
    int file_fd;                         /* for reading its file again; -1: none */
    struct file_stamp file_stamp;        /* what that was when it was loaded */
};

enum model_state { MODEL_LOADING, MODEL_READY, MODEL_UNLOADING, MODEL_UNAVAILABLE };

/* A copy of what is known of one version, for the repository index. */
struct registry_row {
    char *name;
    char *version;                       /* NULL: the directory holds no version */
    enum model_state state;
    char *reason;                        /* why it is not ready, or why a reload failed; or NULL */
};

struct registry_list {
    struct registry_row *rows;           /* by name, then by version, ascending */
    int n_rows;
};

/* Who hears that a load or scan is through; `call` may be NULL. */
struct registry_done {
    void (*call)(void *arg, const struct problem *problem);
    void *arg;
};

/* Who is told of entries that come and go, on the loader thread. */
struct registry_watch {
    /* Before the entry serves; false sets `err`, and it does not. */
    bool (*loading)(void *arg, struct model_entry *entry, const struct model_config *config,
                    struct engine_error *err);
    /* Before the entry that took its place serves, or after it has stopped serving. Its learnt state may be
     * opened again from then on. */
    void (*leaving)(void *arg, struct model_entry *entry);
    void *arg;
};

/* Before the first scan. */
void registry_set_watch(struct registry *registry, const struct registry_watch *watch);

/* Starts the loader thread; loads nothing yet. Borrows its arguments. NULL sets `problem`. */
struct registry *registry_create(const struct options *options, struct log *log,
                                 struct metrics *metrics, struct problem *problem);
/* Finishes the load under way, answers what waits with 503, and lets every entry go. */
void registry_destroy(struct registry *registry);

/* Looks at the repository and loads, replaces and unloads what has changed; versions unloaded
 * through the API stay so. The first one is start-up. Returns at once. One model that fails does not
 * make the scan fail. Scans asked for while one waits are joined. Any thread. */
void registry_scan(struct registry *registry, struct registry_done done);
/* Loads (again) all wanted versions of one model; a load that is waiting already is joined. A reload
 * that fails leaves the old one serving: 422 says why. */
void registry_load(struct registry *registry, const char *name, struct registry_done done);
void registry_unload(struct registry *registry, const char *name, struct registry_done done);
/* Calls `change` on the loader thread, which may write beneath options->state_dir/models, and then loads
 * the model again. If it returns false with its problem, nothing is loaded. Refused with 409 for a
 * model of the user's own repository, which is never written. */
struct registry_change {
    bool (*call)(void *arg, struct problem *problem);
    void *arg;
};
void registry_change(struct registry *registry, const char *name, struct registry_change change,
                     struct registry_done done);
/* True from the end of the first scan. */
bool registry_started(const struct registry *registry);

/* The version asked for, or (NULL or "") the newest that is ready. NULL sets `problem`: 404 for an
 * unknown model or version, 503 while loading, 503 with the reason when loading failed. The caller
 * gives it back with model_entry_unref(). Any thread. */
struct model_entry *registry_find(struct registry *registry, const char *name, const char *version,
                                  struct problem *problem);
/* As registry_find(), by a label of the model's config.json. */
struct model_entry *registry_find_label(struct registry *registry, const char *name,
                                        const char *label, struct problem *problem);
struct model_entry *model_entry_ref(struct model_entry *entry);
void model_entry_unref(struct model_entry *entry);
/* The generation to use for one whole batch; give back with weights_unref(). `ret_generation` gets
 * its number: 1 for a file's first load, one more for each that replaced it and for each update that it has
 * learnt. Any thread. */
struct weights *model_entry_weights(struct model_entry *entry, int64_t *ret_generation);
/* From now on `weights` (whose reference is taken over) serve, as `generation`. Batches under way finish with
 * what they took. Any thread. */
void model_entry_publish(struct model_entry *entry, struct weights *weights, int64_t generation);

/* All versions of `name` (NULL: of all models). False when out of memory. */
bool registry_list(struct registry *registry, const char *name, struct registry_list *ret_list);
void registry_list_finish(struct registry_list *list);
/* "READY", "UNAVAILABLE", "LOADING", "UNLOADING". */
const char *model_state_text(enum model_state state);

#endif
