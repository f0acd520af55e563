/* SPDX-License-Identifier: Apache-2.0 */
#include "server/serving/worker.h"

#include "server/clock.h"
#include "server/observe/statistics.h"
#include "server/status_map.h"

#include <stdlib.h>
#include <string.h>

enum { BUFFER_ALIGN = 64, BUFFER_STEP = 4096 };

struct buffer {
    void *data;
    size_t capacity;
};

/* Arrays of `n_tensors` each; buffers[i] is the memory of inputs[i] or, split, of outputs[i]. */
struct worker {
    struct runner *runner;
    int threads;                         /* of its pool: plans have scratch memory for each */
    size_t output_bytes_max;
    int n_tensors;
    struct tensor *inputs, *outputs, *views;
    struct shape *shapes;
    struct buffer *buffers;
};

/* One run of a model: what went in, how long it took. */
struct run_report {
    int64_t generation;
    uint64_t computed_ns;                /* when it ended */
    uint64_t compute_ns;                 /* the runs alone, without planning */
};

struct worker *worker_create(struct pool *pool, size_t output_bytes_max)
{
    struct worker *worker = calloc(1, sizeof(*worker));

    if (worker == NULL)
        return NULL;
    worker->output_bytes_max = output_bytes_max;
    worker->threads = pool_threads(pool);
    worker->runner = runner_create(pool);
    if (worker->runner == NULL) {
        free(worker);
        return NULL;
    }
    return worker;
}

static void worker_free_arrays(struct worker *worker)
{
    for (int i = 0; i < worker->n_tensors; i++)
        free(worker->buffers[i].data);
    free(worker->inputs);
    free(worker->outputs);
    free(worker->views);
    free(worker->shapes);
    free(worker->buffers);
    worker->inputs = worker->outputs = worker->views = NULL;
    worker->shapes = NULL;
    worker->buffers = NULL;
    worker->n_tensors = 0;
}

void worker_destroy(struct worker *worker)
{
    if (worker == NULL)
        return;
    worker_free_arrays(worker);
    runner_destroy(worker->runner);
    free(worker);
}

/* Arrays for as many inputs and outputs as the entry has. */
static bool worker_fit(struct worker *worker, const struct model_entry *entry,
                       struct engine_error *err)
{
    int needed = entry->n_inputs > entry->n_outputs ? entry->n_inputs : entry->n_outputs;
    size_t count = (size_t)needed;

    if (needed <= worker->n_tensors)
        return true;
    worker_free_arrays(worker);
    worker->inputs = calloc(count, sizeof(*worker->inputs));
    worker->outputs = calloc(count, sizeof(*worker->outputs));
    worker->views = calloc(count, sizeof(*worker->views));
    worker->shapes = calloc(count, sizeof(*worker->shapes));
    worker->buffers = calloc(count, sizeof(*worker->buffers));
    if (worker->inputs == NULL || worker->outputs == NULL || worker->views == NULL ||
        worker->shapes == NULL || worker->buffers == NULL) {
        worker_free_arrays(worker);
        engine_error_set(err, ENGINE_NO_MEMORY, "no memory for %d tensors", needed);
        return false;
    }
    worker->n_tensors = needed;
    return true;
}

static bool buffer_fit(struct buffer *buffer, size_t bytes, struct engine_error *err)
{
    size_t capacity = (bytes + BUFFER_STEP - 1) / BUFFER_STEP * BUFFER_STEP;
    void *data;

    if (bytes <= buffer->capacity)
        return true;
    data = capacity < bytes ? NULL : aligned_alloc(BUFFER_ALIGN, capacity);
    if (data == NULL) {
        engine_error_set(err, ENGINE_NO_MEMORY, "no memory for a batch of %zu bytes", bytes);
        return false;
    }
    free(buffer->data);
    buffer->data = data;
    buffer->capacity = capacity;
    return true;
}

/* A view of rows [first, first + rows) of a tensor whose dimension 0 counts rows. */
static struct tensor tensor_rows(const struct tensor *tensor, int64_t first, int64_t rows)
{
    struct tensor view = *tensor;
    size_t row_bytes = (size_t)shape_product(&tensor->shape, 1, tensor->shape.rank) *
                       dtype_size(tensor->dtype);

    view.shape.dims[0] = rows;
    view.data = (char *)tensor->data + (size_t)first * row_bytes;
    return view;
}

/* Plans for the shapes of `inputs` and runs; worker->outputs are views of the runner's memory. */
static bool run_once(struct worker *worker, struct model_entry *entry, struct weights *weights,
                     const struct tensor *inputs, struct run_report *report,
                     struct engine_error *err)
{
    struct plan *plan;
    enum engine_status status;
    uint64_t start_ns;

