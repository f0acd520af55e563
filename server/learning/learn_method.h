/* SPDX-License-Identifier: Apache-2.0
 * server/learning/learn_method.h - how an update was learnt, as far as its bits depend on it. It is in the
 * update's row ("method" in its settings), so that the row leads to the same weights whatever config.json
 * says by then. Two parts:
 *
 * - numbers of the optimiser: any row may have its own; the trainer is set to them for that step;
 * - the trainer's build (kind of optimiser, loss, which tensors learn): what its state consists of. All rows
 *   on the way to a state have the same; a change of it is a row of kind TRAIN (learner_method.c).
 *
 * Pure functions; any thread. */
#ifndef SERVER_LEARNING_LEARN_METHOD_H
#define SERVER_LEARNING_LEARN_METHOD_H

#include "engine/train/optimiser.h"
#include "proto/text.h"
#include "server/learning/learn_config.h"

#include <jansson.h>
#include <stdbool.h>

/* As a JSON object. */
void learn_method_write(const struct learn_config *config, struct text *text);
/* The reverse; all else in `ret` is the configuration's default. False (untouched) if it is no method. */
bool learn_method_read(const json_t *object, struct learn_config *ret);
struct optimiser_form learn_method_form(const struct learn_config *config);
/* The key of config.json by which the builds differ, or NULL. */
const char *learn_method_moved(const struct learn_config *a, const struct learn_config *b);
/* The build of `from`. */
void learn_method_take_build(struct learn_config *config, const struct learn_config *from);

#endif
