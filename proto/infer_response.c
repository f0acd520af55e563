/* SPDX-License-Identifier: Apache-2.0 */
#include "proto/infer_message.h"

#include "proto/infer_tensors.h"
#include "proto/json_fields.h"

#include <string.h>

static const struct json_rule outputs_rule = {"outputs", "data"};

/* infer_response.memory */
struct response_memory {
    struct message_memory *blocks; /* this struct lives in them too */
    struct json_envelope envelope;
};

static void encode_member(struct text *text, const char *key, const char *value)
{
    text_puts(text, key);
    text_json_string(text, value, strlen(value));
    text_puts(text, ",");
}

void infer_response_encode(const struct infer_response *response, struct text *text,
                           int64_t *ret_header_length)
{
    size_t start = text->length, tail = 0;
    const int *binary = response->binary;
    int i;

    for (i = 0; i < response->n_outputs; i++)
        if (binary != NULL && binary[i] != 0)
            tail += infer_tensor_tail_bytes(&response->outputs[i]);
    if (tail == 0)
        binary = NULL; /* nothing to announce: plain JSON */
    text_puts(text, "{");
    encode_member(text, "\"model_name\":", response->model_name);
    if (response->model_version != NULL)
        encode_member(text, "\"model_version\":", response->model_version);
    if (response->id != NULL)
        encode_member(text, "\"id\":", response->id);
    if (response->generation >= 0) {
        text_puts(text, "\"parameters\":{\"generation\":");
        text_json_int(text, response->generation);
        if (response->logged != 0)
            text_puts(text, response->logged > 0 ? ",\"logged\":true" : ",\"logged\":false");
        text_puts(text, "},");
    }
    text_puts(text, "\"outputs\":");
    infer_tensors_encode(response->outputs, response->n_outputs, binary, response->non_finite, text);
    text_puts(text, "}");
    *ret_header_length = tail > 0 ? (int64_t)(text->length - start) : -1;
    infer_tensors_encode_tail(response->outputs, response->n_outputs, binary, text);
}

static bool decode_root(struct infer_source *source, struct infer_response *response,
                        struct problem *problem)
{
    json_t *root = source->envelope->root;
    json_t *outputs = NULL, *parameters = NULL;
    struct wire_tensor *tensors = NULL;
    bool logged = false;

    response->generation = -1;
    if (!json_field_string(root, "", "model_name", FIELD_OPTIONAL, &response->model_name,
                           problem) ||
        !json_field_string(root, "", "model_version", FIELD_OPTIONAL, &response->model_version,
                           problem) ||
        !json_field_string(root, "", "id", FIELD_OPTIONAL, &response->id, problem) ||
        !json_field_object(root, "", "parameters", FIELD_OPTIONAL, &parameters, problem) ||
        !json_field_array(root, "", "outputs", FIELD_REQUIRED, &outputs, problem))
        return false;
    if (parameters != NULL &&
        !json_field_int(parameters, "parameters.", "generation", FIELD_OPTIONAL, 0, INT64_MAX,
                        &response->generation, problem))
        return false;
    if (parameters != NULL &&
        !json_field_bool(parameters, "parameters.", "logged", FIELD_OPTIONAL, &logged, problem))
        return false;
    if (json_object_get(parameters, "logged") != NULL)
        response->logged = logged ? 1 : -1;
    if (!infer_tensors_decode(source, outputs, &tensors, &response->n_outputs, problem))
        return false;
    response->outputs = tensors;
    return true;
}

static bool decode(const char *body, size_t body_bytes, int64_t header_length,
                   const struct wire_limits *limits, struct response_memory *memory,
                   struct infer_response *response, struct problem *problem)
{
    size_t json_bytes = header_length < 0 ? body_bytes : (size_t)header_length;
    const struct json_limits json_limits = {
        .bytes_max = limits->envelope_bytes_max,
        .depth_max = limits->depth_max < JSON_DEPTH_MAX ? limits->depth_max : JSON_DEPTH_MAX,
        .lifts_max = limits->tensors_max,
    };
    struct infer_source source = {
        .envelope = &memory->envelope,
        .rule = &outputs_rule,
        .binary = header_length >= 0,
        .tail = body + json_bytes,
        .tail_end = body + body_bytes,
        .bytes_left = limits->tensor_bytes_max,
        .tensors_max = limits->tensors_max,
        .strict = false,
        .memory = memory->blocks,
    };

    return json_envelope_split(body, json_bytes, &outputs_rule, 1, &json_limits, &memory->envelope,
                               problem) &&
           decode_root(&source, response, problem);
}

bool infer_response_decode(const void *body, size_t body_bytes, int64_t header_length,
                           const struct wire_limits *limits, struct infer_response *ret_response,
                           struct problem *problem)
{
    struct infer_response response = {0};
    struct message_memory *blocks;
    struct response_memory *memory;

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
    response.memory = memory;
    if (!decode(body, body_bytes, header_length, limits, memory, &response, problem)) {
        infer_response_finish(&response);
        return false;
    }
    *ret_response = response;
    return true;
}

void infer_response_finish(struct infer_response *response)
{
    struct response_memory *memory = response->memory;

    if (memory != NULL) {
        json_envelope_finish(&memory->envelope);
        message_memory_destroy(memory->blocks);
    }
    *response = (struct infer_response){0};
}
