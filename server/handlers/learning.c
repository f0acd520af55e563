/* SPDX-License-Identifier: Apache-2.0
 * finetune, feedback, evaluate, generations, rollback, promote, label, rewind, erase, export: a request
 * becomes a job of the model's learner, whose thread answers. */
#include "server/learning/learning.h"

#include "proto/learn_message.h"
#include "server/handlers/handlers.h"
#include "server/handlers/prediction.h"
#include "server/observe/access_log.h"
#include "server/tensor_bridge.h"

#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { HEADER_DIGITS_MAX = 18, KEY_BYTES_MAX = 255, PRINCIPAL_BYTES = 64 };

struct learn_call {
    struct learn_job job;          /* first */
    struct exchange *exchange;
    struct services *services;
    struct learn_request request;
    bool decoded;
    char key[KEY_BYTES_MAX + 1], principal[PRINCIPAL_BYTES];
    struct learn_place *places;
    struct rollback_target target; /* of rollback and label */
    const char **names;            /* one block: names, inputs, targets */
    struct prediction_query scrubbed;
    struct text body;              /* of the answer, while the log of predictions is scrubbed ... */
    int64_t generation;            /* ... and what comes with it */
};

static void call_destroy(struct learn_call *call)
{
    if (call->decoded)
        learn_request_finish(&call->request);
    model_entry_unref(call->job.entry);
    tap_sample_unref(call->job.served.sample);
    free(call->names);
    free(call->places);
    free(call);
}

static const char *update_kind(enum learn_kind kind)
{
    switch (kind) {
    case LEARN_JOB_FINETUNE:
        return "finetune";
    case LEARN_JOB_ROLLBACK:
        return "rollback";
    case LEARN_JOB_REWIND:
        return "rewind";
    case LEARN_JOB_ERASE:
        return "erase";
    case LEARN_JOB_FEEDBACK:
        return "feedback";
    case LEARN_JOB_PROMOTE:
        return "promote";
    case LEARN_JOB_LABEL:
        return "label";
    default:
        return NULL;
    }
}

/* What it came to, for the access log. */
static void note_update(const struct learn_call *call, int64_t generation,
                        const struct problem *problem)
{
    const struct learn_job *job = &call->job;
    const struct access_update update = {
        .kind = update_kind(job->kind),
        .verdict = problem->status != 0 ? problem->reason
                   : job->outcome.replayed ? "replayed"
                                           : "learned",
        .generation = generation,
        .examples = job->kind == LEARN_JOB_ERASE ? (int64_t)job->n_places : job->rows,
        .loss = job->outcome.examples > 0 ? job->outcome.loss : NAN,
        .commit_us = job->outcome.commit_ns / 1000,
    };

    if (update.kind != NULL)
        exchange_note_update(call->exchange, &update);
}

static void call_fail(struct learn_call *call, const struct problem *problem)
{
    struct exchange *exchange = call->exchange;

    note_update(call, -1, problem);
    call_destroy(call);
    exchange_reply_problem(exchange, problem);
}

static void call_reply(struct learn_call *call, struct text *body, const char *content_type,
                       int64_t generation)
{
    struct exchange *exchange = call->exchange;
    struct text taken = *body;         /* it may be the call's own */
    char number[24];

    text_init(body);
    snprintf(number, sizeof(number), "%lld", (long long)generation);
    exchange_add_header(exchange, "Inferd-Generation", number);
    snprintf(number, sizeof(number), "\"%lld\"", (long long)generation);
    exchange_add_header(exchange, "ETag", number);
    call_destroy(call);
    exchange_reply(exchange, 200, content_type, &taken);
}

/* On the thread of the log of predictions. What could not be folded in now (another process reads the file)
 * is later: the erasure stands. */
static void call_scrubbed(struct prediction_query *query, const struct prediction_found *found,
                          const struct problem *problem)
{
    struct learn_call *call =
        (struct learn_call *)((char *)query - offsetof(struct learn_call, scrubbed));

    (void)found;
    (void)problem;
    call_reply(call, &call->body, "application/json", call->generation);
}

