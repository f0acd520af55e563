/* SPDX-License-Identifier: Apache-2.0
 * Softmax, LogSoftmax and Hardmax along one axis. The tensor is seen as [outer, n, inner] around
 * it. The largest element is subtracted before the exponential, so a row of -infinity alone gives
 * NaN, as in the reference. */
#include "engine/kernels/softmax.h"
#include "engine/ops/elementwise.h"
#include "engine/ops/operands.h"
#include "engine/ops/widen.h"

#include <string.h>

enum { GRAIN = 8192 };

struct softmax_params {
    enum softmax_kind kind;
    int64_t axis;
};

struct softmax_job {
    enum softmax_kind kind;
    int64_t outer, n, inner;
    const char *x;
    char *y;
    bool is_double;
    int tasks;
};

static void run_task(void *arg, int task, int thread)
{
    const struct softmax_job *job = arg;
    int64_t first = job->outer * task / job->tasks, last = job->outer * (task + 1) / job->tasks;
    int64_t stride = job->n * job->inner;

    (void)thread;
    if (job->is_double)
        softmax_f64(job->kind, last - first, job->n, job->inner,
                    (const double *)job->x + first * stride, (double *)job->y + first * stride);
    else
        softmax_f32(job->kind, last - first, job->n, job->inner,
                    (const float *)job->x + first * stride, (float *)job->y + first * stride);
}

static enum engine_status run_wide(const struct op_call *call, struct engine_error *err)
{
    const struct softmax_params *params = call->params;
    const struct shape *shape = &call->inputs[0]->shape;
    struct softmax_job job = {.kind = params->kind, .outer = 1, .n = 1, .inner = 1,
                              .x = call->inputs[0]->data, .y = call->outputs[0]->data,
                              .is_double = call->inputs[0]->dtype == DTYPE_F64};
    int64_t elements = shape_elements(shape);
    int threads = pool_threads(call->pool);
    int axis;

    (void)err;
    if (elements == 0)
        return ENGINE_OK;
    if (shape_axis(params->axis, shape->rank, &axis)) {
        job.outer = shape_product(shape, 0, axis);
        job.n = shape->dims[axis];
        job.inner = shape_product(shape, axis + 1, shape->rank);
    }
    job.tasks = elements / threads < GRAIN || job.outer < threads ? 1 : threads;
    pool_run(job.tasks == 1 ? NULL : call->pool, job.tasks, run_task, &job);
    return ENGINE_OK;
}

static enum engine_status softmax_run(const struct op_call *call, struct engine_error *err)
{
    return widen_run(call, run_wide, err);
}

static enum engine_status softmax_init(const struct op_init *init, struct engine_error *err)
{
    struct softmax_params *params = init->params;
    const char *name = init->node->op_type;

    (void)err;
    params->kind = strcmp(name, "Softmax") == 0      ? SOFTMAX
                   : strcmp(name, "LogSoftmax") == 0 ? LOG_SOFTMAX
                                                     : HARDMAX;
    params->axis = node_int(init->node, "axis", -1);
    return ENGINE_OK;
}

static enum engine_status softmax_infer(struct op_infer *infer, struct engine_error *err)
{
    const struct softmax_params *params = infer->params;
    int rank = infer->inputs[0].shape.rank, axis;

    infer_output(infer, 0, infer->inputs[0].dtype, &infer->inputs[0].shape);
    widen_infer(infer);
    return rank == 0 ? ENGINE_OK : operand_axis(infer, params->axis, rank, &axis, err);
}

#define SOFTMAX_OP(op_name) \
    {.name = op_name, .domain = "", .since = 13, .inputs_min = 1, .inputs_max = 1, \
     .outputs_min = 1, .outputs_max = 1, .flags = OP_INPLACE | OP_PARALLEL, \
     .dtypes = DTYPES_FLOAT, \
     .params_size = sizeof(struct softmax_params), .init = softmax_init, .infer = softmax_infer, \
     .run = softmax_run}

const struct op_def ops_softmax[] = {
    SOFTMAX_OP("Softmax"),
    SOFTMAX_OP("LogSoftmax"),
    SOFTMAX_OP("Hardmax"),
    {0},
};
