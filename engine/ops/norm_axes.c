/* SPDX-License-Identifier: Apache-2.0
 * Normalisations over named axes, made of reductions and broadcasting: MeanVarianceNormalization
 * and LpNormalization. */
#include "engine/kernels/reduce.h"
#include "engine/ops/elementwise.h"
#include "engine/ops/norm_form.h"
#include "engine/ops/operands.h"
#include "engine/ops/rows.h"
#include "engine/ops/widen.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

BINARY_ROW(subtract_f32, float, float, a - b)
BINARY_ROW(subtract_f64, double, double, a - b)
static const struct rows subtract_rows = {.f32 = subtract_f32, .f64 = subtract_f64};

/* a / (root of b + floor) */
BINARY_ROW(deviate_f32, float, float, a / (sqrtf(b) + (float)DEVIATION_FLOOR))
BINARY_ROW(deviate_f64, double, double, a / (sqrt(b) + DEVIATION_FLOOR))
static const struct rows deviate_rows = {.f32 = deviate_f32, .f64 = deviate_f64};

/* A norm of 0 leaves the zeros that it is of. */
BINARY_ROW(by_norm_f32, float, float, b == 0.0f ? a : a / b)
BINARY_ROW(by_norm_f64, double, double, b == 0.0 ? a : a / b)
static const struct rows by_norm_rows = {.f32 = by_norm_f32, .f64 = by_norm_f64};

static enum engine_status mvn_init(const struct op_init *init, struct engine_error *err)
{
    static const int64_t usual[] = {0, 2, 3};
    struct axes_params *params = init->params;
    size_t count;
    const int64_t *axes = node_ints(init->node, "axes", &count);

    if (axes == NULL) {
        axes = usual;
        count = 3;
    }
    if (count > SHAPE_RANK_MAX)
        return op_unsupported(init->node, err, "%zu axes", count);
    params->n_axes = (int)count;
    memcpy(params->axes, axes, count * sizeof(*axes));
    return ENGINE_OK;
}

static enum engine_status lp_init(const struct op_init *init, struct engine_error *err)
{
    struct axes_params *params = init->params;

    params->lp = true;
    params->p = node_int(init->node, "p", 2);
    params->n_axes = 1;
    params->axes[0] = node_int(init->node, "axis", -1);
    if (params->p != 1 && params->p != 2)
        return op_unsupported(init->node, err, "p %" PRId64, params->p);
    return ENGINE_OK;
}

/* The shape with each of the axes 1, and the axes as bits. */
static struct shape reduced_shape(const struct axes_params *params, struct shape shape,
                                  uint32_t *ret_bits)
{
    *ret_bits = 0;
    for (int i = 0; i < params->n_axes; i++) {
        int axis = 0;

        shape_axis(params->axes[i], shape.rank, &axis);
        *ret_bits |= 1u << axis;
        shape.dims[axis] = 1;
    }
    return shape;
}

static enum engine_status axes_infer(struct op_infer *infer, struct engine_error *err)
{
    const struct axes_params *params = infer->params;
    const struct tensor *x = &infer->inputs[0];
    struct shape reduced;
    uint32_t bits;
    int axis;

    for (int i = 0; i < params->n_axes; i++) {
        enum engine_status status = operand_axis(infer, params->axes[i], x->shape.rank, &axis, err);

        if (status != ENGINE_OK)
            return status;
    }
    reduced = reduced_shape(params, x->shape, &bits);
    infer_output(infer, 0, x->dtype, &x->shape);
    infer->scratch_bytes = (size_t)shape_elements(&reduced) * sizeof(double);
    widen_infer(infer);
    return ENGINE_OK;
}

static enum engine_status axes_run_wide(const struct op_call *call, struct engine_error *err)
{
    const struct axes_params *params = call->params;
    const struct tensor *x = call->inputs[0], *y = call->outputs[0];
    struct tensor reduced = {.dtype = x->dtype, .data = call->scratch};
    const struct tensor *pair[2] = {x, &reduced};
    uint32_t bits;

    (void)err;
    reduced.shape = reduced_shape(params, x->shape, &bits);
    if (params->lp) {
        reduce_run(call->pool, params->p == 1 ? REDUCE_L1 : REDUCE_L2, x, bits, &reduced);
        elementwise_run(call->pool, &by_norm_rows, 2, pair, y, NULL);
        return ENGINE_OK;
    }
    reduce_run(call->pool, REDUCE_MEAN, x, bits, &reduced);
    elementwise_run(call->pool, &subtract_rows, 2, pair, y, NULL);
    pair[0] = y;
    reduce_run(call->pool, REDUCE_MEAN_SQUARE, y, bits, &reduced);
    elementwise_run(call->pool, &deviate_rows, 2, pair, y, NULL);
    return ENGINE_OK;
}

static enum engine_status axes_run(const struct op_call *call, struct engine_error *err)
{
    return widen_run(call, axes_run_wide, err);
}

const struct op_def ops_norm_axes[] = {
    {.name = "MeanVarianceNormalization", .domain = "", .since = 13, .inputs_min = 1,
     .inputs_max = 1, .outputs_min = 1, .outputs_max = 1, .flags = OP_INPLACE | OP_PARALLEL,
     .dtypes = DTYPES_FLOAT, .params_size = sizeof(struct axes_params), .init = mvn_init,
     .infer = axes_infer, .run = axes_run},
    {.name = "LpNormalization", .domain = "", .since = 1, .inputs_min = 1, .inputs_max = 1,
     .outputs_min = 1, .outputs_max = 1, .flags = OP_INPLACE | OP_PARALLEL,
     .dtypes = DTYPES_FLOAT, .params_size = sizeof(struct axes_params), .init = lp_init,
     .infer = axes_infer, .run = axes_run},
    {0},
};
