/* SPDX-License-Identifier: Apache-2.0 */
#include "proto/predict_message.h"

#include "proto/json_envelope.h"
#include "proto/json_fields.h"
#include "proto/message_memory.h"
#include "proto/tensor_scan.h"

#include <string.h>

/* Order matters: rules[0] is the row form. */
static const struct json_rule rules[] = {{"instances", NULL}, {"inputs", NULL}};

struct predict {
    const struct tensor_spec *specs;
    int n_specs;
    struct message_memory *memory;
    struct tensor_scan *scans; /* one for each spec */
    bool *seen;                /* one for each spec: named by the object being read */
    size_t bytes_left;
    struct problem *problem;
};

static bool no_memory(struct predict *predict)
{
    return problem_set(predict->problem, 507, "no_memory", "out of memory");
}

/* {"b64": ...} at p? Then it is a value, else an object that names inputs. */
static bool is_base64(const char *p, const char *end)
{
    struct json_string key;

    p = json_skip_space(p + 1, end);
    return p < end && *p == '"' && json_string_read(p, end, &key) == NULL &&
           json_string_equals(&key, "b64");
}

static bool names_inputs(const char *p, const char *end)
{
    return p < end && *p == '{' && !is_base64(p, end);
}

/* Room for input i, for `capacity` elements. */
static bool start(struct predict *predict, int i, int64_t capacity)
{
    enum wire_type type = predict->specs[i].type;
    size_t element = type == WIRE_BYTES ? sizeof(struct wire_bytes) : wire_type_bytes(type);

    if (!tensor_scan_start(&predict->scans[i], type, capacity, predict->bytes_left, predict->memory,
                           predict->problem))
        return false;
    predict->scans[i].base64 = true;
    predict->bytes_left -= (size_t)capacity * element;
    return true;
}

/* Elements of a value, at most. */
static int64_t leaves(const struct json_span *span)
{
    return span->commas + 1;
}

/* "name": value at *p, inside an object that ends before `end`. Fills the key and the value's span
 * and moves *p behind the value. */
static bool next_member(struct predict *predict, const char **p, const char *end,
                        struct json_string *ret_key, struct json_span *ret_span)
{
    const char *at = json_skip_space(*p, end);
    const char *wrong =
        at < end && *at == '"' ? json_string_read(at, end, ret_key) : "a key is missing";

    if (wrong != NULL)
        return problem_set(predict->problem, 400, "bad_json", "%s", wrong);
    at = json_skip_space(ret_key->next, end);
    if (at >= end || *at != ':')
        return problem_set(predict->problem, 400, "bad_json", "':' expected after a key");
    at = json_skip_space(at + 1, end);
    if (!json_span_find(at, end, ret_span))
        return problem_set(predict->problem, 400, "bad_json", "a value is missing");
    *p = json_skip_space(ret_span->end, end);
    return true;
}

static int find_spec(const struct predict *predict, const struct json_string *key)
{
    int i;

    for (i = 0; i < predict->n_specs; i++)
        if (json_string_equals(key, predict->specs[i].name))
            return i;
    return -1;
}

/* The object at [p, end) names every input once; `rows` objects like it come in all. The first one
 * sizes the tensors. */
static bool read_object(struct predict *predict, const char *p, const char *end, int64_t rows,
                        bool first)
{
    struct json_string key;
    struct json_span span;
    int64_t capacity;
    int i, named = 0;

    memset(predict->seen, 0, (size_t)predict->n_specs * sizeof(predict->seen[0]));
    p = json_skip_space(p + 1, end);
    while (p < end && *p != '}') {
        if (!next_member(predict, &p, end, &key, &span))
            return false;
        i = find_spec(predict, &key);
        if (i < 0)
            return problem_set(predict->problem, 400, "bad_request", "unknown input '%.*s'",
                               (int)(key.end - key.start > 100 ? 100 : key.end - key.start),
                               key.start);
        if (predict->seen[i])
            return problem_set(predict->problem, 400, "bad_request",
                               "input '%.100s' is given twice", predict->specs[i].name);
        predict->seen[i] = true;
        named++;
        if (__builtin_mul_overflow(leaves(&span), rows, &capacity))
            capacity = INT64_MAX;
        if ((first && !start(predict, i, capacity)) ||
            !tensor_scan_value(&predict->scans[i], span.start, span.end, predict->problem)) {
            problem_prefix(predict->problem, "%.100s", predict->specs[i].name);
            return false;
        }
        if (p < end && *p == ',') {
            p = json_skip_space(p + 1, end);
            if (p < end && *p == '}')
                return problem_set(predict->problem, 400, "bad_json", "a key is missing");
        } else if (p >= end || *p != '}') {
            return problem_set(predict->problem, 400, "bad_json",
                               "expected ',' or '}' in an object");
        }
    }
    if (p + 1 != end)
        return problem_set(predict->problem, 400, "bad_json", "brackets do not match");
    for (i = 0; i < predict->n_specs && named < predict->n_specs; i++)
        if (!predict->seen[i])
            return problem_set(predict->problem, 400, "bad_request", "input '%.100s' is missing",
                               predict->specs[i].name);
    return true;
}

