/* SPDX-License-Identifier: Apache-2.0
 * engine/grad/tape_bind.h - from planned offsets to the pointers that a run uses. */
#ifndef ENGINE_GRAD_TAPE_BIND_H
#define ENGINE_GRAD_TAPE_BIND_H

#include "engine/grad/tape_private.h"

/* tape_layout.c: the gradient of that input of that step is asked for. */
bool tape_wants(const struct tape_builder *builder, int step, int input);
/* tape_layout.c: the step makes that output. */
bool tape_makes(const struct tape_builder *builder, int step, int output);

/* Operand tensors by value id and arrays by step. False when out of memory. */
bool tape_allocate_operands(struct tape_builder *builder);
/* Takes the block, fills all pointers that never change and lists those that the caller gives. */
enum engine_status tape_bind_steps(struct tape_builder *builder, struct engine_error *err);

#endif
