/* SPDX-License-Identifier: Apache-2.0 */
#include "server/handlers/prediction.h"

#include "proto/number_print.h"
#include "server/learning/learning.h"
#include "server/clock.h"
#include "server/options.h"
#include "server/serving/worker.h"
#include "server/tensor_bridge.h"

#include <stdalign.h>
#include <stddef.h>
#include <stdlib.h>

enum { ENVELOPE_BYTES_MAX = 64 * 1024, JSON_DEPTH_MAX = 32, TENSORS_MAX = 256 };

struct wire_limits prediction_limits(const struct services *services)
{
    return (struct wire_limits){
        .tensor_bytes_max = (size_t)services->options->body_bytes_max,
        .envelope_bytes_max = ENVELOPE_BYTES_MAX,
        .depth_max = JSON_DEPTH_MAX,
        .tensors_max = TENSORS_MAX,
    };
}

enum non_finite prediction_non_finite(const struct prediction *prediction)
{
    return prediction->services->options->json_nan_tokens ? NON_FINITE_TOKEN : NON_FINITE_NULL;
}

static bool prediction_is_abandoned(const struct infer_job *job)
{
    return exchange_is_abandoned(((const struct prediction *)job)->exchange);
}

static void prediction_finished(struct infer_job *job, const struct tensor *outputs,
                                const struct problem *problem);

void *prediction_create(size_t size, const struct prediction_protocol *protocol,
                        enum stats_protocol stats_protocol, struct exchange *exchange,
                        struct services *services, struct problem *problem)
{
    struct model_entry *entry = handler_find_entry(exchange, services, problem);
    size_t inputs_at = (size + alignof(max_align_t) - 1) / alignof(max_align_t) *
                       alignof(max_align_t);
    size_t outputs_at, whole;
    struct prediction *prediction;

    if (entry == NULL)
        return NULL;
    outputs_at = inputs_at + (size_t)entry->n_inputs * sizeof(struct tensor);
    whole = outputs_at + (size_t)entry->n_outputs * sizeof(struct wire_tensor);
    prediction = calloc(1, whole);       /* one block: this is done for each request */
    if (prediction == NULL) {
        model_entry_unref(entry);
        problem_set(problem, 507, "no_memory", "no memory for the request");
        return NULL;
    }
    prediction->job.entry = entry;
    prediction->job.priority = JOB_PRIORITY_DEFAULT;
    prediction->job.finish = prediction_finished;
    prediction->protocol = protocol;
    prediction->stats_protocol = stats_protocol;
    prediction->exchange = exchange;
    prediction->services = services;
    prediction->begun_ns = clock_now_ns();
    prediction->job.inputs = (struct tensor *)((char *)prediction + inputs_at);
    prediction->outputs = (struct wire_tensor *)((char *)prediction + outputs_at);
    return prediction;
}

void prediction_destroy(struct prediction *prediction)
{
    if (prediction == NULL)
        return;
    prediction->protocol->finish(prediction);
    model_entry_unref(prediction->job.entry);
    free(prediction);
}

bool prediction_bind(struct prediction *prediction, const struct wire_tensor *inputs, int n_inputs,
                     struct problem *problem)
{
    bool bound = tensor_bridge_inputs(prediction->job.entry, inputs, n_inputs,
                                      prediction->job.inputs, &prediction->job.rows, problem);

    prediction->decoded_ns = clock_now_ns();
    return bound;
}

void prediction_fail(struct prediction *prediction, const struct problem *problem)
{
    struct exchange *exchange = prediction->exchange;

    stats_failure(prediction->job.entry->stats, prediction->stats_protocol,
                  clock_now_ns() - exchange_start_ns(exchange));
    prediction_destroy(prediction);
    exchange_reply_problem(exchange, problem);
}

static bool encode_outputs(struct prediction *prediction, const struct tensor *outputs,
                           struct text *text, const char **ret_content_type,
                           struct problem *problem)
{
    const struct model_entry *entry = prediction->job.entry;