static void call_finished(struct learn_job *job, struct text *body, const char *content_type,
                          int64_t generation, const struct problem *problem)
{
    struct learn_call *call = (struct learn_call *)job;

    if (problem->status != 0 || body == NULL) {
        call_fail(call, problem);
        return;
    }
    note_update(call, generation, problem);
    if (job->kind == LEARN_JOB_FEEDBACK)
        learning_settle(call->services->learning, job);
    if (job->kind == LEARN_JOB_ERASE) {     /* from predictions that have been learnt, too */
        call->scrubbed.found = call_scrubbed;
        call->generation = generation;
        call->body = *body;
        text_init(body);
        if (learning_scrub(call->services->learning, job->entry, &call->scrubbed))
            return;
        call_reply(call, &call->body, content_type, generation);
        return;
    }
    call_reply(call, body, content_type, generation);
}

static bool call_is_abandoned(const struct learn_job *job)
{
    return exchange_is_abandoned(((const struct learn_call *)job)->exchange);
}

static bool read_key(struct learn_call *call, struct problem *problem)
{
    const char *text = exchange_header(call->exchange, "Idempotency-Key");
    size_t length = text != NULL ? strlen(text) : 0, body_bytes;
    const void *body = exchange_body(call->exchange, &body_bytes);

    if (text == NULL)
        return true;
    if (length < 1 || length > KEY_BYTES_MAX)
        return problem_set(problem, 400, "bad_header",
                           "Idempotency-Key has %zu bytes, expected 1 to %d", length,
                           KEY_BYTES_MAX);
    memcpy(call->key, text, length + 1);
    call->job.key = call->key;
    call->job.body = digest_of(body, body_bytes);
    return true;
}

/* If-Match: "42", as Inferd-Generation and ETag say it; * is any. */
static bool read_if_match(struct learn_call *call, struct problem *problem)
{
    const char *text = exchange_header(call->exchange, "If-Match");
    bool quoted = text != NULL && *text == '"';
    size_t digits;

    call->job.if_match = -1;
    if (text == NULL || strcmp(text, "*") == 0)
        return true;
    text += quoted;
    digits = strspn(text, "0123456789");
    if (digits < 1 || digits > HEADER_DIGITS_MAX ||
        strcmp(text + digits, quoted ? "\"" : "") != 0)
        return problem_set(problem, 400, "bad_header",
                           "If-Match must be a generation in quotes, as in \"42\"");
    call->job.if_match = strtoll(text, NULL, 10);
    return true;
}

/* Who asks, as far as the connection tells: an address without its passing port, or "unix:" and the user
 * id. */
static void read_principal(struct learn_call *call)
{
    const char *peer = exchange_peer(call->exchange), *port = strrchr(peer, ':');
    size_t length = port != NULL && strncmp(peer, "unix", 4) != 0 ? (size_t)(port - peer)
                                                                 : strlen(peer);

    snprintf(call->principal, sizeof(call->principal), "%.*s", (int)length, peer);
    call->job.principal = call->principal;
}

static struct learn_call *call_create(enum learn_kind kind, struct exchange *exchange,
                                      struct services *services, struct problem *problem)
{
    struct model_entry *entry = handler_find_entry(exchange, services, problem);
    struct learn_call *call = entry != NULL ? calloc(1, sizeof(*call)) : NULL;

    if (entry == NULL)
        return NULL;
    if (call == NULL) {
        model_entry_unref(entry);
        problem_set(problem, 507, "no_memory", "no memory for the request");
        return NULL;
    }
    call->exchange = exchange;
    call->services = services;
    call->job.kind = kind;
    call->job.entry = entry;
    call->job.rate = NAN;
    call->job.deadline_ns = exchange_deadline_ns(exchange);
    call->job.finish = call_finished;
    read_principal(call);
    if (read_key(call, problem) && read_if_match(call, problem))
        return call;
    call_destroy(call);
    return NULL;
}

/* parameters.timeout shortens the server's deadline. */
static void set_deadline(struct learn_call *call)
{
    uint64_t begun_ns = exchange_start_ns(call->exchange), limit_ns = call->job.deadline_ns;
    uint64_t timeout_us = (uint64_t)call->request.timeout_us;

    if (timeout_us > 0 && limit_ns > begun_ns && timeout_us < (limit_ns - begun_ns) / 1000)
        call->job.deadline_ns = begun_ns + timeout_us * 1000;
}

