/* SPDX-License-Identifier: Apache-2.0
 * Gradients of stacks of matrices. Trilu: the same triangle. Det: the matrix of cofactors, which is
 * det(X) X^-T where there is an inverse. */
#include "engine/grad/families.h"
#include "engine/ops/matrix.h"

#include <math.h>

static enum engine_status trilu_backward(const struct grad_call *call, struct engine_error *err)
{
    const struct tensor *dy = call->out_grads[0];
    const int64_t rows = dy->shape.dims[dy->shape.rank - 2], columns = dy->shape.dims[dy->shape.rank - 1];
    const int64_t total = shape_product(&dy->shape, 0, dy->shape.rank - 1);
    const bool upper = node_int(call->node, "upper", 1) != 0, add = call->accumulate[0];
    int64_t k = call->n_inputs > 1 && call->inputs[1] != NULL ? tensor_int_at(call->inputs[1], 0) : 0;
    const float *from = dy->data;
    float *to = call->in_grads[0]->data;

    (void)err;
    k = k < -rows ? -rows : k > columns ? columns : k;   /* those beyond the matrix are all alike */
    for (int64_t row = 0; row < total; row++, from += columns, to += columns) {
        const int64_t diagonal = row % rows + k;

        for (int64_t i = 0; i < columns; i++) {
            const float gradient = (upper ? i >= diagonal : i <= diagonal) ? from[i] : 0.0f;

            to[i] = add ? to[i] + gradient : gradient;
        }
    }
    return ENGINE_OK;
}

static void swap_rows(double *a, int64_t n, int64_t i, int64_t k)
{
    for (int64_t j = 0; j < n && i != k; j++) {
        double swap = a[i * n + j];

        a[i * n + j] = a[k * n + j];
        a[k * n + j] = swap;
    }
}

/* Gauss and Jordan: a becomes the identity, the identity in b the inverse. The determinant is returned;
 * 0 where a pivot is too small for the inverse to mean anything. */
static double invert(int64_t n, double *a, double *b)
{
    double product = 1, largest = 0;

    for (int64_t i = 0; i < n * n; i++) {
        largest = fmax(largest, fabs(a[i]));
        b[i] = i / n == i % n;
    }
    for (int64_t k = 0; k < n; k++) {
        int64_t pivot = k;
        double scale;

        for (int64_t i = k + 1; i < n; i++)
            pivot = fabs(a[i * n + k]) > fabs(a[pivot * n + k]) ? i : pivot;
        if (fabs(a[pivot * n + k]) <= 1e-12 * largest)
            return 0;
        swap_rows(a, n, pivot, k);
        swap_rows(b, n, pivot, k);
        scale = a[k * n + k];
        product *= pivot != k ? -scale : scale;
        for (int64_t j = 0; j < n; j++) {
            a[k * n + j] /= scale;
            b[k * n + j] /= scale;
        }
        for (int64_t i = 0; i < n; i++) {
            const double factor = a[i * n + k];

            for (int64_t j = 0; j < n && i != k; j++) {
                a[i * n + j] -= factor * a[k * n + j];
                b[i * n + j] -= factor * b[k * n + j];
            }
        }
    }
    return product;
}

/* The determinant of x without row `row` and column `column`, in `a`. */
static double minor(int64_t n, const float *x, int64_t row, int64_t column, double *a)
{
    const int64_t m = n - 1;

    for (int64_t i = 0; i < m; i++)
        for (int64_t j = 0; j < m; j++)
            a[i * m + j] = (double)x[(i + (i >= row)) * n + j + (j >= column)];
    return determinant(m, a);
}

/* A singular matrix has cofactors too: one by one then. */
static enum engine_status det_backward(const struct grad_call *call, struct engine_error *err)
{
    const struct tensor *x = call->inputs[0];
    const int64_t n = x->shape.dims[x->shape.rank - 1], count = shape_elements(&call->out_grads[0]->shape);
    double *a = call->scratch, *inverse = a + n * n;

    (void)err;
    for (int64_t m = 0; m < count; m++) {
        const float *from = (const float *)x->data + m * n * n;
        const double dy = (double)((const float *)call->out_grads[0]->data)[m];
        float *to = (float *)call->in_grads[0]->data + m * n * n;
        double determinant;

        for (int64_t i = 0; i < n * n; i++)
            a[i] = (double)from[i];
        determinant = invert(n, a, inverse);
        for (int64_t i = 0; i < n; i++) {
            for (int64_t j = 0; j < n; j++) {
                const double sign = (i + j) % 2 != 0 ? -1 : 1;
                const double cofactor = determinant != 0 ? determinant * inverse[j * n + i]
                                                         : sign * minor(n, from, i, j, a);
                const float gradient = (float)(dy * cofactor);

                to[i * n + j] = call->accumulate[0] ? to[i * n + j] + gradient : gradient;
            }
        }
    }
    return ENGINE_OK;
}

static enum engine_status det_prepare(struct grad_prepare *prepare, struct engine_error *err)
{
    const struct shape *shape = &prepare->inputs[0].shape;
    const size_t n = (size_t)shape->dims[shape->rank - 1];

    (void)err;
    prepare->backward_scratch = 2 * n * n * sizeof(double);
    return ENGINE_OK;
}

const struct grad_def grads_matrix[] = {
    {.domain = "", .name = "Det", .inputs = 1, .save_inputs = 1, .prepare = det_prepare,
     .backward = det_backward},
    {.domain = "", .name = "Trilu", .flags = GRAD_INPLACE, .inputs = 1, .save_inputs = 2,
     .backward = trilu_backward},
    {0},
};
