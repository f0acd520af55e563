/* SPDX-License-Identifier: Apache-2.0
 * What the optimiser makes of convolutions and products: training takes the model as it was written. */
#include "engine/grad/families.h"

#define MADE_BY_OPTIMISER(NAME) \
    {.domain = "inferd", .name = NAME, \
     .why_not = "only the optimiser makes it: training takes the model as it was written"}

const struct grad_def grads_packed[] = {
    MADE_BY_OPTIMISER("PackConv"),
    MADE_BY_OPTIMISER("PackedConv"),
    MADE_BY_OPTIMISER("PackGemm"),
    MADE_BY_OPTIMISER("PackedGemm"),
    {0},
};
