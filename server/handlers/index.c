/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "server/handlers/handlers.h"
#include "server/http/router.h"

/* What can be asked here, for people with curl. */
void handle_index(struct exchange *exchange, struct services *services)
{
    struct problem problem = {0};
    struct text text;

    (void)services;
    text_init(&text);
    text_printf(&text, "inferd %s\n\n", PACKAGE_VERSION);
    for (const struct route *route = routes; route->method != NULL; route++)
        text_printf(&text, "%-4s %-52s %s\n", route->method, route->path, route->summary);
    if (text.failed) {
        text_free(&text);
        problem_set(&problem, 507, "no_memory", "no memory for the answer");
        exchange_reply_problem(exchange, &problem);
        return;
    }
    exchange_reply(exchange, 200, "text/plain; charset=utf-8", &text);
}
