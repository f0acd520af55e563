/* SPDX-License-Identifier: Apache-2.0 */
#include "server/observe/statistics.h"

#include "server/handlers/handlers.h"
#include "server/observe/metrics.h"
#include "server/serving/registry.h"

#include <string.h>

/* Versions that serve, of one model or of all. */
struct statistics_visit {
    const char *model, *version;         /* NULL: any */
    struct text *text;
    const char *comma;
};

static void visit(void *arg, const struct model_stats *stats)
{
    struct statistics_visit *visited = arg;
    struct model_totals totals;

    if ((visited->model != NULL && strcmp(visited->model, stats_model_name(stats)) != 0) ||
        (visited->version != NULL && strcmp(visited->version, stats_model_version(stats)) != 0))
        return;
    stats_collect(stats, &totals);
    if (!totals.ready)
        return;
    text_puts(visited->text, visited->comma);
    stats_encode(stats, visited->text);
    visited->comma = ",";
}

void handle_statistics(struct exchange *exchange, struct services *services)
{
    struct statistics_visit visited = {.comma = ""};
    struct problem problem = {0};
    struct model_entry *entry = NULL;
    struct text text;

    visited.model = exchange_param(exchange, "model");
    visited.version = exchange_param(exchange, "version");
    if (visited.model != NULL) {
        entry = handler_find_entry(exchange, services, &problem);
        if (entry == NULL) {
            exchange_reply_problem(exchange, &problem);
            return;
        }
    }
    text_init(&text);
    visited.text = &text;
    text_puts(&text, "{\"model_stats\":[");
    metrics_each_model(services->metrics, visit, &visited);
    text_puts(&text, "]}");
    model_entry_unref(entry);
    handler_reply_json(exchange, 200, &text);
}
