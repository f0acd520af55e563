/* SPDX-License-Identifier: Apache-2.0
 * Gradients of Softmax, dX = Y (dY - sum(dY Y)), and LogSoftmax, dX = dY - e^Y sum(dY), along the middle
 * of [outer, n, inner]. Sums are kept in lanes, and in double across blocks. */
#include "engine/grad/families.h"
#include "engine/grad/term_rows.h"
#include "engine/kernels/cpu.h"
#include "engine/kernels/vec_math.h"

#include <string.h>

enum { BLOCK = 256, LANES = 16, GRAIN = 8192 };

/* sum: of d y over n adjacent elements, in lanes. sums: adds d y of n neighbouring lines to their sums.
 * finish: dX from the sums, which stand still (step 0) or go with the elements. */
#define LOOPS(isa) \
    TARGET_##isa static double sum_product_##isa(int64_t n, const float *d, const float *y) \
    { \
        float lanes[LANES] = {0}; \
        double total = 0; \
        int64_t i = 0; \
        for (; i + LANES <= n; i += LANES) \
            for (int k = 0; k < LANES; k++) \
                lanes[k] += d[i + k] * y[i + k]; \
        for (int k = 0; k < LANES; k++) \
            total += (double)lanes[k]; \
        for (; i < n; i++) \
            total += (double)(d[i] * y[i]); \
        return total; \
    } \
    TARGET_##isa static void add_products_##isa(int64_t n, const float *d, const float *y, float *sums) \
    { \
        for (int64_t i = 0; i < n; i++) \
            sums[i] += d[i] * y[i]; \
    } \
    TARGET_##isa static void finish_##isa(int64_t n, const float *d, const float *y, const float *sums, \
                             int64_t step, bool of_log, bool add, float *to) \
    { \
        float terms[BLOCK]; \
        if (of_log && step == 0) \
            for (int64_t i = 0; i < n; i++) \
                terms[i] = d[i] - y[i] * sums[0]; \
        else if (of_log) \
            for (int64_t i = 0; i < n; i++) \
                terms[i] = d[i] - y[i] * sums[i]; \
        else if (step == 0) \
            for (int64_t i = 0; i < n; i++) \
                terms[i] = y[i] * (d[i] - sums[0]); \
        else \
            for (int64_t i = 0; i < n; i++) \
                terms[i] = y[i] * (d[i] - sums[i]); \
        if (add) \
            for (int64_t i = 0; i < n; i++) \
                to[i] += terms[i]; \
        else \
            memcpy(to, terms, (size_t)n * sizeof(*to)); \
    }
TERMS(LOOPS)

static const struct loops {
    double (*sum_product)(int64_t n, const float *d, const float *y);
    void (*add_products)(int64_t n, const float *d, const float *y, float *sums);
    void (*finish)(int64_t n, const float *d, const float *y, const float *sums, int64_t step,
                   bool of_log, bool add, float *to);
} loops[2] = {{sum_product_plain, add_products_plain, finish_plain},
              {sum_product_wide, add_products_wide, finish_wide}};

struct job {
    const struct loops *loops;
    bool of_log, add;
    int64_t outer, n, inner;
    const float *d, *y;
    float *to;
    int tasks;
};

/* The elements that the sums and the results are multiplied by: Y, or e^Y in `powers`. */
static const float *weights(const struct job *job, const float *y, int64_t count, float *powers)
{
    if (!job->of_log)
        return y;
    vec_exp_f32((size_t)count, y, powers);
    return powers;
}

/* One line of adjacent elements. */
static void run_line(const struct job *job, int64_t at)
{
    const float *d = job->d + at, *y = job->y + at;
    float powers[BLOCK], sum;
    double total = 0;

    for (int64_t from = 0; from < job->n; from += BLOCK) {
        int64_t count = job->n - from < BLOCK ? job->n - from : BLOCK;

        total += job->of_log ? (double)vec_sum_f32((size_t)count, d + from)
                             : job->loops->sum_product(count, d + from, y + from);
    }
    sum = (float)total;
    for (int64_t from = 0; from < job->n; from += BLOCK) {
        int64_t count = job->n - from < BLOCK ? job->n - from : BLOCK;

        job->loops->finish(count, d + from, weights(job, y + from, count, powers), &sum, 0, job->of_log,
                           job->add, job->to + at + from);
    }
}

/* `count` lines side by side, at most BLOCK. */
static void run_lines(const struct job *job, int64_t at, int64_t count)
{
    float powers[BLOCK], sums[BLOCK] = {0};

    for (int64_t i = 0; i < job->n; i++) {
        const float *d = job->d + at + i * job->inner, *y = job->y + at + i * job->inner;

        if (job->of_log)
            for (int64_t k = 0; k < count; k++)
                sums[k] += d[k];
        else
            job->loops->add_products(count, d, y, sums);
    }
    for (int64_t i = 0; i < job->n; i++) {
        int64_t place = at + i * job->inner;

        job->loops->finish(count, job->d + place, weights(job, job->y + place, count, powers), sums, 1,
                           job->of_log, job->add, job->to + place);
    }
}

static void run_task(void *arg, int task, int thread)
{
    const struct job *job = arg;
    int64_t first = job->outer * task / job->tasks, last = job->outer * (task + 1) / job->tasks;

    (void)thread;
    for (int64_t line = first; line < last; line++) {
        int64_t at = line * job->n * job->inner;

        if (job->inner == 1)
            run_line(job, at);
        else
            for (int64_t from = 0; from < job->inner; from += BLOCK)
                run_lines(job, at + from, job->inner - from < BLOCK ? job->inner - from : BLOCK);
    }
}

static void run(const struct grad_call *call, bool of_log)
{
    const struct tensor *y = call->outputs[0], *to = call->in_grads[0];
    struct job job = {.loops = &loops[cpu_isa() >= ISA_AVX2], .of_log = of_log,
                      .add = call->accumulate[0], .outer = 1, .n = 1, .inner = 1,
                      .d = call->out_grads[0]->data, .y = y->data, .to = to->data};
    int64_t elements = shape_elements(&y->shape);
    int threads = pool_threads(call->pool);
    int axis;

    if (elements == 0)
        return;
    if (shape_axis(node_int(call->node, "axis", -1), y->shape.rank, &axis)) {
        job.outer = shape_product(&y->shape, 0, axis);
        job.n = y->shape.dims[axis];
        job.inner = shape_product(&y->shape, axis + 1, y->shape.rank);
    }
    job.tasks = elements / threads < GRAIN || job.outer < threads ? 1 : threads;
    pool_run(job.tasks == 1 ? NULL : call->pool, job.tasks, run_task, &job);
}

static enum engine_status softmax_backward(const struct grad_call *call, struct engine_error *err)
{
    (void)err;
    run(call, false);
    return ENGINE_OK;
}

static enum engine_status log_softmax_backward(const struct grad_call *call, struct engine_error *err)
{
    (void)err;
    run(call, true);
    return ENGINE_OK;
}

const struct grad_def grads_softmax[] = {
    {.domain = "", .name = "Hardmax", .flags = GRAD_STOPS, .why_not = "it is constant between its steps"},
    {.domain = "", .name = "LogSoftmax", .flags = GRAD_INPLACE, .inputs = 1, .save_outputs = 1,
     .backward = log_softmax_backward},
    {.domain = "", .name = "Softmax", .flags = GRAD_INPLACE, .inputs = 1, .save_outputs = 1,
     .backward = softmax_backward},
    {0},
};
