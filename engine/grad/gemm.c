/* SPDX-License-Identifier: Apache-2.0
 * Gradients of Gemm and inferd.Dense: Y = alpha A B + beta C, where A and B stand for the operands after
 * transposing and the leading dimensions of Dense's A and Y are one.
 * dA = alpha dY B^T, dB = alpha A^T dY, dC = beta dY summed where C was broadcast. */
#include "engine/grad/families.h"
#include "engine/grad/save.h"
#include "engine/grad/term_rows.h"
#include "engine/kernels/gemm.h"

#define LIST(isa) SPREAD_TERM(isa, scale, float, d * a)
TERMS(LIST)
#undef LIST

static const struct term scale_term = TERM(scale);

/* A matrix as it is stored. */
struct matrix {
    const struct tensor *tensor;
    bool transposed;               /* the other way round than the product wants it */
};

static int64_t rows_of(const struct tensor *tensor)
{
    return shape_product(&tensor->shape, 0, tensor->shape.rank - 1);
}

static int64_t columns_of(const struct tensor *tensor)
{
    return tensor->shape.dims[tensor->shape.rank - 1];
}

static void multiply(const struct grad_call *call, float alpha, struct matrix a, struct matrix b,
                     int input)
{
    const struct tensor *to = call->in_grads[input];
    const struct gemm_form form = {
        .trans_a = a.transposed, .trans_b = b.transposed, .m = rows_of(to), .n = columns_of(to),
        .k = a.transposed ? rows_of(a.tensor) : columns_of(a.tensor), .lda = columns_of(a.tensor),
        .ldb = columns_of(b.tensor), .ldc = columns_of(to)};

    gemm_split_f32(call->pool, &form, alpha, a.tensor->data, b.tensor->data,
                   call->accumulate[input] ? 1.0f : 0.0f, to->data);
}

static void addend_grad(const struct grad_call *call)
{
    float beta = node_float(call->node, "beta", 1.0f);
    const struct tensor scale = {.dtype = DTYPE_F32, .data = &beta};

    if (beta == 1.0f)
        term_grad(call, 2, &term_copy, NULL, NULL, NULL);
    else
        term_grad(call, 2, &scale_term, &scale, NULL, NULL);
}

static enum engine_status gemm_backward(const struct grad_call *call, struct engine_error *err)
{
    const bool trans_a = node_int(call->node, "transA", 0) != 0;
    const bool trans_b = node_int(call->node, "transB", 0) != 0;
    const float alpha = node_float(call->node, "alpha", 1.0f);
    const struct tensor *a = call->inputs[0], *b = call->inputs[1], *dy = call->out_grads[0];

    (void)err;
    if (grad_wanted(call, 0) != NULL) {
        if (trans_a)               /* stored [k,m]: B dY^T */
            multiply(call, alpha, (struct matrix){b, trans_b}, (struct matrix){dy, true}, 0);
        else
            multiply(call, alpha, (struct matrix){dy, false}, (struct matrix){b, !trans_b}, 0);
    }
    if (grad_wanted(call, 1) != NULL) {
        if (trans_b)               /* stored [n,k]: dY^T A */
            multiply(call, alpha, (struct matrix){dy, true}, (struct matrix){a, trans_a}, 1);
        else
            multiply(call, alpha, (struct matrix){a, !trans_a}, (struct matrix){dy, false}, 1);
    }
    addend_grad(call);
    return ENGINE_OK;
}

const struct grad_def grads_gemm[] = {
    {.domain = "", .name = "Gemm", .inputs = 7, .save_inputs = 3, .prepare = save_crosswise,
     .backward = gemm_backward},
    {.domain = "inferd", .name = "Dense", .inputs = 7, .save_inputs = 3, .prepare = save_crosswise,
     .backward = gemm_backward},
    {0},
};
