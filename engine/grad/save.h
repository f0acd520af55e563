/* SPDX-License-Identifier: Apache-2.0
 * engine/grad/save.h - what several families tell the tape to keep (grad_def.prepare). */
#ifndef ENGINE_GRAD_SAVE_H
#define ENGINE_GRAD_SAVE_H

#include "engine/grad/grad.h"

/* A product of two: each factor is kept for the gradient of the other. */
enum engine_status save_crosswise(struct grad_prepare *prepare, struct engine_error *err);

#endif
