/* SPDX-License-Identifier: Apache-2.0 */
#include "proto/infer_tensors.h"
#include "proto/json_fields.h"
#include "proto/learn_message.h"

#include <math.h>
#include <string.h>

/* In the order in which binary tails are read. */
static const struct json_rule rules[] = {{"inputs", "data"}, {"targets", "data"}};

/* learn_request.memory */
struct request_memory {
    struct message_memory *blocks; /* this struct lives in them too */
    struct json_envelope envelope;
};

static bool decode_learning_rate(json_t *parameters, double *ret_rate, struct problem *problem)
{
    json_t *value = json_object_get(parameters, "learning_rate");

    if (value == NULL)
        return true;
    if (!json_is_number(value))
        return problem_set(problem, 400, "bad_request",
                           "parameters.learning_rate is %s, expected a number", json_kind(value));
    *ret_rate = json_number_value(value);
    if (!(*ret_rate > 0) || !isfinite(*ret_rate))
        return problem_set(problem, 400, "bad_request",
                           "parameters.learning_rate is %g, expected a number above 0", *ret_rate);
    return true;
}

static bool decode_parameters(json_t *root, struct learn_request *request, struct problem *problem)
{
    static const char *const known[] = {"learning_rate", "timeout", NULL};
    json_t *parameters = NULL;

    if (!json_field_object(root, "", "parameters", FIELD_OPTIONAL, &parameters, problem))
        return false;
    if (parameters == NULL)
        return true;
    return json_fields_known(parameters, "parameters.", known, problem) &&
           decode_learning_rate(parameters, &request->learning_rate, problem) &&
           json_field_int(parameters, "parameters.", "timeout", FIELD_OPTIONAL, 0, INT64_MAX,
                          &request->timeout_us, problem);
}

static bool decode_tensors(struct infer_source *source, json_t *list, int rule,
                           struct wire_tensor **ret_tensors, int *ret_n, struct problem *problem)
{
    if (list == NULL)
        return true;
    source->rule = &rules[rule];
    source->more = rule == 0;
    if (!infer_tensors_decode(source, list, ret_tensors, ret_n, problem))
        return false;
    return *ret_n > 0 || problem_set(problem, 400, "bad_request",
                                     "%s is empty, expected at least one tensor", rules[rule].key);
}

static bool decode_root(enum learn_form form, struct infer_source *source,
                        struct learn_request *request, struct problem *problem)
{
    static const char *const known[] = {"id",         "inputs",        "targets", "parameters",
                                        "model_name", "model_version", NULL};
    enum json_need need_inputs = form == LEARN_FEEDBACK ? FIELD_OPTIONAL : FIELD_REQUIRED;
    enum json_need need_id = form == LEARN_FEEDBACK ? FIELD_REQUIRED : FIELD_OPTIONAL;
    json_t *root = source->envelope->root, *inputs = NULL, *targets = NULL;
    const char *ignored;

    if (!json_fields_known(root, "", known, problem) ||
        !json_field_string(root, "", "id", need_id, &request->id, problem) ||
        !json_field_string(root, "", "model_name", FIELD_OPTIONAL, &ignored, problem) ||
        !json_field_string(root, "", "model_version", FIELD_OPTIONAL, &ignored, problem) ||
        !decode_parameters(root, request, problem) ||
        !json_field_array(root, "", "inputs", need_inputs, &inputs, problem) ||
        !json_field_array(root, "", "targets", FIELD_REQUIRED, &targets, problem))
        return false;
    if (form == LEARN_FEEDBACK && inputs != NULL)
        return problem_set(problem, 400, "bad_request",
                           "inputs: feedback takes those of the prediction, send none");
    return decode_tensors(source, inputs, 0, &request->inputs, &request->n_inputs, problem) &&
           decode_tensors(source, targets, 1, &request->targets, &request->n_targets, problem);
}

static bool decode(enum learn_form form, const char *body, size_t body_bytes,
                   int64_t header_length, const struct wire_limits *limits,
                   struct request_memory *memory, struct learn_request *request,
                   struct problem *problem)
{
    size_t json_bytes = header_length < 0 ? body_bytes : (size_t)header_length;
    const struct json_limits json_limits = {
        .bytes_max = limits->envelope_bytes_max,
        .depth_max = limits->depth_max < JSON_DEPTH_MAX ? limits->depth_max : JSON_DEPTH_MAX,
        .lifts_max = limits->tensors_max,
    };
    struct infer_source source = {
        .envelope = &memory->envelope,
        .binary = header_length >= 0,
        .tail = body + json_bytes,
        .tail_end = body + body_bytes,
        .bytes_left = limits->tensor_bytes_max,
        .tensors_max = limits->tensors_max,
        .strict = true,
        .memory = memory->blocks,
    };

