/* SPDX-License-Identifier: Apache-2.0
 * engine/ops/einsum_product.h - the product that an einsum's form says, as matrix products. Einsum and
 * its gradient, which is an einsum too, share it. */
#ifndef ENGINE_OPS_EINSUM_PRODUCT_H
#define ENGINE_OPS_EINSUM_PRODUCT_H

#include "engine/ops/einsum_form.h"

/* Scratch memory for elements of `size` bytes. False when it cannot be counted. */
bool einsum_scratch(const struct einsum_form *form, const struct shape *const *shapes, size_t size,
                    size_t *ret_bytes);
/* `tensors` are those of form->inputs, of the type `dtype`: float, double, or integers of 64 bits. `to` has
 * the sizes of form->output, whose labels differ from each other; along one that no input has it
 * repeats. */
void einsum_product(const struct einsum_form *form, enum dtype dtype,
                    const struct tensor *const *tensors, void *to, void *scratch);

#endif
