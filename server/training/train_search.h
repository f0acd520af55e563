/* SPDX-License-Identifier: Apache-2.0
 * server/training/train_search.h - many short runs over a space of options, to find a good one: by a
 * grid, at random, or by what earlier runs came to (tree-structured Parzen estimators, Bergstra et al.
 * 2011). Which options are tried follows from the seed alone. One thread at a time. */
#ifndef SERVER_TRAINING_TRAIN_SEARCH_H
#define SERVER_TRAINING_TRAIN_SEARCH_H

#include "server/training/train_run.h"

/* `hooks` are told of each run as it ends, and (with hooks->ranked) of all again in the end, the
 * best first, numbered by rank; each run asks hooks->step after its steps. `ret_options` gets the
 * best setting (its texts are those of `options`, and of `ret_texts`, which the caller frees).
 * False with `problem`. A setting that diverges is merely bad. */
bool train_search(const struct train_options *options, const struct train_session *session,
                  const struct train_hooks *hooks, struct train_options *ret_options,
                  char **ret_texts, struct problem *problem);

#endif
