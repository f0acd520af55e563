/* SPDX-License-Identifier: Apache-2.0
 * MatMul of any two tensors. One with constant weights becomes inferd.PackedGemm when a model is
 * optimised: see engine/ops/packed_gemm.c. */
#include "engine/op.h"
#include "engine/ops/families.h"
#include "engine/ops/product.h"

/* MatMul's operands as stacks of matrices: a vector on the left is a row, on the right a column. */
struct stacks {
    struct shape a, b, batch;   /* ranks of at least 2; the broadcast leading dimensions */
    int64_t m, n, k;
};

static bool stacks_of(const struct shape *a, const struct shape *b, struct stacks *ret)
{
    struct shape lead_a, lead_b;

    ret->a = *a;
    ret->b = *b;
    if (a->rank == 1) {
        ret->a.rank = 2;
        ret->a.dims[1] = a->dims[0];
        ret->a.dims[0] = 1;
    }
    if (b->rank == 1) {
        ret->b.rank = 2;
        ret->b.dims[1] = 1;
    }
    if (a->rank == 0 || b->rank == 0)
        return false;
    ret->m = ret->a.dims[ret->a.rank - 2];
    ret->k = ret->a.dims[ret->a.rank - 1];
    ret->n = ret->b.dims[ret->b.rank - 1];
    lead_a = ret->a;
    lead_b = ret->b;
    lead_a.rank -= 2;
    lead_b.rank -= 2;
    return ret->k == ret->b.dims[ret->b.rank - 2] && shape_broadcast(&lead_a, &lead_b, &ret->batch);
}

static enum engine_status matmul_infer(struct op_infer *infer, struct engine_error *err)
{
    const struct tensor *a = &infer->inputs[0], *b = &infer->inputs[1];
    struct shape *out = &infer->outputs[0].shape;
    char text_a[SHAPE_TEXT_MAX], text_b[SHAPE_TEXT_MAX];
    struct stacks stacks;

    if (a->dtype != b->dtype)
        return op_fail(infer->node, err, "types %s and %s differ", dtype_name(a->dtype),
                       dtype_name(b->dtype));
    if (!stacks_of(&a->shape, &b->shape, &stacks) || stacks.batch.rank + 2 > SHAPE_RANK_MAX)
        return op_fail(infer->node, err, "shapes %s and %s do not multiply",
                       shape_text(&a->shape, text_a, sizeof(text_a)),
                       shape_text(&b->shape, text_b, sizeof(text_b)));
    infer->outputs[0].dtype = a->dtype;
    *out = stacks.batch;
    if (a->shape.rank > 1)
        out->dims[out->rank++] = stacks.m;
    if (b->shape.rank > 1)
        out->dims[out->rank++] = stacks.n;
    if (is_half(a->dtype) && shape_check(out, sizeof(float), NULL))
        infer->scratch_bytes = sizeof(float) * (size_t)(shape_elements(&a->shape) +
                                                        shape_elements(&b->shape) +
                                                        shape_elements(out));
    return ENGINE_OK;
}

/* Elements from matrix to matrix along each broadcast dimension: 0 where the operand has one. */
static void batch_strides(const struct shape *shape, const struct shape *batch,
                          int64_t strides[SHAPE_RANK_MAX])
{
    int64_t own[SHAPE_RANK_MAX];

    shape_strides(shape, own);
    for (int i = 0; i < batch->rank; i++) {
        int axis = i - (batch->rank - (shape->rank - 2));

        strides[i] = axis < 0 || shape->dims[axis] == 1 ? 0 : own[axis];
    }
}

static void matmul_stacks(enum dtype dtype, const struct stacks *s, const char *a, const char *b,
                          char *c)
{
    struct gemm_form form = {.m = s->m, .n = s->n, .k = s->k, .lda = s->k, .ldb = s->n, .ldc = s->n};
    int64_t strides_a[SHAPE_RANK_MAX], strides_b[SHAPE_RANK_MAX], at[SHAPE_RANK_MAX] = {0};
    int64_t batches = shape_elements(&s->batch), offset_a = 0, offset_b = 0;
    size_t size = dtype_size(dtype);

    /* One matrix on the right serves all rows on the left at once. */
    if (shape_product(&s->b, 0, s->b.rank - 2) == 1) {
        form.m *= batches;
        batches = batches != 0;
    }
    batch_strides(&s->a, &s->batch, strides_a);
    batch_strides(&s->b, &s->batch, strides_b);
    for (int64_t i = 0; i < batches; i++) {
        product(dtype, &form, a + (size_t)offset_a * size, b + (size_t)offset_b * size,
                c + (size_t)(i * s->m * s->n) * size);
        for (int d = s->batch.rank - 1; d >= 0; d--) {
            offset_a += strides_a[d];
            offset_b += strides_b[d];
            if (++at[d] < s->batch.dims[d])
                break;
            offset_a -= at[d] * strides_a[d];
            offset_b -= at[d] * strides_b[d];
            at[d] = 0;
        }
    }
}

static enum engine_status matmul_run(const struct op_call *call, struct engine_error *err)
{
    const struct tensor *a = call->inputs[0], *b = call->inputs[1];
    struct tensor *c = call->outputs[0];
    struct stacks stacks;

    (void)err;
    if (!stacks_of(&a->shape, &b->shape, &stacks))
        return op_fail(call->node, err, "shapes do not multiply");
    if (is_half(a->dtype)) {
        float *wide_a = call->scratch, *wide_b = wide_a + shape_elements(&a->shape);
        float *wide_c = wide_b + shape_elements(&b->shape);

        widen(a->dtype, a->data, shape_elements(&a->shape), wide_a);
        widen(a->dtype, b->data, shape_elements(&b->shape), wide_b);
        matmul_stacks(DTYPE_F32, &stacks, (char *)wide_a, (char *)wide_b, (char *)wide_c);
        narrow(a->dtype, wide_c, shape_elements(&c->shape), c->data);
    } else {
        matmul_stacks(a->dtype, &stacks, a->data, b->data, c->data);
    }
    return ENGINE_OK;
}

const struct op_def ops_matmul[] = {
    {.domain = "", .name = "MatMul", .since = 1, .inputs_min = 2, .inputs_max = 2, .outputs_min = 1,
     .outputs_max = 1, .dtypes = PRODUCT_DTYPES, .infer = matmul_infer, .run = matmul_run},
    {0},
};
