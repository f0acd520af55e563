/* SPDX-License-Identifier: Apache-2.0
 * engine/grad/back.h - gradients of operators that only put elements elsewhere: each element's
 * gradient goes back the way it came. */
#ifndef ENGINE_GRAD_BACK_H
#define ENGINE_GRAD_BACK_H

#include "engine/grad/grad.h"
#include "engine/ops/moves.h"

/* Makes the gradient at `to` of what `placed` moved to where `from` has its gradient: overwrites all of
 * `to` (with zero where nothing was moved from), or adds. An element that went to several places gets the
 * sum. */
void move_back(const struct placed_move *placed, const struct tensor *from, const struct tensor *to,
               bool accumulate);

/* All of `to` becomes zero. */
void clear(const struct tensor *to);

#endif
