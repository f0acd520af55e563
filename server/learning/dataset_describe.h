/* SPDX-License-Identifier: Apache-2.0
 * server/learning/dataset_describe.h - what a data file holds, as JSON; and a memory of that, for text
 * files have to be read whole to know it. One thread. */
#ifndef SERVER_LEARNING_DATASET_DESCRIBE_H
#define SERVER_LEARNING_DATASET_DESCRIBE_H

#include "proto/problem.h"
#include "proto/text.h"

#include <sys/stat.h>

struct dataset_cache;

/* NULL when out of memory. */
struct dataset_cache *dataset_cache_create(void);
/* Takes NULL. */
void dataset_cache_destroy(struct dataset_cache *cache);
/* Remembers the description of the file that `info` is of. */
void dataset_cache_keep(struct dataset_cache *cache, const char *name, const struct stat *info,
                        const struct text *text);

/* Appends {"name", "format", "bytes", "rows", "columns": [{"name", "datatype", "shape"}, ...]}; of more
 * than 1,000 columns the first. From the cache (NULL: none) if it knows the file, else by reading it.
 * False sets `problem`: what is wrong with the file, by line and column. */
bool dataset_describe(struct dataset_cache *cache, const char *name, int fd,
                      const struct stat *info, struct text *text, struct problem *problem);

#endif
