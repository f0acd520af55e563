/* SPDX-License-Identifier: Apache-2.0 */
#include "proto/infer_tensors.h"

#include "proto/json_fields.h"
#include "proto/tensor_print.h"
#include "proto/tensor_scan.h"

#include <stdio.h>
#include <string.h>

enum { PATH_BYTES = 64, SHAPE_BYTES = WIRE_RANK_MAX * 21 + 3 };

/* "[1,784]" */
static const char *shape_text(const int64_t *dims, int rank, char *ret_text)
{
    int length = 0, i;

    for (i = 0; i < rank; i++)
        length += snprintf(ret_text + length, SHAPE_BYTES - (size_t)length, "%s%lld",
                           i == 0 ? "[" : ",", (long long)dims[i]);
    snprintf(ret_text + length, SHAPE_BYTES - (size_t)length, rank == 0 ? "[]" : "]");
    return ret_text;
}

static bool decode_shape(json_t *shape, const char *path, struct wire_tensor *tensor,
                         struct problem *problem)
{
    size_t element =
        tensor->type == WIRE_BYTES ? sizeof(struct wire_bytes) : wire_type_bytes(tensor->type);
    json_t *dim;
    size_t i;

    if (json_array_size(shape) > WIRE_RANK_MAX)
        return problem_set(problem, 400, "bad_tensor", "%sshape has %zu dimensions, at most %d",
                           path, json_array_size(shape), WIRE_RANK_MAX);
    json_array_foreach (shape, i, dim) {
        if (!json_is_integer(dim))
            return problem_set(problem, 400, "bad_tensor",
                               "%sshape[%zu] is %s, expected an integer", path, i, json_kind(dim));
        if (json_integer_value(dim) < 0)
            return problem_set(problem, 400, "bad_tensor",
                               "%sshape[%zu] is %lld, expected 0 or more", path, i,
                               (long long)json_integer_value(dim));
        tensor->dims[i] = json_integer_value(dim);
    }
    tensor->rank = (int)json_array_size(shape);
    if (!wire_count(tensor->dims, tensor->rank, element, &tensor->count))
        return problem_set(problem, 400, "bad_tensor", "%sshape has too many elements", path);
    return true;
}

/* The nesting of the data is the shape's, or flat. */
static bool nesting_fits(const struct tensor_scan *scan, const struct wire_tensor *tensor)
{
    int i;

    if (scan->rank == 1)
        return true;
    for (i = 0; i < scan->rank && i < tensor->rank; i++)
        if (scan->dims[i] != tensor->dims[i])
            return false;
    /* With no elements the arrays end at the first dimension that is 0. */
    return scan->rank == tensor->rank ||
           (tensor->count == 0 && scan->rank > 0 && scan->rank < tensor->rank);
}

bool infer_tensor_from_span(struct infer_source *source, const struct json_span *span,
                            struct wire_tensor *tensor, struct problem *problem)
{
    char shape[SHAPE_BYTES], nesting[SHAPE_BYTES];
    struct tensor_scan scan;
    int64_t elements = span->commas + 1;

    if (*span->start != '[')
        return problem_set(problem, 400, "bad_tensor", "expected an array");
    if (elements == 1 && *json_skip_space(span->start + 1, span->end) == ']')
        elements = 0;
    if (elements != tensor->count && tensor->count > 0)
        return problem_set(problem, 400, "bad_tensor", "%lld elements, shape %s needs %lld",
                           (long long)elements, shape_text(tensor->dims, tensor->rank, shape),
                           (long long)tensor->count);
    if (!tensor_scan_start(&scan, tensor->type, tensor->count, source->bytes_left, source->memory,
                           problem))
        return false;
    scan.null_is_nan = !source->strict;
    if (!tensor_scan_value(&scan, span->start, span->end, problem))
        return false;
    if (scan.count != tensor->count || !nesting_fits(&scan, tensor))
        return problem_set(problem, 400, "bad_tensor", "nested as %s, shape is %s",
                           shape_text(scan.dims, scan.rank, nesting),
                           shape_text(tensor->dims, tensor->rank, shape));
    tensor->data = scan.data;
    tensor->owned = true;
    return true;
}

