/* SPDX-License-Identifier: Apache-2.0
 * engine/model_file.h - the bytes of a model file and the directory that they came from. The whole
 * file is read before anything looks at it: one that shrinks beneath a map is a SIGBUS. */
#ifndef ENGINE_MODEL_FILE_H
#define ENGINE_MODEL_FILE_H

#include "engine/error.h"

#include <stddef.h>

struct model_file {
    void *bytes;
    size_t size;
    int dir_fd; /* beneath which external data is looked for; -1 if it cannot be opened */
};

/* A regular file of less than `bytes_max` bytes (0: any size). IO, OVER_BUDGET or NO_MEMORY. */
enum engine_status model_file_open(const char *path, size_t bytes_max, struct model_file *ret,
                                   struct engine_error *err);
void model_file_close(struct model_file *file);

#endif
