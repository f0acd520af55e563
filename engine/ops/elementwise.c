/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/ops/elementwise.h"

#include "engine/kernels/convert.h"
#include "engine/kernels/cpu.h"

#include <assert.h>

enum { GRAIN_LIGHT = 32768, GRAIN_HEAVY = 4096 };

/* A kernel and the types between which its edges convert. */
struct edges {
    row_fn *fn;
    const void *arg;
    int n_inputs;
    enum dtype compute;            /* what fn reads, and writes unless to_bool */
    enum dtype inputs[BROADCAST_INPUTS_MAX];
    enum dtype output;
    bool to_bool;
};

/* Row function that hands chunks to the kernel in its own type. */
static void convert_row(int64_t n, const void *const *inputs, const int64_t *steps, void *output,
                        const void *arg)
{
    const struct edges *edges = arg;
    _Alignas(64) int64_t loaded[BROADCAST_INPUTS_MAX][CONVERT_CHUNK];
    _Alignas(64) int64_t computed[CONVERT_CHUNK];
    bool store = !edges->to_bool && edges->output != edges->compute;

    for (int64_t from = 0; from < n; from += CONVERT_CHUNK) {
        int64_t count = n - from < CONVERT_CHUNK ? n - from : CONVERT_CHUNK;
        char *out = (char *)output + (size_t)from * dtype_size(edges->output);
        const void *chunk[BROADCAST_INPUTS_MAX];

        for (int k = 0; k < edges->n_inputs; k++) {
            chunk[k] = (const char *)inputs[k] +
                       (size_t)(from * steps[k]) * dtype_size(edges->inputs[k]);
            if (edges->inputs[k] == edges->compute)
                continue;
            if (steps[k] != 0 || from == 0)
                load_as(edges->compute, edges->inputs[k], steps[k] != 0 ? count : 1, chunk[k],
                        loaded[k]);
            chunk[k] = loaded[k];
        }
        edges->fn(count, chunk, steps, store ? (void *)computed : (void *)out, edges->arg);
        if (store)
            store_as(edges->compute, edges->output, count, computed, out);
    }
}

static row_fn *pick(const struct rows *rows, enum dtype compute)
{
    switch (compute) {
    case DTYPE_F32:
        return rows->f32_wide != NULL && cpu_isa() >= ISA_AVX2 ? rows->f32_wide : rows->f32;
    case DTYPE_F64:
        return rows->f64;
    case DTYPE_U64:
        return rows->u64;
    default:
        return rows->i64;
    }
}

void elementwise_run_as(enum dtype compute, struct pool *pool, const struct rows *rows,
                        int n_inputs, const struct tensor *const *inputs,
                        const struct tensor *output, const void *arg)
{
    struct edges edges = {.arg = arg, .n_inputs = n_inputs, .to_bool = rows->to_bool};
    int64_t grain = rows->heavy ? GRAIN_HEAVY : GRAIN_LIGHT;
    bool direct;

    edges.compute = compute;
    edges.output = output->dtype;
    edges.fn = pick(rows, edges.compute);
    assert(edges.fn != NULL);
    direct = rows->to_bool || edges.output == edges.compute;
    for (int k = 0; k < n_inputs; k++) {
        edges.inputs[k] = inputs[k]->dtype;
        direct = direct && edges.inputs[k] == edges.compute;
    }
    if (direct)
        broadcast_run(pool, grain, n_inputs, inputs, output, edges.fn, arg);
    else
        broadcast_run(pool, grain, n_inputs, inputs, output, convert_row, &edges);
}

void elementwise_run(struct pool *pool, const struct rows *rows, int n_inputs,
                     const struct tensor *const *inputs, const struct tensor *output,
                     const void *arg)
{
    if (inputs[0]->dtype == DTYPE_BOOL && rows->bools != NULL)
        broadcast_run(pool, rows->heavy ? GRAIN_HEAVY : GRAIN_LIGHT, n_inputs, inputs, output,
                      rows->bools, arg);
    else
        elementwise_run_as(compute_dtype(inputs[0]->dtype), pool, rows, n_inputs, inputs, output,
                           arg);
}

enum engine_status infer_broadcast_one_type(struct op_infer *infer, struct engine_error *err)
{
    for (int i = 1; i < infer->n_inputs; i++) {
        enum dtype dtype = infer->inputs[i].dtype;

        if (dtype != DTYPE_NONE && dtype != infer->inputs[0].dtype)
            return op_fail(infer->node, err, "input %d is %s, the first is %s", i,
                           dtype_name(dtype), dtype_name(infer->inputs[0].dtype));
    }
    return infer_broadcast(infer, err);
}

enum engine_status infer_broadcast_to_bool(struct op_infer *infer, struct engine_error *err)
{
    enum engine_status status = infer_broadcast_one_type(infer, err);

    infer->outputs[0].dtype = DTYPE_BOOL;
    return status;
}

enum engine_status infer_same_to_bool(struct op_infer *infer, struct engine_error *err)
{
    enum engine_status status = infer_same_as_first(infer, err);

    infer->outputs[0].dtype = DTYPE_BOOL;
    return status;
}
