/* SPDX-License-Identifier: Apache-2.0
 * engine/onnx/onnx_names.h - a table from names to numbers while a model file is read. Keys are
 * views of the file. The hash is keyed at random for each table, so a file cannot be made whose
 * names all collide. */
#ifndef ENGINE_ONNX_ONNX_NAMES_H
#define ENGINE_ONNX_ONNX_NAMES_H

#include "engine/arena.h"
#include "engine/dtype.h"

#include <stdint.h>

struct onnx_names {
    struct arena *arena; /* borrowed; what a growing table leaves behind stays there */
    uint64_t key[2];
    struct onnx_name *slots;
    size_t n_slots, n_names; /* n_slots is a power of two, or 0 */
};

struct onnx_name {
    struct bytes name; /* data NULL: free */
    uint64_t hash;
    int number;
};

void onnx_names_init(struct onnx_names *names, struct arena *arena);
/* True with the number if the name is there. */
bool onnx_names_find(const struct onnx_names *names, const struct bytes *name, int *ret_number);
enum onnx_names_result { ONNX_NAMES_ADDED, ONNX_NAMES_TWICE, ONNX_NAMES_NO_MEMORY };
/* Adds a name that is not there yet; TWICE leaves the table as it was. */
enum onnx_names_result onnx_names_add(struct onnx_names *names, const struct bytes *name,
                                      int number);

#endif
