/* SPDX-License-Identifier: Apache-2.0
 * CumSum and CumProd: running sums and products along one axis. */
#include "engine/kernels/convert.h"
#include "engine/ops/elementwise.h"
#include "engine/ops/operands.h"

#include <inttypes.h>
#include <string.h>

struct cumulative_params {
    bool product, exclusive, reverse;
};

/* The tensor as [outer, n, inner] around the axis. */
struct walk {
    const struct cumulative_params *params;
    enum dtype dtype, compute;
    size_t size;                   /* of an element */
    int64_t n, inner;
};

union number {
    float f32;
    double f64;
    uint64_t u64;
};

/* Goes on from *total over n elements that follow each other along the axis. */
#define RUNNING(name, type) \
    static void name(const struct cumulative_params *params, int64_t n, type *items, type *total) \
    { \
        for (int64_t i = 0; i < n; i++) { \
            type *item = &items[params->reverse ? n - 1 - i : i]; \
            type next = params->product ? *total * *item : *total + *item; \
            *item = params->exclusive ? *total : next; \
            *total = next; \
        } \
    }

RUNNING(running_f32, float)
RUNNING(running_f64, double)
RUNNING(running_u64, uint64_t)

static void running(const struct walk *walk, int64_t n, void *items, union number *total)
{
    if (walk->compute == DTYPE_F32)
        running_f32(walk->params, n, items, &total->f32);
    else if (walk->compute == DTYPE_F64)
        running_f64(walk->params, n, items, &total->f64);
    else
        running_u64(walk->params, n, items, &total->u64);
}

static union number start(const struct walk *walk)
{
    union number total = {.u64 = 0};

    if (walk->compute == DTYPE_F32)
        total.f32 = walk->params->product ? 1.0f : 0.0f;
    else if (walk->compute == DTYPE_F64)
        total.f64 = walk->params->product ? 1.0 : 0.0;
    else
        total.u64 = walk->params->product;
    return total;
}

/* One line of n elements along the last axis, a chunk at a time. */
static void run_line(const struct walk *walk, const char *x, char *y)
{
    _Alignas(64) int64_t items[CONVERT_CHUNK];
    union number total = start(walk);

    for (int64_t done = 0; done < walk->n; done += CONVERT_CHUNK) {
        int64_t count = walk->n - done < CONVERT_CHUNK ? walk->n - done : CONVERT_CHUNK;
        int64_t at = walk->params->reverse ? walk->n - done - count : done;
        size_t offset = (size_t)at * walk->size;

        load_as(walk->compute, walk->dtype, count, x + offset, items);
        running(walk, count, items, &total);
        store_as(walk->compute, walk->dtype, count, items, y + offset);
    }
}

/* Lines side by side: `count` of them, at most CONVERT_CHUNK, a step along the axis at a time. */
static void run_lines(const struct walk *walk, int64_t count, const char *x, char *y)
{
    union number totals[CONVERT_CHUNK];
    _Alignas(64) int64_t items[CONVERT_CHUNK];
    size_t item_size = dtype_size(walk->compute);

    for (int64_t k = 0; k < count; k++)
        totals[k] = start(walk);
    for (int64_t step = 0; step < walk->n; step++) {
        int64_t i = walk->params->reverse ? walk->n - 1 - step : step;
        size_t offset = (size_t)(i * walk->inner) * walk->size;

        load_as(walk->compute, walk->dtype, count, x + offset, items);
        for (int64_t k = 0; k < count; k++)
            running(walk, 1, (char *)items + (size_t)k * item_size, &totals[k]);
        store_as(walk->compute, walk->dtype, count, items, y + offset);
    }
}

static enum engine_status cumulative_run(const struct op_call *call, struct engine_error *err)
{
    const struct tensor *x = call->inputs[0];
    const struct tensor *axis_input = call->inputs[1];
    struct walk walk = {.params = call->params, .dtype = x->dtype};
    const char *in = x->data;
    char *out = call->outputs[0]->data;
    int64_t outer;
    int axis;

    if (!shape_axis(tensor_int_at(axis_input, 0), x->shape.rank, &axis))
        return op_fail(call->node, err, "axis %" PRId64 " of a tensor of rank %d",
                       tensor_int_at(axis_input, 0), x->shape.rank);
    walk.compute = compute_dtype(x->dtype);
    walk.size = dtype_size(x->dtype);
    walk.n = x->shape.dims[axis];
    walk.inner = shape_product(&x->shape, axis + 1, x->shape.rank);
    outer = shape_elements(&x->shape) == 0 ? 0 : shape_product(&x->shape, 0, axis);
    for (int64_t o = 0; o < outer; o++) {
        size_t offset = (size_t)(o * walk.n * walk.inner) * walk.size;

        if (walk.inner == 1)
            run_line(&walk, in + offset, out + offset);
        for (int64_t k = 0; walk.inner > 1 && k < walk.inner; k += CONVERT_CHUNK)
            run_lines(&walk, walk.inner - k < CONVERT_CHUNK ? walk.inner - k : CONVERT_CHUNK,
                      in + offset + (size_t)k * walk.size, out + offset + (size_t)k * walk.size);
    }
    return ENGINE_OK;
}

static enum engine_status cumulative_init(const struct op_init *init, struct engine_error *err)
{
    struct cumulative_params *params = init->params;

    (void)err;
    params->product = strcmp(init->node->op_type, "CumProd") == 0;
    params->exclusive = node_int(init->node, "exclusive", 0) != 0;
    params->reverse = node_int(init->node, "reverse", 0) != 0;
    return ENGINE_OK;
}

static enum engine_status cumulative_infer(struct op_infer *infer, struct engine_error *err)
{
    const struct tensor *axis = &infer->inputs[1];

    if ((axis->dtype != DTYPE_I32 && axis->dtype != DTYPE_I64) || shape_elements(&axis->shape) != 1)
        return op_fail(infer->node, err, "the axis is not one int32 or int64");
    if (infer->inputs[0].shape.rank == 0)
        return op_fail(infer->node, err, "a scalar has no axis");
    return infer_same_as_first(infer, err);
}

#define CUMULATIVE(op_name, opset) \
    {.name = op_name, .domain = "", .since = opset, .inputs_min = 2, .inputs_max = 2, \
     .outputs_min = 1, .outputs_max = 1, .flags = OP_INPLACE, .dtypes = DTYPES_NUMBER, \
     .params_size = sizeof(struct cumulative_params), .init = cumulative_init, \
     .infer = cumulative_infer, .run = cumulative_run}

const struct op_def ops_cumulative[] = {
    CUMULATIVE("CumSum", 11),
    CUMULATIVE("CumProd", 24),
    {0},
};
