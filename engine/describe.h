/* SPDX-License-Identifier: Apache-2.0
 * engine/describe.h - what a model file holds and which operators there are, as text for people:
 * `inferd inspect` and `inferd ops`. */
#ifndef ENGINE_DESCRIBE_H
#define ENGINE_DESCRIBE_H

#include "engine/error.h"

#include <stdbool.h>
#include <stdio.h>

/* Producer, inputs and outputs, operators with counts, what is not supported and, if the model
 * loads, the plan with every open dimension at 1. Text from the file is printed without control
 * characters. Fails only if the file is no model; that an operator is missing is part of the
 * description. *ret_loads (may be NULL) says whether the model can be served. */
enum engine_status describe_model(const char *path, FILE *out, bool *ret_loads,
                                  struct engine_error *err);

/* Every operator: name, domain, oldest opset, inputs, outputs, element types of input 0. As a
 * Markdown table for the documentation, or in columns. */
void describe_ops(FILE *out, bool markdown);

#endif