    for (int i = 0; i < entry->n_outputs; i++) {
        if (!tensor_bridge_output(entry, i, &outputs[i], &prediction->outputs[i], problem))
            return false;
    }
    if (!prediction->protocol->encode(prediction, prediction->outputs, text, ret_content_type,
                                      problem))
        return false;
    if (text->failed)
        return problem_set(problem, 507, "no_memory", "no memory for the answer");
    return true;
}

/* Counts an answered prediction, for /metrics, the statistics and the access log. */
static void count_success(const struct prediction *prediction)
{
    const struct infer_job *job = &prediction->job;
    uint64_t now_ns = clock_now_ns();
    const uint64_t phases[STATS_PHASE_COUNT] = {
        [STATS_PHASE_QUEUE] = job->started_ns - job->queued_ns,
        [STATS_PHASE_DECODE] = prediction->decoded_ns - prediction->begun_ns,
        [STATS_PHASE_COMPUTE] = job->computed_ns - job->started_ns,
        [STATS_PHASE_ENCODE] = now_ns - job->computed_ns,
        [STATS_PHASE_TOTAL] = now_ns - exchange_start_ns(prediction->exchange),
    };

    stats_success(job->entry->stats, prediction->stats_protocol, job->rows, phases);
    exchange_note_phases(prediction->exchange, phases[STATS_PHASE_QUEUE] / 1000,
                         phases[STATS_PHASE_COMPUTE] / 1000, (int)job->batch_rows);
}

/* A copy for who wants to see it: the log, if the request asks for it, and the tap. */
static void show(struct prediction *prediction, const struct tensor *outputs)
{
    struct infer_job *job = &prediction->job;
    struct model_entry *entry = job->entry;
    struct tap_prediction seen = {.uses = tap_wants(&entry->tap)};
    struct tap_sample *sample;

    if (seen.uses == 0 && !prediction->log)
        return;
    seen.generation = job->generation;
    seen.rows = job->rows;
    seen.id = prediction->id;
    seen.inputs = job->inputs;
    seen.n_inputs = entry->n_inputs;
    seen.outputs = outputs;
    seen.n_outputs = entry->n_outputs;
    sample = tap_sample_create(&seen, TAP_BYTES_MAX);
    if (prediction->log)
        prediction->logged = learning_log(prediction->services->learning, entry, sample);
    if (seen.uses != 0)
        tap_offer(&entry->tap, sample);
    else
        tap_sample_unref(sample);
}

static void prediction_finished(struct infer_job *job, const struct tensor *outputs,
                                const struct problem *problem)
{
    struct prediction *prediction = (struct prediction *)job;
    struct exchange *exchange = prediction->exchange;
    struct problem own = *problem;
    const char *content_type = NULL;
    char generation[NUMBER_PRINT_BYTES_MAX + 1];
    struct text text;

    exchange_take_text(exchange, &text);
    if (outputs != NULL)
        show(prediction, outputs);
    if (outputs == NULL || !encode_outputs(prediction, outputs, &text, &content_type, &own)) {
        text_free(&text);
        prediction_fail(prediction, &own);
        return;
    }
    generation[number_print_int(job->generation, generation)] = '\0';
    exchange_add_header(exchange, "Inferd-Generation", generation);
    count_success(prediction);
    prediction_destroy(prediction);
    exchange_reply(exchange, 200, content_type, &text);
}

void prediction_start(struct prediction *prediction, int64_t timeout_us)
{
    struct infer_job *job = &prediction->job;
    struct scheduler *scheduler = prediction->services->scheduler;
    uint64_t limit_ns = exchange_deadline_ns(prediction->exchange);
    struct problem problem = {0};

    job->deadline_ns = limit_ns;
    if (timeout_us > 0 && (uint64_t)timeout_us < (limit_ns - prediction->begun_ns) / 1000)
        job->deadline_ns = prediction->begun_ns + (uint64_t)timeout_us * 1000;
    if (scheduler_run_inline(scheduler, job))
        return;
    job->is_abandoned = prediction_is_abandoned;   /* can be asked only of a deferred exchange */
    exchange_defer(prediction->exchange);
    if (!scheduler_queue(scheduler, job, &problem))   /* flushed when the turn ends */
        prediction_fail(prediction, &problem);
}
