/* SPDX-License-Identifier: Apache-2.0
 * Gradient of Resize. Every mode is a weighted sum along one axis after the other, so the gradient goes
 * back through the axes in the opposite order, each output element's to its neighbours by their weights.
 * Where the extrapolation value stands there is none. */
#include "engine/grad/families.h"
#include "engine/kernels/resample.h"
#include "engine/ops/resize_form.h"

#include <string.h>

enum { X, ROI, SCALES, SIZES };

/* Where things are in the scratch: the tables of one axis, two images between axes. */
struct layout {
    struct resize_axis axes[SHAPE_RANK_MAX];
    int64_t table, image;          /* entries of the largest table; elements of the largest image */
    size_t weights, images[2], bytes;
};

/* A computed empty operand is an absent one. */
static const struct tensor *unless_empty(const struct tensor *tensor)
{
    return tensor != NULL && tensor->dtype != DTYPE_NONE && shape_elements(&tensor->shape) > 0 ? tensor
                                                                                               : NULL;
}

static enum engine_status fit(const struct node *node, const struct resize_form *form,
                              const struct tensor *const operands[4], struct layout *ret,
                              struct engine_error *err)
{
    const struct shape *x = &operands[X]->shape;
    struct shape image = *x;
    size_t bytes;
    enum engine_status status =
        resize_form_axes(node, form, x, unless_empty(operands[ROI]), unless_empty(operands[SCALES]),
                         unless_empty(operands[SIZES]), ret->axes, err);

    if (status != ENGINE_OK)
        return status;
    ret->table = 0;
    ret->image = shape_elements(x);
    for (int d = x->rank - 1; d >= 0; d--) {
        int64_t taps = resize_taps(form, &ret->axes[d]), entries;

        image.dims[d] = ret->axes[d].out;
        if (!ret->axes[d].active)
            continue;
        if (taps < 0 || __builtin_mul_overflow(taps, ret->axes[d].out, &entries) ||
            entries > INT64_MAX / 64 || !shape_check(&image, 8 * sizeof(float), &bytes))
            return op_unsupported(node, err, "images are too large to train");
        ret->table = entries > ret->table ? entries : ret->table;
        ret->image = shape_elements(&image) > ret->image ? shape_elements(&image) : ret->image;
    }
    ret->weights = ((size_t)ret->table * sizeof(int64_t) + 63) & ~(size_t)63;
    ret->images[0] = 2 * ret->weights;
    ret->images[1] = ret->images[0] + (((size_t)ret->image * sizeof(float) + 63) & ~(size_t)63);
    ret->bytes = 2 * ret->images[1] - ret->images[0];
    return ENGINE_OK;
}

static enum engine_status resize_prepare(struct grad_prepare *prepare, struct engine_error *err)
{
    const struct tensor *operands[4] = {&prepare->inputs[0]};
    struct layout layout;
    enum engine_status status;

    if (prepare->wanted == 0)
        return ENGINE_OK;
    for (int i = ROI; i < prepare->n_inputs && i <= SIZES; i++)
        operands[i] = &prepare->inputs[i];
    status = fit(prepare->node, prepare->params, operands, &layout, err);
    prepare->backward_scratch = layout.bytes;
    return status;
}

/* dy along one axis, added to `to`, which has been cleared. */
static void back_axis(const struct resize_form *form, const struct resize_axis *axis,
                      const struct layout *layout, char *scratch, int64_t outer, int64_t inner,
                      const float *dy, float *to)
{
    int64_t *indices = (int64_t *)(void *)scratch;
    double *weights = (double *)(void *)(scratch + layout->weights);
    const struct resample r = {axis->in, axis->out, resize_taps(form, axis), indices, weights, 0};

    for (int64_t x = 0; x < axis->out; x++)
        if (!resize_neighbours(form, axis, x, r.taps, indices + x * r.taps, weights + x * r.taps))
            indices[x * r.taps] = -1;
    resample_back_f32(&r, outer, inner, dy, to);
}

static enum engine_status resize_backward(const struct grad_call *call, struct engine_error *err)
{
    const struct resize_form *form = call->params;
    const struct tensor *operands[4] = {call->inputs[0]}, *dy = call->out_grads[0];
    struct tensor *dx = call->in_grads[X];
    struct shape image = dy->shape;
    const float *from = dy->data;
    struct layout layout;
    int last = -1, next = 0;
    enum engine_status status;

    for (int i = ROI; i < call->n_inputs && i <= SIZES; i++)
        operands[i] = call->inputs[i];
    status = fit(call->node, form, operands, &layout, err);
    if (status != ENGINE_OK || dx == NULL)
        return status;
    for (int d = 0; d < image.rank; d++)
        last = layout.axes[d].active ? d : last;
    if (!call->accumulate[X])
        memset(dx->data, 0, tensor_bytes(dx));
    for (int d = 0; d <= last; d++) {
        int64_t outer = shape_product(&image, 0, d), inner = shape_product(&image, d + 1, image.rank);
        float *to = (float *)(void *)((char *)call->scratch + layout.images[next]);

        if (!layout.axes[d].active)
            continue;
        image.dims[d] = layout.axes[d].in;
        if (d == last)
            to = dx->data;
        else
            memset(to, 0, (size_t)shape_elements(&image) * sizeof(float));
        back_axis(form, &layout.axes[d], &layout, call->scratch, outer, inner, from, to);
        from = to;
        next = 1 - next;
    }
    for (int64_t i = 0; last < 0 && i < shape_elements(&dx->shape); i++)
        ((float *)dx->data)[i] += from[i];
    return ENGINE_OK;
}

const struct grad_def grads_resize[] = {
    {.domain = "", .name = "Resize", .inputs = GRAD_BIT(X), .prepare = resize_prepare,
     .backward = resize_backward},
    {0},
};