    for (int i = 0; i < entry->n_inputs; i++)
        worker->shapes[i] = inputs[i].shape;
    plan = model_plan(entry->model, worker->shapes, worker->threads, err);
    if (plan == NULL)
        return false;
    start_ns = clock_now_ns();
    status = runner_run(worker->runner, plan, weights, inputs, worker->outputs, err);
    report->computed_ns = clock_now_ns();
    report->compute_ns += report->computed_ns - start_ns;
    plan_unref(plan);
    return status == ENGINE_OK;
}

/* Copies the jobs' rows behind each other into worker->inputs. */
static bool gather(struct worker *worker, const struct infer_job *jobs, int64_t rows,
                   struct engine_error *err)
{
    const struct model_entry *entry = jobs->entry;

    for (int i = 0; i < entry->n_inputs; i++) {
        struct tensor *input = &worker->inputs[i];
        size_t bytes, offset = 0;

        *input = jobs->inputs[i];
        input->shape.dims[0] = rows;
        if (!shape_check(&input->shape, dtype_size(input->dtype), &bytes)) {
            engine_error_set(err, ENGINE_OVER_BUDGET, "a batch of %lld rows of input '%s' is too "
                             "large", (long long)rows, entry->inputs[i].name);
            return false;
        }
        if (!buffer_fit(&worker->buffers[i], bytes, err))
            return false;
        input->data = worker->buffers[i].data;
        for (const struct infer_job *job = jobs; job != NULL; job = job->next) {
            size_t job_bytes = tensor_bytes(&job->inputs[i]);

            if (job_bytes > 0)
                memcpy((char *)input->data + offset, job->inputs[i].data, job_bytes);
            offset += job_bytes;
        }
    }
    return true;
}

/* True if every output has one row for each row that went in. */
static bool outputs_have_rows(const struct worker *worker, int n_outputs, int64_t rows)
{
    for (int i = 0; i < n_outputs; i++) {
        if (worker->outputs[i].shape.rank < 1 || worker->outputs[i].shape.dims[0] != rows)
            return false;
    }
    return true;
}

static void job_finish(struct infer_job *job, const struct tensor *outputs, int64_t batch_rows,
                       const struct run_report *report, const struct problem *problem)
{
    job->batch_rows = batch_rows;
    job->generation = report->generation;
    job->computed_ns = report->computed_ns != 0 ? report->computed_ns : clock_now_ns();
    job->finish(job, problem->status == 0 ? outputs : NULL, problem);
}

/* Room for all rows of output `i`, shaped after the first part's. */
static bool split_output_fit(struct worker *worker, int i, int64_t rows, size_t *total_bytes,
                             struct engine_error *err)
{
    struct tensor whole = worker->outputs[i];
    size_t bytes;

    whole.shape.dims[0] = rows;
    if (!shape_check(&whole.shape, dtype_size(whole.dtype), &bytes) ||
        __builtin_add_overflow(*total_bytes, bytes, total_bytes) ||
        (worker->output_bytes_max > 0 && *total_bytes > worker->output_bytes_max)) {
        engine_error_set(err, ENGINE_OVER_BUDGET, "the answer for %lld rows is over the budget of "
                         "%zu bytes", (long long)rows, worker->output_bytes_max);
        return false;
    }
    if (!buffer_fit(&worker->buffers[i], bytes, err))
        return false;
    whole.data = worker->buffers[i].data;
    worker->views[i] = whole;
    return true;
}

/* Puts one part's outputs where they belong in worker->views. */
static bool split_collect(struct worker *worker, int n_outputs, int64_t first, int64_t rows,
                          struct engine_error *err)
{
    for (int i = 0; i < n_outputs; i++) {
        struct tensor place = tensor_rows(&worker->views[i], first, rows);

        if (!shape_equal(&place.shape, &worker->outputs[i].shape)) {
            engine_error_set(err, ENGINE_BAD_INPUT, "output %d changes its shape from row to row; "
                             "send fewer rows at once", i);
            return false;
        }
        memcpy(place.data, worker->outputs[i].data, tensor_bytes(&worker->outputs[i]));
    }
    return true;
}

/* Strings live in the runner's memory, which the next run takes back. */
static bool can_split(const struct model_entry *entry)
{
    for (int i = 0; i < entry->n_outputs; i++) {
        if (entry->outputs[i].type == WIRE_BYTES)
            return false;
    }
    return true;
}

/* A job larger than a batch: run after run over its rows; worker->views is the whole answer. */
static bool run_split(struct worker *worker, struct infer_job *job, struct weights *weights,
                      struct run_report *report, struct engine_error *err)
{
    struct model_entry *entry = job->entry;
    size_t total_bytes = 0;

