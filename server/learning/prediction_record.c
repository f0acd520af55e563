/* SPDX-License-Identifier: Apache-2.0 */
#include "server/learning/prediction_record.h"

#include "server/tensor_bridge.h"

#include <endian.h>
#include <stdlib.h>
#include <string.h>

enum { WORD = 8, TENSORS_MAX = 4096 };

static bool has_form(enum dtype dtype)
{
    enum wire_type type = wire_type_from_dtype(dtype);

    return type != WIRE_NONE && type != WIRE_BYTES;
}

static bool measure(const struct tensor *tensors, int count, size_t *bytes)
{
    for (int i = 0; i < count; i++) {
        if (!has_form(tensors[i].dtype))
            return false;
        *bytes += WORD * (size_t)(2 + tensors[i].shape.rank) + tensor_bytes(&tensors[i]);
    }
    return true;
}

size_t prediction_record_bytes(const struct tap_sample *sample)
{
    size_t bytes = 3 * WORD;

    return measure(sample->inputs, sample->n_inputs, &bytes) &&
                   measure(sample->outputs, sample->n_outputs, &bytes)
               ? bytes
               : 0;
}

static char *put(char *to, uint64_t number)
{
    uint64_t little = htole64(number);

    memcpy(to, &little, WORD);
    return to + WORD;
}

static char *put_tensors(char *to, const struct tensor *tensors, int count)
{
    for (int i = 0; i < count; i++) {
        size_t bytes = tensor_bytes(&tensors[i]);

        strncpy(memset(to, 0, WORD), wire_type_name(wire_type_from_dtype(tensors[i].dtype)), WORD);
        to += WORD;
        to = put(to, (uint64_t)tensors[i].shape.rank);
        for (int d = 0; d < tensors[i].shape.rank; d++)
            to = put(to, (uint64_t)tensors[i].shape.dims[d]);
        if (bytes > 0)
            memcpy(to, tensors[i].data, bytes);
        to += bytes;
    }
    return to;
}

void prediction_record_write(const struct tap_sample *sample, void *to)
{
    char *next = put(to, (uint64_t)sample->rows);

    next = put(next, (uint64_t)sample->n_inputs);
    next = put(next, (uint64_t)sample->n_outputs);
    next = put_tensors(next, sample->inputs, sample->n_inputs);
    put_tensors(next, sample->outputs, sample->n_outputs);
}

/* What is left to be read. */
struct rest {
    const char *at, *end;
};

static bool get(struct rest *rest, uint64_t most, uint64_t *ret)
{
    uint64_t little;

    if ((size_t)(rest->end - rest->at) < WORD)
        return false;
    memcpy(&little, rest->at, WORD);
    rest->at += WORD;
    *ret = le64toh(little);
    return *ret <= most;
}

static bool get_tensor(struct rest *rest, struct tensor *tensor)
{
    const char *type = rest->at;
    uint64_t rank, dim;
    size_t bytes;

    if (!get(rest, UINT64_MAX, &rank) || !get(rest, SHAPE_RANK_MAX, &rank))
        return false;
    tensor->dtype = dtype_from_wire_type(wire_type_find(type, strnlen(type, WORD)));
    tensor->shape.rank = (int)rank;
    for (uint64_t d = 0; d < rank; d++) {
        if (!get(rest, INT64_MAX, &dim))
            return false;
        tensor->shape.dims[d] = (int64_t)dim;
    }
    if (!has_form(tensor->dtype) ||
        !shape_check(&tensor->shape, dtype_size(tensor->dtype), &bytes) ||
        (size_t)(rest->end - rest->at) < bytes)
        return false;
    tensor->data = (char *)(uintptr_t)rest->at;
    rest->at += bytes;
    return true;
}

struct tap_sample *prediction_record_read(const void *bytes, size_t size, const char *id,
                                          int64_t generation, int64_t time_ms)
{
    struct rest rest = {bytes, bytes != NULL ? (const char *)bytes + size : NULL};
    uint64_t rows, n_inputs, n_outputs;
    struct tap_prediction prediction = {.generation = generation, .id = id};
    struct tap_sample *sample = NULL;
    struct tensor *tensors;
    bool good = true;

    if (bytes == NULL || !get(&rest, INT64_MAX, &rows) || !get(&rest, TENSORS_MAX, &n_inputs) ||
        !get(&rest, TENSORS_MAX, &n_outputs))
        return NULL;
    tensors = calloc((size_t)(n_inputs + n_outputs + 1), sizeof(*tensors));
    if (tensors == NULL)
        return NULL;
    for (uint64_t i = 0; i < n_inputs + n_outputs && good; i++)
        good = get_tensor(&rest, &tensors[i]);
    if (good && rest.at == rest.end) {
        prediction.rows = (int64_t)rows;
        prediction.inputs = tensors;
        prediction.n_inputs = (int)n_inputs;
        prediction.outputs = tensors + n_inputs;
        prediction.n_outputs = (int)n_outputs;
        sample = tap_sample_create(&prediction, SIZE_MAX / 2);
        if (sample != NULL)
            sample->time_ms = time_ms;
    }
    free(tensors);
    return sample;
}
