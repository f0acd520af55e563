/* SPDX-License-Identifier: Apache-2.0
 * Gradients of CumSum and CumProd along the middle of [outer, n, inner]. Running numbers are kept in
 * double.
 *
 * CumSum's is the sum that runs the other way. For CumProd, with P[i] the product of what comes before i
 * and, going back, S[i] = dY[i] + X[i+1] S[i+1] for the terms at and after it, dX[i] = P[i] S[i]: no
 * division, so zeros need no care. If a product leaves its own element out, so does the sum. */
#include "engine/grad/families.h"
#include "engine/grad/grad.h"

#include <string.h>

enum { BLOCK = 256 };

struct lines {
    int64_t outer, n, inner;
    bool exclusive, reverse, add;
    const float *x, *dy;
    float *to;
};

static struct lines lines_of(const struct grad_call *call)
{
    const struct tensor *dy = call->out_grads[0], *x = call->inputs[0];
    struct lines lines = {.exclusive = node_int(call->node, "exclusive", 0) != 0,
                          .reverse = node_int(call->node, "reverse", 0) != 0,
                          .add = call->accumulate[0], .x = x->data, .dy = dy->data,
                          .to = call->in_grads[0]->data};
    int axis = 0;

    shape_axis(tensor_int_at(call->inputs[1], 0), dy->shape.rank, &axis);
    lines.n = dy->shape.dims[axis];
    lines.inner = shape_product(&dy->shape, axis + 1, dy->shape.rank);
    lines.outer = shape_elements(&dy->shape) == 0 ? 0 : shape_product(&dy->shape, 0, axis);
    return lines;
}

static void put(const struct lines *lines, int64_t at, double gradient)
{
    lines->to[at] = lines->add ? lines->to[at] + (float)gradient : (float)gradient;
}

/* `count` lines side by side, at most BLOCK, from `base` on. */
static void sum_back(const struct lines *lines, int64_t base, int64_t count)
{
    double totals[BLOCK] = {0};

    for (int64_t step = 0; step < lines->n; step++) {
        int64_t i = lines->reverse ? step : lines->n - 1 - step;
        int64_t at = base + i * lines->inner;

        for (int64_t k = 0; k < count; k++) {
            double before = totals[k];

            totals[k] += (double)lines->dy[at + k];
            put(lines, at + k, lines->exclusive ? before : totals[k]);
        }
    }
}

static enum engine_status sum_backward(const struct grad_call *call, struct engine_error *err)
{
    struct lines lines = lines_of(call);

    (void)err;
    for (int64_t o = 0; o < lines.outer; o++)
        for (int64_t from = 0; from < lines.inner; from += BLOCK)
            sum_back(&lines, o * lines.n * lines.inner + from,
                     lines.inner - from < BLOCK ? lines.inner - from : BLOCK);
    return ENGINE_OK;
}

/* One line; `before` has room for n numbers. */
static void product_back(const struct lines *lines, int64_t base, double *before)
{
    double product = 1, sum = 0;

    for (int64_t step = 0; step < lines->n; step++) {
        int64_t i = lines->reverse ? lines->n - 1 - step : step;

        before[i] = product;
        product *= (double)lines->x[base + i * lines->inner];
    }
    for (int64_t step = 0; step < lines->n; step++) {
        int64_t i = lines->reverse ? step : lines->n - 1 - step;
        int64_t at = base + i * lines->inner;
        double next;

        /* `sum` has the later terms without the products up to and with this element. */
        next = lines->exclusive ? sum : (double)lines->dy[at] + sum;
        put(lines, at, before[i] * next);
        sum = lines->exclusive ? (double)lines->dy[at] + (double)lines->x[at] * sum
                               : (double)lines->x[at] * next;
    }
}

static enum engine_status product_backward(const struct grad_call *call, struct engine_error *err)
{
    struct lines lines = lines_of(call);

    (void)err;
    for (int64_t o = 0; o < lines.outer; o++)
        for (int64_t k = 0; k < lines.inner; k++)
            product_back(&lines, o * lines.n * lines.inner + k, call->scratch);
    return ENGINE_OK;
}

/* Room for the longest line: the axis may be known only when running. */
static enum engine_status product_prepare(struct grad_prepare *prepare, struct engine_error *err)
{
    const struct shape *shape = &prepare->inputs[0].shape;
    int64_t longest = 0;

    (void)err;
    for (int d = 0; d < shape->rank; d++)
        longest = shape->dims[d] > longest ? shape->dims[d] : longest;
    prepare->backward_scratch = sizeof(double) * (size_t)longest;
    return ENGINE_OK;
}

const struct grad_def grads_cumulative[] = {
    {.domain = "", .name = "CumProd", .inputs = 1, .save_inputs = 3, .prepare = product_prepare,
     .backward = product_backward},
    {.domain = "", .name = "CumSum", .inputs = 1, .save_inputs = 2, .backward = sum_backward},
    {0},
};
