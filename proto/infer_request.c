/* SPDX-License-Identifier: Apache-2.0 */
#include "proto/infer_message.h"

#include "proto/infer_scan.h"
#include "proto/infer_tensors.h"
#include "proto/json_fields.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

static const struct json_rule inputs_rule = {"inputs", "data"};

/* infer_request.memory */
struct request_memory {
    struct message_memory *blocks; /* this struct lives in them too */
    struct json_envelope envelope;
};

static bool decode_output_parameters(json_t *object, const char *path,
                                     struct requested_output *output, struct problem *problem)
{
    json_t *parameters = NULL;
    char inner[80];
    int64_t classes = 0;
    bool binary = false;

    if (!json_field_object(object, path, "parameters", FIELD_OPTIONAL, &parameters, problem))
        return false;
    if (parameters == NULL)
        return true;
    snprintf(inner, sizeof(inner), "%sparameters.", path);
    if (json_object_get(parameters, "shared_memory_region") != NULL)
        return problem_set(problem, 400, "bad_request",
                           "%sshared_memory_region: shared memory is not offered", inner);
    if (!json_field_bool(parameters, inner, "binary_data", FIELD_OPTIONAL, &binary, problem) ||
        !json_field_int(parameters, inner, "classification", FIELD_OPTIONAL, 0, INT_MAX, &classes,
                        problem))
        return false;
    if (json_object_get(parameters, "binary_data") != NULL)
        output->binary = binary;
    output->classification = (int)classes;
    return true;
}

static bool decode_outputs(json_t *list, const struct wire_limits *limits,
                           struct message_memory *memory, struct infer_request *request,
                           struct problem *problem)
{
    static const char *const known[] = {"name", "parameters", NULL};
    size_t n = json_array_size(list), i, j;
    struct requested_output *outputs;
    char path[64];
    json_t *object;

    if (n > (size_t)limits->tensors_max)
        return problem_set(problem, 413, "too_large", "outputs has %zu tensors, at most %d", n,
                           limits->tensors_max);
    outputs = message_memory_take(memory, n * sizeof(outputs[0]));
    if (outputs == NULL)
        return problem_set(problem, 507, "no_memory", "out of memory");
    json_array_foreach (list, i, object) {
        snprintf(path, sizeof(path), "outputs[%zu].", i);
        if (!json_is_object(object))
            return problem_set(problem, 400, "bad_request",
                               "outputs[%zu] is %s, expected an object", i, json_kind(object));
        outputs[i].binary = -1;
        if (!json_fields_known(object, path, known, problem) ||
            !json_field_string(object, path, "name", FIELD_REQUIRED, &outputs[i].name, problem) ||
            !decode_output_parameters(object, path, &outputs[i], problem))
            return false;
        for (j = 0; j < i; j++)
            if (strcmp(outputs[j].name, outputs[i].name) == 0)
                return problem_set(problem, 400, "bad_request", "%sname '%.100s' is given twice",
                                   path, outputs[i].name);
    }
    request->outputs = outputs;
    request->n_outputs = (int)n;
    return true;
}

static bool decode_parameters(json_t *root, struct infer_request *request, struct problem *problem)
{
    json_t *parameters = NULL, *value;
    const char *key;

    if (!json_field_object(root, "", "parameters", FIELD_OPTIONAL, &parameters, problem))
        return false;
    if (parameters == NULL)
        return true;
    json_object_foreach (parameters, key, value)
        if (json_is_array(value))
            return problem_set(
                problem, 400, "bad_request",
                "parameters.%.100s is an array, expected a string, number or boolean", key);
    return json_field_int(parameters, "parameters.", "timeout", FIELD_OPTIONAL, 0, INT64_MAX,
                          &request->timeout_us, problem) &&
           json_field_int(parameters, "parameters.", "priority", FIELD_OPTIONAL, 0, INT64_MAX,
                          &request->priority, problem) &&
           json_field_bool(parameters, "parameters.", "binary_data_output", FIELD_OPTIONAL,
                           &request->binary_output_default, problem) &&
           json_field_bool(parameters, "parameters.", "log", FIELD_OPTIONAL, &request->log, problem);
}

static bool decode_root(struct infer_source *source, const struct wire_limits *limits,
                        struct infer_request *request, struct problem *problem)
{
    /* The URL alone says which model; KServe's client repeats it. */
    static const char *const known[] = {"id",         "inputs",        "outputs", "parameters",
                                        "model_name", "model_version", NULL};
    json_t *root = source->envelope->root;
    json_t *inputs = NULL, *outputs = NULL;
    const char *ignored;

