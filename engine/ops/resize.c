/* SPDX-License-Identifier: Apache-2.0
 * engine/ops/resize.c - Resize. Nearest moves elements of any type. Linear and cubic run axis by
 * axis: float in place, other types through a copy in float or, where float is too narrow, double. */
#include "engine/ops/resize_form.h"

#include "engine/kernels/convert.h"
#include "engine/kernels/resample.h"
#include "engine/ops/operands.h"

#include <string.h>

static enum engine_status resize_init(const struct op_init *init, struct engine_error *err)
{
    return resize_form_read(init->node, init->params, err);
}

/* A computed empty operand is an absent one. */
static const struct tensor *unless_empty(const struct tensor *tensor)
{
    return tensor != NULL && tensor->dtype != DTYPE_NONE && shape_elements(&tensor->shape) > 0
               ? tensor : NULL;
}

/* What the passes work in: 8 bytes an element for types that float cannot hold, else 4. */
static size_t work_size(enum dtype dtype)
{
    return dtype == DTYPE_F64 || dtype == DTYPE_I32 || dtype == DTYPE_U32 || dtype == DTYPE_I64 ||
           dtype == DTYPE_U64 ? sizeof(double) : sizeof(float);
}

/* The scratch: tables of one axis at a time (the largest), then two images between passes. */
struct layout {
    size_t indices, weights, image[2], bytes;
};

static bool grow(size_t *total, size_t count, size_t size, size_t *ret_at)
{
    size_t bytes;

    *ret_at = *total;
    return !__builtin_mul_overflow(count, size, &bytes) && bytes <= SIZE_MAX / 8 &&
           !__builtin_add_overflow(*total, (bytes + 63) & ~(size_t)63, total);
}

/* False when something overflows. The images hold the input, too: other types are widened there. */
static bool resize_layout(const struct resize_form *form, const struct resize_axis *axes,
                          const struct shape *from, enum dtype dtype, struct layout *ret)
{
    struct shape image = *from;
    size_t table = 0, largest = 0, bytes;

    memset(ret, 0, sizeof(*ret));
    if (!shape_check(&image, 1, &largest))
        return false;
    for (int d = from->rank - 1; d >= 0; d--) {
        const int64_t taps = resize_taps(form, &axes[d]);
        size_t entries;

        if (!axes[d].active)
            continue;
        image.dims[d] = axes[d].out;
        if (taps < 0 || !shape_check(&image, 1, &bytes) ||
            __builtin_mul_overflow((size_t)taps, (size_t)axes[d].out, &entries))
            return false;
        largest = bytes > largest ? bytes : largest;
        if (form->mode == RESIZE_NEAREST)          /* the tables of all axes at once */
            table += entries;
        else
            table = entries > table ? entries : table;
    }
    if (form->mode == RESIZE_NEAREST)
        return grow(&ret->bytes, table, sizeof(int64_t), &ret->indices);
    return grow(&ret->bytes, table, sizeof(int64_t), &ret->indices) &&
           grow(&ret->bytes, table, sizeof(double), &ret->weights) &&
           grow(&ret->bytes, largest, work_size(dtype), &ret->image[0]) &&
           grow(&ret->bytes, largest, work_size(dtype), &ret->image[1]);
}

static enum engine_status resize_infer(struct op_infer *infer, struct engine_error *err)
{
    const struct resize_form *form = infer->params;
    const struct tensor *from = &infer->inputs[0];
    const struct tensor *operands[4] = {NULL};
    struct resize_axis axes[SHAPE_RANK_MAX];
    struct shape shape = from->shape;
    struct layout layout;
    enum engine_status status;

    for (int i = 1; i < infer->n_inputs && i < 4; i++)
        operands[i] = unless_empty(&infer->inputs[i]);
    status = resize_form_axes(infer->node, form, &from->shape, operands[1], operands[2],
                              operands[3], axes, err);
    if (status != ENGINE_OK)
        return status;
    if (form->mode != RESIZE_NEAREST && !dtype_is_float(from->dtype) &&
        !dtype_is_integer(from->dtype))
        return op_unsupported(infer->node, err, "type %s", dtype_name(from->dtype));
    if (!resize_layout(form, axes, &from->shape, from->dtype, &layout))
        return op_fail(infer->node, err, "output is too large");
    for (int d = 0; d < shape.rank; d++)
        shape.dims[d] = axes[d].out;
    infer->scratch_bytes = layout.bytes;
    infer_output(infer, 0, from->dtype, &shape);
    return ENGINE_OK;
}

/* The tables of one axis: one index of -1 first where the extrapolation value stands. */
static void fill_tables(const struct resize_form *form, const struct resize_axis *axis, int64_t taps,
                        int64_t *indices, double *weights)
{
    for (int64_t x = 0; x < axis->out; x++)
        if (!resize_neighbours(form, axis, x, taps, indices + x * taps, weights + x * taps))
            indices[x * taps] = -1;
}

