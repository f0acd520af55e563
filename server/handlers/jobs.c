/* SPDX-License-Identifier: Apache-2.0
 * Training jobs: begun, listed, followed, cancelled, promoted. What touches the disk becomes a call
 * of the jobs' thread, which answers. */
#include "config.h"

#include "server/jobs/job_evaluate.h"
#include "server/jobs/jobs.h"

#include "server/handlers/handlers.h"
#include "server/serving/registry.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { EVENT_BYTES = 32 * 1024, DIGITS_MAX = 18 };

static const int64_t KEEP_ALIVE_MS = 15000;

struct jobs_request {
    struct jobs_call call;         /* first */
    struct exchange *exchange;
};

static void call_finished(struct jobs_call *call, struct text *body, bool created,
                          const struct problem *problem)
{
    struct jobs_request *request = (struct jobs_request *)call;
    struct exchange *exchange = request->exchange;
    char location[32];

    if (problem->status != 0) {
        free(request);
        exchange_reply_problem(exchange, problem);
        return;
    }
    if (call->work == JOBS_SUBMIT) {
        snprintf(location, sizeof(location), "/v2/jobs/%s", call->id);
        exchange_add_header(exchange, "Location", location);
    }
    (void)created;
    handler_reply_json(exchange, call->work == JOBS_SUBMIT ? 202 : 200, body);
    free(request);
}

static struct jobs_request *request_create(struct exchange *exchange, enum jobs_work work,
                                           struct problem *problem)
{
    struct jobs_request *request = calloc(1, sizeof(*request));

    if (request == NULL) {
        problem_set(problem, 507, "no_memory", "no memory for the request");
        return NULL;
    }
    request->exchange = exchange;
    request->call.work = work;
    request->call.finished = call_finished;
    return request;
}

/* Answers, or leaves that to the jobs' thread. */
static void submit(struct jobs_request *request, struct services *services)
{
    struct exchange *exchange = request->exchange;
    struct problem problem = {0};

    exchange_defer(exchange);
    if (jobs_submit(services->jobs, &request->call, &problem))
        return;
    job_request_finish(&request->call.request);
    free(request);
    exchange_reply_problem(exchange, &problem);
}

static bool read_key(struct exchange *exchange, struct job *form, struct problem *problem)
{
    const char *key = exchange_header(exchange, "Idempotency-Key");
    size_t length = key != NULL ? strlen(key) : 0, bytes;
    const void *body = exchange_body(exchange, &bytes);

    if (key != NULL && (length < 1 || length > JOB_KEY_BYTES))
        return problem_set(problem, 400, "bad_header",
                           "Idempotency-Key has %zu bytes, expected 1 to %d", length, JOB_KEY_BYTES);
    if (key != NULL)
        memcpy(form->key, key, length + 1);
    form->body = digest_of(body, bytes);
    return true;
}

void handle_train(struct exchange *exchange, struct services *services)
{
    struct problem problem = {0};
    struct model_entry *entry = handler_find_entry(exchange, services, &problem);
    struct jobs_request *request =
        entry != NULL ? request_create(exchange, JOBS_SUBMIT, &problem) : NULL;
    size_t bytes;
    const char *body = exchange_body(exchange, &bytes);
    bool ok = request != NULL;

    if (ok) {
        struct job *form = &request->call.form;

        snprintf(form->model, sizeof(form->model), "%s", entry->name);
        snprintf(form->version, sizeof(form->version), "%s", entry->version);
        ok = read_key(exchange, form, &problem) &&
             job_request_decode(body, bytes, &request->call.request, &problem);
    }
    model_entry_unref(entry);
    if (ok) {
        submit(request, services);
        return;
    }
    free(request);
    exchange_reply_problem(exchange, &problem);
}

static void call_by_id(struct exchange *exchange, struct services *services, enum jobs_work work,
                       const char *model, const char *version, const char *id)
{
    struct problem problem = {0};
    struct jobs_request *request = request_create(exchange, work, &problem);

    if (request == NULL) {
        exchange_reply_problem(exchange, &problem);
        return;
    }
    snprintf(request->call.id, sizeof(request->call.id), "%s", id);
    if (model != NULL)
        snprintf(request->call.form.model, sizeof(request->call.form.model), "%s", model);
    if (version != NULL)
        snprintf(request->call.form.version, sizeof(request->call.form.version), "%s", version);
    submit(request, services);
}

void handle_job_delete(struct exchange *exchange, struct services *services)
{
    call_by_id(exchange, services, JOBS_DELETE, NULL, NULL, exchange_param(exchange, "job"));
}

void handle_job_promote(struct exchange *exchange, struct services *services, const char *job)
{
    struct problem problem = {0};

    if (exchange_header(exchange, "If-Match") != NULL) {
        problem_set(&problem, 400, "bad_header",
                    "If-Match and job: a job is adopted whatever the generation");
        exchange_reply_problem(exchange, &problem);
        return;
    }
    call_by_id(exchange, services, JOBS_PROMOTE, exchange_param(exchange, "model"),
               exchange_param(exchange, "version"), job);
}

void handle_job_list(struct exchange *exchange, struct services *services)
{
    char model[JOB_MODEL_BYTES + 1] = "", state[16] = "";
    const char *said = exchange_query(exchange, "model");
    struct problem problem = {0};
    enum job_state known;
    struct text text;

    /* Each query is written over the one before. */
    snprintf(model, sizeof(model), "%s", said != NULL ? said : "");
    said = exchange_query(exchange, "state");
    snprintf(state, sizeof(state), "%s", said != NULL ? said : "");
    if (state[0] != '\0' && !job_state_find(state, &known)) {
        problem_set(&problem, 400, "bad_query",
                    "state: expected queued, running, done, held, failed or cancelled");
        exchange_reply_problem(exchange, &problem);
        return;
    }
    text_init(&text);
    jobs_list(services->jobs, model[0] != '\0' ? model : NULL, state[0] != '\0' ? state : NULL, &text);
    handler_reply_json(exchange, 200, &text);
}