/* Length-prefixed strings, `count` of them, that fill [p, end) exactly. */
static bool read_bytes_elements(const char *p, const char *end, struct wire_tensor *tensor,
                                struct problem *problem)
{
    struct wire_bytes *elements = tensor->data;
    uint32_t length;
    int64_t i;

    for (i = 0; i < tensor->count; i++) {
        if (end - p < 4)
            return problem_set(problem, 400, "bad_tensor", "binary data ends before element %lld",
                               (long long)i);
        memcpy(&length, p, 4);
        p += 4;
        if ((size_t)(end - p) < length)
            return problem_set(problem, 400, "bad_tensor",
                               "element %lld has %u bytes, %zu are left in its binary data",
                               (long long)i, length, (size_t)(end - p));
        elements[i].data = p;
        elements[i].length = length;
        p += length;
    }
    if (p != end)
        return problem_set(problem, 400, "bad_tensor",
                           "%zu bytes of binary data are left after %lld elements",
                           (size_t)(end - p), (long long)tensor->count);
    return true;
}

static bool take_elements(struct infer_source *source, size_t bytes, struct wire_tensor *tensor,
                          struct problem *problem)
{
    if (bytes > source->bytes_left)
        return problem_set(problem, 413, "too_large",
                           "takes %zu bytes, %zu are left to this request", bytes,
                           source->bytes_left);
    tensor->data = message_memory_take_block(source->memory, bytes);
    if (tensor->data == NULL)
        return problem_set(problem, 507, "no_memory", "out of memory");
    tensor->owned = true;
    return true;
}

static bool check_booleans(const struct wire_tensor *tensor, struct problem *problem)
{
    const uint8_t *values = tensor->data;
    int64_t i;

    for (i = 0; i < tensor->count; i++)
        if (values[i] > 1)
            return problem_set(problem, 400, "bad_tensor", "element %lld is %d, expected 0 or 1",
                               (long long)i, values[i]);
    return true;
}

bool infer_tensor_from_tail(struct infer_source *source, const char *path, size_t bytes,
                            struct wire_tensor *tensor, struct problem *problem)
{
    size_t element = wire_type_bytes(tensor->type);
    size_t left = (size_t)(source->tail_end - source->tail);
    const char *data = source->tail;
    char shape[SHAPE_BYTES];
    bool good = true;

    if (tensor->type != WIRE_BYTES && bytes != (size_t)tensor->count * element)
        return problem_set(problem, 400, "bad_tensor",
                           "%sbinary data has %zu bytes, shape %s of %s takes %zu", path, bytes,
                           shape_text(tensor->dims, tensor->rank, shape),
                           wire_type_name(tensor->type), (size_t)tensor->count * element);
    if (bytes > left)
        return problem_set(problem, 400, "bad_tensor",
                           "%sbinary data has %zu bytes, the body has %zu left", path, bytes, left);
    source->tail += bytes;
    if (tensor->type == WIRE_BYTES) {
        /* An element takes at least its length, so a short tail costs no large array. */
        if ((uint64_t)tensor->count > bytes / 4)
            good = problem_set(problem, 400, "bad_tensor",
                               "binary data has %zu bytes, shape %s of BYTES takes more", bytes,
                               shape_text(tensor->dims, tensor->rank, shape));
        good = good &&
               take_elements(source, (size_t)tensor->count * sizeof(struct wire_bytes), tensor,
                             problem) &&
               read_bytes_elements(data, source->tail, tensor, problem);
    } else if ((uintptr_t)data % element == 0) {
        tensor->data = (void *)(uintptr_t)data;
        if (bytes > source->bytes_left)
            good = problem_set(problem, 413, "too_large",
                               "takes %zu bytes, %zu are left to this request", bytes,
                               source->bytes_left);
    } else {
        good = take_elements(source, bytes, tensor, problem);
        if (good)
            memcpy(tensor->data, data, bytes);
    }
    if (good && tensor->type == WIRE_BOOL)
        good = check_booleans(tensor, problem);
    if (!good)
        problem_prefix(problem, "%.*s", (int)strlen(path) - 1, path);
    return good;
}

