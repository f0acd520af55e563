/* SPDX-License-Identifier: Apache-2.0 */
#include "server/tensor_bridge.h"

#include <assert.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

enum { DIMS_TEXT_MAX = 192, NAMES_TEXT_MAX = 256, NAME_SHOWN_MAX = 128 };

static const struct {
    enum wire_type wire;
    enum dtype dtype;
} types[] = {
    {WIRE_BOOL, DTYPE_BOOL},     {WIRE_UINT8, DTYPE_U8},   {WIRE_UINT16, DTYPE_U16},
    {WIRE_UINT32, DTYPE_U32},    {WIRE_UINT64, DTYPE_U64}, {WIRE_INT8, DTYPE_I8},
    {WIRE_INT16, DTYPE_I16},     {WIRE_INT32, DTYPE_I32},  {WIRE_INT64, DTYPE_I64},
    {WIRE_FP16, DTYPE_F16},      {WIRE_BF16, DTYPE_BF16},  {WIRE_FP32, DTYPE_F32},
    {WIRE_FP64, DTYPE_F64},      {WIRE_BYTES, DTYPE_STRING},
};

enum { TYPES = sizeof(types) / sizeof(types[0]) };

/* Strings cross as they are. */
_Static_assert(sizeof(struct bytes) == sizeof(struct wire_bytes) &&
                   offsetof(struct bytes, data) == offsetof(struct wire_bytes, data) &&
                   offsetof(struct bytes, length) == offsetof(struct wire_bytes, length),
               "string elements of engine and wire are alike");
_Static_assert((int)WIRE_RANK_MAX == (int)SHAPE_RANK_MAX, "ranks of engine and wire are alike");

enum wire_type wire_type_from_dtype(enum dtype dtype)
{
    for (int i = 0; i < TYPES; i++) {
        if (types[i].dtype == dtype)
            return types[i].wire;
    }
    return WIRE_NONE;
}

enum dtype dtype_from_wire_type(enum wire_type type)
{
    for (int i = 0; i < TYPES; i++) {
        if (types[i].wire == type)
            return types[i].dtype;
    }
    return DTYPE_NONE;
}

bool tensor_spec_from_io(const struct model_io *io, struct tensor_spec *ret_spec,
                         struct engine_error *err)
{
    struct tensor_spec spec = {.name = io->name, .type = wire_type_from_dtype(io->dtype)};

    if (spec.type == WIRE_NONE) {
        engine_error_set(err, ENGINE_UNSUPPORTED,
                         "'%s' is of type %s, which requests and answers cannot hold", io->name,
                         dtype_name(io->dtype));
        return false;
    }
    spec.rank = io->shape.rank;
    for (int d = 0; d < io->shape.rank; d++)
        spec.dims[d] = io->shape.dims[d] < 0 ? -1 : io->shape.dims[d];
    *ret_spec = spec;
    return true;
}

/* "[-1,784]"; "of any rank" when the model does not say. */
static const char *dims_text(const int64_t *dims, int rank, char text[DIMS_TEXT_MAX])
{
    int length = 1;

    if (rank < 0)
        return "of any rank";
    memcpy(text, "[", 2);
    for (int d = 0; d < rank; d++)
        length += snprintf(text + length, (size_t)(DIMS_TEXT_MAX - length), "%s%lld",
                           d > 0 ? "," : "", (long long)dims[d]);
    snprintf(text + length, (size_t)(DIMS_TEXT_MAX - length), "]");
    return text;
}

/* "'x', 'y'": as many as fit. */
static const char *names_text(const struct tensor_spec *specs, int count,
                              char text[NAMES_TEXT_MAX])
{
    size_t length = 0;

    text[0] = '\0';
    for (int i = 0; i < count; i++) {
        int wrote = snprintf(text + length, NAMES_TEXT_MAX - length, "%s'%.64s'",
                             i > 0 ? ", " : "", specs[i].name);

        if (wrote < 0 || (size_t)wrote >= NAMES_TEXT_MAX - length) {
            text[length] = '\0';
            break;
        }
        length += (size_t)wrote;
    }
    return text;
}

static int find_spec(const struct tensor_spec *specs, int count, const char *name)
{
    for (int i = 0; i < count; i++) {
        if (strcmp(specs[i].name, name) == 0)
            return i;
    }
    return -1;
}

static bool dims_fit(const struct tensor_spec *spec, const struct wire_tensor *input)
{
    if (spec->rank >= 0 && spec->rank != input->rank)
        return false;
    for (int d = 0; d < spec->rank; d++) {
        if (spec->dims[d] >= 0 && spec->dims[d] != input->dims[d])
            return false;
    }
    return true;
}

static bool check_input(const struct tensor_spec *spec, const struct wire_tensor *input,
                        struct problem *problem)
{
    char given[DIMS_TEXT_MAX], expected[DIMS_TEXT_MAX];

