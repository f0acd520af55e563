/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/ops/rotary_form.h"

const char *rotary_sizes(const struct rotary_params *params, const struct shape *x,
                         struct rotary_extent *ret)
{
    bool packed = x->rank == 3;

    if (x->rank != 3 && x->rank != 4)
        return "X must have rank 3 or 4";
    if (packed && (params->heads < 1 || x->dims[2] % params->heads != 0))
        return "num_heads must divide the hidden size";
    ret->batch = x->dims[0];
    ret->heads = packed ? params->heads : x->dims[1];
    ret->length = packed ? x->dims[1] : x->dims[2];
    ret->head = packed ? x->dims[2] / params->heads : x->dims[3];
    ret->rotated = params->rotated != 0 ? params->rotated : ret->head;
    if (ret->rotated < 0 || ret->rotated > ret->head || ret->rotated % 2 != 0)
        return "rotary_embedding_dim must be even and at most the head's size";
    return NULL;
}