    for (int64_t first = 0; first < job->rows; first += entry->batch_size_max) {
        int64_t rows = job->rows - first;
        uint64_t before_ns = report->compute_ns;

        if (rows > entry->batch_size_max)
            rows = entry->batch_size_max;
        for (int i = 0; i < entry->n_inputs; i++)
            worker->inputs[i] = tensor_rows(&job->inputs[i], first, rows);
        if (!run_once(worker, entry, weights, worker->inputs, report, err))
            return false;
        if (!outputs_have_rows(worker, entry->n_outputs, rows)) {
            engine_error_set(err, ENGINE_BAD_INPUT, "the model does not answer row by row; send at "
                             "most %d rows at once", entry->batch_size_max);
            return false;
        }
        for (int i = 0; first == 0 && i < entry->n_outputs; i++) {
            if (!split_output_fit(worker, i, job->rows, &total_bytes, err))
                return false;
        }
        if (!split_collect(worker, entry->n_outputs, first, rows, err))
            return false;
        stats_execution(entry->stats, rows, 0, report->compute_ns - before_ns, 0);
    }
    return true;
}

static uint64_t run_single(struct worker *worker, struct infer_job *job, struct weights *weights,
                           struct run_report report)
{
    struct model_entry *entry = job->entry;
    struct engine_error err = {0};
    struct problem problem = {0};
    struct tensor *outputs = worker->outputs;
    bool ran;

    report.compute_ns = 0;
    report.computed_ns = 0;
    if (job->rows > entry->batch_size_max && can_split(entry)) {
        outputs = worker->views;
        ran = run_split(worker, job, weights, &report, &err);
    } else {
        ran = run_once(worker, entry, weights, job->inputs, &report, &err);
        if (ran)
            stats_execution(entry->stats, job->rows, 0, report.compute_ns, 0);
    }
    if (!ran)
        problem_from_engine(&problem, &err);
    job_finish(job, outputs, job->rows, &report, &problem);
    return ran ? report.compute_ns : 0;
}

/* Gives each job its rows of worker->outputs. */
static void scatter(struct worker *worker, struct infer_job *jobs, int64_t rows,
                    const struct run_report *report)
{
    const struct problem none = {0};
    int n_outputs = jobs->entry->n_outputs;
    int64_t first = 0;

    for (struct infer_job *job = jobs, *next; job != NULL; job = next) {
        int64_t job_rows = job->rows;

        next = job->next;
        for (int i = 0; i < n_outputs; i++)
            worker->views[i] = tensor_rows(&worker->outputs[i], first, job_rows);
        job_finish(job, worker->views, rows, report, &none);
        first += job_rows;
    }
}

/* False when the batch has to be computed job by job; then nobody has been answered. */
static bool run_joined(struct worker *worker, struct infer_job *jobs, int64_t rows,
                       struct weights *weights, struct run_report *report)
{
    struct model_entry *entry = jobs->entry;
    struct engine_error err = {0};
    uint64_t gather_ns = clock_now_ns();

    if (!gather(worker, jobs, rows, &err))
        return false;
    gather_ns = clock_now_ns() - gather_ns;
    if (!run_once(worker, entry, weights, worker->inputs, report, &err) ||
        !outputs_have_rows(worker, entry->n_outputs, rows))
        return false;
    stats_execution(entry->stats, rows, gather_ns, report->compute_ns, 0);
    scatter(worker, jobs, rows, report);
    return true;
}

void jobs_refuse(struct infer_job *jobs, const struct problem *problem)
{
    const struct run_report report = {0};

    for (struct infer_job *job = jobs, *next; job != NULL; job = next) {
        next = job->next;
        job_finish(job, NULL, 0, &report, problem);
    }
}

uint64_t worker_run(struct worker *worker, struct infer_job *jobs, int n_jobs, int64_t rows)
{
    struct model_entry *entry = model_entry_ref(jobs->entry);   /* jobs let go of theirs */
    struct run_report report = {0};
    struct engine_error err = {0};
    struct problem problem = {0};
    struct weights *weights;
    uint64_t compute_ns = 0;

    if (!worker_fit(worker, entry, &err)) {
        problem_from_engine(&problem, &err);
        jobs_refuse(jobs, &problem);
        model_entry_unref(entry);
        return 0;
    }
    weights = model_entry_weights(entry, &report.generation);
    if (n_jobs > 1 && run_joined(worker, jobs, rows, weights, &report)) {
        compute_ns = report.compute_ns;
    } else {
        for (struct infer_job *job = jobs, *next; job != NULL; job = next) {
            next = job->next;
            job->next = NULL;
            compute_ns += run_single(worker, job, weights, report);
        }
    }
    weights_unref(weights);
    model_entry_unref(entry);
    return compute_ns;
}
