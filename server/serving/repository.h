/* SPDX-License-Identifier: Apache-2.0
 * server/serving/repository.h - what lies in the model repository: <model>/<version>/model.onnx and
 * <model>/config.json, or one file given on the command line. Only looks; the registry decides.
 * The repository is the user's and is never written. Used by the loader thread alone. */
#ifndef SERVER_SERVING_REPOSITORY_H
#define SERVER_SERVING_REPOSITORY_H

#include "engine/model.h"
#include "server/serving/model_config.h"

#include <stdbool.h>
#include <stdint.h>

enum { MODEL_NAME_MAX = 64, VERSION_TEXT_MAX = 20 /* 2^63 - 1 has 19 digits */ };

/* Two equal stamps: the file has not changed. Zeroed: there is no file. */
struct file_stamp {
    uint64_t device, inode, size;
    int64_t mtime_ns, ctime_ns;
};

struct repository_version {
    uint64_t number;
    char text[VERSION_TEXT_MAX];
    struct file_stamp stamp;
    char *reason;                        /* why it cannot be loaded, or NULL */
};

struct repository_model {
    char name[MODEL_NAME_MAX + 1];
    struct model_config config;
    struct file_stamp config_stamp;
    bool broken;                         /* config.json or the directory cannot be read: then nothing
                                            is known of versions, and what serves should go on */
    char *reason;                        /* why no version can be loaded, or NULL */
    struct repository_version *versions; /* those the version policy wants, ascending */
    int n_versions;
};

struct repository_snapshot {
    struct repository_model *models;     /* sorted by name */
    int n_models;
    char *notes;                         /* what was passed over and why: lines, or NULL */
};

struct repository;

/* `root` is a directory, `file` one model; either may be NULL. Paths are copied. NULL when out of
 * memory. */
struct repository *repository_create(const char *root, const char *file);
/* A second root, <state_dir>/models, that holds what was put over HTTP (server/serving/model_store.h) and
 * may not be there yet. Where both have a name, the user's counts. False when out of memory. */
bool repository_add_store(struct repository *repository, const char *state_dir);
/* True if the user's root, or the one file, has a model of that name. */
bool repository_is_users(const struct repository *repository, const char *name);
void repository_destroy(struct repository *repository);

/* Looks at all models. False when the root itself cannot be read; `ret_snapshot` must be finished
 * either way only on true. `err` names no path. */
bool repository_scan(struct repository *repository, struct repository_snapshot *ret_snapshot,
                     struct engine_error *err);
/* Looks at one model only; a snapshot of none or one. */
bool repository_scan_model(struct repository *repository, const char *name,
                           struct repository_snapshot *ret_snapshot, struct engine_error *err);
void repository_snapshot_finish(struct repository_snapshot *snapshot);

/* A version's file as it was loaded: whoever wants its bytes again reads them through `fd` and compares
 * the stamp, so that a file that was written over in between is seen. */
struct repository_file {
    struct file_stamp stamp;
    int fd;                              /* for reading; the caller closes it */
};

/* Loads a version's file. If the file changes meanwhile, fails and says so. `ret_file->stamp` is set, as far
 * as it is known, on failure too. */
struct model *repository_load(struct repository *repository, const char *name, const char *version,
                              const struct model_options *options, struct repository_file *ret_file,
                              struct engine_error *err);

bool file_stamp_equal(const struct file_stamp *a, const struct file_stamp *b);
/* The same file, not written since: it may have been renamed or unlinked. */
bool file_stamp_same_bytes(const struct file_stamp *a, const struct file_stamp *b);
/* ^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$ */
bool model_name_is_valid(const char *name);
/* 1 .. 2^63 - 1 without leading zeros. */
bool version_parse(const char *text, uint64_t *ret_number);

#endif
