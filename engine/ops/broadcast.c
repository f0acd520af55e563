/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/ops/broadcast.h"

#include <assert.h>

/* The output's dimensions after collapsing; strides are in elements, 0 where an input repeats. */
struct nest {
    int rank;                      /* at least 1 */
    int64_t dims[SHAPE_RANK_MAX];
    int64_t strides[BROADCAST_INPUTS_MAX][SHAPE_RANK_MAX];
};

struct job {
    struct nest nest;
    int n_inputs;
    const char *inputs[BROADCAST_INPUTS_MAX];
    size_t input_sizes[BROADCAST_INPUTS_MAX];
    char *output;
    size_t output_size;
    row_fn *fn;
    const void *arg;
    int64_t rows;                  /* product of all dims but the innermost */
    int tasks;
    bool split_row;                /* one long row: tasks share it; else tasks share the rows */
};

/* The dimension of `shape` that stands under dimension d of an output of rank `rank`. */
static int64_t aligned_dim(const struct shape *shape, int rank, int d)
{
    int own = d - (rank - shape->rank);

    return own >= 0 ? shape->dims[own] : 1;
}

/* Whether dimension d, of an output of more than one element there, can join the nest's last one:
 * each input must go through both or stand still in both. */
static bool joins(const struct nest *nest, const bool *moves, int n_inputs)
{
    if (nest->rank == 0)
        return false;
    for (int k = 0; k < n_inputs; k++)
        if (moves[k] != (nest->strides[k][nest->rank - 1] != 0))
            return false;
    return true;
}

/* Strides hold 0 or 1 for "repeats" or "moves" until the end. */
static void collapse(struct nest *nest, int n_inputs, const struct tensor *const *inputs,
                     const struct shape *out)
{
    nest->rank = 0;
    for (int d = 0; d < out->rank; d++) {
        bool moves[BROADCAST_INPUTS_MAX];

        if (out->dims[d] == 1)
            continue;
        for (int k = 0; k < n_inputs; k++)
            moves[k] = aligned_dim(&inputs[k]->shape, out->rank, d) != 1;
        if (joins(nest, moves, n_inputs)) {
            nest->dims[nest->rank - 1] *= out->dims[d];
            continue;
        }
        nest->dims[nest->rank] = out->dims[d];
        for (int k = 0; k < n_inputs; k++)
            nest->strides[k][nest->rank] = moves[k];
        nest->rank++;
    }
    if (nest->rank == 0) {
        nest->rank = 1;
        nest->dims[0] = 1;
        for (int k = 0; k < n_inputs; k++)
            nest->strides[k][0] = 1;
    }
    for (int k = 0; k < n_inputs; k++) {
        int64_t stride = 1;

        for (int d = nest->rank - 1; d >= 0; d--) {
            if (nest->strides[k][d] == 0)
                continue;
            nest->strides[k][d] = stride;
            stride *= nest->dims[d];
        }
    }
}

/* Rows [first, last) of the nest, of each the elements [from, to). */
static void run_rows(const struct job *job, int64_t first, int64_t last, int64_t from, int64_t to)
{
    const struct nest *nest = &job->nest;
    int inner = nest->rank - 1;
    int64_t index[SHAPE_RANK_MAX] = {0};
    int64_t offsets[BROADCAST_INPUTS_MAX], steps[BROADCAST_INPUTS_MAX];
    const void *inputs[BROADCAST_INPUTS_MAX];
    int64_t rest = first;

    for (int d = inner - 1; d >= 0; d--) {
        index[d] = rest % nest->dims[d];
        rest /= nest->dims[d];
    }
    for (int k = 0; k < job->n_inputs; k++) {
        steps[k] = nest->strides[k][inner];
        offsets[k] = from * steps[k];
        for (int d = 0; d < inner; d++)
            offsets[k] += index[d] * nest->strides[k][d];
    }
    for (int64_t row = first; row < last; row++) {
        char *output = job->output + (size_t)(row * nest->dims[inner] + from) * job->output_size;

        for (int k = 0; k < job->n_inputs; k++)
            inputs[k] = job->inputs[k] + (size_t)offsets[k] * job->input_sizes[k];
        job->fn(to - from, inputs, steps, output, job->arg);
        for (int d = inner - 1; d >= 0; d--) {
            for (int k = 0; k < job->n_inputs; k++)
                offsets[k] += nest->strides[k][d];
            if (++index[d] < nest->dims[d])
                break;
            for (int k = 0; k < job->n_inputs; k++)
                offsets[k] -= nest->strides[k][d] * nest->dims[d];
            index[d] = 0;
        }
    }
}

static void run_task(void *arg, int task, int thread)
{
    const struct job *job = arg;
    int64_t inner = job->nest.dims[job->nest.rank - 1];
    int64_t total = job->split_row ? inner : job->rows;
    int64_t share = (total + job->tasks - 1) / job->tasks;
    int64_t first, last;

    (void)thread;
    if (job->split_row)
        share = (share + 63) / 64 * 64;   /* whole cache lines each */
    first = task * share < total ? task * share : total;
    last = first + share < total ? first + share : total;
    if (first >= last)
        return;
    if (job->split_row)
        run_rows(job, 0, 1, first, last);
    else
        run_rows(job, first, last, 0, inner);
}

void broadcast_run(struct pool *pool, int64_t grain, int n_inputs,
                   const struct tensor *const *inputs, const struct tensor *output, row_fn *fn,
                   const void *arg)
{
    struct job job = {.n_inputs = n_inputs, .output = output->data, .fn = fn, .arg = arg};
    int64_t elements = shape_elements(&output->shape);
    int threads = pool_threads(pool);

    assert(n_inputs >= 1 && n_inputs <= BROADCAST_INPUTS_MAX);
    if (elements == 0)
        return;
    collapse(&job.nest, n_inputs, inputs, &output->shape);
    for (int k = 0; k < n_inputs; k++) {
        job.inputs[k] = inputs[k]->data;
        job.input_sizes[k] = dtype_size(inputs[k]->dtype);
    }
    job.output_size = dtype_size(output->dtype);
    job.rows = elements / job.nest.dims[job.nest.rank - 1];
    job.split_row = job.rows == 1;
    job.tasks = elements / threads < grain ? 1 : threads;
    if (job.tasks == 1)
        run_rows(&job, 0, job.rows, 0, job.nest.dims[job.nest.rank - 1]);
    else
        pool_run(pool, job.tasks, run_task, &job);
}
