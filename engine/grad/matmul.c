/* SPDX-License-Identifier: Apache-2.0
 * Gradient of MatMul: dA = dY B^T, dB = A^T dY, each matrix of a stack for itself. A matrix that
 * served several of the other stack gets the sum. */
#include "engine/grad/families.h"
#include "engine/grad/save.h"
#include "engine/grad/term.h"
#include "engine/kernels/gemm.h"
#include "engine/ops/stacks.h"

#include <string.h>

/* With as many results as this, or more, threads share out the results; else each product. */
enum { MANY_RESULTS = 8 };

/* A batch dimension: elements from matrix to matrix. */
struct axis {
    int64_t size, left, right;
};

/* Results, each the sum of some products of matrices from two stacks. */
struct batch {
    struct gemm_form form;
    struct pool *pool;
    const float *left, *right;
    float *to;
    bool accumulate;
    struct axis kept[SHAPE_RANK_MAX], summed[SHAPE_RANK_MAX];
    int n_kept_dims, n_summed_dims;
    int64_t results, terms;        /* their products */
    int tasks;
};

static void add_offsets(int64_t at, int n_dims, const struct axis *dims, int64_t *left, int64_t *right)
{
    for (int d = n_dims - 1; d >= 0; d--) {
        *left += at % dims[d].size * dims[d].left;
        *right += at % dims[d].size * dims[d].right;
        at /= dims[d].size;
    }
}

static void make_result(const struct batch *batch, int64_t result, struct pool *pool)
{
    float *to = batch->to + result * batch->form.m * batch->form.n;

    for (int64_t term = 0; term < batch->terms; term++) {
        int64_t left = 0, right = 0;

        add_offsets(result, batch->n_kept_dims, batch->kept, &left, &right);
        add_offsets(term, batch->n_summed_dims, batch->summed, &left, &right);
        gemm_split_f32(pool, &batch->form, 1.0f, batch->left + left, batch->right + right,
                       term > 0 || batch->accumulate ? 1.0f : 0.0f, to);
    }
}

static void batch_task(void *arg, int task, int thread)
{
    const struct batch *batch = arg;
    int64_t first = batch->results * task / batch->tasks;
    int64_t last = batch->results * (task + 1) / batch->tasks;

    (void)thread;
    for (int64_t result = first; result < last; result++)
        make_result(batch, result, NULL);
}

static void run_batch(struct batch *batch)
{
    if (batch->results == 0)
        return;
    if (batch->terms == 0) {
        if (!batch->accumulate)
            memset(batch->to, 0, sizeof(float) * (size_t)(batch->results * batch->form.m * batch->form.n));
        return;
    }
    batch->tasks = pool_threads(batch->pool);
    if (batch->results >= MANY_RESULTS && batch->tasks > 1) {
        pool_run(batch->pool, batch->tasks, batch_task, batch);
        return;
    }
    for (int64_t result = 0; result < batch->results; result++)
        make_result(batch, result, batch->results < MANY_RESULTS ? batch->pool : NULL);
}

/* The walk through the stacks: input `input` gets the gradient. */
static void make_walk(struct batch *batch, const struct stacks *s, int input)
{
    struct stack_walk walk;

    stack_walk_start(&walk, s);
    batch->results = batch->terms = 1;
    for (int d = 0; d < s->batch.rank; d++) {
        int64_t size = s->batch.dims[d], own = input == 0 ? walk.strides_a[d] : walk.strides_b[d];
        int64_t dy = s->m * s->n * shape_product(&s->batch, d + 1, s->batch.rank);
        struct axis axis = {size, input == 0 ? dy : walk.strides_a[d],
                            input == 0 ? walk.strides_b[d] : dy};

        if (size == 1)
            continue;
        if (own != 0) {
            batch->kept[batch->n_kept_dims++] = axis;
            batch->results *= size;
        } else {
            batch->summed[batch->n_summed_dims++] = axis;
            batch->terms *= size;
        }
    }
}

static void operand_grad(const struct grad_call *call, struct stacks s, int input)
{
    const struct tensor *dy = call->out_grads[0], *to = call->in_grads[input];
    struct batch batch = {.pool = call->pool, .to = to->data, .accumulate = call->accumulate[input]};
    int64_t batches = shape_elements(&s.batch);

    /* One matrix on the right served all rows on the left at once: still one product. */
    if (shape_product(&s.b, 0, s.b.rank - 2) == 1 && shape_product(&s.a, 0, s.a.rank - 2) == batches) {
        s.m *= batches;
        s.batch.rank = 0;
    }
    make_walk(&batch, &s, input);
    if (input == 0) {
        batch.form = (struct gemm_form){.trans_b = true, .m = s.m, .n = s.k, .k = s.n, .lda = s.n,
                                        .ldb = s.n, .ldc = s.k};
        batch.left = dy->data;
        batch.right = call->inputs[1]->data;
    } else {
        batch.form = (struct gemm_form){.trans_a = true, .m = s.k, .n = s.n, .k = s.m, .lda = s.k,
                                        .ldb = s.n, .ldc = s.n};
        batch.left = call->inputs[0]->data;
        batch.right = dy->data;
    }
    run_batch(&batch);
}

static enum engine_status matmul_backward(const struct grad_call *call, struct engine_error *err)
{
    struct stacks stacks;

    if (!stacks_of(&call->inputs[0]->shape, &call->inputs[1]->shape, &stacks))
        return op_fail(call->node, err, "shapes do not multiply");
    for (int input = 0; input < 2; input++)
        if (call->in_grads[input] != NULL)
            operand_grad(call, stacks, input);
    return ENGINE_OK;
}

const struct grad_def grads_matmul[] = {
    {.domain = "", .name = "MatMul", .inputs = 3, .save_inputs = 3, .prepare = save_crosswise,
     .backward = matmul_backward},
    {0},
};
