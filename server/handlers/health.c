/* SPDX-License-Identifier: Apache-2.0 */
#include "proto/metadata_message.h"
#include "server/handlers/handlers.h"
#include "server/observe/health.h"

void handle_live(struct exchange *exchange, struct services *services)
{
    struct text text;

    (void)services;                      /* whoever can be asked lives */
    text_init(&text);
    text_puts(&text, "{\"live\":true}");
    handler_reply_json(exchange, 200, &text);
}

/* Both keys: the standard's text has the one, its schema the other. */
void handle_ready(struct exchange *exchange, struct services *services)
{
    struct problem problem = {0};
    bool ready = health_server_ready(services, &problem);
    struct text text;

    text_init(&text);
    text_printf(&text, "{\"live\":true,\"ready\":%s}", ready ? "true" : "false");
    handler_reply_json(exchange, ready ? 200 : 503, &text);
}

void handle_model_ready(struct exchange *exchange, struct services *services)
{
    const char *name = exchange_param(exchange, "model");
    const char *version = exchange_param(exchange, "version");
    struct problem problem = {0};
    bool ready = health_model_ready(services, name, version, &problem);
    struct learning_totals totals = {0};
    struct ready_detail detail;
    struct text text;

    if (!ready && problem.status == 404) {
        exchange_reply_problem(exchange, &problem);
        return;
    }
    health_learning(services, name, version, &totals);
    detail = (struct ready_detail){
        .read_only = totals.numbers[LEARNING_READ_ONLY] != 0,
        .loss_drifting = totals.numbers[LEARNING_LOSS_DRIFTING] != 0,
        .input_drifting = totals.numbers[LEARNING_INPUT_DRIFTING] != 0,
        .input_psi = totals.numbers[LEARNING_INPUT_PSI],
        .reason = totals.reason, .worst_input = totals.worst_input,
        .quarantines = totals.numbers[LEARNING_QUARANTINES],
        .auto_rollbacks = totals.numbers[LEARNING_AUTO_ROLLBACKS]};
    text_init(&text);
    model_ready_encode(&text, name, ready, totals.active ? &detail : NULL);
    handler_reply_json(exchange, ready ? 200 : 503, &text);
}
