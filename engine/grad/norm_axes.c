/* SPDX-License-Identifier: Apache-2.0
 * Gradients of MeanVarianceNormalization and LpNormalization. For each group of elements that are
 * normalised together, with y = (x - mean) / s, s the deviation sigma and the standard's floor:
 *
 *   dx = (dy - mean(dy)) / s - (x - mean) sum(dy (x - mean)) / (n sigma s^2)
 *
 * and for y = x / norm:  dx = (dy - (y, or the sign of x if p is 1) sum(dy y)) / norm.
 * A group of equal elements, or a norm of 0, has no derivative: its gradient is taken as 0 there. */
#include "engine/grad/families.h"
#include "engine/ops/norm_form.h"

#include <math.h>
#include <string.h>

/* Sums of one group. */
struct group {
    double x, square, dy, product;
};

/* Walks all elements in order, with the number of their group. */
struct walk {
    struct shape shape;
    int64_t at[SHAPE_RANK_MAX], strides[SHAPE_RANK_MAX], group;
};

static int64_t walk_begin(struct walk *walk, const struct axes_params *params, const struct shape *shape)
{
    int64_t groups = 1;
    bool reduced[SHAPE_RANK_MAX] = {false};

    *walk = (struct walk){.shape = *shape};
    for (int i = 0; i < params->n_axes; i++) {
        int axis = 0;

        shape_axis(params->axes[i], shape->rank, &axis);
        reduced[axis] = true;
    }
    for (int d = shape->rank - 1; d >= 0; d--) {
        if (reduced[d])
            continue;
        walk->strides[d] = groups;
        groups *= shape->dims[d];
    }
    return groups;
}

static void walk_next(struct walk *walk)
{
    for (int d = walk->shape.rank - 1; d >= 0; d--) {
        walk->group += walk->strides[d];
        if (++walk->at[d] < walk->shape.dims[d])
            return;
        walk->group -= walk->strides[d] * walk->at[d];
        walk->at[d] = 0;
    }
}

static enum engine_status axes_prepare(struct grad_prepare *prepare, struct engine_error *err)
{
    struct walk walk;
    int64_t groups = walk_begin(&walk, prepare->params, &prepare->inputs[0].shape);

    if (__builtin_mul_overflow((size_t)groups, sizeof(struct group), &prepare->backward_scratch))
        return op_unsupported(prepare->node, err, "too many groups to train");
    return ENGINE_OK;
}

static void store(const struct grad_call *call, int64_t i, double item)
{
    float *dx = call->in_grads[0]->data;

    dx[i] = (float)(call->accumulate[0] ? (double)dx[i] + item : item);
}

/* Two walks of sums: the mean first, then what is measured from it. */
static void sum_groups(const struct grad_call *call, struct group *groups, int64_t count, double n)
{
    const struct axes_params *params = call->params;
    const float *x = call->inputs[0]->data, *dy = call->out_grads[0]->data;
    int64_t elements = shape_elements(&call->inputs[0]->shape);
    struct walk walk;

    memset(groups, 0, (size_t)count * sizeof(*groups));
    walk_begin(&walk, params, &call->inputs[0]->shape);
    for (int64_t i = 0; i < elements && !params->lp; i++, walk_next(&walk))
        groups[walk.group].x += (double)x[i] / n;
    walk_begin(&walk, params, &call->inputs[0]->shape);
    for (int64_t i = 0; i < elements; i++, walk_next(&walk)) {
        struct group *g = &groups[walk.group];
        double d = (double)x[i] - g->x;

        g->square += params->lp && params->p == 1 ? fabs(d) : d * d;
        g->dy += (double)dy[i];
        g->product += (double)dy[i] * d;
    }
}

static enum engine_status axes_backward(const struct grad_call *call, struct engine_error *err)
{
    const struct axes_params *params = call->params;
    const struct shape *shape = &call->inputs[0]->shape;
    const float *x = call->inputs[0]->data, *dy = call->out_grads[0]->data;
    struct group *groups = call->scratch;
    struct walk walk;
    int64_t count = walk_begin(&walk, params, shape), elements = shape_elements(shape);
    double n = count > 0 ? (double)(elements / count) : 0;

    (void)err;
    if (call->in_grads[0] == NULL || elements == 0)
        return ENGINE_OK;
    sum_groups(call, groups, count, n);
    for (int64_t i = 0; i < elements; i++, walk_next(&walk)) {
        const struct group *g = &groups[walk.group];
        double d = (double)x[i] - g->x, sigma = sqrt(g->square / n), s = sigma + DEVIATION_FLOOR;
        double norm = params->p == 1 ? g->square : sqrt(g->square);
        double item;

        if (g->square == 0)
            item = 0;
        else if (!params->lp)
            item = ((double)dy[i] - g->dy / n) / s - d * g->product / (n * sigma * s * s);
        else if (params->p == 1)
            item = ((double)dy[i] - (d > 0 ? 1 : d < 0 ? -1 : 0) * g->product / norm) / norm;
        else
            item = ((double)dy[i] - d * g->product / g->square) / norm;
        store(call, i, item);
    }
    return ENGINE_OK;
}

#define BY_AXES(NAME) \
    {.domain = "", .name = NAME, .flags = GRAD_INPLACE, .inputs = GRAD_BIT(0), \
     .save_inputs = GRAD_BIT(0), .prepare = axes_prepare, .backward = axes_backward}

const struct grad_def grads_norm_axes[] = {
    BY_AXES("MeanVarianceNormalization"),
    BY_AXES("LpNormalization"),
    {0},
};