/* parameters.binary_data_size, -1 if not given. */
static bool decode_parameters(json_t *object, const char *path, int64_t *ret_binary_bytes,
                              struct problem *problem)
{
    json_t *parameters = NULL;
    char inner[PATH_BYTES + 16];

    *ret_binary_bytes = -1;
    if (!json_field_object(object, path, "parameters", FIELD_OPTIONAL, &parameters, problem))
        return false;
    if (parameters == NULL)
        return true;
    snprintf(inner, sizeof(inner), "%sparameters.", path);
    if (json_object_get(parameters, "shared_memory_region") != NULL)
        return problem_set(problem, 400, "bad_request",
                           "%sshared_memory_region: shared memory is not offered", inner);
    return json_field_int(parameters, inner, "binary_data_size", FIELD_OPTIONAL, 0, INT64_MAX,
                          ret_binary_bytes, problem);
}

static bool decode_tensor(struct infer_source *source, json_t *object, const char *path, int index,
                          struct wire_tensor *tensor, struct problem *problem)
{
    static const char *const known[] = {"name", "shape", "datatype", "parameters", "data", NULL};
    const struct json_span *span = json_envelope_span(source->envelope, source->rule, index);
    const char *type = "";
    json_t *shape = NULL;
    int64_t binary_bytes;

    if ((source->strict && !json_fields_known(object, path, known, problem)) ||
        !json_field_string(object, path, "name", FIELD_REQUIRED, &tensor->name, problem) ||
        !json_field_string(object, path, "datatype", FIELD_REQUIRED, &type, problem) ||
        !json_field_array(object, path, "shape", FIELD_REQUIRED, &shape, problem) ||
        !decode_parameters(object, path, &binary_bytes, problem))
        return false;
    if (tensor->name[0] == '\0')
        return problem_set(problem, 400, "bad_request", "%sname is empty", path);
    tensor->type = wire_type_find(type, strlen(type));
    if (tensor->type == WIRE_NONE)
        return problem_set(problem, 400, "bad_tensor", "%sdatatype '%.40s' is unknown", path, type);
    if (!decode_shape(shape, path, tensor, problem))
        return false;
    if (span != NULL && binary_bytes >= 0)
        return problem_set(problem, 400, "bad_tensor",
                           "%sdata and %sparameters.binary_data_size are both given", path, path);
    if (binary_bytes >= 0 && !source->binary)
        return problem_set(problem, 400, "bad_binary",
                           "%sparameters.binary_data_size needs the header "
                           "Inference-Header-Content-Length",
                           path);
    if (binary_bytes >= 0)
        return infer_tensor_from_tail(source, path, (size_t)binary_bytes, tensor, problem);
    if (span == NULL)
        return problem_set(problem, 400, "bad_request", "%sdata is missing", path);
    if (infer_tensor_from_span(source, span, tensor, problem))
        return true;
    problem_prefix(problem, "%sdata", path);
    return false;
}

bool infer_tensors_decode(struct infer_source *source, json_t *list,
                          struct wire_tensor **ret_tensors, int *ret_n, struct problem *problem)
{
    size_t n = json_array_size(list), i, j, element;
    struct wire_tensor *tensors;
    char path[PATH_BYTES];
    json_t *object;

