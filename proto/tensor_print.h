/* SPDX-License-Identifier: Apache-2.0
 * proto/tensor_print.h - elements of a tensor as JSON. Floats shortest, FP16 and BF16 as the float
 * they are; BOOL as true and false; BYTES as strings. */
#ifndef PROTO_TENSOR_PRINT_H
#define PROTO_TENSOR_PRINT_H

#include "proto/text.h"
#include "proto/wire_tensor.h"

/* "[1.0,2.0,3.0]": all elements, whatever the shape. */
void tensor_print_flat(struct text *text, const struct wire_tensor *tensor);
/* The part from element `offset` that dims[first_dim..] describe, nested; the bare element when no
 * dimension is left. `base64`: BYTES as {"b64": "..."}. */
void tensor_print_nested(struct text *text, const struct wire_tensor *tensor, int first_dim,
                         int64_t offset, bool base64);

#endif
