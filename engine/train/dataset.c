/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/train/dataset.h"

#include "engine/kernels/convert.h"
#include "engine/train/dataset_chunks.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { ALIGNMENT = 64, PIECE_BYTES = 16384 };

struct stored_field {
    struct dataset_field field;
    char name[DATASET_NAME_BYTES_MAX];
    int64_t elements;    /* of one example */
    size_t bytes;        /* of one example */
    size_t chunk_offset; /* of this field's block in a chunk */
};

struct dataset {
    int n_fields;
    int64_t n_examples, examples_max;
    struct dataset_chunks chunks;
    struct stored_field fields[]; /* n_fields of them */
};

/* Where some consecutive examples of a field are. */
struct stretch {
    const char *memory; /* NULL: in the file */
    int fd;
    uint64_t offset;
    int64_t examples; /* from the first on, without a gap */
};

static enum engine_status check_field(const struct dataset *dataset, int index,
                                      const struct dataset_field *field, struct stored_field *ret,
                                      struct engine_error *err)
{
    struct shape batch = {field->shape.rank + 1, {1}};
    size_t length = strlen(field->name);

    if (length == 0 || length >= DATASET_NAME_BYTES_MAX)
        return engine_error_set(err, ENGINE_BAD_INPUT,
                                "field %d: its name must have 1 to %d bytes", index,
                                DATASET_NAME_BYTES_MAX - 1);
    for (int i = 0; i < index; i++)
        if (strcmp(dataset->fields[i].name, field->name) == 0)
            return engine_error_set(err, ENGINE_BAD_INPUT, "field '%s' is there twice",
                                    field->name);
    if (compute_dtype(field->dtype) == DTYPE_NONE)
        return engine_error_set(err, ENGINE_BAD_INPUT,
                                "field '%s' has type %s; numbers and bool can be stored",
                                field->name, dtype_name(field->dtype));
    if (field->shape.rank < 0 || field->shape.rank >= SHAPE_RANK_MAX)
        return engine_error_set(err, ENGINE_BAD_INPUT, "field '%s' has %d dimensions; %d are most",
                                field->name, field->shape.rank, SHAPE_RANK_MAX - 1);
    memcpy(batch.dims + 1, field->shape.dims, (size_t)field->shape.rank * sizeof(int64_t));
    if (!shape_check(&batch, dtype_size(field->dtype), &ret->bytes) || ret->bytes == 0)
        return engine_error_set(err, ENGINE_BAD_INPUT,
                                "field '%s' has an example shape that is empty or too large",
                                field->name);
    ret->elements = shape_elements(&field->shape);
    ret->field = *field;
    memcpy(ret->name, field->name, length + 1);
    ret->field.name = ret->name;
    return ENGINE_OK;
}

