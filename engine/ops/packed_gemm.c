/* SPDX-License-Identifier: Apache-2.0
 * What engine/optimise/pack.c makes of MatMul and Gemm with constant weights:
 * inferd.PackGemm (w) [transB, alpha] rearranges them, in the prologue, once for each generation;
 * inferd.PackedGemm (x, packed, bias, residual) [depth, columns, activation, alpha, beta] computes
 * over the last dimension of x. float32 only. */
#include "engine/kernels/packed.h"
#include "engine/ops/epilogue.h"
#include "engine/ops/families.h"

struct pack_params {
    bool trans_b;
    float alpha;
};

static enum engine_status pack_init(const struct op_init *init, struct engine_error *err)
{
    struct pack_params *params = init->params;

    (void)err;
    params->trans_b = node_int(init->node, "transB", 0) != 0;
    params->alpha = node_float(init->node, "alpha", 1.0f);
    return ENGINE_OK;
}

static enum engine_status pack_infer(struct op_infer *infer, struct engine_error *err)
{
    const struct pack_params *params = infer->params;
    const struct shape *w = &infer->inputs[0].shape;
    struct tensor *out = &infer->outputs[0];
    char text[SHAPE_TEXT_MAX];

    out->dtype = DTYPE_F32;
    out->shape.rank = 1;
    if (w->rank != 2 ||
        !packed_size(w->dims[params->trans_b], w->dims[!params->trans_b], &out->shape.dims[0]))
        return op_fail(infer->node, err, "weights of shape %s", shape_text(w, text, sizeof(text)));
    return ENGINE_OK;
}

static enum engine_status pack_run(const struct op_call *call, struct engine_error *err)
{
    const struct pack_params *params = call->params;
    const struct tensor *w = call->inputs[0];
    int64_t row = w->shape.dims[1];

    (void)err;
    packed_fill(w->shape.dims[params->trans_b], w->shape.dims[!params->trans_b], w->data,
                params->trans_b ? 1 : row, params->trans_b ? row : 1, params->alpha,
                call->outputs[0]->data);
    return ENGINE_OK;
}

struct packed_params {
    int64_t depth, columns;
    struct activation activation;
};

static enum engine_status packed_init(const struct op_init *init, struct engine_error *err)
{
    struct packed_params *params = init->params;

    params->depth = node_int(init->node, "depth", 0);
    params->columns = node_int(init->node, "columns", 0);
    return epilogue_init(init, &params->activation, err);
}

static struct shape product_shape(const struct packed_params *params, const struct shape *x)
{
    struct shape shape = *x;

    shape.dims[shape.rank - 1] = params->columns;
    return shape;
}

static enum engine_status packed_infer(struct op_infer *infer, struct engine_error *err)
{
    const struct packed_params *params = infer->params;
    const struct shape *x = &infer->inputs[0].shape;
    struct shape product;
    char text[SHAPE_TEXT_MAX];
    int64_t floats;

    if (x->rank < 1 || x->dims[x->rank - 1] != params->depth)
        return op_fail(infer->node, err, "input has shape %s, its last dimension should be %lld",
                       shape_text(x, text, sizeof(text)), (long long)params->depth);
    if (!packed_size(params->depth, params->columns, &floats) ||
        floats != shape_elements(&infer->inputs[1].shape))
        return op_fail(infer->node, err, "weights were not packed for %lld by %lld",
                       (long long)params->depth, (long long)params->columns);
    product = product_shape(params, x);
    infer->flops = op_flops(shape_product(x, 0, x->rank - 1), params->depth, params->columns);
    return epilogue_infer(infer, &product, err);
}

static enum engine_status packed_op_run(const struct op_call *call, struct engine_error *err)
{
    const struct packed_params *params = call->params;
    const struct tensor *x = call->inputs[0];
    struct shape shape = product_shape(params, &x->shape);
    struct epilogue_call epilogue = epilogue_start(call, &params->activation, &shape, call->scratch);
    struct packed_product product = {
        .rows = shape_product(&shape, 0, shape.rank - 1), .columns = params->columns,
        .depth = params->depth, .a = x->data, .a_step = params->depth,
        .weights = call->inputs[1]->data, .c = epilogue.product, .c_step = params->columns,
        .epilogue = epilogue.epilogue,
    };

    (void)err;
    packed_run(&product, call->pool);
    epilogue_finish(call, &params->activation, &shape, &epilogue);
    return ENGINE_OK;
}

const struct op_def ops_packed_gemm[] = {
    {.domain = "inferd", .name = "PackGemm", .since = 1, .inputs_min = 1, .inputs_max = 1,
     .outputs_min = 1, .outputs_max = 1, .dtypes = DTYPE_BIT(DTYPE_F32),
     .params_size = sizeof(struct pack_params), .init = pack_init, .infer = pack_infer,
     .run = pack_run},
    {.domain = "inferd", .name = "PackedGemm", .since = 1, .inputs_min = 2, .inputs_max = 4,
     .outputs_min = 1, .outputs_max = 1, .flags = OP_PARALLEL, .dtypes = DTYPE_BIT(DTYPE_F32),
     .params_size = sizeof(struct packed_params), .init = packed_init, .infer = packed_infer,
     .run = packed_op_run},
    {0},
};
