/* SPDX-License-Identifier: Apache-2.0
 * Gemm of any two matrices, and inferd.Dense (x, w, bias) [transB]: one over the last dimension of x,
 * however many rows that has, with a row to add. One with constant weights becomes inferd.PackedGemm
 * when a model is optimised (engine/ops/packed_gemm.c), Dense when it is to learn. */
#include "engine/op.h"
#include "engine/ops/families.h"
#include "engine/ops/product.h"

struct gemm_params {
    bool trans_a, trans_b;
    float alpha, beta;
};

static enum engine_status gemm_init(const struct op_init *init, struct engine_error *err)
{
    struct gemm_params *params = init->params;

    (void)err;
    params->trans_a = node_int(init->node, "transA", 0) != 0;
    params->trans_b = node_int(init->node, "transB", 0) != 0;
    params->alpha = node_float(init->node, "alpha", 1.0f);
    params->beta = node_float(init->node, "beta", 1.0f);
    return ENGINE_OK;
}

static enum engine_status gemm_infer(struct op_infer *infer, struct engine_error *err)
{
    const struct gemm_params *params = infer->params;
    const struct tensor *a = &infer->inputs[0], *b = &infer->inputs[1];
    struct shape *out = &infer->outputs[0].shape, joined;
    char text_a[SHAPE_TEXT_MAX], text_b[SHAPE_TEXT_MAX];

    if (a->dtype != b->dtype)
        return op_fail(infer->node, err, "types %s and %s differ", dtype_name(a->dtype),
                       dtype_name(b->dtype));
    if (a->shape.rank != 2 || b->shape.rank != 2 ||
        a->shape.dims[!params->trans_a] != b->shape.dims[params->trans_b])
        return op_fail(infer->node, err, "shapes %s and %s do not multiply",
                       shape_text(&a->shape, text_a, sizeof(text_a)),
                       shape_text(&b->shape, text_b, sizeof(text_b)));
    infer->outputs[0].dtype = a->dtype;
    out->rank = 2;
    out->dims[0] = a->shape.dims[params->trans_a];
    out->dims[1] = b->shape.dims[!params->trans_b];
    infer->flops = op_flops(out->dims[0], out->dims[1], a->shape.dims[!params->trans_a]);
    if (infer->n_inputs > 2 && infer->inputs[2].dtype != DTYPE_NONE) {
        const struct tensor *c = &infer->inputs[2];

        if (c->dtype != a->dtype || !shape_broadcast(out, &c->shape, &joined) ||
            !shape_equal(out, &joined))
            return op_fail(infer->node, err, "C of type %s and shape %s does not broadcast to %s",
                           dtype_name(c->dtype), shape_text(&c->shape, text_a, sizeof(text_a)),
                           shape_text(out, text_b, sizeof(text_b)));
    }
    if (is_half(a->dtype) && shape_check(out, sizeof(float), NULL))
        infer->scratch_bytes = sizeof(float) * (size_t)(shape_elements(&a->shape) +
                                                        shape_elements(&b->shape) +
                                                        shape_elements(out));
    return ENGINE_OK;
}

static enum engine_status dense_infer(struct op_infer *infer, struct engine_error *err)
{
    const struct gemm_params *params = infer->params;
    const struct shape *x = &infer->inputs[0].shape, *w = &infer->inputs[1].shape;
    struct shape *out = &infer->outputs[0].shape;
    char text_x[SHAPE_TEXT_MAX], text_w[SHAPE_TEXT_MAX];
    int64_t columns;

    if (x->rank < 1 || w->rank != 2 || x->dims[x->rank - 1] != w->dims[params->trans_b])
        return op_fail(infer->node, err, "shapes %s and %s do not multiply",
                       shape_text(x, text_x, sizeof(text_x)), shape_text(w, text_w, sizeof(text_w)));
    columns = w->dims[!params->trans_b];
    if (infer->n_inputs > 2 && infer->inputs[2].dtype != DTYPE_NONE &&
        (infer->inputs[2].shape.rank != 1 || infer->inputs[2].shape.dims[0] != columns))
        return op_fail(infer->node, err, "a bias of shape %s for %lld columns",
                       shape_text(&infer->inputs[2].shape, text_x, sizeof(text_x)), (long long)columns);
    infer->outputs[0].dtype = DTYPE_F32;
    *out = *x;
    out->dims[out->rank - 1] = columns;
    infer->flops = op_flops(shape_product(x, 0, x->rank - 1), columns, x->dims[x->rank - 1]);
    return ENGINE_OK;
}

/* C as rows and columns that repeat: a step of 0 stays on the one there is. */
struct addend {
    const struct tensor *tensor;    /* NULL: none */
    int64_t row_step, column_step;
};

static struct addend addend_of(const struct tensor *c)
{
    struct addend addend = {.tensor = c};

    if (c == NULL)
        return addend;
    if (c->shape.rank > 0)
        addend.column_step = c->shape.dims[c->shape.rank - 1] > 1;
    if (c->shape.rank > 1)
        addend.row_step = c->shape.dims[0] > 1 ? c->shape.dims[1] : 0;
    return addend;
}