static bool decode(struct learn_call *call, enum learn_form form, struct services *services,
                   struct problem *problem)
{
    struct wire_limits limits = prediction_limits(services);
    const char *text = exchange_header(call->exchange, "Inference-Header-Content-Length");
    size_t length = text != NULL ? strlen(text) : 0, body_bytes;
    const void *body = exchange_body(call->exchange, &body_bytes);
    int64_t header_length = -1;

    if (text != NULL && (length < 1 || length > HEADER_DIGITS_MAX ||
                         strspn(text, "0123456789") != length))
        return problem_set(problem, 400, "bad_header",
                           "Inference-Header-Content-Length must be a number of bytes");
    if (text != NULL)
        header_length = strtoll(text, NULL, 10);
    call->decoded = learn_request_decode(form, body, body_bytes, header_length, &limits,
                                         &call->request, problem);
    if (call->decoded)
        set_deadline(call);
    return call->decoded;
}

static bool bind_target(const struct learn_call *call, int index, struct tensor *tensor,
                        struct problem *problem)
{
    const struct wire_tensor *target = &call->request.targets[index];

    if (target->type == WIRE_BYTES)
        return problem_set(problem, 422, "wrong_type",
                           "target '%.128s' is BYTES: send class ids or numbers", target->name);
    if (target->rank < 1 || (call->job.kind != LEARN_JOB_FEEDBACK && call->job.entry->batchable &&
                             target->dims[0] != call->job.rows))
        return problem_set(problem, 422, "wrong_shape",
                           "target '%.128s' has %lld rows, the inputs have %lld", target->name,
                           target->rank < 1 ? 0LL : (long long)target->dims[0],
                           (long long)call->job.rows);
    *tensor = (struct tensor){.dtype = dtype_from_wire_type(target->type), .data = target->data};
    tensor->shape.rank = target->rank;
    for (int d = 0; d < target->rank; d++)
        tensor->shape.dims[d] = target->dims[d];
    return true;
}

static bool bind(struct learn_call *call, struct problem *problem)
{
    const struct model_entry *entry = call->job.entry;
    const struct learn_request *request = &call->request;
    size_t n_inputs = (size_t)entry->n_inputs, n_targets = (size_t)request->n_targets;

    call->names = calloc(1, n_targets * sizeof(*call->names) +
                                (n_inputs + n_targets + 1) * sizeof(struct tensor));
    if (call->names == NULL)
        return problem_set(problem, 507, "no_memory", "no memory for the request");
    call->job.inputs = (struct tensor *)(call->names + n_targets);
    call->job.targets = call->job.inputs + n_inputs;
    call->job.n_targets = request->n_targets;
    call->job.target_names = call->names;
    call->job.rate = request->learning_rate;
    call->job.served.id = call->job.kind == LEARN_JOB_FEEDBACK ? request->id : NULL;
    if (call->job.kind != LEARN_JOB_FEEDBACK &&
        !tensor_bridge_inputs(entry, request->inputs, request->n_inputs, call->job.inputs,
                              &call->job.rows, problem))
        return false;
    for (int i = 0; i < entry->n_inputs; i++)
        if (entry->inputs[i].type == WIRE_BYTES)
            return problem_set(problem, 422, "not_trainable",
                               "input '%.128s' is BYTES: models that read strings do not learn",
                               entry->inputs[i].name);
    for (int i = 0; i < request->n_targets; i++) {
        call->names[i] = request->targets[i].name;
        if (!bind_target(call, i, &call->job.targets[i], problem))
            return false;
    }
    return true;
}

static void submit(struct learn_call *call, struct services *services)
{
    struct problem problem = {0};

    call->job.is_abandoned = call_is_abandoned;
    exchange_defer(call->exchange);
    if (!learning_submit(services->learning, &call->job, &problem))
        call_fail(call, &problem);
}

static void learn(enum learn_kind kind, enum learn_form form, struct exchange *exchange,
                  struct services *services)
{
    struct problem problem = {0};
    struct learn_call *call = call_create(kind, exchange, services, &problem);

    if (call == NULL)
        exchange_reply_problem(exchange, &problem);
    else if (!decode(call, form, services, &problem) || !bind(call, &problem))
        call_fail(call, &problem);
    else
        submit(call, services);
}

void handle_finetune(struct exchange *exchange, struct services *services)
{
    learn(LEARN_JOB_FINETUNE, LEARN_FINETUNE, exchange, services);
}

