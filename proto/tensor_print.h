/* SPDX-License-Identifier: Apache-2.0
 * proto/tensor_print.h - elements of a tensor as JSON. Floats shortest, FP16 and BF16 as the float
 * they are; BOOL as true and false; BYTES as strings. */
#ifndef PROTO_TENSOR_PRINT_H
#define PROTO_TENSOR_PRINT_H

#include "proto/text.h"
#include "proto/wire_tensor.h"

/* How floats that are not finite are spelled: JSON has no word for them. */
enum non_finite {
    NON_FINITE_TOKEN, /* NaN, Infinity, -Infinity: not JSON, but what many readers take */
    NON_FINITE_NULL   /* null, all three */
};

/* "[1.0,2.0,3.0]": all elements, whatever the shape. */
void tensor_print_flat(struct text *text, const struct wire_tensor *tensor,
                       enum non_finite non_finite);
/* The part from element `offset` that dims[first_dim..] describe, nested; the bare element when no
 * dimension is left. `base64`: BYTES as {"b64": "..."}. */
void tensor_print_nested(struct text *text, const struct wire_tensor *tensor, int first_dim,
                         int64_t offset, bool base64, enum non_finite non_finite);

#endif
