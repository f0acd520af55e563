/* SPDX-License-Identifier: Apache-2.0
 * server/serving/repository_files.h - how files of the repository are opened: each step from its
 * parent's descriptor, by a name without '/' that has been checked, without following symbolic
 * links. So nothing outside the root is reached. */
#ifndef SERVER_SERVING_REPOSITORY_FILES_H
#define SERVER_SERVING_REPOSITORY_FILES_H

#include "proto/text.h"
#include "server/serving/repository.h"

#include <sys/stat.h>

struct repository {
    char *root, *file, *store; /* store: the second root, or NULL */
};

/* The root that has a model of that name, opened; -1 sets errno. */
int repository_open_root(const struct repository *repository, const char *name);

extern const char repository_model_file[];     /* "model.onnx" */
/* What a model given as one file is called; its version is "1". */
extern const char repository_single_name[];

struct file_stamp file_stamp_of(const struct stat *info);
/* A directory beneath `parent`; -1 sets errno. */
int repository_open_directory(int parent, const char *name);
/* Why that failed, as a phrase. */
const char *repository_why_not(int error);
/* A regular file beneath `parent`, opened for reading. Returns -1 and why not, a phrase that fits
 * behind the file's name. */
int repository_open_file(int parent, const char *name, struct stat *ret_info, const char **ret_why);

/* "what why" in memory of its own; NULL when there is none. */
char *repository_reason(const char *what, const char *why);
/* One line about something that is passed over; the name is shown as far as it prints. */
void repository_note(struct text *notes, const char *name, const char *why);

/* repository_model.c: fills `model` with what lies in the directory of that valid name. */
void repository_look(int root_fd, const char *name, struct repository_model *model,
                     struct text *notes);

#endif
