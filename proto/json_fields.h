/* SPDX-License-Identifier: Apache-2.0
 * proto/json_fields.h - typed members of a parsed JSON object. `path` stands before the member's
 * name in messages: "" or "inputs[0].". null counts as absent. Failures set `problem` (400) and
 * return false. */
#ifndef PROTO_JSON_FIELDS_H
#define PROTO_JSON_FIELDS_H

#include "proto/problem.h"

#include <jansson.h>

enum json_need { FIELD_OPTIONAL, FIELD_REQUIRED };

/* "an integer", "a string", ... */
const char *json_kind(const json_t *value);

/* Refuses, by name, members that the list (closed by NULL) does not have. */
bool json_fields_known(json_t *object, const char *path, const char *const *known,
                       struct problem *problem);

/* Absent optional members leave the result as it was. Strings live as long as the object. */
bool json_field_string(json_t *object, const char *path, const char *key, enum json_need need,
                       const char **ret_value, struct problem *problem);
bool json_field_bool(json_t *object, const char *path, const char *key, enum json_need need,
                     bool *ret_value, struct problem *problem);
/* Integers from `min` up to `max`. */
bool json_field_int(json_t *object, const char *path, const char *key, enum json_need need,
                    int64_t min, int64_t max, int64_t *ret_value, struct problem *problem);
bool json_field_array(json_t *object, const char *path, const char *key, enum json_need need,
                      json_t **ret_value, struct problem *problem);
bool json_field_object(json_t *object, const char *path, const char *key, enum json_need need,
                       json_t **ret_value, struct problem *problem);

#endif
