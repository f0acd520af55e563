/* SPDX-License-Identifier: Apache-2.0
 * Do the caller's shapes fit what the model file declares? */
#include "engine/plan_private.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* "[batch,3,224]" of a declared shape; unknown dimensions are "?". */
static const char *declared_text(const struct declared_shape *shape, char *text, size_t size)
{
    size_t used = (size_t)snprintf(text, size, "[");

    for (int i = 0; i < shape->rank && used < size; i++) {
        const char *comma = i > 0 ? "," : "";

        if (shape->dims[i] >= 0)
            used += (size_t)snprintf(text + used, size - used, "%s%lld", comma,
                                     (long long)shape->dims[i]);
        else
            used += (size_t)snprintf(text + used, size - used, "%s%.16s", comma,
                                     shape->symbols[i] != NULL ? shape->symbols[i] : "?");
    }
    if (used < size)
        snprintf(text + used, size - used, "]");
    return text;
}

static enum engine_status check_input(const struct model_io *input, const struct shape *shape,
                                      bool rows_free, struct engine_error *err)
{
    char given[SHAPE_TEXT_MAX], wanted[SHAPE_TEXT_MAX];

    if (!shape_check(shape, dtype_size(input->dtype), NULL))
        return engine_error_set(
            err, ENGINE_BAD_INPUT,
            "input '%.128s': its shape is negative, too large or of more than %d "
            "dimensions",
            input->name, SHAPE_RANK_MAX);
    if (input->shape.rank == RANK_UNKNOWN)
        return ENGINE_OK;
    declared_text(&input->shape, wanted, sizeof(wanted));
    shape_text(shape, given, sizeof(given));
    if (shape->rank != input->shape.rank)
        return engine_error_set(err, ENGINE_BAD_INPUT,
                                "input '%.128s': shape %s has %d dimensions, expected %d: %s",
                                input->name, given, shape->rank, input->shape.rank, wanted);
    for (int i = rows_free ? 1 : 0; i < shape->rank; i++)
        if (input->shape.dims[i] >= 0 && shape->dims[i] != input->shape.dims[i])
            return engine_error_set(
                err, ENGINE_BAD_INPUT,
                "input '%.128s': shape %s has %lld in dimension %d, expected %lld: %s", input->name,
                given, (long long)shape->dims[i], i, (long long)input->shape.dims[i], wanted);
    return ENGINE_OK;
}

struct binding {
    const char *symbol;
    int64_t size;
    int input, dim;
};

static int compare_bindings(const void *left, const void *right)
{
    const struct binding *a = left, *b = right;
    int order = strcmp(a->symbol, b->symbol);

    if (order != 0)
        return order;
    if (a->input != b->input)
        return a->input < b->input ? -1 : 1;
    return a->dim < b->dim ? -1 : a->dim > b->dim;
}

/* Dimensions of one symbol have one size. */
static enum engine_status compare_symbols(const struct model_signature *signature,
                                          const struct binding *bindings, size_t count,
                                          struct engine_error *err)
{
    for (size_t i = 1; i < count; i++) {
        const struct binding *a = &bindings[i - 1], *b = &bindings[i];

        if (strcmp(a->symbol, b->symbol) == 0 && a->size != b->size)
            return engine_error_set(
                err, ENGINE_BAD_INPUT,
                "input '%.128s': dimension %d is %lld, expected %lld ('%.32s', as in input '%.128s')",
                signature->inputs[b->input].name, b->dim, (long long)b->size, (long long)a->size,
                a->symbol, signature->inputs[a->input].name);
    }
    return ENGINE_OK;
}

static enum engine_status check_symbols(const struct model_signature *signature,
                                        const struct shape *shapes, struct engine_error *err)
{
    struct binding *bindings =
        calloc((size_t)signature->n_inputs * SHAPE_RANK_MAX + 1, sizeof(*bindings));
    enum engine_status status;
    size_t count = 0;

    if (bindings == NULL)
        return engine_error_set(err, ENGINE_NO_MEMORY, "out of memory while planning");
    for (int i = 0; i < signature->n_inputs; i++) {
        const struct declared_shape *declared = &signature->inputs[i].shape;

        for (int d = 0; d < declared->rank; d++)
            if (declared->dims[d] < 0 && declared->symbols[d] != NULL)
                bindings[count++] = (struct binding){declared->symbols[d], shapes[i].dims[d], i, d};
    }
    qsort(bindings, count, sizeof(*bindings), compare_bindings);
    status = compare_symbols(signature, bindings, count, err);
    free(bindings);
    return status;
}

enum engine_status plan_check_inputs(const struct model_signature *signature,
                                     const struct shape *shapes, bool rows_free,
                                     struct engine_error *err)
{
    enum engine_status status = ENGINE_OK;

    for (int i = 0; i < signature->n_inputs && status == ENGINE_OK; i++) {
        status = check_input(&signature->inputs[i], &shapes[i], rows_free, err);
        if (status == ENGINE_OK && rows_free && shapes[i].rank > 0 &&
            shapes[i].dims[0] != shapes[0].dims[0])
            status = engine_error_set(err, ENGINE_BAD_INPUT,
                                      "input '%.128s': has %lld rows, input '%.128s' has %lld",
                                      signature->inputs[i].name, (long long)shapes[i].dims[0],
                                      signature->inputs[0].name, (long long)shapes[0].dims[0]);
    }
    return status == ENGINE_OK ? check_symbols(signature, shapes, err) : status;
}
