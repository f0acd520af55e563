/* SPDX-License-Identifier: Apache-2.0
 * server/status_map.h - the one place where an engine status becomes an HTTP status. */
#ifndef SERVER_STATUS_MAP_H
#define SERVER_STATUS_MAP_H

#include "engine/error.h"
#include "proto/problem.h"

/* Sets status, reason and text; keeps an earlier problem. */
void problem_from_engine(struct problem *problem, const struct engine_error *err);

#endif
