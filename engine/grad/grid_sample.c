/* SPDX-License-Identifier: Apache-2.0
 * Gradients of GridSample and AffineGrid. A sample is a weighted sum of neighbours: its gradient goes to
 * them by their weights, and to the place by how the weights change with it. Where a place is held at the
 * border, or takes the nearest element, it has none. */
#include "engine/grad/families.h"
#include "engine/ops/sample_form.h"

#include <string.h>

enum { X, GRID };

/* What the images' tasks share. */
struct work {
    const struct sample_params *params;
    const struct shape *shape;     /* of X */
    int64_t channel, places;
    const float *x, *grid, *dy;
    float *dx, *dgrid;             /* or NULL */
    bool add_grid;
};

static enum engine_status sample_prepare(struct grad_prepare *prepare, struct engine_error *err)
{
    (void)err;
    if (!(prepare->wanted & GRAD_BIT(GRID)))
        prepare->save_inputs &= ~GRAD_BIT(X);
    return ENGINE_OK;
}

/* One place of one image: to its neighbours in all channels, and to the grid. */
static void back_place(const struct work *w, int64_t image, int64_t place)
{
    int spatial = w->shape->rank - 2;
    int64_t channels = w->shape->dims[1], at = (image * w->places + place) * spatial;
    double coordinates[SAMPLE_SPATIAL_MAX] = {0}, sums[SAMPLE_SPATIAL_MAX] = {0};
    struct sample_neighbours near;

    for (int d = 0; d < spatial; d++)
        coordinates[d] = (double)w->grid[at + d];
    sample_find(w->params, w->shape, coordinates, &near);
    for (int64_t c = 0; c < channels; c++) {
        int64_t base = (image * channels + c) * w->channel;
        double dy = (double)w->dy[(image * channels + c) * w->places + place];

        for (int t = 0; t < near.count; t++) {
            if (w->dx != NULL)
                w->dx[base + near.offset[t]] += (float)(dy * near.weight[t]);
            for (int d = 0; d < spatial && w->dgrid != NULL; d++)
                sums[d] += dy * near.slope[t][d] * (double)w->x[base + near.offset[t]];
        }
    }
    for (int d = 0; d < spatial && w->dgrid != NULL; d++)
        w->dgrid[at + d] = (w->add_grid ? w->dgrid[at + d] : 0) + (float)sums[d];
}

static void image_task(void *arg, int task, int thread)
{
    const struct work *w = arg;

    (void)thread;
    for (int64_t place = 0; place < w->places; place++)
        back_place(w, task, place);
}

static enum engine_status sample_backward(const struct grad_call *call, struct engine_error *err)
{
    const struct tensor *x = call->inputs[X], *dy = call->out_grads[0];
    struct work w = {.params = call->params, .shape = &x->shape, .x = x->data, .dy = dy->data,
                     .channel = shape_product(&x->shape, 2, x->shape.rank),
                     .places = shape_product(&dy->shape, 2, dy->shape.rank),
                     .add_grid = call->accumulate[GRID]};

    if (call->inputs[GRID]->dtype != DTYPE_F32)
        return op_unsupported(call->node, err, "the grid is %s: training wants float",
                              dtype_name(call->inputs[GRID]->dtype));
    w.grid = call->inputs[GRID]->data;
    if (call->in_grads[X] != NULL) {
        w.dx = call->in_grads[X]->data;
        if (!call->accumulate[X])
            memset(w.dx, 0, tensor_bytes(call->in_grads[X]));
    }
    w.dgrid = call->in_grads[GRID] != NULL ? call->in_grads[GRID]->data : NULL;
    pool_run(call->pool, (int)x->shape.dims[0], image_task, &w);
    return ENGINE_OK;
}

/* grid[place, k] = sum over d of theta[k, d] at[d], at ending with 1. */
static enum engine_status affine_backward(const struct grad_call *call, struct engine_error *err)
{
    const struct sample_params *params = call->params;
    const struct tensor *dy = call->out_grads[0];
    int spatial = dy->shape.rank - 2;
    int64_t places = shape_product(&dy->shape, 1, 1 + spatial);
    const float *from = dy->data;

    (void)err;
    for (int64_t n = 0; n < dy->shape.dims[0] && call->in_grads[0] != NULL; n++) {
        float *to = (float *)call->in_grads[0]->data + n * spatial * (spatial + 1);
        double sums[SAMPLE_SPATIAL_MAX * (SAMPLE_SPATIAL_MAX + 1)] = {0};

        for (int64_t p = 0; p < places; p++, from += spatial) {
            double at[SAMPLE_SPATIAL_MAX + 1];
            int64_t rest = p;

            for (int d = 0; d < spatial; d++) {        /* innermost first */
                int64_t dim = dy->shape.dims[spatial - d];

                at[d] = sample_grid_line(params->align_corners, rest % dim, dim);
                rest /= dim;
            }
            at[spatial] = 1;
            for (int i = 0; i < spatial * (spatial + 1); i++)
                sums[i] += (double)from[i / (spatial + 1)] * at[i % (spatial + 1)];
        }
        for (int i = 0; i < spatial * (spatial + 1); i++)
            to[i] = (call->accumulate[0] ? to[i] : 0) + (float)sums[i];
    }
    return ENGINE_OK;
}

const struct grad_def grads_grid_sample[] = {
    {.domain = "", .name = "GridSample", .inputs = GRAD_BIT(X) | GRAD_BIT(GRID),
     .save_inputs = GRAD_BIT(X) | GRAD_BIT(GRID), .prepare = sample_prepare,
     .backward = sample_backward},
    {.domain = "", .name = "AffineGrid", .inputs = GRAD_BIT(0), .backward = affine_backward},
    {0},
};
