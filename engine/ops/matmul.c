/* SPDX-License-Identifier: Apache-2.0
 * MatMul of any two tensors. One with constant weights becomes inferd.PackedGemm when a model is
 * optimised: see engine/ops/packed_gemm.c. */
#include "engine/op.h"
#include "engine/ops/families.h"
#include "engine/ops/product.h"
#include "engine/ops/stacks.h"

static enum engine_status matmul_infer(struct op_infer *infer, struct engine_error *err)
{
    const struct tensor *a = &infer->inputs[0], *b = &infer->inputs[1];
    struct shape *out = &infer->outputs[0].shape;
    char text_a[SHAPE_TEXT_MAX], text_b[SHAPE_TEXT_MAX];
    struct stacks stacks;

    if (a->dtype != b->dtype)
        return op_fail(infer->node, err, "types %s and %s differ", dtype_name(a->dtype),
                       dtype_name(b->dtype));
    if (!stacks_of(&a->shape, &b->shape, &stacks) ||
        !stacks_shape(&stacks, &a->shape, &b->shape, out))
        return op_fail(infer->node, err, "shapes %s and %s do not multiply",
                       shape_text(&a->shape, text_a, sizeof(text_a)),
                       shape_text(&b->shape, text_b, sizeof(text_b)));
    infer->outputs[0].dtype = a->dtype;
    infer->flops = op_flops(shape_elements(&stacks.batch) * stacks.m, stacks.n, stacks.k);
    if (is_half(a->dtype) && shape_check(out, sizeof(float), NULL))
        infer->scratch_bytes = sizeof(float) * (size_t)(shape_elements(&a->shape) +
                                                        shape_elements(&b->shape) +
                                                        shape_elements(out));
    return ENGINE_OK;
}

static void matmul_stacks(enum dtype dtype, const struct stacks *s, const char *a, const char *b,
                          char *c)
{
    struct gemm_form form = {.m = s->m, .n = s->n, .k = s->k, .lda = s->k, .ldb = s->n, .ldc = s->n};
    int64_t batches = shape_elements(&s->batch);
    struct stack_walk walk;
    size_t size = dtype_size(dtype);

    /* One matrix on the right serves all rows on the left at once. */
    if (shape_product(&s->b, 0, s->b.rank - 2) == 1) {
        form.m *= batches;
        batches = batches != 0;
    }
    stack_walk_start(&walk, s);
    for (int64_t i = 0; i < batches; i++, stack_walk_next(&walk))
        product(dtype, &form, a + (size_t)walk.a * size, b + (size_t)walk.b * size,
                c + (size_t)(i * s->m * s->n) * size);
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
