/* SPDX-License-Identifier: Apache-2.0 */
#include "server/observe/health.h"

#include "server/observe/statistics.h"
#include "server/services.h"
#include "server/serving/registry.h"

#include <stdatomic.h>

bool health_server_ready(const struct services *services, struct problem *problem)
{
    if (atomic_load(&services->accepting))
        return true;
    return problem_set(problem, 503, "not_ready", "the server is starting or shutting down");
}

bool health_model_ready(const struct services *services, const char *name, const char *version,
                        struct problem *problem)
{
    struct model_entry *entry = registry_find(services->registry, name, version, problem);

    model_entry_unref(entry);
    return entry != NULL;
}

void health_learning(const struct services *services, const char *name, const char *version,
                     struct learning_totals *ret_totals)
{
    struct problem problem = {0};
    struct model_entry *entry = registry_find(services->registry, name, version, &problem);

    if (entry != NULL && entry->stats != NULL)
        learning_stats_collect(stats_learning(entry->stats), ret_totals);
    model_entry_unref(entry);
}
