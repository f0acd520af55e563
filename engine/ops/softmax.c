/* SPDX-License-Identifier: Apache-2.0
 * Softmax, LogSoftmax and Hardmax along one axis. The tensor is seen as [outer, n, inner] around
 * it. The largest element is subtracted before the exponential, so a row of -infinity alone gives
 * NaN, as in the reference. */
#include "engine/kernels/vec_math.h"
#include "engine/ops/elementwise.h"
#include "engine/ops/operands.h"
#include "engine/ops/widen.h"

#include <math.h>
#include <string.h>

enum softmax_kind { SOFTMAX, LOG_SOFTMAX, HARDMAX };

/* Lines that lie side by side are computed this many at a time. */
enum { BLOCK = 128, GRAIN = 8192 };

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

/* One line of n adjacent floats. */
static void line_f32(enum softmax_kind kind, int64_t n, const float *x, float *y)
{
    float most = vec_max_f32((size_t)n, x);
    float sum = 0.0f;

    if (kind == SOFTMAX) {
        sum = vec_exp_sum_f32((size_t)n, most, x, y);
        vec_normalise_f32((size_t)n, 0.0f, 1.0f / sum, NULL, NULL, y, y);
        return;
    }
    for (int64_t from = 0; from < n; from += BLOCK) {
        float powers[BLOCK];

        sum += vec_exp_sum_f32((size_t)(n - from < BLOCK ? n - from : BLOCK), most, x + from,
                               powers);
    }
    sum = logf(sum);
    for (int64_t i = 0; i < n; i++)
        y[i] = x[i] - most - sum;
}

/* `count` lines side by side, at most BLOCK, whose elements are `inner` apart. */
static void lines_f32(enum softmax_kind kind, int64_t n, int64_t inner, int64_t count,
                      const float *x, float *y)
{
    float most[BLOCK], sum[BLOCK], powers[BLOCK];

    for (int64_t k = 0; k < count; k++) {
        most[k] = x[k];
        sum[k] = 0.0f;
    }
    for (int64_t i = 1; i < n; i++)
        for (int64_t k = 0; k < count; k++) {
            float item = x[i * inner + k];

            most[k] = item > most[k] || item != item ? item : most[k];
        }
    for (int64_t i = 0; i < n; i++) {
        for (int64_t k = 0; k < count; k++)
            powers[k] = x[i * inner + k] - most[k];
        vec_exp_f32((size_t)count, powers, powers);
        for (int64_t k = 0; k < count; k++)
            sum[k] += powers[k];
        if (kind == SOFTMAX)
            memcpy(y + i * inner, powers, (size_t)count * sizeof(*y));
    }
    for (int64_t k = 0; k < count; k++)
        sum[k] = kind == SOFTMAX ? 1.0f / sum[k] : most[k] + logf(sum[k]);
    for (int64_t i = 0; i < n; i++)
        for (int64_t k = 0; k < count; k++)
            y[i * inner + k] = kind == SOFTMAX ? y[i * inner + k] * sum[k]
                                               : x[i * inner + k] - sum[k];
}

static void line_f64(enum softmax_kind kind, int64_t n, int64_t inner, const double *x, double *y)
{
    double most = x[0], sum = 0.0;

    for (int64_t i = 1; i < n; i++)
        most = x[i * inner] > most || x[i * inner] != x[i * inner] ? x[i * inner] : most;
    for (int64_t i = 0; i < n; i++)
        sum += exp(x[i * inner] - most);
    for (int64_t i = 0; i < n; i++)
        y[i * inner] = kind == SOFTMAX ? exp(x[i * inner] - most) / sum
                                       : x[i * inner] - most - log(sum);
}

/* One at the first of the largest, zero elsewhere. */
#define HARDMAX_LINE(name, type) \
    static void name(int64_t n, int64_t inner, const type *x, type *y) \
    { \
        int64_t best = 0; \
        for (int64_t i = 1; i < n; i++) \
            if (x[i * inner] > x[best * inner]) \
                best = i; \
        for (int64_t i = 0; i < n; i++) \
            y[i * inner] = i == best; \
    }

HARDMAX_LINE(hardmax_f32, float)
HARDMAX_LINE(hardmax_f64, double)

static void run_f32(const struct softmax_job *job, const float *x, float *y)
{
    if (job->kind == HARDMAX) {
        for (int64_t k = 0; k < job->inner; k++)
            hardmax_f32(job->n, job->inner, x + k, y + k);
        return;
    }
    if (job->inner == 1) {
        line_f32(job->kind, job->n, x, y);
        return;
    }
    for (int64_t k = 0; k < job->inner; k += BLOCK)
        lines_f32(job->kind, job->n, job->inner, job->inner - k < BLOCK ? job->inner - k : BLOCK,
                  x + k, y + k);
}

static void run_f64(const struct softmax_job *job, const double *x, double *y)
{
    for (int64_t k = 0; k < job->inner; k++) {
        if (job->kind == HARDMAX)
            hardmax_f64(job->n, job->inner, x + k, y + k);
        else
            line_f64(job->kind, job->n, job->inner, x + k, y + k);
    }
}

static void run_task(void *arg, int task, int thread)
{
    const struct softmax_job *job = arg;
    int64_t first = job->outer * task / job->tasks, last = job->outer * (task + 1) / job->tasks;
    int64_t stride = job->n * job->inner;

    (void)thread;
    for (int64_t o = first; o < last; o++) {
        if (job->is_double)
            run_f64(job, (const double *)job->x + o * stride, (double *)job->y + o * stride);
        else
            run_f32(job, (const float *)job->x + o * stride, (float *)job->y + o * stride);
    }
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
