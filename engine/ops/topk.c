/* SPDX-License-Identifier: Apache-2.0
 * TopK: the k extreme elements along an axis, in order, earlier ones first among equals. A heap of
 * k indices keeps the best so far; elements are compared as 64-bit keys whose unsigned order is
 * that of the numbers, so one loop serves all types. NaN counts as largest. */
#include "engine/kernels/convert.h"
#include "engine/ops/elementwise.h"
#include "engine/ops/operands.h"

#include <inttypes.h>
#include <string.h>

struct topk_params {
    int64_t axis;
    bool largest;
};

static uint64_t key_of_double(double value)
{
    uint64_t bits;

    if (value != value)
        return UINT64_MAX;
    value += 0.0;                          /* -0 becomes 0 */
    memcpy(&bits, &value, sizeof(bits));
    return bits >> 63 != 0 ? ~bits : bits | UINT64_C(1) << 63;
}

/* The key of the element at `at`. */
static uint64_t key_of(enum dtype dtype, const char *at)
{
    double value;
    int64_t integer;

    if (dtype_is_float(dtype)) {
        load_f64(dtype, 1, at, &value);
        return key_of_double(value);
    }
    load_i64(dtype, 1, at, &integer);
    return dtype == DTYPE_U64 ? (uint64_t)integer : (uint64_t)integer ^ UINT64_C(1) << 63;
}

/* Whether element i comes behind element j. */
static bool behind(const uint64_t *keys, int64_t i, int64_t j)
{
    return keys[i] < keys[j] || (keys[i] == keys[j] && i > j);
}

/* Restores the heap below `at`: its root is the element that comes last. */
static void sift(const uint64_t *keys, int64_t *heap, int64_t size, int64_t at)
{
    for (;;) {
        int64_t child = 2 * at + 1, swap;

        if (child >= size)
            return;
        if (child + 1 < size && behind(keys, heap[child + 1], heap[child]))
            child++;
        if (!behind(keys, heap[child], heap[at]))
            return;
        swap = heap[at];
        heap[at] = heap[child];
        heap[child] = swap;
        at = child;
    }
}

/* Fills heap[k] with the indices of the k first of n keys, in order. */
static void select_first(const uint64_t *keys, int64_t n, int64_t k, int64_t *heap)
{
    for (int64_t i = 0; i < k; i++)
        heap[i] = i;
    for (int64_t i = k / 2 - 1; i >= 0; i--)
        sift(keys, heap, k, i);
    for (int64_t i = k; i < n; i++) {
        if (k == 0 || !behind(keys, heap[0], i))
            continue;
        heap[0] = i;
        sift(keys, heap, k, 0);
    }
    for (int64_t size = k - 1; size > 0; size--) {
        int64_t swap = heap[0];

        heap[0] = heap[size];
        heap[size] = swap;
        sift(keys, heap, size, 0);
    }
}

static enum engine_status topk_run(const struct op_call *call, struct engine_error *err)
{
    const struct topk_params *params = call->params;
    const struct tensor *x = call->inputs[0];
    size_t size = dtype_size(x->dtype);
    char *values = call->outputs[0]->data;
    int64_t *places = call->outputs[1] != NULL ? call->outputs[1]->data : NULL;
    uint64_t *keys = call->scratch;
    int64_t *heap;
    int64_t outer, n, inner, k;
    int axis = 0;

    (void)err;
    shape_axis(params->axis, x->shape.rank, &axis);
    outer = shape_product(&x->shape, 0, axis);
    n = x->shape.dims[axis];
    inner = shape_product(&x->shape, axis + 1, x->shape.rank);
    k = call->outputs[0]->shape.dims[axis];
    heap = (int64_t *)(keys + n);
    for (int64_t line = 0; line < outer * inner; line++) {
        const char *from = (const char *)x->data +
                           (size_t)(line / inner * n * inner + line % inner) * size;
        int64_t to = line / inner * k * inner + line % inner;

        for (int64_t i = 0; i < n; i++) {
            keys[i] = key_of(x->dtype, from + (size_t)(i * inner) * size);
            keys[i] = params->largest ? keys[i] : ~keys[i];
        }
        select_first(keys, n, k, heap);
        for (int64_t i = 0; i < k; i++) {
            memcpy(values + (size_t)(to + i * inner) * size,
                   from + (size_t)(heap[i] * inner) * size, size);
            if (places != NULL)
                places[to + i * inner] = heap[i];
        }
    }
    return ENGINE_OK;
}

static enum engine_status topk_init(const struct op_init *init, struct engine_error *err)
{
    struct topk_params *params = init->params;

    (void)err;
    params->axis = node_int(init->node, "axis", -1);
    params->largest = node_int(init->node, "largest", 1) != 0;
    return ENGINE_OK;
}

static enum engine_status topk_infer(struct op_infer *infer, struct engine_error *err)
{
    const struct topk_params *params = infer->params;
    struct shape shape = infer->inputs[0].shape;
    int64_t k = 0;
    int axis = 0;
    enum engine_status status = operand_axis(infer, params->axis, shape.rank, &axis, err);

    if (status == ENGINE_OK)
        status = operand_int(infer, 1, "K", &k, err);
    if (status != ENGINE_OK)
        return status;
    if (k < 0 || k > shape.dims[axis])
        return op_fail(infer->node, err, "K is %" PRId64 ", axis %d has %" PRId64 " elements", k,
                       axis, shape.dims[axis]);
    infer->scratch_bytes = (size_t)(shape.dims[axis] + k) * sizeof(uint64_t);
    shape.dims[axis] = k;
    infer_output(infer, 0, infer->inputs[0].dtype, &shape);
    infer_output(infer, 1, DTYPE_I64, &shape);
    return ENGINE_OK;
}

const struct op_def ops_topk[] = {
    {.name = "TopK", .domain = "", .since = 11, .inputs_min = 2, .inputs_max = 2, .outputs_min = 2,
     .outputs_max = 2, .host_inputs = 1u << 1, .dtypes = DTYPES_NUMBER,
     .params_size = sizeof(struct topk_params), .init = topk_init, .infer = topk_infer,
     .run = topk_run},
    {0},
};
