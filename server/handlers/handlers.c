/* SPDX-License-Identifier: Apache-2.0 */
#include "server/handlers/handlers.h"

#include "server/serving/registry.h"

struct model_entry *handler_find_entry(struct exchange *exchange, struct services *services,
                                       struct problem *problem)
{
    const char *name = exchange_param(exchange, "model");
    const char *version = exchange_param(exchange, "version");
    const char *label = exchange_param(exchange, "label");
    struct model_entry *entry;

    entry = label != NULL ? registry_find_label(services->registry, name, label, problem)
                          : registry_find(services->registry, name, version, problem);
    exchange_note_model(exchange, name, entry != NULL ? entry->version : version);
    return entry;
}

void handler_reply_json(struct exchange *exchange, int status, struct text *body)
{
    struct problem problem = {0};

    if (!body->failed) {
        exchange_reply(exchange, status, "application/json", body);
        return;
    }
    text_free(body);
    problem_set(&problem, 507, "no_memory", "no memory for the answer");
    exchange_reply_problem(exchange, &problem);
}
