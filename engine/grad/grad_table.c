/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/grad/families.h"

#include <string.h>

static const struct grad_def *const families[] = {
#define X(name) grads_##name,
    GRAD_FAMILY_MAP(X)
#undef X
};

const struct grad_def *grad_find(const struct op_def *op)
{
    for (size_t f = 0; f < sizeof(families) / sizeof(families[0]); f++)
        for (const struct grad_def *grad = families[f]; grad->name != NULL; grad++)
            if (strcmp(grad->name, op->name) == 0 && strcmp(grad->domain, op->domain) == 0)
                return grad;
    return NULL;
}
