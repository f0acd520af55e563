/* SPDX-License-Identifier: Apache-2.0
 * engine/train/loss_targets.h - how the targets of a loss lie beside its values: shared by the
 * check and the run. No state. */
#ifndef ENGINE_TRAIN_LOSS_TARGETS_H
#define ENGINE_TRAIN_LOSS_TARGETS_H

#include "engine/train/loss.h"

enum target_form { TARGETS_UNFIT, TARGETS_ELEMENTS, TARGETS_IDS, TARGETS_SOFT };

/* Values as [outer, classes, inner]; for losses of single elements classes is 1 and inner 1. */
struct loss_layout {
    enum target_form form;
    int64_t outer, classes, inner;
};

struct loss_layout loss_layout(const struct loss_form *form, const struct shape *values,
                               const struct tensor *targets);
/* Elements from .. from + count - 1 as floats. */
void loss_load_targets(const struct tensor *targets, int64_t from, int64_t count, float *ret);

#endif
