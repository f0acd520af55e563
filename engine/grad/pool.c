/* SPDX-License-Identifier: Apache-2.0
 * Gradients of the pools. That of a maximum goes to the place that was it, the first among equals; of
 * each place the tape has one byte (four for kernels of 256 places and more). A window wholly in the
 * padding has none. A norm of 0 has the gradient 0. */
#include "engine/grad/families.h"
#include "engine/kernels/pool_planes.h"
#include "engine/ops/pool_form.h"

#include <string.h>

enum { PLANES = 16 };              /* of a task */

struct pool_work {
    const struct pool_params *params;
    struct window window;
    int64_t planes;
    const float *x;
    float *y;                      /* forward: written */
    int64_t *indices;              /* MaxPool's second output, or NULL */
    char *places;                  /* on the tape */
    const float *dy;
    float *dx;
    bool accumulate;
};

static int tasks_of(const struct pool_work *work)
{
    return (int)((work->planes + PLANES - 1) / PLANES);
}

static enum engine_status fit(struct pool_work *work, const struct node *node, const void *params,
                              const struct shape *x, struct engine_error *err)
{
    const char *problem = pool_form_window(params, x, &work->window);

    if (problem != NULL)
        return op_fail(node, err, "%s", problem);
    work->params = params;
    work->planes = x->dims[0] * x->dims[1];
    return ENGINE_OK;
}

static enum engine_status pool_prepare(struct grad_prepare *prepare, struct engine_error *err)
{
    struct pool_work work = {0};
    enum engine_status status =
        fit(&work, prepare->node, prepare->params, &prepare->inputs[0].shape, err);

    if (status != ENGINE_OK || prepare->inputs[0].dtype != DTYPE_F32)
        return status;
    if (work.params->kind == POOL_MAX)
        prepare->tape_bytes = (size_t)(work.planes * window_out_size(&work.window)) *
                              pool_place_bytes(&work.window);
    if (window_in_size(&work.window) > INT32_MAX)
        return op_unsupported(prepare->node, err, "planes are too large to train");
    return ENGINE_OK;
}

/* MaxPool's second output counts through all planes. */
static void write_indices(const struct pool_work *work, int64_t plane, const char *places)
{
    const struct window *w = &work->window;
    int64_t out = window_out_size(w);

    for (int64_t o = 0; o < out; o++) {
        int64_t at = pool_max_position(w, places, o);

        if (at < 0)
            at = 0;
        else if (work->params->column_major)
            at = (at % w->in[2] * w->in[1] + at / w->in[2] % w->in[1]) * w->in[0] +
                 at / w->in[2] / w->in[1];
        work->indices[plane * out + o] = at + plane * window_in_size(w);
    }
}

static void forward_task(void *arg, int task, int thread)
{
    const struct pool_work *work = arg;
    const struct window *w = &work->window;
    int64_t in = window_in_size(w), out = window_out_size(w), first = (int64_t)task * PLANES;

    (void)thread;
    for (int64_t p = first; p < first + PLANES && p < work->planes; p++) {
        const float *x = work->x + p * in;
        float *y = work->y + p * out;
        char *places = work->places + (size_t)(p * out) * pool_place_bytes(w);

        if (work->params->kind == POOL_MAX)
            pool_max_f32(w, x, y, places);
        else
            pool_mean_f32(w, work->params->mean, x, y);
        if (work->indices != NULL)
            write_indices(work, p, places);
    }
}

static enum engine_status pool_forward(const struct grad_forward *forward, struct engine_error *err)
{
    const struct op_call *call = &forward->call;
    const struct tensor *x = call->inputs[0];
    struct pool_work work = {.x = x->data, .y = call->outputs[0]->data, .places = forward->tape};
    enum engine_status status;

    if (x->dtype != DTYPE_F32)
        return call->node->op->run(call, err);
    if (call->n_outputs > 1 && call->outputs[1] != NULL)
        work.indices = call->outputs[1]->data;
    status = fit(&work, call->node, call->params, &x->shape, err);
    if (status == ENGINE_OK)
        pool_run(call->pool, tasks_of(&work), forward_task, &work);
    return status;
}

static void backward_task(void *arg, int task, int thread)
{
    const struct pool_work *work = arg;
    const struct window *w = &work->window;
    int64_t in = window_in_size(w), out = window_out_size(w), first = (int64_t)task * PLANES;

    (void)thread;
    for (int64_t p = first; p < first + PLANES && p < work->planes; p++) {
        const float *dy = work->dy + p * out;
        float *dx = work->dx + p * in;

        if (!work->accumulate)
            memset(dx, 0, (size_t)in * sizeof(float));
        switch (work->params->kind) {
        case POOL_MAX:
            pool_max_spread_f32(w, work->places + (size_t)(p * out) * pool_place_bytes(w), dy, dx);
            break;
        case POOL_AVERAGE:
            pool_mean_spread_f32(w, work->params->mean, dy, dx);
            break;
        case POOL_NORM:
            pool_norm_spread_f32(w, work->params->p, work->x + p * in, work->y + p * out, dy, dx);
            break;
        }
    }
}

static enum engine_status pool_backward(const struct grad_call *call, struct engine_error *err)
{
    struct pool_work work = {.x = call->inputs[0]->data, .places = call->tape};
    enum engine_status status = fit(&work, call->node, call->params, &call->inputs[0]->shape, err);

    if (status != ENGINE_OK || call->in_grads[0] == NULL || call->out_grads[0] == NULL)
        return status;
    work.y = call->outputs[0] != NULL ? call->outputs[0]->data : NULL;
    work.dy = call->out_grads[0]->data;
    work.dx = call->in_grads[0]->data;
    work.accumulate = call->accumulate[0];
    pool_run(call->pool, tasks_of(&work), backward_task, &work);
    return ENGINE_OK;
}

#define POOL(NAME) \
    {.domain = "", .name = NAME, .inputs = GRAD_BIT(0), .prepare = pool_prepare, \
     .forward = pool_forward, .backward = pool_backward}
#define NORM_POOL(NAME) \
    {.domain = "", .name = NAME, .inputs = GRAD_BIT(0), .save_inputs = GRAD_BIT(0), \
     .save_outputs = GRAD_BIT(0), .prepare = pool_prepare, .backward = pool_backward}

const struct grad_def grads_pool[] = {
    POOL("MaxPool"),
    POOL("AveragePool"),
    NORM_POOL("LpPool"),
    POOL("GlobalMaxPool"),
    POOL("GlobalAveragePool"),
    NORM_POOL("GlobalLpPool"),
    {0},
};