/* What float products are added to: beta * C. */
static void start_float(const struct gemm_params *params, const struct addend *c, int64_t m, int64_t n,
                        float *out)
{
    const float *add = c->tensor->data;

    for (int64_t i = 0; i < m; i++, add += c->row_step, out += n) {
        if (c->column_step != 0)
            for (int64_t j = 0; j < n; j++)
                out[j] = params->beta * add[j];
        else
            for (int64_t j = 0; j < n; j++)
                out[j] = params->beta * add[0];
    }
}

/* out = alpha * out + beta * C. */
#define FINISH(T) \
    static void finish_##T(const struct gemm_params *params, const struct addend *c, int64_t m, \
                           int64_t n, T *out) \
    { \
        const T *add = c->tensor != NULL ? c->tensor->data : NULL; \
        T alpha = (T)params->alpha, beta = (T)params->beta; \
        if (add == NULL && alpha == 1) \
            return; \
        for (int64_t i = 0; i < m; i++) \
            for (int64_t j = 0; j < n; j++) \
                out[i * n + j] = \
                    alpha * out[i * n + j] + \
                    (add != NULL ? beta * add[i * c->row_step + j * c->column_step] : 0); \
    }

FINISH(double)

/* Integers and widened halves. An alpha or beta of 1 must not pass an integer through floating
 * point. */
static void finish_any(const struct gemm_params *params, const struct addend *c, int64_t m, int64_t n,
                       struct tensor *out)
{
    for (int64_t i = 0; i < m * n; i++) {
        int64_t at = i / n * c->row_step + i % n * c->column_step;
        int64_t sum = tensor_int_at(out, i);
        int64_t add = c->tensor != NULL ? tensor_int_at(c->tensor, at) : 0;

        sum = params->alpha == 1 ? sum : (int64_t)((double)params->alpha * (double)sum);
        add = params->beta == 1 ? add : (int64_t)((double)params->beta * (double)add);
        sum = (int64_t)((uint64_t)sum + (uint64_t)add);
        if (dtype_size(out->dtype) == 8)
            ((int64_t *)out->data)[i] = sum;
        else
            ((uint32_t *)out->data)[i] = (uint32_t)sum;
    }
}

static void gemm_half(const struct op_call *call, const struct gemm_form *form,
                      const struct gemm_params *params, const struct addend *c)
{
    enum dtype dtype = call->outputs[0]->dtype;
    int64_t elements_a = form->m * form->k, elements_b = form->k * form->n;
    float *a = call->scratch, *b = a + elements_a, *out = b + elements_b;

    widen(dtype, call->inputs[0]->data, elements_a, a);
    widen(dtype, call->inputs[1]->data, elements_b, b);
    gemm_f32(form, params->alpha, a, b, 0, out);
    for (int64_t i = 0; c->tensor != NULL && i < form->m * form->n; i++)
        out[i] += params->beta *
                  (float)tensor_double_at(c->tensor, i / form->n * c->row_step +
                                                         i % form->n * c->column_step);
    narrow(dtype, out, form->m * form->n, call->outputs[0]->data);
}

static enum engine_status gemm_run(const struct op_call *call, struct engine_error *err)
{
    const struct gemm_params *params = call->params;
    const struct tensor *a = call->inputs[0], *b = call->inputs[1];
    struct tensor *out = call->outputs[0];
    struct addend c = addend_of(call->n_inputs > 2 ? call->inputs[2] : NULL);
    const int64_t columns = out->shape.dims[out->shape.rank - 1];
    struct gemm_form form = {.trans_a = params->trans_a, .trans_b = params->trans_b,
                             .m = shape_product(&out->shape, 0, out->shape.rank - 1), .n = columns,
                             .k = b->shape.dims[params->trans_b],
                             .lda = a->shape.dims[a->shape.rank - 1], .ldb = b->shape.dims[1],
                             .ldc = columns};

    (void)err;
    if (is_half(out->dtype)) {
        gemm_half(call, &form, params, &c);
        return ENGINE_OK;
    }
    if (out->dtype == DTYPE_F32) {
        if (c.tensor != NULL)
            start_float(params, &c, form.m, form.n, out->data);
        gemm_split_f32(call->pool, &form, params->alpha, a->data, b->data,
                       c.tensor != NULL ? 1.0f : 0.0f, out->data);
        return ENGINE_OK;
    }
    product(out->dtype, &form, a->data, b->data, out->data);
    if (out->dtype == DTYPE_F64)
        finish_double(params, &c, form.m, form.n, out->data);
    else if (c.tensor != NULL || params->alpha != 1)
        finish_any(params, &c, form.m, form.n, out);
    return ENGINE_OK;
}

const struct op_def ops_gemm[] = {
    {.domain = "", .name = "Gemm", .since = 11, .inputs_min = 2, .inputs_max = 3, .outputs_min = 1,
     .outputs_max = 1, .flags = OP_PARALLEL, .dtypes = PRODUCT_DTYPES,
     .params_size = sizeof(struct gemm_params), .init = gemm_init, .infer = gemm_infer, .run = gemm_run},
    {.domain = "inferd", .name = "Dense", .since = 1, .inputs_min = 2, .inputs_max = 3,
     .outputs_min = 1, .outputs_max = 1, .flags = OP_PARALLEL, .dtypes = DTYPE_BIT(DTYPE_F32),
     .params_size = sizeof(struct gemm_params), .init = gemm_init, .infer = dense_infer, .run = gemm_run},
    {0},
};
