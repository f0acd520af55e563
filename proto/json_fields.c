/* SPDX-License-Identifier: Apache-2.0 */
#include "proto/json_fields.h"

#include <string.h>

const char *json_kind(const json_t *value)
{
    switch (json_typeof(value)) {
    case JSON_OBJECT:
        return "an object";
    case JSON_ARRAY:
        return "an array";
    case JSON_STRING:
        return "a string";
    case JSON_INTEGER:
        return "an integer";
    case JSON_REAL:
        return "a number with a fraction or exponent";
    case JSON_TRUE:
    case JSON_FALSE:
        return "a boolean";
    case JSON_NULL:
        break;
    }
    return "null";
}

bool json_fields_known(json_t *object, const char *path, const char *const *known,
                       struct problem *problem)
{
    const char *key;
    json_t *value;
    int i;

    json_object_foreach (object, key, value) {
        for (i = 0; known[i] != NULL && strcmp(known[i], key) != 0; i++)
            ;
        if (known[i] == NULL)
            return problem_set(problem, 400, "bad_request", "unknown field '%s%.100s'", path, key);
    }
    return true;
}

/* The member, or NULL with *ret_ok saying whether that is fine. */
static json_t *find(json_t *object, const char *path, const char *key, enum json_need need,
                    bool *ret_ok, struct problem *problem)
{
    json_t *value = json_object_get(object, key);

    *ret_ok = true;
    if (value != NULL && !json_is_null(value))
        return value;
    if (need == FIELD_REQUIRED)
        *ret_ok = problem_set(problem, 400, "bad_request", "%s%s is missing", path, key);
    return NULL;
}

static bool wrong_kind(const json_t *value, const char *path, const char *key, const char *expected,
                       struct problem *problem)
{
    return problem_set(problem, 400, "bad_request", "%s%s is %s, expected %s", path, key,
                       json_kind(value), expected);
}

bool json_field_string(json_t *object, const char *path, const char *key, enum json_need need,
                       const char **ret_value, struct problem *problem)
{
    bool ok;
    json_t *value = find(object, path, key, need, &ok, problem);

    if (value == NULL)
        return ok;
    if (!json_is_string(value))
        return wrong_kind(value, path, key, "a string", problem);
    *ret_value = json_string_value(value);
    return true;
}

bool json_field_bool(json_t *object, const char *path, const char *key, enum json_need need,
                     bool *ret_value, struct problem *problem)
{
    bool ok;
    json_t *value = find(object, path, key, need, &ok, problem);

    if (value == NULL)
        return ok;
    if (!json_is_boolean(value))
        return wrong_kind(value, path, key, "true or false", problem);
    *ret_value = json_is_true(value);
    return true;
}

bool json_field_int(json_t *object, const char *path, const char *key, enum json_need need,
                    int64_t min, int64_t max, int64_t *ret_value, struct problem *problem)
{
    bool ok;
    json_t *value = find(object, path, key, need, &ok, problem);

    if (value == NULL)
        return ok;
    if (!json_is_integer(value))
        return wrong_kind(value, path, key, "an integer", problem);
    if (json_integer_value(value) < min || json_integer_value(value) > max)
        return problem_set(problem, 400, "bad_request", "%s%s is %lld, expected %lld to %lld", path,
                           key, (long long)json_integer_value(value), (long long)min,
                           (long long)max);
    *ret_value = json_integer_value(value);
    return true;
}

bool json_field_array(json_t *object, const char *path, const char *key, enum json_need need,
                      json_t **ret_value, struct problem *problem)
{
    bool ok;
    json_t *value = find(object, path, key, need, &ok, problem);

    if (value == NULL)
        return ok;
    if (!json_is_array(value))
        return wrong_kind(value, path, key, "an array", problem);
    *ret_value = value;
    return true;
}

bool json_field_object(json_t *object, const char *path, const char *key, enum json_need need,
                       json_t **ret_value, struct problem *problem)
{
    bool ok;
    json_t *value = find(object, path, key, need, &ok, problem);

    if (value == NULL)
        return ok;
    if (!json_is_object(value))
        return wrong_kind(value, path, key, "an object", problem);
    *ret_value = value;
    return true;
}
