/* SPDX-License-Identifier: Apache-2.0
 * POST .../infer: the Open Inference Protocol, JSON and binary tensors. */
#include "server/handlers/prediction.h"

#include "proto/infer_message.h"
#include "proto/number_print.h"
#include "server/handlers/classification.h"
#include "server/learning/prediction_store.h"
#include "server/tensor_bridge.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

static const char header_name[] = "Inference-Header-Content-Length";
enum { HEADER_DIGITS_MAX = 18, ID_BYTES = 16 };

/* An output to send. */
struct chosen_output {
    int index;                           /* the model's */
    int classes;                         /* its N largest instead, or 0 */
    struct classification labels;
};

struct infer_call {
    struct prediction prediction;        /* first */
    struct infer_request request;
    bool decoded;
    int n_chosen;
    struct chosen_output *chosen;        /* one block with `sent` and `binary` behind */
    struct wire_tensor *sent;
    int *binary;
    char own_id[2 * ID_BYTES + 1];       /* of a request that is to be logged and has none */
};

static void infer_call_finish(struct prediction *prediction)
{
    struct infer_call *call = (struct infer_call *)prediction;

    for (int i = 0; i < call->n_chosen; i++)
        classification_finish(&call->chosen[i].labels);
    if (call->decoded)
        infer_request_finish(&call->request);
    free(call->chosen);
}

/* The header's number; -1 when there is none. */
static bool read_header_length(struct exchange *exchange, int64_t *ret_length,
                               struct problem *problem)
{
    const char *text = exchange_header(exchange, header_name);
    size_t length = text != NULL ? strlen(text) : 0;

    *ret_length = -1;
    if (text == NULL)
        return true;
    if (length < 1 || length > HEADER_DIGITS_MAX || strspn(text, "0123456789") != length)
        return problem_set(problem, 400, "bad_header", "%s must be a number of bytes", header_name);
    *ret_length = strtoll(text, NULL, 10);
    return true;
}

static bool decode(struct infer_call *call, struct problem *problem)
{
    struct prediction *prediction = &call->prediction;
    const struct model_entry *entry = prediction->job.entry;
    struct wire_limits limits = prediction_limits(prediction->services);
    int64_t header_length;
    size_t body_bytes;
    const void *body = exchange_body(prediction->exchange, &body_bytes);

    if (!read_header_length(prediction->exchange, &header_length, problem))
        return false;
    if (header_length >= 0)
        prediction->stats_protocol = STATS_PROTOCOL_V2_BINARY;
    call->decoded = infer_request_decode(body, body_bytes, header_length, &limits, entry->inputs,
                                         entry->n_inputs, &call->request, problem);
    return call->decoded;
}

/* The prediction's id, by which its label will come. */
static bool name(struct infer_call *call, struct problem *problem)
{
    struct prediction *prediction = &call->prediction;
    const char *id = call->request.id;
    unsigned char bytes[ID_BYTES];

    prediction->id = id;
    prediction->log = call->request.log;
    if (!prediction->log)
        return true;
    if (id != NULL && strlen(id) > PREDICTION_ID_BYTES_MAX)
        return problem_set(problem, 400, "bad_id",
                           "id has %zu bytes, expected at most %d for a prediction that is logged",
                           strlen(id), PREDICTION_ID_BYTES_MAX);
    if (id != NULL && id[0] != '\0')
        return true;
    if (getrandom(bytes, sizeof(bytes), 0) != (ssize_t)sizeof(bytes))
        return problem_set(problem, 503, "no_random", "no random numbers to make an id of");
    for (int i = 0; i < ID_BYTES; i++)
        snprintf(call->own_id + 2 * (size_t)i, 3, "%02x", bytes[i]);
    prediction->id = call->own_id;
    return true;
}

