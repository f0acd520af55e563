/* SPDX-License-Identifier: Apache-2.0
 * What only the optimiser makes: training takes the model as it was written. */
#include "engine/grad/families.h"

#define MADE_BY_OPTIMISER(NAME) \
    {.domain = "inferd", .name = NAME, \
     .why_not = "only the optimiser makes it: training takes the model as it was written"}

const struct grad_def grads_packed[] = {
    MADE_BY_OPTIMISER("PackConv"),
    MADE_BY_OPTIMISER("PackedBottleneck"),
    MADE_BY_OPTIMISER("PackedConv"),
    MADE_BY_OPTIMISER("PackGemm"),
    MADE_BY_OPTIMISER("PackedGemm"),
    MADE_BY_OPTIMISER("PackRecurrent"),
    MADE_BY_OPTIMISER("PackedRNN"),
    MADE_BY_OPTIMISER("PackedGRU"),
    MADE_BY_OPTIMISER("PackedLSTM"),
    MADE_BY_OPTIMISER("MaxPoolLast"),
    MADE_BY_OPTIMISER("AveragePoolLast"),
    MADE_BY_OPTIMISER("GlobalMaxPoolLast"),
    MADE_BY_OPTIMISER("GlobalAveragePoolLast"),
    MADE_BY_OPTIMISER("Attention"),
    {0},
};
