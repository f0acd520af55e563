/* SPDX-License-Identifier: Apache-2.0
 * server/tensor_bridge.h - tensors of the wire and tensors of the engine: types, names, shapes. Both
 * sides hold elements alike (FP16 and BF16 as 16 raw bits), so nothing is copied: what comes out
 * points to where the data was. Any thread. */
#ifndef SERVER_TENSOR_BRIDGE_H
#define SERVER_TENSOR_BRIDGE_H

#include "engine/engine.h"
#include "proto/wire_tensor.h"
#include "server/serving/registry.h"

/* WIRE_NONE for what cannot cross the wire. */
enum wire_type wire_type_from_dtype(enum dtype dtype);
/* DTYPE_NONE for WIRE_NONE. */
enum dtype dtype_from_wire_type(enum wire_type type);

/* How an input or output is described to clients; the name is borrowed. False (UNSUPPORTED) when its
 * type cannot cross the wire. */
bool tensor_spec_from_io(const struct model_io *io, struct tensor_spec *ret_spec,
                         struct engine_error *err);

/* Puts the inputs of a request in the model's order as `ret_inputs` (entry->n_inputs of them), and the
 * number of rows they share in `ret_rows` (1 if the entry is not batchable). False sets a 400 that
 * names the input and what was expected: missing, unknown, given twice, of another type or shape. */
bool tensor_bridge_inputs(const struct model_entry *entry, const struct wire_tensor *inputs,
                          int n_inputs, struct tensor *ret_inputs, int64_t *ret_rows,
                          struct problem *problem);

/* The index of an output by name, -1 if there is none. */
int tensor_bridge_find_output(const struct model_entry *entry, const char *name);
/* Output `index` of a run; valid as long as `tensor`'s data and the entry. False for a type or rank
 * that cannot cross the wire. */
bool tensor_bridge_output(const struct model_entry *entry, int index, const struct tensor *tensor,
                          struct wire_tensor *ret_tensor, struct problem *problem);

#endif
