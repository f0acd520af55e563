/* SPDX-License-Identifier: Apache-2.0
 * The Reduce operators. `axes` is input 1; without any, all dimensions are reduced, or none if
 * noop_with_empty_axes says so (what a kind does to single elements still happens then). */
#include "engine/kernels/reduce.h"
#include "engine/ops/elementwise.h"
#include "engine/ops/operands.h"

#include <string.h>

struct reduce_params {
    enum reduce_kind kind;
    bool keep, none_if_empty;
};

static const struct { const char *op; enum reduce_kind kind; } kinds[] = {
    {"ReduceL1", REDUCE_L1},
    {"ReduceL2", REDUCE_L2},
    {"ReduceLogSum", REDUCE_LOG_SUM},
    {"ReduceLogSumExp", REDUCE_LOG_SUM_EXP},
    {"ReduceMax", REDUCE_MAX},
    {"ReduceMean", REDUCE_MEAN},
    {"ReduceMin", REDUCE_MIN},
    {"ReduceProd", REDUCE_PROD},
    {"ReduceSum", REDUCE_SUM},
    {"ReduceSumSquare", REDUCE_SUM_SQUARE},
};

static enum engine_status reduce_init(const struct op_init *init, struct engine_error *err)
{
    struct reduce_params *params = init->params;
    int row = 0;

    (void)err;
    while (strcmp(kinds[row].op, init->node->op_type) != 0)
        row++;
    params->kind = kinds[row].kind;
    params->keep = node_int(init->node, "keepdims", 1) != 0;
    params->none_if_empty = node_int(init->node, "noop_with_empty_axes", 0) != 0;
    return ENGINE_OK;
}

/* The reduced dimensions as bits; `axes` may be NULL. Infer has checked them. */
static uint32_t axes_bits(const struct reduce_params *params, const struct tensor *axes, int rank)
{
    int64_t count = axes != NULL ? shape_elements(&axes->shape) : 0;
    uint32_t bits = 0;

    if (count == 0)
        return params->none_if_empty ? 0 : (1u << rank) - 1;
    for (int64_t i = 0; i < count; i++) {
        int axis = 0;

        shape_axis(tensor_int_at(axes, i), rank, &axis);
        bits |= 1u << axis;
    }
    return bits;
}

static enum engine_status reduce_infer(struct op_infer *infer, struct engine_error *err)
{
    const struct reduce_params *params = infer->params;
    const struct shape *x = &infer->inputs[0].shape;
    struct shape y = {0};
    int axes[SHAPE_RANK_MAX], count = 0;
    uint32_t bits;

    if (operand_present(infer, 1)) {
        enum engine_status status = operand_axes(infer, 1, x->rank, axes, &count, err);

        if (status != ENGINE_OK)
            return status;
    }
    bits = axes_bits(params, operand_present(infer, 1) ? &infer->inputs[1] : NULL, x->rank);
    for (int d = 0; d < x->rank; d++) {
        bool reduced = (bits >> d & 1u) != 0;

        if (!reduced || params->keep)
            y.dims[y.rank++] = reduced ? 1 : x->dims[d];
    }
    infer_output(infer, 0, infer->inputs[0].dtype, &y);
    return ENGINE_OK;
}

static enum engine_status reduce_op_run(const struct op_call *call, struct engine_error *err)
{
    const struct reduce_params *params = call->params;
    const struct tensor *x = call->inputs[0];
    const struct tensor *axes = operand_given(call, 1) ? call->inputs[1] : NULL;

    (void)err;
    reduce_run(call->pool, params->kind, x, axes_bits(params, axes, x->shape.rank),
               call->outputs[0]);
    return ENGINE_OK;
}

#define REDUCE(op_name, types) \
    {.name = op_name, .domain = "", .since = 18, .inputs_min = 1, .inputs_max = 2, \
     .outputs_min = 1, .outputs_max = 1, .flags = OP_PARALLEL, .host_inputs = 1u << 1, \
     .dtypes = types, .params_size = sizeof(struct reduce_params), .init = reduce_init, \
     .infer = reduce_infer, .run = reduce_op_run}

const struct op_def ops_reduce[] = {
    REDUCE("ReduceL1", DTYPES_NUMBER),
    REDUCE("ReduceL2", DTYPES_NUMBER),
    REDUCE("ReduceLogSum", DTYPES_NUMBER),
    REDUCE("ReduceLogSumExp", DTYPES_NUMBER),
    REDUCE("ReduceMax", DTYPES_NUMBER | DTYPE_BIT(DTYPE_BOOL)),
    REDUCE("ReduceMean", DTYPES_NUMBER),
    REDUCE("ReduceMin", DTYPES_NUMBER | DTYPE_BIT(DTYPE_BOOL)),
    REDUCE("ReduceProd", DTYPES_NUMBER),
    REDUCE("ReduceSum", DTYPES_NUMBER),
    REDUCE("ReduceSumSquare", DTYPES_NUMBER),
    {0},
};