struct dataset *dataset_create(const struct dataset_field *fields, int n_fields,
                               const struct dataset_options *options, struct engine_error *err)
{
    static const struct dataset_options defaults;
    struct dataset *dataset;
    size_t example_bytes = 0, offset = 0;

    if (options == NULL)
        options = &defaults;
    if (n_fields < 1 || n_fields > DATASET_FIELDS_MAX) {
        engine_error_set(err, ENGINE_BAD_INPUT, "a dataset has 1 to %d fields, not %d",
                         DATASET_FIELDS_MAX, n_fields);
        return NULL;
    }
    dataset = calloc(1, sizeof(*dataset) + (size_t)n_fields * sizeof(dataset->fields[0]));
    if (dataset == NULL) {
        engine_error_set(err, ENGINE_NO_MEMORY, "out of memory");
        return NULL;
    }
    dataset->chunks.fd = -1;
    dataset->n_fields = n_fields;
    dataset->examples_max = DATASET_EXAMPLES_MAX;
    if (options->examples_max > 0 && options->examples_max < DATASET_EXAMPLES_MAX)
        dataset->examples_max = options->examples_max;
    for (int i = 0; i < n_fields; i++) {
        if (check_field(dataset, i, &fields[i], &dataset->fields[i], err) != ENGINE_OK)
            goto fail;
        if (__builtin_add_overflow(example_bytes, dataset->fields[i].bytes, &example_bytes)) {
            engine_error_set(err, ENGINE_BAD_INPUT, "an example is too large");
            goto fail;
        }
    }
    if (dataset_chunks_init(&dataset->chunks, example_bytes, (size_t)n_fields * ALIGNMENT, options,
                            err) != ENGINE_OK)
        goto fail;
    for (int i = 0; i < n_fields; i++) {
        dataset->fields[i].chunk_offset = offset;
        offset += dataset->fields[i].bytes * (size_t)dataset->chunks.chunk_examples;
        offset = (offset + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    }
    assert(offset <= dataset->chunks.chunk_bytes);
    return dataset;
fail:
    dataset_destroy(dataset);
    return NULL;
}

void dataset_destroy(struct dataset *dataset)
{
    if (dataset == NULL)
        return;
    dataset_chunks_finish(&dataset->chunks);
    free(dataset);
}

static enum engine_status check_count(const struct dataset *dataset, int64_t n,
                                      struct engine_error *err)
{
    if (n > dataset->examples_max - dataset->n_examples)
        return engine_error_set(err, ENGINE_OVER_BUDGET, "there are more than %lld examples",
                                (long long)dataset->examples_max);
    return ENGINE_OK;
}

enum engine_status dataset_append(struct dataset *dataset, const void *const *data, int64_t n,
                                  struct engine_error *err)
{
    struct dataset_chunks *chunks = &dataset->chunks;
    enum engine_status status = check_count(dataset, n, err);
    int64_t done = 0, some;

    for (; status == ENGINE_OK && done < n; done += some) {
        status = dataset_chunks_make_room(chunks, err);
        if (status != ENGINE_OK)
            break;
        some = chunks->chunk_examples - chunks->tail_examples;
        if (some > n - done)
            some = n - done;
        for (int f = 0; f < dataset->n_fields; f++) {
            const struct stored_field *field = &dataset->fields[f];

            memcpy(chunks->tail + field->chunk_offset +
                       (size_t)chunks->tail_examples * field->bytes,
                   (const char *)data[f] + (size_t)done * field->bytes,
                   (size_t)some * field->bytes);
        }
        chunks->tail_examples += some;
        dataset->n_examples += some;
    }
    return status;
}

const struct dataset_field *dataset_field(const struct dataset *dataset, int field)
{
    assert(field >= 0 && field < dataset->n_fields);
    return &dataset->fields[field].field;
}

int64_t dataset_n_examples(const struct dataset *dataset)
{
    return dataset->n_examples;
}

size_t dataset_memory_bytes(const struct dataset *dataset)
{
    return dataset_chunks_memory_bytes(&dataset->chunks);
}

uint64_t dataset_spilled_bytes(const struct dataset *dataset)
{
    return (uint64_t)dataset->chunks.n_spilled * dataset->chunks.chunk_bytes;
}

static const struct stored_field *stored_field(const struct dataset *dataset, int field)
{
    assert(field >= 0 && field < dataset->n_fields);
    return &dataset->fields[field];
}

static struct stretch locate(const struct dataset *dataset, const struct stored_field *field,
                             int64_t example)
{
    const struct dataset_chunks *chunks = &dataset->chunks;
    struct stretch stretch;
    size_t within;

    assert(example >= 0 && example < dataset->n_examples);
    within = field->chunk_offset + (size_t)(example % chunks->chunk_examples) * field->bytes;
    stretch.memory = dataset_chunks_find(chunks, example / chunks->chunk_examples, &stretch.offset);
    stretch.fd = chunks->fd;
    stretch.examples = chunks->chunk_examples - example % chunks->chunk_examples;
    if (stretch.memory != NULL)
        stretch.memory += within;
    else
        stretch.offset += within;
    return stretch;
}

/* By way of the widest of the two kinds, so that no digit is lost that the target could hold. */
static void convert(enum dtype from, const void *src, enum dtype to, void *dst, int64_t n)
{
    const size_t from_bytes = dtype_size(from), to_bytes = dtype_size(to);
    enum dtype compute = compute_dtype(to);
    uint64_t wide[CONVERT_CHUNK];
    int64_t some;

    if (from == to) {
        memcpy(dst, src, (size_t)n * to_bytes);
    } else if (to == compute) {
        load_as(compute, from, n, src, dst);
    } else {
        if (dtype_is_float(to) && from == DTYPE_F64)
            compute = DTYPE_F64;
        for (; n > 0; n -= some) {
            some = n < CONVERT_CHUNK ? n : CONVERT_CHUNK;
            load_as(compute, from, some, src, wide);
            store_as(compute, to, some, wide, dst);
            src = (const char *)src + (size_t)some * from_bytes;
            dst = (char *)dst + (size_t)some * to_bytes;
        }
    }
}

/* `elements` from the file, converted piece by piece. */
static enum engine_status read_piecewise(const struct stretch *stretch, enum dtype from,
                                         int64_t elements, enum dtype to, char *dst,
                                         struct engine_error *err)
{
    _Alignas(8) char piece[PIECE_BYTES];
    const size_t size = dtype_size(from);
    uint64_t offset = stretch->offset;
    int64_t some;

    for (; elements > 0; elements -= some) {
        some = (int64_t)(sizeof(piece) / size);
        if (some > elements)
            some = elements;
        if (dataset_pread(stretch->fd, piece, (size_t)some * size, offset, err) != ENGINE_OK)
            return ENGINE_IO;
        convert(from, piece, to, dst, some);
        offset += (size_t)some * size;
        dst += (size_t)some * dtype_size(to);
    }
    return ENGINE_OK;
}

/* Up to `n` consecutive examples from `example` on; returns how many, 0 on failure. */
static int64_t read_stretch(const struct dataset *dataset, const struct stored_field *field,
                            int64_t example, int64_t n, enum dtype to, char *dst,
                            struct engine_error *err)
{
    struct stretch stretch = locate(dataset, field, example);
    const enum dtype from = field->field.dtype;
    enum engine_status status = ENGINE_OK;

    if (n > stretch.examples)
        n = stretch.examples;
    if (stretch.memory != NULL)
        convert(from, stretch.memory, to, dst, n * field->elements);
    else if (from == to)
        status = dataset_pread(stretch.fd, dst, (size_t)n * field->bytes, stretch.offset, err);
    else
        status = read_piecewise(&stretch, from, n * field->elements, to, dst, err);
    return status == ENGINE_OK ? n : 0;
}

enum engine_status dataset_gather(const struct dataset *dataset, int field,
                                  const uint32_t *examples, int64_t n, struct tensor *ret,
                                  struct engine_error *err)
{
    const struct stored_field *stored = stored_field(dataset, field);
    const size_t bytes = (size_t)stored->elements * dtype_size(ret->dtype);
    char *dst = ret->data;
    int64_t i, run, done;

    assert(compute_dtype(ret->dtype) != DTYPE_NONE);
    for (i = 0; i < n; i += done) {
        for (run = 1; i + run < n && examples[i + run] == (uint64_t)examples[i] + (uint64_t)run;)
            run++;
        done = read_stretch(dataset, stored, examples[i], run, ret->dtype, dst, err);
        if (done == 0)
            return ENGINE_IO;
        dst += (size_t)done * bytes;
    }
    return ENGINE_OK;
}

enum engine_status dataset_read(const struct dataset *dataset, int field, int64_t first, int64_t n,
                                struct tensor *ret, struct engine_error *err)
{
    const struct stored_field *stored = stored_field(dataset, field);
    const size_t bytes = (size_t)stored->elements * dtype_size(ret->dtype);
    char *dst = ret->data;
    int64_t done;

    assert(compute_dtype(ret->dtype) != DTYPE_NONE);
    for (; n > 0; n -= done, first += done) {
        done = read_stretch(dataset, stored, first, n, ret->dtype, dst, err);
        if (done == 0)
            return ENGINE_IO;
        dst += (size_t)done * bytes;
    }
    return ENGINE_OK;
}
