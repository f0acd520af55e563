/* SPDX-License-Identifier: Apache-2.0
 * server/whole_file.h - a file that is replaced at once: whoever opens its name finds the old one or
 * the new one, whole. */
#ifndef SERVER_WHOLE_FILE_H
#define SERVER_WHOLE_FILE_H

#include "proto/problem.h"

#include <stddef.h>

struct whole_part {
    const void *data;
    size_t size;
};

/* The parts one after another, beside it first, synced, renamed. False with `problem` (500, "io"). */
bool whole_file_write(const char *path, const struct whole_part *parts, size_t n_parts,
                      struct problem *problem);

#endif
