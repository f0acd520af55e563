/* SPDX-License-Identifier: Apache-2.0
 * clients/c/npy.h - arrays as NumPy saves them (format 1 to 3), read into tensors: booleans,
 * integers and floats of little-endian byte order, and strings (S, U) as BYTES. */
#ifndef CLIENTS_C_NPY_H
#define CLIENTS_C_NPY_H

#include "proto/message_memory.h"
#include "proto/wire_tensor.h"

/* Reads the bytes of a file. Row-major data stays in `bytes`; what must be rearranged (column-major
 * arrays, strings) lives in `memory`. False with `problem` for a file that is no .npy or holds what
 * we do not take. The tensor has no name. */
bool npy_read(const void *bytes, size_t length, struct message_memory *memory,
              struct wire_tensor *ret_tensor, struct problem *problem);

#endif
