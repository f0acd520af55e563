/* SPDX-License-Identifier: Apache-2.0
 * engine/ops/unique.c - Unique: the distinct elements, or the distinct slices along an axis, with
 * first places, inverse and counts. */
#include "engine/ops/operands.h"

#include <math.h>
#include <string.h>

struct unique_params {
    bool flat;                     /* no axis */
    bool sorted;
    int64_t axis;
};

static enum engine_status unique_init(const struct op_init *init, struct engine_error *err)
{
    struct unique_params *params = init->params;

    (void)err;
    params->flat = node_attribute(init->node, "axis") == NULL;
    params->axis = node_int(init->node, "axis", 0);
    params->sorted = node_int(init->node, "sorted", 1) != 0;
    return ENGINE_OK;
}

/* The slices that are compared: `count` of them, slice i being [outer][i][inner] of the data. */
struct slices {
    const struct tensor *tensor;
    int64_t outer, count, inner;
};

static int compare_numbers(double a, double b)
{
    if (isnan(a) || isnan(b))
        return (int)isnan(a) - (int)isnan(b);      /* NaN last, equal to itself */
    return (a > b) - (a < b);
}

static int compare_strings(const struct bytes *a, const struct bytes *b)
{
    const size_t length = a->length < b->length ? a->length : b->length;
    const int order = length == 0 ? 0 : memcmp(a->data, b->data, length);

    return order != 0 ? order : (a->length > b->length) - (a->length < b->length);
}

static int compare_elements(const struct tensor *tensor, int64_t i, int64_t j)
{
    if (tensor->dtype == DTYPE_STRING)
        return compare_strings(&((const struct bytes *)tensor->data)[i],
                               &((const struct bytes *)tensor->data)[j]);
    if (dtype_is_float(tensor->dtype))
        return compare_numbers(tensor_double_at(tensor, i), tensor_double_at(tensor, j));
    if (tensor->dtype == DTYPE_U64) {
        const uint64_t a = ((const uint64_t *)tensor->data)[i];
        const uint64_t b = ((const uint64_t *)tensor->data)[j];

        return (a > b) - (a < b);
    } else {
        const int64_t a = tensor_int_at(tensor, i), b = tensor_int_at(tensor, j);

        return (a > b) - (a < b);
    }
}

static int compare_slices(const struct slices *slices, int64_t i, int64_t j)
{
    for (int64_t o = 0; o < slices->outer; o++) {
        for (int64_t k = 0; k < slices->inner; k++) {
            const int order = compare_elements(slices->tensor,
                                               (o * slices->count + i) * slices->inner + k,
                                               (o * slices->count + j) * slices->inner + k);

            if (order != 0)
                return order;
        }
    }
    return 0;
}

/* Stable merge sort from the bottom; the result is in `order`. */
static void sort_slices(const struct slices *slices, int64_t *order, int64_t *spare)
{
    const int64_t n = slices->count;

    for (int64_t i = 0; i < n; i++)
        order[i] = i;
    for (int64_t width = 1; width < n; width *= 2) {
        for (int64_t low = 0; low < n; low += 2 * width) {
            const int64_t middle = low + width < n ? low + width : n;
            const int64_t high = low + 2 * width < n ? low + 2 * width : n;
            int64_t a = low, b = middle;

            for (int64_t k = low; k < high; k++)
                spare[k] = b >= high || (a < middle &&
                                         compare_slices(slices, order[a], order[b]) <= 0)
                               ? order[a++] : order[b++];
        }
        memcpy(order, spare, (size_t)n * sizeof(*order));
    }
}

/* Arrays of slices.count elements each, in one block. */
struct groups {
    int64_t n;                     /* of distinct slices */
    int64_t *order, *spare, *inverse, *first, *counts;
};

enum { GROUP_ARRAYS = 5 };

static void groups_place(struct groups *groups, int64_t *memory, int64_t count)
{
    groups->order = memory;
    groups->spare = memory + count;
    groups->inverse = memory + 2 * count;
    groups->first = memory + 3 * count;
    groups->counts = memory + 4 * count;
}