    if (n > (size_t)source->tensors_max)
        return problem_set(problem, 413, "too_large", "%s has %zu tensors, at most %d",
                           source->rule->key, n, source->tensors_max);
    tensors = message_memory_take(source->memory, n * sizeof(tensors[0]));
    if (tensors == NULL)
        return problem_set(problem, 507, "no_memory", "out of memory");
    json_array_foreach (list, i, object) {
        snprintf(path, sizeof(path), "%s[%zu].", source->rule->key, i);
        if (!json_is_object(object))
            return problem_set(problem, 400, "bad_request", "%s[%zu] is %s, expected an object",
                               source->rule->key, i, json_kind(object));
        if (!decode_tensor(source, object, path, (int)i, &tensors[i], problem))
            return false;
        for (j = 0; j < i; j++)
            if (strcmp(tensors[j].name, tensors[i].name) == 0)
                return problem_set(problem, 400, "bad_request", "%sname '%.100s' is given twice",
                                   path, tensors[i].name);
        element = tensors[i].type == WIRE_BYTES ? sizeof(struct wire_bytes)
                                                : wire_type_bytes(tensors[i].type);
        source->bytes_left -= (size_t)tensors[i].count * element;
    }
    if (!source->more && source->tail != source->tail_end)
        return problem_set(problem, 400, "bad_binary", "%zu bytes of the body belong to no tensor",
                           (size_t)(source->tail_end - source->tail));
    *ret_tensors = tensors;
    *ret_n = (int)n;
    return true;
}

size_t infer_tensor_tail_bytes(const struct wire_tensor *tensor)
{
    const struct wire_bytes *elements = tensor->data;
    size_t bytes = 0;
    int64_t i;

    if (tensor->type != WIRE_BYTES)
        return (size_t)tensor->count * wire_type_bytes(tensor->type);
    for (i = 0; i < tensor->count; i++)
        bytes += 4 + elements[i].length;
    return bytes;
}

static void encode_tensor(const struct wire_tensor *tensor, bool binary, enum non_finite non_finite,
                          struct text *text)
{
    int i;

    text_puts(text, "{\"name\":");
    text_json_string(text, tensor->name, strlen(tensor->name));
    text_puts(text, ",\"datatype\":\"");
    text_puts(text, wire_type_name(tensor->type));
    text_puts(text, "\",\"shape\":[");
    for (i = 0; i < tensor->rank; i++) {
        if (i > 0)
            text_append(text, ",", 1);
        text_json_int(text, tensor->dims[i]);
    }
    if (binary) {
        text_puts(text, "],\"parameters\":{\"binary_data_size\":");
        text_json_uint(text, infer_tensor_tail_bytes(tensor));
        text_puts(text, "}}");
    } else {
        text_puts(text, "],\"data\":");
        tensor_print_flat(text, tensor, non_finite);
        text_puts(text, "}");
    }
}

void infer_tensors_encode(const struct wire_tensor *tensors, int n, const int *binary,
                          enum non_finite non_finite, struct text *text)
{
    int i;

    text_puts(text, "[");
    for (i = 0; i < n; i++) {
        if (i > 0)
            text_puts(text, ",");
        encode_tensor(&tensors[i], binary != NULL && binary[i] != 0, non_finite, text);
    }
    text_puts(text, "]");
}

void infer_tensors_encode_tail(const struct wire_tensor *tensors, int n, const int *binary,
                               struct text *text)
{
    const struct wire_bytes *elements;
    uint32_t length;
    int64_t j;
    int i;

    for (i = 0; i < n; i++) {
        if (binary == NULL || binary[i] == 0)
            continue;
        if (tensors[i].type != WIRE_BYTES) {
            text_append(text, tensors[i].data, infer_tensor_tail_bytes(&tensors[i]));
            continue;
        }
        elements = tensors[i].data;
        for (j = 0; j < tensors[i].count; j++) {
            length = (uint32_t)elements[j].length;
            if (length != elements[j].length)
                text->failed = true;
            text_append(text, &length, sizeof(length));
            text_append(text, elements[j].data, length);
        }
    }
}
