/* SPDX-License-Identifier: Apache-2.0
 * server/observe/health.h - is the daemon, is a model, ready for predictions? Live needs no function:
 * whoever can ask it gets an answer. Any thread. */
#ifndef SERVER_OBSERVE_HEALTH_H
#define SERVER_OBSERVE_HEALTH_H

#include "proto/problem.h"
#include "server/observe/learning_stats.h"

#include <stdbool.h>

struct services;

/* True when start-up is over and no shutdown has begun. One model that fails, loads or unloads does
 * not change it. False sets a 503 in `problem`. */
bool health_server_ready(const struct services *services, struct problem *problem);
/* True when this version (NULL: any) answers predictions now. False sets 404 or 503. */
bool health_model_ready(const struct services *services, const char *name, const char *version,
                        struct problem *problem);

/* What it says of its learning; `active` false when it does not learn or is not ready. */
void health_learning(const struct services *services, const char *name, const char *version,
                     struct learning_totals *ret_totals);

#endif
