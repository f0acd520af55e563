/* SPDX-License-Identifier: Apache-2.0
 * Gradients of RoiAlign and MaxRoiPool by the image. (The regions are taken as given: where their bins
 * fall changes in steps.) A mean's gradient goes to all neighbours of all samples by their weights, a
 * maximum's to the first element that was it. */
#include "engine/grad/families.h"
#include "engine/ops/roi_form.h"

#include <math.h>
#include <string.h>

enum { X, REGIONS, BATCH };

struct work {
    const struct roi_params *params;
    const int64_t *dims;           /* of X */
    const float *x, *regions, *dy;
    float *dx;
};

static enum engine_status align_prepare(struct grad_prepare *prepare, struct engine_error *err)
{
    const struct roi_params *params = prepare->params;

    (void)err;
    if (!params->max)
        prepare->save_inputs &= ~GRAD_BIT(X);
    return ENGINE_OK;
}

/* One bin of one channel, whose elements begin at `base`. */
static void align_bin(const struct work *w, int64_t base, const struct roi_span *ys,
                      const struct roi_span *xs, int64_t y_bin, int64_t x_bin, float dy)
{
    int64_t samples = ys->samples * xs->samples, best_at = -1;
    double share = (double)dy / (double)(samples > 1 ? samples : 1), best = 0, best_weight = 0;

    for (int64_t i = 0; i < samples; i++) {
        struct roi_pair y, x;
        bool inside = roi_pair_set(ys, y_bin, i / xs->samples, &y) &&
                      roi_pair_set(xs, x_bin, i % xs->samples, &x);

        for (int part = 0; part < 4; part++) {
            int64_t at = -1;
            double weight = 0, item = 0;

            if (inside) {
                at = base + (part < 2 ? y.low : y.high) * xs->dim + (part % 2 == 0 ? x.low : x.high);
                weight = (part < 2 ? 1 - y.weight : y.weight) * (part % 2 == 0 ? 1 - x.weight : x.weight);
            }
            if (!w->params->max) {
                if (inside)
                    w->dx[at] += (float)(share * weight);
                continue;
            }
            item = inside ? weight * (double)w->x[at] : 0;
            if ((i == 0 && part == 0) || item > best) {
                best = item;
                best_at = at;
                best_weight = weight;
            }
        }
    }
    if (w->params->max && best_at >= 0)
        w->dx[best_at] += (float)((double)dy * best_weight);
}

static float *start(const struct grad_call *call)
{
    struct tensor *dx = call->in_grads[X];

    if (dx != NULL && !call->accumulate[X])
        memset(dx->data, 0, tensor_bytes(dx));
    return dx != NULL ? dx->data : NULL;
}

static enum engine_status align_backward(const struct grad_call *call, struct engine_error *err)
{
    const struct roi_params *params = call->params;
    struct work w = {.params = params, .dims = call->inputs[X]->shape.dims, .x = call->inputs[X]->data,
                     .regions = call->inputs[REGIONS]->data, .dy = call->out_grads[0]->data,
                     .dx = start(call)};
    int64_t regions = call->inputs[REGIONS]->shape.dims[0], bins = params->high * params->wide;

    for (int64_t r = 0; r < regions && w.dx != NULL; r++) {
        const float *box = w.regions + 4 * r;
        int64_t batch = tensor_int_at(call->inputs[BATCH], r);
        struct roi_span y, x;

        if (!roi_span_set(params, (double)box[1], (double)box[3], params->high, w.dims[2], &y) ||
            !roi_span_set(params, (double)box[0], (double)box[2], params->wide, w.dims[3], &x))
            return op_fail(call->node, err, "region %lld is far larger than the image", (long long)r);
        for (int64_t i = 0; i < w.dims[1] * bins; i++)
            align_bin(&w, (batch * w.dims[1] + i / bins) * w.dims[2] * w.dims[3], &y, &x,
                      i % bins / params->wide, i % params->wide, w.dy[r * w.dims[1] * bins + i]);
    }
    return ENGINE_OK;
}

static void max_bin(const struct work *w, const float *box, int64_t base, int64_t y_bin, int64_t x_bin,
                    float dy)
{
    int64_t y0, y1, x0, x1, best = -1;

    roi_bin_range(w->params, (double)box[2], (double)box[4], y_bin, w->params->high, w->dims[2], &y0, &y1);
    roi_bin_range(w->params, (double)box[1], (double)box[3], x_bin, w->params->wide, w->dims[3], &x0, &x1);
    for (int64_t y = y0; y < y1; y++)
        for (int64_t x = x0; x < x1; x++) {
            int64_t at = base + y * w->dims[3] + x;

            if (best < 0 || w->x[at] > w->x[best])
                best = at;
        }
    if (best >= 0)
        w->dx[best] += dy;
}

static enum engine_status max_backward(const struct grad_call *call, struct engine_error *err)
{
    const struct roi_params *params = call->params;
    struct work w = {.params = params, .dims = call->inputs[X]->shape.dims, .x = call->inputs[X]->data,
                     .regions = call->inputs[REGIONS]->data, .dy = call->out_grads[0]->data,
                     .dx = start(call)};
    int64_t regions = call->inputs[REGIONS]->shape.dims[0], bins = params->high * params->wide;

    (void)err;
    for (int64_t r = 0; r < regions && w.dx != NULL; r++)
        for (int64_t i = 0; i < w.dims[1] * bins; i++) {
            const float *box = w.regions + 5 * r;

            max_bin(&w, box, ((int64_t)box[0] * w.dims[1] + i / bins) * w.dims[2] * w.dims[3],
                    i % bins / params->wide, i % params->wide, w.dy[r * w.dims[1] * bins + i]);
        }
    return ENGINE_OK;
}

const struct grad_def grads_roi[] = {
    {.domain = "", .name = "RoiAlign", .inputs = GRAD_BIT(X),
     .save_inputs = GRAD_BIT(X) | GRAD_BIT(REGIONS) | GRAD_BIT(BATCH), .prepare = align_prepare,
     .backward = align_backward},
    {.domain = "", .name = "MaxRoiPool", .inputs = GRAD_BIT(X),
     .save_inputs = GRAD_BIT(X) | GRAD_BIT(REGIONS), .backward = max_backward},
    {0},
};
