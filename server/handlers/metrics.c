/* SPDX-License-Identifier: Apache-2.0 */
#include "server/observe/metrics.h"

#include "server/handlers/handlers.h"

#include <string.h>

/* OpenMetrics for who asks for it by name, as Prometheus does; text 0.0.4 for all others. */
void handle_metrics(struct exchange *exchange, struct services *services)
{
    const char *accept = exchange_header(exchange, "Accept");
    bool openmetrics = accept != NULL && strstr(accept, "application/openmetrics-text") != NULL;
    struct problem problem = {0};
    struct text text;

    text_init(&text);
    metrics_write(services->metrics, openmetrics, &text);
    if (text.failed) {
        text_free(&text);
        problem_set(&problem, 507, "no_memory", "no memory for the answer");
        exchange_reply_problem(exchange, &problem);
        return;
    }
    exchange_reply(exchange, 200,
                   openmetrics ? METRICS_CONTENT_TYPE_OPENMETRICS : METRICS_CONTENT_TYPE, &text);
}
