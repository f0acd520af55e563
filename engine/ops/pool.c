/* SPDX-License-Identifier: Apache-2.0
 * MaxPool, AveragePool, LpPool and their global forms, for planes stored channel by channel; and, as
 * inferd.MaxPoolLast and so on, those that engine/optimise/channels_last.c makes, for float images
 * whose channels are the last dimension. */
#include "engine/kernels/pool_last.h"
#include "engine/ops/families.h"
#include "engine/ops/pool_form.h"

#define POOL_DTYPES \
    (DTYPE_BIT(DTYPE_F32) | DTYPE_BIT(DTYPE_F64) | DTYPE_BIT(DTYPE_F16) | DTYPE_BIT(DTYPE_BF16))
#define MAX_DTYPES (POOL_DTYPES | DTYPE_BIT(DTYPE_I8) | DTYPE_BIT(DTYPE_U8))

static enum engine_status pool_infer(struct op_infer *infer, struct engine_error *err)
{
    const struct pool_params *params = infer->params;
    const struct tensor *x = &infer->inputs[0];
    struct shape *out = &infer->outputs[0].shape;
    char text[SHAPE_TEXT_MAX];
    struct window window;
    const char *problem = pool_form_window(params, &x->shape, &window);

    if (problem != NULL)
        return op_fail(infer->node, err, "%s (input %s)", problem,
                       shape_text(&x->shape, text, sizeof(text)));
    infer->outputs[0].dtype = x->dtype;
    *out = x->shape;
    for (int i = 0; i < out->rank - 2; i++)
        out->dims[i + (params->last ? 1 : 2)] =
            params->global ? 1 : window.out[i + WINDOW_DIMS - (out->rank - 2)];
    if (params->last)
        infer->scratch_bytes = pool_last_scratch(infer->threads);
    if (infer->n_outputs > 1) {
        infer->outputs[1].dtype = DTYPE_I64;
        infer->outputs[1].shape = *out;
    }
    return ENGINE_OK;
}

/* What the threads share: planes in equal stretches. */
struct pool_work {
    const struct pool_params *params;
    struct window window;
    enum dtype dtype;
    int64_t planes, stretch;
    const char *x;
    char *y;
    int64_t *indices;
};

static void pool_plane(const struct pool_work *work, int64_t plane)
{
    int64_t in = window_in_size(&work->window), out = window_out_size(&work->window);
    size_t size = dtype_size(work->dtype);
    const void *x = work->x + (size_t)(plane * in) * size;
    void *y = work->y + (size_t)(plane * out) * size;
    int64_t *indices = work->indices != NULL ? work->indices + plane * out : NULL;

    switch (work->params->kind) {
    case POOL_MAX:
        window_max(&work->window, work->dtype, x, work->params->column_major, y, indices);
        for (int64_t i = 0; indices != NULL && i < out; i++)
            indices[i] += plane * in;
        break;
    case POOL_AVERAGE:
        window_average(&work->window, work->dtype, work->params->mean, x, y);
        break;
    case POOL_NORM:
        window_norm(&work->window, work->dtype, work->params->p, x, y);
        break;
    }
}

static void pool_task(void *arg, int task, int thread)
{
    const struct pool_work *work = arg;
    int64_t from = task * work->stretch, to = from + work->stretch;

    (void)thread;
    for (int64_t plane = from; plane < to && plane < work->planes; plane++)
        pool_plane(work, plane);
}

static enum engine_status pool_op_run(const struct op_call *call, struct engine_error *err)
{
    const struct tensor *x = call->inputs[0];
    const struct tensor *indices = call->n_outputs > 1 ? call->outputs[1] : NULL;
    struct pool_work work = {.params = call->params, .dtype = x->dtype, .x = x->data,
                             .y = call->outputs[0]->data,
                             .indices = indices != NULL ? indices->data : NULL};
    int threads = pool_threads(call->pool);
    const char *problem = pool_form_window(work.params, &x->shape, &work.window);

    if (problem != NULL)
        return op_fail(call->node, err, "%s", problem);
    work.planes = x->shape.dims[0] * x->shape.dims[1];
    work.stretch = (work.planes + threads - 1) / threads;
    if (work.planes > 0)
        pool_run(call->pool, threads, pool_task, &work);
    return ENGINE_OK;
}

static enum engine_status pool_last_op_run(const struct op_call *call, struct engine_error *err)
{
    const struct pool_params *params = call->params;
    const struct tensor *x = call->inputs[0];
    struct pool_last pooling = {.kind = params->kind == POOL_MAX ? POOL_LAST_MAX : POOL_LAST_MEAN,
                                .mean = params->mean, .images = x->shape.dims[0],
                                .channels = x->shape.dims[x->shape.rank - 1], .x = x->data,
                                .y = call->outputs[0]->data};
    const char *problem = pool_form_window(params, &x->shape, &pooling.window);

    if (problem != NULL)
        return op_fail(call->node, err, "%s", problem);
    pool_last_run(&pooling, call->scratch, call->pool);
    return ENGINE_OK;
}

#define POOL_ENTRY(NAME, DTYPES, OUTPUTS_MAX) \
    {.domain = "", .name = NAME, .since = 1, .inputs_min = 1, .inputs_max = 1, .outputs_min = 1, \
     .outputs_max = OUTPUTS_MAX, .flags = OP_PARALLEL, .dtypes = DTYPES, \
     .params_size = sizeof(struct pool_params), .init = pool_form_init, .infer = pool_infer, \
     .run = pool_op_run}

#define POOL_LAST_ENTRY(NAME) \
    {.domain = "inferd", .name = NAME, .since = 1, .inputs_min = 1, .inputs_max = 1, \
     .outputs_min = 1, .outputs_max = 1, .flags = OP_PARALLEL, .dtypes = DTYPE_BIT(DTYPE_F32), \
     .params_size = sizeof(struct pool_params), .init = pool_form_init, .infer = pool_infer, \
     .run = pool_last_op_run}

const struct op_def ops_pool[] = {
    POOL_ENTRY("MaxPool", MAX_DTYPES, 2),
    POOL_ENTRY("AveragePool", POOL_DTYPES, 1),
    POOL_ENTRY("LpPool", POOL_DTYPES, 1),
    POOL_ENTRY("GlobalMaxPool", MAX_DTYPES, 1),
    POOL_ENTRY("GlobalAveragePool", POOL_DTYPES, 1),
    POOL_ENTRY("GlobalLpPool", POOL_DTYPES, 1),
    POOL_LAST_ENTRY("MaxPoolLast"),
    POOL_LAST_ENTRY("AveragePoolLast"),
    POOL_LAST_ENTRY("GlobalMaxPoolLast"),
    POOL_LAST_ENTRY("GlobalAveragePoolLast"),
    {0},
};