static void groups_find(const struct slices *slices, bool sorted, struct groups *groups)
{
    const int64_t n = slices->count;
    int64_t next = 0;

    sort_slices(slices, groups->order, groups->spare);
    groups->n = 0;
    for (int64_t i = 0; i < n; i++) {
        const int64_t slice = groups->order[i];

        if (i == 0 || compare_slices(slices, groups->order[i - 1], slice) != 0) {
            groups->first[groups->n] = slice;      /* the sort is stable: the smallest index */
            groups->counts[groups->n++] = 0;
        }
        groups->inverse[slice] = groups->n - 1;
        groups->counts[groups->n - 1]++;
    }
    if (sorted)
        return;
    /* Renumber by first place: group g becomes spare[g]. */
    for (int64_t i = 0; i < n; i++)
        if (groups->first[groups->inverse[i]] == i)
            groups->spare[groups->inverse[i]] = next++;
    for (int64_t g = 0; g < groups->n; g++)
        groups->order[groups->spare[g]] = groups->counts[g];
    memcpy(groups->counts, groups->order, (size_t)groups->n * sizeof(*groups->counts));
    for (int64_t g = 0; g < groups->n; g++)
        groups->order[groups->spare[g]] = groups->first[g];
    memcpy(groups->first, groups->order, (size_t)groups->n * sizeof(*groups->first));
    for (int64_t i = 0; i < n; i++)
        groups->inverse[i] = groups->spare[groups->inverse[i]];
}

static void slices_of(const struct unique_params *params, const struct tensor *tensor,
                      struct slices *ret)
{
    int axis = 0;

    *ret = (struct slices){tensor, 1, shape_elements(&tensor->shape), 1};
    if (params->flat || !shape_axis(params->axis, tensor->shape.rank, &axis))
        return;
    ret->outer = shape_product(&tensor->shape, 0, axis);
    ret->count = tensor->shape.dims[axis];
    ret->inner = shape_product(&tensor->shape, axis + 1, tensor->shape.rank);
}

static enum engine_status unique_infer(struct op_infer *infer, struct engine_error *err)
{
    const struct unique_params *params = infer->params;
    const struct tensor *from = &infer->inputs[0];
    struct shape shape = from->shape, list = {.rank = 1}, inverse = {.rank = 1};
    struct slices slices;
    struct groups groups;
    int64_t *memory;
    int axis = 0;

    if (!params->flat) {
        enum engine_status status = operand_axis(infer, params->axis, shape.rank, &axis, err);

        if (status != ENGINE_OK)
            return status;
    } else {
        shape.rank = 1;
    }
    slices_of(params, from, &slices);
    memory = arena_calloc(infer->arena, (size_t)slices.count, GROUP_ARRAYS * sizeof(*memory));
    if (memory == NULL)
        return engine_error_set(err, ENGINE_OVER_BUDGET, "no memory to sort %lld elements",
                                (long long)slices.count);
    groups_place(&groups, memory, slices.count);
    groups_find(&slices, params->sorted, &groups);
    shape.dims[axis] = groups.n;
    list.dims[0] = groups.n;
    inverse.dims[0] = slices.count;
    infer->scratch_bytes = (size_t)slices.count * GROUP_ARRAYS * sizeof(*memory);
    infer_output(infer, 0, from->dtype, &shape);
    infer_output(infer, 1, DTYPE_I64, &list);
    infer_output(infer, 2, DTYPE_I64, &inverse);
    infer_output(infer, 3, DTYPE_I64, &list);
    return ENGINE_OK;
}

static void write_list(const struct op_call *call, int output, const int64_t *items, int64_t count)
{
    if (output < call->n_outputs && call->outputs[output] != NULL && count > 0)
        memcpy(call->outputs[output]->data, items, (size_t)count * sizeof(*items));
}

static enum engine_status unique_run(const struct op_call *call, struct engine_error *err)
{
    const struct unique_params *params = call->params;
    const size_t size = dtype_size(call->inputs[0]->dtype);
    struct slices slices;
    struct groups groups;
    size_t row;

    (void)err;
    slices_of(params, call->inputs[0], &slices);
    if (slices.count == 0)
        return ENGINE_OK;
    groups_place(&groups, call->scratch, slices.count);
    groups_find(&slices, params->sorted, &groups);
    row = (size_t)slices.inner * size;
    for (int64_t o = 0; o < slices.outer && row > 0; o++)
        for (int64_t g = 0; g < groups.n; g++)
            memcpy((char *)call->outputs[0]->data + (size_t)(o * groups.n + g) * row,
                   (const char *)call->inputs[0]->data +
                       (size_t)(o * slices.count + groups.first[g]) * row,
                   row);
    write_list(call, 1, groups.first, groups.n);
    write_list(call, 2, groups.inverse, slices.count);
    write_list(call, 3, groups.counts, groups.n);
    return ENGINE_OK;
}

const struct op_def ops_unique[] = {
    {.name = "Unique", .domain = "", .since = 11, .inputs_min = 1, .inputs_max = 1,
     .outputs_min = 1, .outputs_max = 4, .host_inputs = 1 << 0,
     .params_size = sizeof(struct unique_params), .init = unique_init, .infer = unique_infer,
     .run = unique_run},
    {.name = NULL},
};