    return json_envelope_split(body, json_bytes, rules, sizeof(rules) / sizeof(rules[0]),
                               &json_limits, &memory->envelope, problem) &&
           decode_root(form, &source, request, problem);
}

bool learn_request_decode(enum learn_form form, const void *body, size_t body_bytes,
                          int64_t header_length, const struct wire_limits *limits,
                          struct learn_request *ret_request, struct problem *problem)
{
    struct learn_request request = {.learning_rate = NAN};
    struct message_memory *blocks;
    struct request_memory *memory;

    if (header_length == 0 || (header_length > 0 && (uint64_t)header_length > body_bytes))
        return problem_set(problem, 400, "bad_binary",
                           "Inference-Header-Content-Length is %lld, expected the length of the "
                           "JSON at the start of %zu bytes",
                           (long long)header_length, body_bytes);
    blocks = message_memory_create();
    memory = blocks != NULL ? message_memory_take(blocks, sizeof(*memory)) : NULL;
    if (memory == NULL) {
        message_memory_destroy(blocks);
        return problem_set(problem, 507, "no_memory", "out of memory");
    }
    memory->blocks = blocks;
    request.memory = memory;
    if (!decode(form, body, body_bytes, header_length, limits, memory, &request, problem)) {
        learn_request_finish(&request);
        return false;
    }
    *ret_request = request;
    return true;
}

void learn_request_finish(struct learn_request *request)
{
    struct request_memory *memory = request->memory;

    if (memory != NULL) {
        json_envelope_finish(&memory->envelope);
        message_memory_destroy(memory->blocks);
    }
    *request = (struct learn_request){0};
}

/* Letters, digits and . _ - alone, so that it needs no quotes anywhere. */
static bool decode_label(json_t *root, char label[LEARN_LABEL_BYTES_MAX + 1],
                         struct problem *problem)
{
    const char *text = NULL;
    size_t length;

    if (!json_field_string(root, "", "label", FIELD_OPTIONAL, &text, problem))
        return false;
    label[0] = '\0';
    if (text == NULL)
        return true;
    length = strlen(text);
    if (length < 1 || length > LEARN_LABEL_BYTES_MAX ||
        strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") != length)
        return problem_set(problem, 400, "bad_request",
                           "label must be 1 to %d letters, digits, '.', '_' or '-'",
                           LEARN_LABEL_BYTES_MAX);
    memcpy(label, text, length + 1);
    return true;
}

/* What is not said stays -1 or empty. `empty`: no body at all is an empty object. */
static bool decode_target(const void *body, size_t body_bytes, const char *const *known, bool empty,
                          struct rollback_target *target, struct problem *problem)
{
    const struct json_limits limits = {.bytes_max = 4096, .depth_max = 4};
    struct json_envelope envelope;
    bool good;

    *target = (struct rollback_target){.generation = -1, .time_ms = -1};
    if (empty && body_bytes == 0)
        return true;
    if (!json_envelope_split(body, body_bytes, NULL, 0, &limits, &envelope, problem))
        return false;
    good = json_fields_known(envelope.root, "", known, problem) &&
           json_field_int(envelope.root, "", "generation", FIELD_OPTIONAL, 0, INT64_MAX,
                          &target->generation, problem) &&
           json_field_int(envelope.root, "", "time_ms", FIELD_OPTIONAL, 0, INT64_MAX,
                          &target->time_ms, problem) &&
           decode_label(envelope.root, target->label, problem);
    json_envelope_finish(&envelope);
    return good;
}

bool rollback_request_decode(const void *body, size_t body_bytes, struct rollback_target *ret_target,
                             struct problem *problem)
{
    static const char *const known[] = {"generation", "label", "time_ms", NULL};

    if (!decode_target(body, body_bytes, known, false, ret_target, problem))
        return false;
    if ((ret_target->generation >= 0) + (ret_target->time_ms >= 0) +
            (ret_target->label[0] != '\0') == 1)
        return true;
    return problem_set(problem, 400, "bad_request",
                       "expected one of generation, label and time_ms: where to roll back to");
}

bool promote_request_decode(const void *body, size_t body_bytes, int64_t *ret_generation,
                            struct problem *problem)
{
    static const char *const known[] = {"generation", NULL};
    struct rollback_target target;