    if (!json_fields_known(root, "", known, problem) ||
        !json_field_string(root, "", "id", FIELD_OPTIONAL, &request->id, problem) ||
        !json_field_string(root, "", "model_name", FIELD_OPTIONAL, &ignored, problem) ||
        !json_field_string(root, "", "model_version", FIELD_OPTIONAL, &ignored, problem) ||
        !decode_parameters(root, request, problem) ||
        !json_field_array(root, "", "outputs", FIELD_OPTIONAL, &outputs, problem) ||
        !json_field_array(root, "", "inputs", FIELD_REQUIRED, &inputs, problem))
        return false;
    if (outputs != NULL && !decode_outputs(outputs, limits, source->memory, request, problem))
        return false;
    return infer_tensors_decode(source, inputs, &request->inputs, &request->n_inputs, problem);
}

/* Header length 0: the body is the data of the model's one input. */
static bool decode_raw(struct infer_source *source, const struct tensor_spec *specs, int n_specs,
                       struct infer_request *request, struct problem *problem)
{
    size_t bytes = (size_t)(source->tail_end - source->tail), known = 1, element;
    struct wire_tensor *tensor;
    char path[80];
    int i, unknown = -1;

    if (n_specs != 1)
        return problem_set(
            problem, 400, "bad_binary",
            "Inference-Header-Content-Length is 0: the model must have one input, it "
            "has %d",
            n_specs);
    tensor = message_memory_take(source->memory, sizeof(*tensor));
    if (tensor == NULL)
        return problem_set(problem, 507, "no_memory", "out of memory");
    tensor->name = specs[0].name;
    tensor->type = specs[0].type;
    tensor->rank = specs[0].rank;
    if (tensor->rank < 0)
        return problem_set(problem, 400, "bad_binary",
                           "input '%.100s' has no known rank: say its "
                           "shape in a JSON header",
                           tensor->name);
    element = tensor->type == WIRE_BYTES ? 1 : wire_type_bytes(tensor->type);
    for (i = tensor->rank - 1; i >= 0; i--) {
        tensor->dims[i] = specs[0].dims[i];
        if (tensor->dims[i] > 0 && __builtin_mul_overflow(known, (size_t)tensor->dims[i], &known))
            return problem_set(problem, 400, "bad_binary", "input '%.100s' is too large",
                               tensor->name);
        if (tensor->dims[i] >= 0)
            continue;
        /* The first dimension, when another is free too, is the batch: one row. */
        if (unknown >= 0 && i > 0)
            return problem_set(problem, 400, "bad_binary",
                               "input '%.100s' has more than one free "
                               "dimension: say its shape in a JSON header",
                               tensor->name);
        tensor->dims[i] = 1;
        if (unknown < 0)
            unknown = i;
    }
    if (unknown >= 0 && tensor->type != WIRE_BYTES)
        tensor->dims[unknown] = (int64_t)(bytes / element / known);
    if (!wire_count(tensor->dims, tensor->rank, element, &tensor->count))
        return problem_set(problem, 400, "bad_binary", "input '%.100s' is too large", tensor->name);
    snprintf(path, sizeof(path), "input '%.60s': ", tensor->name);
    if (!infer_tensor_from_tail(source, path, bytes, tensor, problem))
        return false;
    request->inputs = tensor;
    request->n_inputs = 1;
    request->binary_output_default = true;
    return true;
}

static bool decode(const char *body, size_t body_bytes, int64_t header_length,
                   const struct wire_limits *limits, const struct tensor_spec *specs, int n_specs,
                   struct request_memory *memory, struct infer_request *request,
                   struct problem *problem)
{
    size_t json_bytes = header_length < 0 ? body_bytes : (size_t)header_length;
    const struct json_limits json_limits = {
        .bytes_max = limits->envelope_bytes_max,
        .depth_max = limits->depth_max < JSON_DEPTH_MAX ? limits->depth_max : JSON_DEPTH_MAX,
        .lifts_max = limits->tensors_max,
    };
    const struct infer_source fresh = {
        .envelope = &memory->envelope,
        .rule = &inputs_rule,
        .binary = header_length >= 0,
        .tail = body + json_bytes,
        .tail_end = body + body_bytes,
        .bytes_left = limits->tensor_bytes_max,
        .tensors_max = limits->tensors_max,
        .strict = true,
        .memory = memory->blocks,
    };

    struct infer_source source = fresh;
    struct message_mark mark = message_memory_mark(memory->blocks);