/* One value for the model's only input. */
static bool read_only_input(struct predict *predict, const struct json_span *span)
{
    if (predict->n_specs != 1)
        return problem_set(predict->problem, 400, "bad_request",
                           "the model has %d inputs: name them in an object", predict->n_specs);
    return start(predict, 0, leaves(span)) &&
           tensor_scan_value(&predict->scans[0], span->start, span->end, predict->problem);
}

/* The values of an array, one after the other: false at its end, or at an error (*ret_error). */
static bool next_row(const char **p, const char *end, bool first, struct json_span *ret_span,
                     bool *ret_error)
{
    const char *at = json_skip_space(*p, end);

    *ret_error = false;
    if (at + 1 == end && *at == ']')
        return false;
    *ret_error = true;
    if (!first) {
        if (at >= end || *at != ',')
            return false;
        at = json_skip_space(at + 1, end);
    }
    if (!json_span_find(at, end, ret_span))
        return false;
    *ret_error = false;
    *p = ret_span->end;
    return true;
}

static bool bad_list(struct predict *predict)
{
    return problem_set(predict->problem, 400, "bad_json",
                       "a value is missing, or the list does not "
                       "end with ']'");
}

/* [{"a": ..., "b": ...}, ...]: rows of named inputs. Each tensor gets the rows as dimension 0. */
static bool read_named_rows(struct predict *predict, const struct json_span *list)
{
    const char *p = list->start + 1;
    struct json_span row;
    int64_t rows = 0, i;
    bool error;
    int j;

    while (next_row(&p, list->end, rows == 0, &row, &error))
        rows++;
    if (error)
        return bad_list(predict);
    p = list->start + 1;
    for (i = 0; next_row(&p, list->end, i == 0, &row, &error); i++) {
        if (*row.start != '{')
            problem_set(predict->problem, 400, "bad_request",
                        "expected an object that names the inputs");
        else if (read_object(predict, row.start, row.end, rows, i == 0))
            continue;
        problem_prefix(predict->problem, "instances[%lld]", (long long)i);
        return false;
    }
    for (j = 0; j < predict->n_specs; j++) {
        struct tensor_scan *scan = &predict->scans[j];

        if (scan->rank == WIRE_RANK_MAX)
            return problem_set(predict->problem, 400, "bad_tensor",
                               "input '%.100s' has %d dimensions with the rows, at most %d",
                               predict->specs[j].name, scan->rank + 1, WIRE_RANK_MAX);
        memmove(scan->dims + 1, scan->dims, (size_t)scan->rank * sizeof(scan->dims[0]));
        scan->dims[0] = rows;
        scan->rank++;
    }
    return true;
}

static bool read_rows(struct predict *predict, const struct json_span *list)
{
    const char *p = json_skip_space(list->start + 1, list->end);
    bool good;

    if (*list->start != '[')
        return problem_set(predict->problem, 400, "bad_request", "instances must be an array");
    if (p < list->end && *p == ']')
        return problem_set(predict->problem, 400, "bad_request", "instances is empty");
    if (names_inputs(p, list->end))
        return read_named_rows(predict, list);
    good = read_only_input(predict, list);
    if (!good)
        problem_prefix(predict->problem, "instances");
    return good;
}