void handle_job_get(struct exchange *exchange, struct services *services)
{
    struct problem problem = {0};
    struct job *job = jobs_find(services->jobs, exchange_param(exchange, "job"), &problem);
    struct text text;

    if (job == NULL) {
        exchange_reply_problem(exchange, &problem);
        return;
    }
    exchange_note_model(exchange, job->model, job->version);
    text_init(&text);
    job_encode(job, JOB_FORM_FULL, &text);
    job_unref(job);
    handler_reply_json(exchange, 200, &text);
}

/* ---- evaluate ---- */

struct evaluate_request {
    struct evaluation_call call;   /* first */
    struct exchange *exchange;
};

static void evaluate_finished(struct evaluation_call *call, struct text *body,
                              const struct problem *problem)
{
    struct exchange *exchange = ((struct evaluate_request *)call)->exchange;

    free(call);
    if (problem->status != 0)
        exchange_reply_problem(exchange, problem);
    else
        handler_reply_json(exchange, 200, body);
}

static bool evaluate_is_abandoned(const struct evaluation_call *call)
{
    return exchange_is_abandoned(((const struct evaluate_request *)call)->exchange);
}

/* A cheap look: a body of tensors is large, one that names a dataset is not. */
static bool names_dataset(const char *body, size_t bytes)
{
    json_t *root = bytes <= 16384 ? json_loadb(body, bytes, 0, NULL) : NULL;
    bool names = json_object_get(root, "dataset") != NULL;

    json_decref(root);
    return names;
}

bool handle_dataset_evaluate(struct exchange *exchange, struct services *services)
{
    struct problem problem = {0};
    struct evaluate_request *request;
    struct model_entry *entry;
    size_t bytes;
    const char *body = exchange_body(exchange, &bytes);
    bool ok;

    if (!names_dataset(body, bytes))
        return false;
    entry = handler_find_entry(exchange, services, &problem);
    request = entry != NULL ? calloc(1, sizeof(*request)) : NULL;
    ok = request != NULL || problem_set(&problem, 507, "no_memory", "no memory for the request");
    if (ok) {
        request->exchange = exchange;
        request->call.finished = evaluate_finished;
        request->call.is_abandoned = evaluate_is_abandoned;
        snprintf(request->call.model, sizeof(request->call.model), "%s", entry->name);
        snprintf(request->call.version, sizeof(request->call.version), "%s", entry->version);
        ok = job_request_decode(body, bytes, &request->call.request, &problem);
    }
    model_entry_unref(entry);
    if (ok) {
        ok = evaluation_check(&request->call.request, &problem);
        if (ok)
            exchange_defer(exchange);
        if (ok && evaluations_submit(services->evaluations, &request->call, &problem))
            return true;
        job_request_finish(&request->call.request);
    }
    free(request);
    exchange_reply_problem(exchange, &problem);
    return true;
}

/* ---- events ---- */

/* One listener. */
struct listening {
    struct job *job;
    int64_t after;                 /* the id of the last event that was sent */
    int64_t spoken_ms;             /* when something was, on the monotonic clock */
};

static int64_t monotonic_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static bool events_ready(void *arg)
{
    struct listening *listening = arg;

    return monotonic_ms() - listening->spoken_ms >= KEEP_ALIVE_MS ||
           job_has_events(listening->job, listening->after);
}

static bool events_read(void *arg, struct text *text)
{
    struct listening *listening = arg;
    int64_t now = monotonic_ms();
    size_t before = text->length;
    bool end;

    listening->after = job_events(listening->job, listening->after, EVENT_BYTES, text, &end);
    if (text->length == before && now - listening->spoken_ms >= KEEP_ALIVE_MS && !end)
        text_puts(text, ": still here\n\n");
    if (text->length > before)
        listening->spoken_ms = now;
    return !end;
}

static void events_closed(void *arg)
{
    struct listening *listening = arg;

    job_unref(listening->job);
    free(listening);
}

void handle_job_events(struct exchange *exchange, struct services *services)
{
    const char *last = exchange_header(exchange, "Last-Event-ID");
    struct problem problem = {0};
    struct listening *listening = calloc(1, sizeof(*listening));

    if (listening == NULL)
        problem_set(&problem, 507, "no_memory", "no memory for the request");
    else if (last != NULL && (last[0] == '\0' || strlen(last) > DIGITS_MAX ||
                              strspn(last, "0123456789") != strlen(last)))
        problem_set(&problem, 400, "bad_header", "Last-Event-ID must be the id of an event");
    else
        listening->job = jobs_find(services->jobs, exchange_param(exchange, "job"), &problem);
    if (listening == NULL || listening->job == NULL) {
        free(listening);
        exchange_reply_problem(exchange, &problem);
        return;
    }
    exchange_note_model(exchange, listening->job->model, listening->job->version);
    listening->after = last != NULL ? strtoll(last, NULL, 10) : 0;
    listening->spoken_ms = monotonic_ms();
    exchange_reply_stream(exchange, "text/event-stream",
                          &(struct exchange_source){listening, events_ready, events_read,
                                                    events_closed});
}