    if (header_length == 0)
        return decode_raw(&source, specs, n_specs, request, problem);
    if (infer_request_scan(&source, body, json_bytes, limits->envelope_bytes_max, request)) {
        request->memory = memory;
        return true;
    }
    message_memory_rewind(memory->blocks, &mark);
    source = fresh;
    return json_envelope_split(body, json_bytes, &inputs_rule, 1, &json_limits, &memory->envelope,
                               problem) &&
           decode_root(&source, limits, request, problem);
}

bool infer_request_decode(const void *body, size_t body_bytes, int64_t header_length,
                          const struct wire_limits *limits, const struct tensor_spec *specs,
                          int n_specs, struct infer_request *ret_request, struct problem *problem)
{
    struct infer_request request = {0};
    struct message_memory *blocks;
    struct request_memory *memory;

    if (header_length > 0 && (uint64_t)header_length > body_bytes)
        return problem_set(problem, 400, "bad_binary",
                           "Inference-Header-Content-Length is %lld, the body has %zu bytes",
                           (long long)header_length, body_bytes);
    blocks = message_memory_create();
    memory = blocks != NULL ? message_memory_take(blocks, sizeof(*memory)) : NULL;
    if (memory == NULL) {
        message_memory_destroy(blocks);
        return problem_set(problem, 507, "no_memory", "out of memory");
    }
    memory->blocks = blocks;
    request.memory = memory;
    if (!decode(body, body_bytes, header_length, limits, specs, n_specs, memory, &request,
                problem)) {
        infer_request_finish(&request);
        return false;
    }
    *ret_request = request;
    return true;
}

void infer_request_finish(struct infer_request *request)
{
    struct request_memory *memory = request->memory;

    if (memory != NULL) {
        json_envelope_finish(&memory->envelope);
        message_memory_destroy(memory->blocks);
    }
    *request = (struct infer_request){0};
}

static void encode_outputs(const struct infer_request *request, struct text *text)
{
    const struct requested_output *output;
    int i;

    text_puts(text, "\"outputs\":[");
    for (i = 0; i < request->n_outputs; i++) {
        output = &request->outputs[i];
        text_puts(text, i > 0 ? ",{\"name\":" : "{\"name\":");
        text_json_string(text, output->name, strlen(output->name));
        if (output->binary >= 0 || output->classification > 0)
            text_puts(text, ",\"parameters\":{");
        if (output->binary >= 0)
            text_printf(text, "\"binary_data\":%s", output->binary ? "true" : "false");
        if (output->classification > 0)
            text_printf(text, "%s\"classification\":%d", output->binary >= 0 ? "," : "",
                        output->classification);
        if (output->binary >= 0 || output->classification > 0)
            text_puts(text, "}");
        text_puts(text, "}");
    }
    text_puts(text, "],");
}

static void encode_parameters(const struct infer_request *request, struct text *text)
{
    const char *separator = "";

    if (request->timeout_us == 0 && request->priority == 0 && !request->binary_output_default &&
        !request->log)
        return;
    text_puts(text, "\"parameters\":{");
    if (request->timeout_us != 0) {
        text_printf(text, "\"timeout\":%lld", (long long)request->timeout_us);
        separator = ",";
    }
    if (request->priority != 0) {
        text_printf(text, "%s\"priority\":%lld", separator, (long long)request->priority);
        separator = ",";
    }
    if (request->binary_output_default) {
        text_printf(text, "%s\"binary_data_output\":true", separator);
        separator = ",";
    }
    if (request->log)
        text_printf(text, "%s\"log\":true", separator);
    text_puts(text, "},");
}

void infer_request_encode(const struct infer_request *request, const int *binary, struct text *text,
                          int64_t *ret_header_length)
{
    size_t start = text->length;
    bool tail = false;
    int i;

    for (i = 0; i < request->n_inputs; i++)
        tail |= binary != NULL && binary[i] != 0;
    text_puts(text, "{");
    if (request->id != NULL) {
        text_puts(text, "\"id\":");
        text_json_string(text, request->id, strlen(request->id));
        text_puts(text, ",");
    }
    encode_parameters(request, text);
    if (request->n_outputs > 0)
        encode_outputs(request, text);
    text_puts(text, "\"inputs\":");
    infer_tensors_encode(request->inputs, request->n_inputs, binary, NON_FINITE_TOKEN, text);
    text_puts(text, "}");
    *ret_header_length = tail ? (int64_t)(text->length - start) : -1;
    infer_tensors_encode_tail(request->inputs, request->n_inputs, binary, text);
}
