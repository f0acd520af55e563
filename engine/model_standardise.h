/* SPDX-License-Identifier: Apache-2.0
 * engine/model_standardise.h - a model that standardises one of its inputs itself. Any thread. */
#ifndef ENGINE_MODEL_STANDARDISE_H
#define ENGINE_MODEL_STANDARDISE_H

#include "engine/model.h"

/* Another model: `model` (loaded with keep_source, no external data), in which input number `input`, a
 * float32, first loses `mean` and is then divided by `deviation`: float32 tensors that broadcast
 * against it. Loaded with the same options. NULL sets `err`. */
struct model *model_standardise(const struct model *model, int input, const struct tensor *mean,
                                const struct tensor *deviation, struct engine_error *err);

#endif