    if (!decode_target(body, body_bytes, known, true, &target, problem))
        return false;
    *ret_generation = target.generation;
    return true;
}

bool promote_request_job(const void *body, size_t body_bytes, char ret_job[PROMOTE_JOB_BYTES + 1])
{
    json_t *root = body_bytes <= 4096 ? json_loadb(body, body_bytes, JSON_REJECT_DUPLICATES, NULL) : NULL;
    const char *job = json_string_value(json_object_get(root, "job"));
    bool good = job != NULL && json_object_size(root) == 1 && job[0] != '\0' &&
                strlen(job) <= PROMOTE_JOB_BYTES;

    if (good)
        memcpy(ret_job, job, strlen(job) + 1);
    json_decref(root);
    return good;
}

bool label_request_decode(const void *body, size_t body_bytes, struct rollback_target *ret_label,
                          struct problem *problem)
{
    static const char *const known[] = {"generation", "label", NULL};

    if (!decode_target(body, body_bytes, known, false, ret_label, problem))
        return false;
    return ret_label->label[0] != '\0' ||
           problem_set(problem, 400, "bad_request", "label is missing, expected a name");
}

bool rewind_request_decode(const void *body, size_t body_bytes, int64_t *ret_first,
                           int64_t *ret_last, struct problem *problem)
{
    static const char *const known[] = {"first", "last", NULL};
    const struct json_limits limits = {.bytes_max = 4096, .depth_max = 4};
    struct json_envelope envelope;
    bool good;

    if (!json_envelope_split(body, body_bytes, NULL, 0, &limits, &envelope, problem))
        return false;
    good = json_fields_known(envelope.root, "", known, problem) &&
           json_field_int(envelope.root, "", "first", FIELD_REQUIRED, 1, INT64_MAX, ret_first,
                          problem) &&
           json_field_int(envelope.root, "", "last", FIELD_REQUIRED, *ret_first, INT64_MAX, ret_last,
                          problem);
    json_envelope_finish(&envelope);
    return good;
}

static bool decode_places(json_t *list, struct learn_place *places, struct problem *problem)
{
    static const char *const known[] = {"generation", "row", NULL};

    for (size_t i = 0; i < json_array_size(list); i++) {
        json_t *item = json_array_get(list, i);
        char path[32];

        snprintf(path, sizeof(path), "examples[%zu]", i);
        if (!json_is_object(item))
            return problem_set(problem, 400, "bad_json", "%s must be an object", path);
        if (!json_fields_known(item, path, known, problem) ||
            !json_field_int(item, path, "generation", FIELD_REQUIRED, 1, INT64_MAX,
                            &places[i].generation, problem) ||
            !json_field_int(item, path, "row", FIELD_REQUIRED, 0, (1 << 20) - 1, &places[i].row,
                            problem))
            return false;
    }
    return true;
}

bool erase_request_decode(const void *body, size_t body_bytes, struct learn_place **ret_places,
                          size_t *ret_n, struct problem *problem)
{
    static const char *const known[] = {"examples", NULL};
    const struct json_limits limits = {.bytes_max = 1 << 17, .depth_max = 4};
    struct learn_place *places = NULL;
    struct json_envelope envelope;
    json_t *list = NULL;
    size_t n = 0;
    bool good;

    if (!json_envelope_split(body, body_bytes, NULL, 0, &limits, &envelope, problem))
        return false;
    good = json_fields_known(envelope.root, "", known, problem) &&
           json_field_array(envelope.root, "", "examples", FIELD_REQUIRED, &list, problem);
    if (good) {
        n = json_array_size(list);
        if (n < 1 || n > ERASE_PLACES_MAX)
            good = problem_set(problem, 400, "bad_json", "examples has %zu items, expected 1 to %d",
                               n, ERASE_PLACES_MAX);
    }
    if (good) {
        places = calloc(n, sizeof(*places));
        good = places != NULL ? decode_places(list, places, problem)
                              : problem_set(problem, 507, "no_memory", "out of memory");
    }
    json_envelope_finish(&envelope);
    if (!good) {
        free(places);
        return false;
    }
    *ret_places = places;
    *ret_n = n;
    return true;
}

void learn_request_encode(const struct learn_request *request, struct text *text)
{
    text_puts(text, "{");
    if (request->id != NULL) {
        text_puts(text, "\"id\":");
        text_json_string(text, request->id, strlen(request->id));
        text_puts(text, ",");
    }
    if (request->n_inputs > 0) {
        text_puts(text, "\"inputs\":");
        infer_tensors_encode(request->inputs, request->n_inputs, NULL, NON_FINITE_TOKEN, text);
        text_puts(text, ",");
    }
    text_puts(text, "\"targets\":");
    infer_tensors_encode(request->targets, request->n_targets, NULL, NON_FINITE_TOKEN, text);
    if (!isnan(request->learning_rate)) {
        text_puts(text, ",\"parameters\":{\"learning_rate\":");
        text_json_double(text, request->learning_rate);
        text_puts(text, "}");
    }
    text_puts(text, "}");
}