static bool read_columns(struct predict *predict, const struct json_span *value)
{
    bool good = names_inputs(value->start, value->end)
                    ? read_object(predict, value->start, value->end, 1, true)
                    : read_only_input(predict, value);

    if (!good)
        problem_prefix(predict->problem, "inputs");
    return good;
}

static bool take_tensors(struct predict *predict, struct predict_request *request)
{
    int i;

    request->inputs =
        message_memory_take(predict->memory, (size_t)predict->n_specs * sizeof(request->inputs[0]));
    if (request->inputs == NULL)
        return no_memory(predict);
    for (i = 0; i < predict->n_specs; i++) {
        struct wire_tensor *tensor = &request->inputs[i];
        const struct tensor_scan *scan = &predict->scans[i];

        tensor->name = predict->specs[i].name;
        tensor->type = scan->type;
        tensor->rank = scan->rank;
        memcpy(tensor->dims, scan->dims, sizeof(tensor->dims));
        tensor->data = scan->data;
        tensor->count = scan->count;
        tensor->owned = true;
    }
    request->n_inputs = predict->n_specs;
    return true;
}

static bool check_members(json_t *root, struct problem *problem)
{
    static const char *const known[] = {"signature_name", "instances", "inputs", NULL};
    const char *signature = "";

    if (!json_fields_known(root, "", known, problem) ||
        !json_field_string(root, "", "signature_name", FIELD_OPTIONAL, &signature, problem))
        return false;
    if (signature[0] != '\0' && strcmp(signature, "serving_default") != 0)
        return problem_set(problem, 400, "bad_request",
                           "signature_name is '%.100s', the model has 'serving_default' alone",
                           signature);
    return true;
}

static bool decode(struct predict *predict, const struct json_envelope *envelope,
                   struct predict_request *request)
{
    const struct json_span *rows = json_envelope_span(envelope, &rules[0], 0);
    const struct json_span *columns = json_envelope_span(envelope, &rules[1], 0);
    size_t n = (size_t)predict->n_specs;

    if (!check_members(envelope->root, predict->problem))
        return false;
    if (rows != NULL && columns != NULL)
        return problem_set(predict->problem, 400, "bad_request",
                           "both 'inputs' and 'instances' are given");
    if (rows == NULL && columns == NULL)
        return problem_set(predict->problem, 400, "bad_request",
                           "missing 'inputs' or 'instances' key");
    predict->scans = message_memory_take(predict->memory, n * sizeof(predict->scans[0]));
    predict->seen = message_memory_take(predict->memory, n * sizeof(predict->seen[0]));
    if (predict->scans == NULL || predict->seen == NULL)
        return no_memory(predict);
    request->row_format = rows != NULL;
    if (!(rows != NULL ? read_rows(predict, rows) : read_columns(predict, columns)))
        return false;
    return take_tensors(predict, request);
}

bool predict_request_decode(const void *body, size_t body_bytes, const struct wire_limits *limits,
                            const struct tensor_spec *specs, int n_specs,
                            struct predict_request *ret_request, struct problem *problem)
{
    const struct json_limits json_limits = {
        .bytes_max = limits->envelope_bytes_max,
        .depth_max = limits->depth_max < JSON_DEPTH_MAX ? limits->depth_max : JSON_DEPTH_MAX,
        .lifts_max = limits->tensors_max,
    };
    struct message_memory *memory = message_memory_create();
    struct predict predict = {
        .specs = specs,
        .n_specs = n_specs,
        .memory = memory,
        .bytes_left = limits->tensor_bytes_max,
        .problem = problem,
    };
    struct predict_request request = {.memory = memory};
    struct json_envelope envelope;
    bool good;

    if (memory == NULL)
        return problem_set(problem, 507, "no_memory", "out of memory");
    good = json_envelope_split(body, body_bytes, rules, 2, &json_limits, &envelope, problem);
    if (good) {
        good = decode(&predict, &envelope, &request);
        json_envelope_finish(&envelope);
    }
    if (good)
        *ret_request = request;
    else
        message_memory_destroy(memory);
    return good;
}

void predict_request_finish(struct predict_request *request)
{
    message_memory_destroy(request->memory);
    *request = (struct predict_request){0};
}