static bool alloc_chosen(struct infer_call *call, size_t count, struct problem *problem)
{
    call->chosen = calloc(count + 1, sizeof(*call->chosen) + sizeof(*call->sent) +
                                         sizeof(*call->binary));
    if (call->chosen == NULL)
        return problem_set(problem, 507, "no_memory", "no memory for %zu outputs", count);
    call->sent = (struct wire_tensor *)(call->chosen + count);
    call->binary = (int *)(call->sent + count);
    return true;
}

/* Which outputs the request asks for, and in which form. */
static bool choose_outputs(struct infer_call *call, struct problem *problem)
{
    const struct infer_request *request = &call->request;
    const struct model_entry *entry = call->prediction.job.entry;
    int count = request->n_outputs > 0 ? request->n_outputs : entry->n_outputs;

    if (!alloc_chosen(call, (size_t)count, problem))
        return false;
    for (int i = 0; i < count; i++) {
        const struct requested_output *output =
            request->n_outputs > 0 ? &request->outputs[i] : NULL;
        struct chosen_output *chosen = &call->chosen[i];

        chosen->index = output != NULL ? tensor_bridge_find_output(entry, output->name) : i;
        chosen->classes = output != NULL ? output->classification : 0;
        call->binary[i] = output != NULL && output->binary >= 0 ? output->binary
                                                                : request->binary_output_default;
        if (chosen->index < 0)
            return problem_set(problem, 400, "unknown_output", "model '%s' has no output '%.128s'",
                               entry->name, output->name);
        for (int j = 0; j < i; j++) {
            if (call->chosen[j].index == chosen->index)
                return problem_set(problem, 400, "duplicate_output",
                                   "output '%.128s' is asked for twice", output->name);
        }
    }
    call->n_chosen = count;
    return true;
}

static bool infer_call_encode(struct prediction *prediction, const struct wire_tensor *outputs,
                              struct text *text, const char **ret_content_type,
                              struct problem *problem)
{
    struct infer_call *call = (struct infer_call *)prediction;
    const struct infer_job *job = &prediction->job;
    struct infer_response response = {
        .model_name = job->entry->name,
        .model_version = job->entry->version,
        .id = prediction->id,
        .generation = job->generation,
        .logged = !prediction->log ? 0 : prediction->logged ? 1 : -1,
        .n_outputs = call->n_chosen,
        .outputs = call->sent,
        .binary = call->binary,
        .non_finite = prediction_non_finite(prediction),
    };
    int64_t header_length;
    char number[NUMBER_PRINT_BYTES_MAX + 1];

    for (int i = 0; i < call->n_chosen; i++) {
        struct chosen_output *chosen = &call->chosen[i];

        call->sent[i] = outputs[chosen->index];
        if (chosen->classes > 0 &&
            !classification_make(&chosen->labels, &outputs[chosen->index], chosen->classes,
                                 job->entry->batchable, &call->sent[i], problem))
            return false;
    }
    infer_response_encode(&response, text, &header_length);
    *ret_content_type = "application/json";
    if (header_length >= 0) {
        number[number_print_int(header_length, number)] = '\0';
        exchange_add_header(prediction->exchange, header_name, number);
        *ret_content_type = "application/octet-stream";
    }
    return true;
}

void handle_infer(struct exchange *exchange, struct services *services)
{
    static const struct prediction_protocol protocol = {infer_call_encode, infer_call_finish};
    struct problem problem = {0};
    struct infer_call *call = prediction_create(sizeof(*call), &protocol, STATS_PROTOCOL_V2_JSON,
                                                exchange, services, &problem);

    if (call == NULL) {
        exchange_reply_problem(exchange, &problem);
        return;
    }
    if (!decode(call, &problem) || !name(call, &problem) || !choose_outputs(call, &problem) ||
        !prediction_bind(&call->prediction, call->request.inputs, call->request.n_inputs,
                         &problem)) {
        prediction_fail(&call->prediction, &problem);
        return;
    }
    if (call->request.priority > 0)
        call->prediction.job.priority =
            call->request.priority < INT32_MAX ? (int)call->request.priority : INT32_MAX;
    prediction_start(&call->prediction, call->request.timeout_us);
}
