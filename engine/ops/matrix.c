/* SPDX-License-Identifier: Apache-2.0
 * Stacks of matrices: Trilu keeps a triangle, Det is the determinant. */
#include "engine/ops/matrix.h"

#include "engine/kernels/convert.h"
#include "engine/ops/elementwise.h"
#include "engine/ops/operands.h"

#include <math.h>
#include <string.h>

struct trilu_params {
    bool upper;
};

static enum engine_status trilu_init(const struct op_init *init, struct engine_error *err)
{
    struct trilu_params *params = init->params;

    (void)err;
    params->upper = node_int(init->node, "upper", 1) != 0;
    return ENGINE_OK;
}

static enum engine_status trilu_infer(struct op_infer *infer, struct engine_error *err)
{
    if (infer->inputs[0].shape.rank < 2)
        return op_fail(infer->node, err, "the input has rank %d", infer->inputs[0].shape.rank);
    if (operand_present(infer, 1) && (infer->inputs[1].dtype != DTYPE_I64 ||
                                      shape_elements(&infer->inputs[1].shape) != 1))
        return op_fail(infer->node, err, "k is not one int64");
    return infer_same_as_first(infer, err);
}

/* value limited to [0, most] */
static int64_t within(int64_t value, int64_t most)
{
    return value < 0 ? 0 : value > most ? most : value;
}

static enum engine_status trilu_run(const struct op_call *call, struct engine_error *err)
{
    const struct trilu_params *params = call->params;
    const struct tensor *x = call->inputs[0];
    int64_t rows = x->shape.dims[x->shape.rank - 2], columns = x->shape.dims[x->shape.rank - 1];
    int64_t k = operand_given(call, 1) ? tensor_int_at(call->inputs[1], 0) : 0;
    int64_t total = shape_product(&x->shape, 0, x->shape.rank - 1);
    size_t size = dtype_size(x->dtype);
    const char *from = x->data;
    char *to = call->outputs[0]->data;

    (void)err;
    if (columns == 0)
        return ENGINE_OK;
    /* Diagonals beyond the matrix are all alike. */
    k = k < -rows ? -rows : k > columns ? columns : k;
    for (int64_t row = 0; row < total; row++) {
        int64_t diagonal = row % rows + k;
        size_t first = (size_t)(params->upper ? within(diagonal, columns) : 0) * size;
        size_t last = (size_t)(params->upper ? columns : within(diagonal + 1, columns)) * size;
        size_t all = (size_t)columns * size;

        memmove(to + first, from + first, last - first);
        memset(to, 0, first);
        memset(to + last, 0, all - last);
        from += all;
        to += all;
    }
    return ENGINE_OK;
}

double determinant(int64_t n, double *a)
{
    double product = 1.0;

    for (int64_t k = 0; k < n; k++) {
        int64_t pivot = k;

        for (int64_t i = k + 1; i < n; i++)
            if (fabs(a[i * n + k]) > fabs(a[pivot * n + k]))
                pivot = i;
        if (a[pivot * n + k] == 0.0)
            return 0.0;
        for (int64_t j = k; pivot != k && j < n; j++) {
            double swap = a[k * n + j];

            a[k * n + j] = a[pivot * n + j];
            a[pivot * n + j] = swap;
        }
        product *= pivot != k ? -a[k * n + k] : a[k * n + k];
        for (int64_t i = k + 1; i < n; i++) {
            double factor = a[i * n + k] / a[k * n + k];

            for (int64_t j = k; j < n; j++)
                a[i * n + j] -= factor * a[k * n + j];
        }
    }
    return product;
}

static enum engine_status det_infer(struct op_infer *infer, struct engine_error *err)
{
    struct shape shape = infer->inputs[0].shape;
    char text[SHAPE_TEXT_MAX];

    if (shape.rank < 2 || shape.dims[shape.rank - 1] != shape.dims[shape.rank - 2])
        return op_fail(infer->node, err, "%s is no stack of square matrices",
                       shape_text(&shape, text, sizeof(text)));
    shape.rank -= 2;
    infer->scratch_bytes = (size_t)(shape.dims[shape.rank] * shape.dims[shape.rank]) * sizeof(double);
    infer_output(infer, 0, infer->inputs[0].dtype, &shape);
    return ENGINE_OK;
}

static enum engine_status det_run(const struct op_call *call, struct engine_error *err)
{
    const struct tensor *x = call->inputs[0];
    int64_t n = x->shape.dims[x->shape.rank - 1];
    size_t size = dtype_size(x->dtype);
    double *matrix = call->scratch;

    (void)err;
    for (int64_t i = 0; i < shape_elements(&call->outputs[0]->shape); i++) {
        double value;

        load_f64(x->dtype, n * n, (const char *)x->data + (size_t)(i * n * n) * size, matrix);
        value = determinant(n, matrix);
        store_f64(x->dtype, 1, &value, (char *)call->outputs[0]->data + (size_t)i * size);
    }
    return ENGINE_OK;
}

const struct op_def ops_matrix[] = {
    {.name = "Trilu", .domain = "", .since = 14, .inputs_min = 1, .inputs_max = 2,
     .outputs_min = 1, .outputs_max = 1, .flags = OP_INPLACE,
     .dtypes = DTYPES_NUMBER | DTYPE_BIT(DTYPE_BOOL), .params_size = sizeof(struct trilu_params),
     .init = trilu_init, .infer = trilu_infer, .run = trilu_run},
    {.name = "Det", .domain = "", .since = 11, .inputs_min = 1, .inputs_max = 1, .outputs_min = 1,
     .outputs_max = 1, .dtypes = DTYPES_FLOAT, .infer = det_infer, .run = det_run},
    {0},
};
