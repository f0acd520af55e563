/* SPDX-License-Identifier: Apache-2.0
 * POST /v1/models/M...:predict: TensorFlow Serving's rows and columns. */
#include "server/handlers/prediction.h"

#include "proto/predict_message.h"

struct predict_call {
    struct prediction prediction;        /* first */
    struct predict_request request;
    bool decoded;
};

static void predict_call_finish(struct prediction *prediction)
{
    struct predict_call *call = (struct predict_call *)prediction;

    if (call->decoded)
        predict_request_finish(&call->request);
}

static bool predict_call_encode(struct prediction *prediction, const struct wire_tensor *outputs,
                                struct text *text, const char **ret_content_type,
                                struct problem *problem)
{
    const struct predict_call *call = (const struct predict_call *)prediction;

    *ret_content_type = "application/json";
    return predict_response_encode(call->request.row_format, outputs,
                                   prediction->job.entry->n_outputs,
                                   prediction_non_finite(prediction), text, problem);
}

static bool decode(struct predict_call *call, struct problem *problem)
{
    const struct prediction *prediction = &call->prediction;
    const struct model_entry *entry = prediction->job.entry;
    struct wire_limits limits = prediction_limits(prediction->services);
    size_t body_bytes;
    const void *body = exchange_body(prediction->exchange, &body_bytes);

    call->decoded = predict_request_decode(body, body_bytes, &limits, entry->inputs,
                                           entry->n_inputs, &call->request, problem);
    return call->decoded;
}

void handle_predict(struct exchange *exchange, struct services *services)
{
    static const struct prediction_protocol protocol = {predict_call_encode, predict_call_finish};
    struct problem problem = {0};
    struct predict_call *call = prediction_create(sizeof(*call), &protocol, STATS_PROTOCOL_V1,
                                                  exchange, services, &problem);

    if (call == NULL) {
        exchange_reply_problem(exchange, &problem);
        return;
    }
    if (!decode(call, &problem) ||
        !prediction_bind(&call->prediction, call->request.inputs, call->request.n_inputs,
                         &problem)) {
        prediction_fail(&call->prediction, &problem);
        return;
    }
    prediction_start(&call->prediction, 0);
}
