/* SPDX-License-Identifier: Apache-2.0
 * server/learning/safetensors.h - the safetensors format over bytes in memory: eight bytes of header
 * length (little-endian), a JSON object, the tensors' data without gaps. Every other tool that reads
 * the format reads what is written here. Pure: no files. */
#ifndef SERVER_LEARNING_SAFETENSORS_H
#define SERVER_LEARNING_SAFETENSORS_H

#include "engine/dtype.h"
#include "engine/shape.h"
#include "proto/text.h"
#include "server/learning/storage_fault.h"

enum {
    SAFETENSORS_HEADER_BYTES_MAX = 16 << 20,
    SAFETENSORS_NAME_BYTES_MAX = 1024,
    SAFETENSORS_TENSORS_MAX = 1 << 17,
    SAFETENSORS_NOTES_MAX = 64,
};

struct named_tensor {
    const char *name;           /* UTF-8 */
    enum dtype dtype;           /* any but string */
    struct shape shape;
    const void *data;           /* when read: within the file's bytes, aligned to nothing */
    size_t bytes;
};

/* A member of "__metadata__". */
struct safetensors_note {
    const char *name, *value;
};

struct safetensors {
    struct named_tensor *tensors;               /* in the order of their data */
    struct safetensors_note *notes;             /* in the order of the file */
    size_t n_tensors, n_notes, data_at;
    char *words;                                /* names and values live here */
};

/* Reads and checks all of it: bounds, types, shapes, that the data is covered once and wholly, that
 * no name comes twice. `file_bytes` is borrowed for as long as `ret` lives. DAMAGED says what and at
 * which byte; `file` is the name for the fault. */
enum storage_status safetensors_read(const char *file, const unsigned char *file_bytes, size_t bytes,
                                     struct safetensors *ret, struct storage_fault *fault);
void safetensors_finish(struct safetensors *safetensors);
/* NULL if there is none of that name. */
const char *safetensors_note(const struct safetensors *safetensors, const char *name);
const struct named_tensor *safetensors_find(const struct safetensors *safetensors, const char *name);

/* The length and the JSON object into `header`, padded so that the data after it, in the order given,
 * starts at a multiple of eight. LIMIT if a name or their number is out of bounds. */
enum storage_status safetensors_write_header(const struct named_tensor *tensors, size_t n_tensors,
                                             const struct safetensors_note *notes, size_t n_notes,
                                             struct text *header, struct storage_fault *fault);

/* "F32", "I64", ...; NULL for a type the format has not. */
const char *safetensors_dtype_name(enum dtype dtype);

#endif