    if (input->type != spec->type)
        return problem_set(problem, 400, "wrong_type", "input '%.*s' is %s, expected %s",
                           NAME_SHOWN_MAX, spec->name, wire_type_name(input->type),
                           wire_type_name(spec->type));
    if (!dims_fit(spec, input))
        return problem_set(problem, 400, "wrong_shape", "input '%.*s' has shape %s, expected %s",
                           NAME_SHOWN_MAX, spec->name, dims_text(input->dims, input->rank, given),
                           dims_text(spec->dims, spec->rank, expected));
    for (int d = 0; d < input->rank; d++) {
        if (input->dims[d] < 1)
            return problem_set(problem, 400, "wrong_shape",
                               "input '%.*s' has shape %s, expected dimensions of at least 1",
                               NAME_SHOWN_MAX, spec->name,
                               dims_text(input->dims, input->rank, given));
    }
    return true;
}

/* All inputs of a batchable entry have the same dimension 0. */
static bool check_rows(const struct model_entry *entry, const struct tensor *inputs,
                       int64_t *ret_rows, struct problem *problem)
{
    *ret_rows = 1;
    if (!entry->batchable || entry->n_inputs == 0)
        return true;
    for (int i = 0; i < entry->n_inputs; i++) {
        if (inputs[i].shape.rank < 1)
            return problem_set(problem, 400, "wrong_shape",
                               "input '%.*s' is a scalar, expected rows in dimension 0",
                               NAME_SHOWN_MAX, entry->inputs[i].name);
        if (inputs[i].shape.dims[0] != inputs[0].shape.dims[0])
            return problem_set(problem, 400, "wrong_shape",
                               "input '%.*s' has %lld rows, input '%.*s' has %lld; expected the "
                               "same number",
                               NAME_SHOWN_MAX, entry->inputs[i].name,
                               (long long)inputs[i].shape.dims[0], NAME_SHOWN_MAX,
                               entry->inputs[0].name, (long long)inputs[0].shape.dims[0]);
    }
    *ret_rows = inputs[0].shape.dims[0];
    return true;
}

static bool check_missing(const struct model_entry *entry, const struct tensor *inputs,
                          struct problem *problem)
{
    for (int i = 0; i < entry->n_inputs; i++) {
        if (inputs[i].dtype == DTYPE_NONE)
            return problem_set(problem, 400, "missing_input",
                               "input '%.*s' is missing; model '%s' takes %s %s", NAME_SHOWN_MAX,
                               entry->inputs[i].name, entry->name,
                               wire_type_name(entry->inputs[i].type),
                               dims_text(entry->inputs[i].dims, entry->inputs[i].rank,
                                         (char[DIMS_TEXT_MAX]){0}));
    }
    return true;
}

bool tensor_bridge_inputs(const struct model_entry *entry, const struct wire_tensor *inputs,
                          int n_inputs, struct tensor *ret_inputs, int64_t *ret_rows,
                          struct problem *problem)
{
    char names[NAMES_TEXT_MAX];

    memset(ret_inputs, 0, (size_t)entry->n_inputs * sizeof(*ret_inputs));
    for (int i = 0; i < n_inputs; i++) {
        const struct wire_tensor *input = &inputs[i];
        int index = find_spec(entry->inputs, entry->n_inputs, input->name);
        struct tensor *tensor = &ret_inputs[index < 0 ? 0 : index];

        if (index < 0)
            return problem_set(problem, 400, "unknown_input",
                               "model '%s' has no input '%.*s'; its inputs are %s", entry->name,
                               NAME_SHOWN_MAX, input->name,
                               names_text(entry->inputs, entry->n_inputs, names));
        if (tensor->dtype != DTYPE_NONE)
            return problem_set(problem, 400, "duplicate_input", "input '%.*s' is given twice",
                               NAME_SHOWN_MAX, input->name);
        if (!check_input(&entry->inputs[index], input, problem))
            return false;
        tensor->dtype = dtype_from_wire_type(input->type);
        tensor->shape.rank = input->rank;
        memcpy(tensor->shape.dims, input->dims, (size_t)input->rank * sizeof(input->dims[0]));
        tensor->data = input->data;
        if (!shape_check(&tensor->shape, dtype_size(tensor->dtype), NULL))
            return problem_set(problem, 400, "wrong_shape", "input '%.*s' is too large",
                               NAME_SHOWN_MAX, input->name);
        assert(shape_elements(&tensor->shape) == input->count);
    }
    return check_missing(entry, ret_inputs, problem) &&
           check_rows(entry, ret_inputs, ret_rows, problem);
}

int tensor_bridge_find_output(const struct model_entry *entry, const char *name)
{
    return find_spec(entry->outputs, entry->n_outputs, name);
}

bool tensor_bridge_output(const struct model_entry *entry, int index, const struct tensor *tensor,
                          struct wire_tensor *ret_tensor, struct problem *problem)
{
    struct wire_tensor wire = {
        .name = entry->outputs[index].name,
        .type = wire_type_from_dtype(tensor->dtype),
        .rank = tensor->shape.rank,
        .data = tensor->data,
    };

    if (wire.type == WIRE_NONE)
        return problem_set(problem, 500, "internal", "output '%.*s' is of a type that an answer "
                           "cannot hold", NAME_SHOWN_MAX, wire.name);
    memcpy(wire.dims, tensor->shape.dims, (size_t)wire.rank * sizeof(wire.dims[0]));
    wire.count = shape_elements(&tensor->shape);
    *ret_tensor = wire;
    return true;
}