static void run_smooth(const struct op_call *call, const struct resize_form *form,
                       const struct resize_axis *axes, const struct layout *layout)
{
    const struct tensor *from = call->inputs[0];
    struct tensor *to = call->outputs[0];
    const bool wide = work_size(from->dtype) == sizeof(double);
    const bool direct = from->dtype == DTYPE_F32 || from->dtype == DTYPE_F64;
    char *scratch = call->scratch;
    struct shape image = from->shape;
    const void *source = from->data;
    int next = 0;

    if (!direct) {
        if (wide)
            load_f64(from->dtype, shape_elements(&from->shape), source,
                     (double *)(scratch + layout->image[1]));
        else
            load_f32(from->dtype, shape_elements(&from->shape), source,
                     (float *)(scratch + layout->image[1]));
        source = scratch + layout->image[1];
    }
    for (int d = image.rank - 1; d >= 0; d--) {
        struct resample r = {
            axes[d].in, axes[d].out, resize_taps(form, &axes[d]),
            (int64_t *)(scratch + layout->indices), (double *)(scratch + layout->weights),
            form->extrapolation,
        };
        const int64_t outer = shape_product(&image, 0, d);
        const int64_t inner = shape_product(&image, d + 1, image.rank);
        void *target = scratch + layout->image[next];
        bool last = direct;

        if (!axes[d].active)
            continue;
        for (int i = 0; i < d; i++)
            last = last && !axes[i].active;
        target = last ? to->data : target;
        fill_tables(form, &axes[d], r.taps, (int64_t *)(scratch + layout->indices),
                    (double *)(scratch + layout->weights));
        if (wide)
            resample_f64(&r, outer, inner, source, target);
        else
            resample_f32(&r, outer, inner, source, target);
        source = target;
        image.dims[d] = axes[d].out;
        next = 1 - next;
    }
    if (!direct && wide)
        store_f64(to->dtype, shape_elements(&to->shape), source, to->data);
    else if (!direct)
        store_f32(to->dtype, shape_elements(&to->shape), source, to->data);
}

/* Copies one row of the innermost dimension by its table. */
static void nearest_row(const int64_t *indices, int64_t count, size_t size, const char *from,
                        const char *extrapolation, char *to)
{
    if (size == 4) {
        for (int64_t x = 0; x < count; x++)
            memcpy(to + x * 4, indices[x] < 0 ? extrapolation : from + indices[x] * 4, 4);
        return;
    }
    for (int64_t x = 0; x < count; x++)
        memcpy(to + (size_t)x * size,
               indices[x] < 0 ? extrapolation : from + (size_t)indices[x] * size, size);
}

static void run_nearest(const struct op_call *call, const struct resize_form *form,
                        const struct resize_axis *axes, int64_t *indices)
{
    const struct tensor *from = call->inputs[0];
    struct tensor *to = call->outputs[0];
    const size_t size = dtype_size(to->dtype);
    const int rank = to->shape.rank;
    char extrapolation[sizeof(struct bytes)] = {0};
    const int64_t *tables[SHAPE_RANK_MAX] = {NULL};
    int64_t strides[SHAPE_RANK_MAX], at[SHAPE_RANK_MAX] = {0};
    const int64_t row = rank == 0 ? 1 : to->shape.dims[rank - 1];
    const int64_t rows = shape_product(&to->shape, 0, rank - 1);
    double weight;

    if (to->dtype != DTYPE_STRING)
        store_f32(to->dtype, 1, &form->extrapolation, extrapolation);
    shape_strides(&from->shape, strides);
    for (int d = 0; d < rank; d++) {
        if (!axes[d].active)
            continue;
        tables[d] = indices;
        for (int64_t x = 0; x < axes[d].out; x++, indices++)
            if (!resize_neighbours(form, &axes[d], x, 1, indices, &weight))
                *indices = -1;
    }
    for (int64_t r = 0; r < rows; r++) {
        char *target = (char *)to->data + (size_t)(r * row) * size;
        int64_t offset = 0;
        bool outside = false;

        for (int d = 0; d < rank - 1; d++) {
            const int64_t index = tables[d] != NULL ? tables[d][at[d]] : at[d];

            outside = outside || index < 0;
            offset += index * strides[d];
        }
        if (outside)
            for (int64_t x = 0; x < row; x++)
                memcpy(target + (size_t)x * size, extrapolation, size);
        else if (rank > 0 && tables[rank - 1] != NULL)
            nearest_row(tables[rank - 1], row, size, (const char *)from->data + (size_t)offset * size,
                        extrapolation, target);
        else
            memcpy(target, (const char *)from->data + (size_t)offset * size, (size_t)row * size);
        for (int d = rank - 2; d >= 0 && ++at[d] == to->shape.dims[d]; d--)
            at[d] = 0;
    }
}

static enum engine_status resize_run(const struct op_call *call, struct engine_error *err)
{
    const struct resize_form *form = call->params;
    const struct tensor *from = call->inputs[0];
    const struct tensor *operands[4] = {NULL};
    struct resize_axis axes[SHAPE_RANK_MAX];
    struct layout layout;
    enum engine_status status;
    bool active = false;

    for (int i = 1; i < call->n_inputs && i < 4; i++)
        operands[i] = unless_empty(call->inputs[i]);
    status = resize_form_axes(call->node, form, &from->shape, operands[1], operands[2], operands[3],
                              axes, err);
    if (status != ENGINE_OK || shape_elements(&call->outputs[0]->shape) == 0)
        return status;
    resize_layout(form, axes, &from->shape, from->dtype, &layout);
    for (int d = 0; d < from->shape.rank; d++)
        active = active || axes[d].active;
    if (!active)
        memcpy(call->outputs[0]->data, from->data, tensor_bytes(from));
    else if (form->mode == RESIZE_NEAREST)
        run_nearest(call, form, axes, (int64_t *)((char *)call->scratch + layout.indices));
    else
        run_smooth(call, form, axes, &layout);
    return ENGINE_OK;
}

const struct op_def ops_resize[] = {
    {.name = "Resize", .domain = "", .since = 10, .inputs_min = 1, .inputs_max = 4,
     .outputs_min = 1, .outputs_max = 1, .host_inputs = 1 << 1 | 1 << 2 | 1 << 3,
     .params_size = sizeof(struct resize_form), .init = resize_init, .infer = resize_infer,
     .run = resize_run},
    {.name = NULL},
};
