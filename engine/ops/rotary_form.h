/* SPDX-License-Identifier: Apache-2.0
 * engine/ops/rotary_form.h - the attributes and sizes of RotaryEmbedding, for the operator and its
 * gradient. */
#ifndef ENGINE_OPS_ROTARY_FORM_H
#define ENGINE_OPS_ROTARY_FORM_H

#include "engine/tensor.h"

enum { ROTARY_X, ROTARY_COS, ROTARY_SIN, ROTARY_PLACES };

struct rotary_params {
    int64_t heads, rotated; /* 0: not stated */
    bool interleaved;
};

struct rotary_extent {
    int64_t batch, heads, length, head, rotated;
};

/* NULL, or what does not fit: a constant text. */
const char *rotary_sizes(const struct rotary_params *params, const struct shape *x,
                         struct rotary_extent *ret);

#endif
