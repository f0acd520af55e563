/* SPDX-License-Identifier: Apache-2.0
 * engine/train/dataset.h - examples to learn from or to be judged by: named fields, each with one
 * tensor for every example.
 *
 * A dataset is filled by one thread, and from then on any number of threads read it. Values are
 * kept in the type they came in and are converted when they are gathered, so that images of bytes
 * stay bytes. What exceeds the memory option goes to a file without a name, which vanishes with the
 * process. Order is nobody's property: batches.h and split.h deal in example numbers, and no
 * example is ever moved. */
#ifndef ENGINE_TRAIN_DATASET_H
#define ENGINE_TRAIN_DATASET_H

#include "engine/error.h"
#include "engine/tensor.h"

#include <stdint.h>

struct dataset;

enum dataset_role {
    DATASET_INPUT,  /* what the model is given */
    DATASET_TARGET, /* what it should answer: values or class ids */
};

struct dataset_field {
    const char *name;
    enum dataset_role role;
    enum dtype dtype;   /* as stored: a number or bool */
    struct shape shape; /* of one example, without the batch dimension: rank below SHAPE_RANK_MAX */
};

enum { DATASET_FIELDS_MAX = 64, DATASET_NAME_BYTES_MAX = 256 };
/* Example numbers are 32 bits. */
#define DATASET_EXAMPLES_MAX ((int64_t)UINT32_MAX)

struct dataset_options {
    size_t memory_bytes_max; /* of examples held in memory; 0: 1 GiB */
    const char *spill_dir;   /* where the rest goes; NULL: more than fits is refused (OVER_BUDGET) */
    uint64_t spill_bytes_max; /* of that file; 0: as the disk allows */
    int64_t examples_max;    /* 0: DATASET_EXAMPLES_MAX */
};

/* Copies the fields and their names. Names are unique; the shape of a field has at least one
 * element. NULL with `err` on failure. `options` may be NULL. */
struct dataset *dataset_create(const struct dataset_field *fields, int n_fields,
                               const struct dataset_options *options, struct engine_error *err);
/* Takes NULL. */
void dataset_destroy(struct dataset *dataset);

/* Adds `n` examples: data[f] holds n row-major tensors of field f, in the field's type. On failure
 * (NO_MEMORY, OVER_BUDGET, IO) nothing is added. */
enum engine_status dataset_append(struct dataset *dataset, const void *const *data, int64_t n,
                                  struct engine_error *err);

const struct dataset_field *dataset_field(const struct dataset *dataset, int field);
int64_t dataset_n_examples(const struct dataset *dataset);
/* Of examples in memory, and of those in the file. */
size_t dataset_memory_bytes(const struct dataset *dataset);
uint64_t dataset_spilled_bytes(const struct dataset *dataset);

/* Reads `field` of the examples examples[0] .. examples[n - 1], in that order, into ret->data (room
 * for n of them) as ret->dtype, any number type: integers beyond its range wrap, floats become
 * integers by truncation. Writes nothing else of `ret`. Example numbers are in range. Fails only
 * with IO. Any thread. */
enum engine_status dataset_gather(const struct dataset *dataset, int field,
                                  const uint32_t *examples, int64_t n, struct tensor *ret,
                                  struct engine_error *err);
/* The same for the consecutive examples `first` .. `first` + n - 1. */
enum engine_status dataset_read(const struct dataset *dataset, int field, int64_t first, int64_t n,
                                struct tensor *ret, struct engine_error *err);

#endif