void handle_feedback(struct exchange *exchange, struct services *services)
{
    learn(LEARN_JOB_FEEDBACK, LEARN_FEEDBACK, exchange, services);
}

void handle_evaluate(struct exchange *exchange, struct services *services)
{
    if (handle_dataset_evaluate(exchange, services))
        return;
    learn(LEARN_JOB_EVALUATE, LEARN_EVALUATE, exchange, services);
}

/* A whole number of the query, `initial` if it is not there. */
static bool read_query(struct exchange *exchange, const char *name, int64_t initial, int64_t *ret,
                       struct problem *problem)
{
    const char *text = exchange_query(exchange, name);
    size_t length = text != NULL ? strlen(text) : 0;

    *ret = initial;
    if (text == NULL)
        return true;
    if (length < 1 || length > HEADER_DIGITS_MAX || strspn(text, "0123456789") != length)
        return problem_set(problem, 400, "bad_query", "%s must be a whole number", name);
    *ret = strtoll(text, NULL, 10);
    return true;
}

void handle_generations(struct exchange *exchange, struct services *services)
{
    struct problem problem = {0};
    struct learn_call *call =
        call_create(LEARN_JOB_GENERATIONS, exchange, services, &problem);

    if (call == NULL)
        exchange_reply_problem(exchange, &problem);
    else if (!read_query(exchange, "before", 0, &call->job.first, &problem) ||
             !read_query(exchange, "limit", 100, &call->job.count, &problem))
        call_fail(call, &problem);
    else
        submit(call, services);
}

void handle_export(struct exchange *exchange, struct services *services)
{
    struct problem problem = {0};
    struct learn_call *call = call_create(LEARN_JOB_EXPORT, exchange, services, &problem);

    if (call == NULL)
        exchange_reply_problem(exchange, &problem);
    else
        submit(call, services);
}

static bool aim_at(struct learn_call *call)
{
    call->job.first = call->target.generation;
    call->job.label = call->target.label;
    call->job.time_ms = call->target.time_ms;
    return true;
}

static bool decode_back(struct learn_call *call, struct problem *problem)
{
    struct learn_job *job = &call->job;
    size_t body_bytes;
    const void *body = exchange_body(call->exchange, &body_bytes);

    if (job->kind == LEARN_JOB_ROLLBACK)
        return rollback_request_decode(body, body_bytes, &call->target, problem) &&
               aim_at(call);
    if (job->kind == LEARN_JOB_LABEL)
        return label_request_decode(body, body_bytes, &call->target, problem) && aim_at(call);
    if (job->kind == LEARN_JOB_PROMOTE)
        return promote_request_decode(body, body_bytes, &job->first, problem);
    if (job->kind == LEARN_JOB_REWIND)
        return rewind_request_decode(body, body_bytes, &job->first, &job->last, problem);
    if (!erase_request_decode(body, body_bytes, &call->places, &job->n_places, problem))
        return false;
    job->places = call->places;
    return true;
}

static void go_back(enum learn_kind kind, struct exchange *exchange, struct services *services)
{
    struct problem problem = {0};
    struct learn_call *call = call_create(kind, exchange, services, &problem);

    if (call == NULL)
        exchange_reply_problem(exchange, &problem);
    else if (decode_back(call, &problem))
        submit(call, services);
    else
        call_fail(call, &problem);
}

void handle_rollback(struct exchange *exchange, struct services *services)
{
    go_back(LEARN_JOB_ROLLBACK, exchange, services);
}

void handle_promote(struct exchange *exchange, struct services *services)
{
    char job[PROMOTE_JOB_BYTES + 1];
    size_t bytes;
    const void *body = exchange_body(exchange, &bytes);

    if (promote_request_job(body, bytes, job)) {
        handle_job_promote(exchange, services, job);
        return;
    }
    go_back(LEARN_JOB_PROMOTE, exchange, services);
}

void handle_label(struct exchange *exchange, struct services *services)
{
    go_back(LEARN_JOB_LABEL, exchange, services);
}

void handle_rewind(struct exchange *exchange, struct services *services)
{
    go_back(LEARN_JOB_REWIND, exchange, services);
}

void handle_erase(struct exchange *exchange, struct services *services)
{
    go_back(LEARN_JOB_ERASE, exchange, services);
}
