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

/* As many pairs of matrices as this, or more, are shared out among threads; else each product is. */
enum { MANY_PAIRS = 8 };

struct job {
    const struct stacks *stacks;
    struct gemm_form form;
    enum dtype dtype;
    const char *a, *b;
    char *c;
    int64_t pairs;
    int tasks;
};

static void run_task(void *arg, int task, int thread)
{
    const struct job *job = arg;
    const size_t size = dtype_size(job->dtype);
    int64_t first = job->pairs * task / job->tasks, last = job->pairs * (task + 1) / job->tasks;
    struct stack_walk walk;

    (void)thread;
    stack_walk_start(&walk, job->stacks);
    for (int64_t i = 0; i < last; i++, stack_walk_next(&walk))
        if (i >= first)
            product(job->dtype, &job->form, job->a + (size_t)walk.a * size,
                    job->b + (size_t)walk.b * size,
                    job->c + (size_t)(i * job->form.m * job->form.n) * size);
}

static void matmul_stacks(struct pool *pool, enum dtype dtype, const struct stacks *s, const void *a,
                          const void *b, void *c)
{
    struct job job = {.stacks = s, .dtype = dtype, .a = a, .b = b, .c = c,
                      .form = {.m = s->m, .n = s->n, .k = s->k, .lda = s->k, .ldb = s->n, .ldc = s->n},
                      .pairs = shape_elements(&s->batch)};

    /* One matrix on the right serves all rows on the left at once. */
    if (shape_product(&s->b, 0, s->b.rank - 2) == 1) {
        job.form.m *= job.pairs;
        job.pairs = job.pairs != 0;
    }
    job.tasks = job.pairs < MANY_PAIRS ? 1 : pool_threads(pool);
    if (job.pairs == 1 && dtype == DTYPE_F32)
        gemm_split_f32(pool, &job.form, 1.0f, a, b, 0.0f, c);
    else
        pool_run(job.tasks == 1 ? NULL : pool, job.tasks, run_task, &job);
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
        matmul_stacks(call->pool, DTYPE_F32, &stacks, wide_a, wide_b, wide_c);
        narrow(a->dtype, wide_c, shape_elements(&c->shape), c->data);
    } else {
        matmul_stacks(call->pool, a->dtype, &stacks, a->data, b->data, c->data);
    }
    return ENGINE_OK;
}

const struct op_def ops_matmul[] = {
    {.domain = "", .name = "MatMul", .since = 1, .inputs_min = 2, .inputs_max = 2, .outputs_min = 1,
     .outputs_max = 1, .flags = OP_PARALLEL, .dtypes = PRODUCT_DTYPES, .infer = matmul_infer,
     .run = matmul_run},
    {0},
};
