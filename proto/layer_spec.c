/* SPDX-License-Identifier: Apache-2.0 */
#include "proto/layer_spec.h"

#include "proto/json_fields.h"
#include "proto/message_memory.h"
#include "spec/layer_fields.h"

#include <stdio.h>
#include <string.h>

enum { PATH_MAX_BYTES = 128, NAMES_MAX_BYTES = 320 };

struct decoder {
    struct message_memory *memory;
    int n_layers;
    struct problem *problem;
};

static bool bad(struct decoder *decoder, const char *path, const char *name, const json_t *value,
                const char *expected)
{
    return problem_set(decoder->problem, 400, "bad_request", "%s%s is %s, expected %s", path, name,
                       json_kind(value), expected);
}

static void *take(struct decoder *decoder, size_t count, size_t size)
{
    void *memory = message_memory_take(decoder->memory, count * size);

    if (memory == NULL)
        problem_set(decoder->problem, 507, "no_memory", "out of memory");
    return memory;
}

static bool copy_text(struct decoder *decoder, const char *text, const char **ret)
{
    char *copy;

    if (text == NULL)
        return true;
    copy = take(decoder, strlen(text) + 1, 1);
    *ret = copy;
    if (copy == NULL)
        return false;
    memcpy(copy, text, strlen(text) + 1);
    return true;
}

static void join_names(const char *const *names, char text[NAMES_MAX_BYTES])
{
    size_t used = 0;

    text[0] = '\0';
    for (int i = 0; names[i] != NULL && used < NAMES_MAX_BYTES; i++)
        used += (size_t)snprintf(text + used, NAMES_MAX_BYTES - used, "%s%s",
                                 i == 0                 ? ""
                                 : names[i + 1] != NULL ? ", "
                                                        : " or ",
                                 names[i]);
}

static bool decode_choice(struct decoder *decoder, const char *path, const char *name,
                          const json_t *value, const char *const *choices, int *ret)
{
    char expected[NAMES_MAX_BYTES];

    join_names(choices, expected);
    if (!json_is_string(value))
        return bad(decoder, path, name, value, expected);
    for (int i = 0; choices[i] != NULL; i++) {
        if (strcmp(choices[i], json_string_value(value)) == 0) {
            *ret = i;
            return true;
        }
    }
    return problem_set(decoder->problem, 400, "bad_request", "%s%s is '%.64s', expected %s", path,
                       name, json_string_value(value), expected);
}

/* One number, or a list of up to NETWORK_RANK_MAX; null, where allowed, is -1: open. */
static bool decode_dims(struct decoder *decoder, const char *path, const char *name,
                        const json_t *value, bool may_be_open, struct layer_dims *ret)
{
    size_t count = json_is_array(value) ? json_array_size(value) : 1;

    if (count < 1 || count > NETWORK_RANK_MAX)
        return problem_set(decoder->problem, 400, "bad_request",
                           "%s%s has %zu numbers, expected 1 to %d", path, name, count,
                           NETWORK_RANK_MAX);
    ret->count = (int)count;
    for (size_t i = 0; i < count; i++) {
        const json_t *item = json_is_array(value) ? json_array_get(value, i) : value;

        if (json_is_null(item) && may_be_open)
            ret->items[i] = NETWORK_UNKNOWN;
        else if (json_is_integer(item))
            ret->items[i] = json_integer_value(item);
        else
            return bad(decoder, path, name, item, "an integer or a list of integers");
    }
    return true;
}

static bool decode_layers(struct decoder *decoder, const char *path, const char *name,
                          json_t *value, int depth, struct layer_list *ret);

static bool decode_field(struct decoder *decoder, const char *path, const struct layer_field *field,
                         json_t *value, int depth, struct layer *layer)
{
    void *at = (char *)layer + field->offset;

    switch (field->kind) {
    case FIELD_INT:
        if (!json_is_integer(value))
            return bad(decoder, path, field->name, value, "an integer");
        *(int64_t *)at = json_integer_value(value);
        return true;
    case FIELD_REAL:
        if (!json_is_number(value))
            return bad(decoder, path, field->name, value, "a number");
        *(double *)at = json_number_value(value);
        return true;
    case FIELD_FLAG:
        if (!json_is_boolean(value))
            return bad(decoder, path, field->name, value, "true or false");
        *(bool *)at = json_is_true(value);
        return true;
    case FIELD_CHOICE:
        return decode_choice(decoder, path, field->name, value, field->choices, at);
    case FIELD_DIMS:
        return decode_dims(decoder, path, field->name, value, false, at);
    case FIELD_LAYERS:
        return decode_layers(decoder, path, field->name, value, depth + 1, at);
    }
    return true;
}

static const struct layer_field *find_field(int type, const char *name)
{
    for (size_t i = 0; i < LAYER_FIELDS; i++)
        if (layer_fields[i].layer == type && strcmp(layer_fields[i].name, name) == 0)
            return &layer_fields[i];
    return NULL;
}

/* "conv has filters, kernel, ..." */
static bool unknown_field(struct decoder *decoder, const char *path, int type, const char *name)
{
    const char *names[LAYER_FIELDS + 2] = {"name"};
    char known[NAMES_MAX_BYTES];
    int count = 1;

    for (size_t i = 0; i < LAYER_FIELDS; i++)
        if (layer_fields[i].layer == type)
            names[count++] = layer_fields[i].name;
    join_names(names, known);
    return problem_set(decoder->problem, 400, "bad_request",
                       "%s%.64s is unknown: a layer of type %s has %s", path, name,
                       layer_kinds[type].name, known);
}

static bool decode_type(struct decoder *decoder, const char *path, json_t *object, int *ret)
{
    const char *names[LAYER_TYPES + 1];

    for (int type = 0; type < LAYER_TYPES; type++)
        names[type] = layer_kinds[type].name;
    names[LAYER_TYPES] = NULL;
    if (json_object_get(object, "type") == NULL)
        return problem_set(decoder->problem, 400, "bad_request", "%stype is missing", path);
    return decode_choice(decoder, path, "type", json_object_get(object, "type"), names, ret);
}

static bool decode_layer(struct decoder *decoder, const char *path, json_t *object, int depth,
                         struct layer *ret)
{
    const char *key, *name = NULL;
    json_t *value;
    int type;

    if (!decode_type(decoder, path, object, &type))
        return false;
    *ret = layer_with_defaults(type);
    if (!json_field_string(object, path, "name", FIELD_OPTIONAL, &name, decoder->problem) ||
        !copy_text(decoder, name, &ret->name))
        return false;
    json_object_foreach (object, key, value) {
        const struct layer_field *field = find_field(type, key);

        if (strcmp(key, "type") == 0 || strcmp(key, "name") == 0)
            continue;
        if (field == NULL)
            return unknown_field(decoder, path, type, key);
        if (!json_is_null(value) && !decode_field(decoder, path, field, value, depth, ret))
            return false;
    }
    for (size_t i = 0; i < LAYER_FIELDS; i++)
        if (layer_fields[i].layer == type && layer_fields[i].required &&
            (json_object_get(object, layer_fields[i].name) == NULL ||
             json_is_null(json_object_get(object, layer_fields[i].name))))
            return problem_set(decoder->problem, 400, "bad_request",
                               "%s%s is missing: a layer of type %s needs it", path,
                               layer_fields[i].name, layer_kinds[type].name);
    return true;
}

/* Recursion ends at NETWORK_DEPTH_MAX. */
static bool decode_layers(struct decoder *decoder, const char *path, const char *name,
                          json_t *value, int depth, struct layer_list *ret)
{
    size_t count = json_array_size(value);
    char inner[PATH_MAX_BYTES];

    if (!json_is_array(value))
        return bad(decoder, path, name, value, "a list of layers");
    if (depth > NETWORK_DEPTH_MAX)
        return problem_set(decoder->problem, 400, "bad_request",
                           "%s%s: residual blocks are deeper than %d", path, name,
                           NETWORK_DEPTH_MAX);
    if (count < 1 || count > (size_t)(NETWORK_LAYERS_MAX - decoder->n_layers))
        return problem_set(decoder->problem, 400, "bad_request",
                           "%s%s: expected at least one layer and at most %d in all", path, name,
                           NETWORK_LAYERS_MAX);
    decoder->n_layers += (int)count;
    ret->items = take(decoder, count, sizeof(*ret->items));
    ret->count = (int)count;
    for (size_t i = 0; ret->items != NULL && i < count; i++) {
        json_t *item = json_array_get(value, i);

        snprintf(inner, sizeof(inner), "%s%s[%zu]", path, name, i);
        if (!json_is_object(item))
            return bad(decoder, inner, "", item, "a layer: {\"type\": ...}");
        snprintf(inner, sizeof(inner), "%s%s[%zu].", path, name, i);
        if (!decode_layer(decoder, inner, item, depth, &ret->items[i]))
            return false;
    }
    return ret->items != NULL;
}

static bool decode_input(struct decoder *decoder, json_t *root, struct network_input *ret)
{
    static const char *const known[] = {"name", "shape", "datatype", NULL};
    json_t *object = NULL;
    const char *name = NULL;
    struct layer_dims dims = {0};

    if (!json_field_object(root, "", "input", FIELD_OPTIONAL, &object, decoder->problem))
        return false;
    if (object == NULL)
        return true;
    if (!json_fields_known(object, "input.", known, decoder->problem) ||
        !json_field_string(object, "input.", "name", FIELD_OPTIONAL, &name, decoder->problem) ||
        !copy_text(decoder, name, &ret->name))
        return false;
    if (json_object_get(object, "datatype") != NULL &&
        !decode_choice(decoder, "input.", "datatype", json_object_get(object, "datatype"),
                       input_type_names, &ret->type))
        return false;
    if (json_object_get(object, "shape") == NULL)
        return true;
    if (!decode_dims(decoder, "input.", "shape", json_object_get(object, "shape"), true, &dims))
        return false;
    ret->rank = dims.count;
    memcpy(ret->dims, dims.items, sizeof(ret->dims));
    return true;
}

/* A number, or their names. */
static bool decode_classes(struct decoder *decoder, json_t *root, int64_t *ret_count,
                           const char *const **ret_names)
{
    json_t *value = json_object_get(root, "classes");
    size_t count = json_array_size(value);
    const char **names;

    if (value == NULL || json_is_null(value))
        return true;
    if (json_is_integer(value)) {
        *ret_count = json_integer_value(value);
        return (*ret_count >= 1 && *ret_count <= NETWORK_CLASSES_MAX) ||
               problem_set(decoder->problem, 400, "bad_request", "classes is %lld, expected 1 to %d",
                           (long long)*ret_count, NETWORK_CLASSES_MAX);
    }
    if (!json_is_array(value))
        return bad(decoder, "", "classes", value, "a number or a list of names");
    if (count < 1 || count > NETWORK_CLASSES_MAX)
        return problem_set(decoder->problem, 400, "bad_request",
                           "classes has %zu names, expected 1 to %d", count, NETWORK_CLASSES_MAX);
    names = take(decoder, count, sizeof(*names));
    for (size_t i = 0; names != NULL && i < count; i++) {
        json_t *name = json_array_get(value, i);

        if (!json_is_string(name))
            return bad(decoder, "", "classes", name, "names as strings");
        if (!copy_text(decoder, json_string_value(name), &names[i]))
            return false;
    }
    *ret_count = (int64_t)count;
    *ret_names = names;
    return names != NULL;
}

static bool decode_options(struct decoder *decoder, json_t *root, struct preset_spec *preset)
{
    struct preset_setting *settings;
    json_t *object = NULL, *value;
    const char *key;

    if (!json_field_object(root, "", "options", FIELD_OPTIONAL, &object, decoder->problem))
        return false;
    if (object == NULL)
        return true;
    settings = take(decoder, json_object_size(object) + 1, sizeof(*settings));
    if (settings == NULL)
        return false;
    json_object_foreach (object, key, value) {
        if (!json_is_number(value))
            return problem_set(decoder->problem, 400, "bad_request",
                               "options.%.64s is %s, expected a number", key, json_kind(value));
        settings[preset->n_settings].number = json_number_value(value);
        if (!copy_text(decoder, key, &settings[preset->n_settings++].name))
            return false;
    }
    preset->settings = settings;
    return true;
}

static bool decode_network(struct decoder *decoder, json_t *root, struct network_spec *ret)
{
    static const char *const known[] = {"name", "input", "task", "classes", "seed", "layers", NULL};
    const char *name = NULL;
    int64_t seed = 0;

    if (!json_fields_known(root, "", known, decoder->problem) ||
        !json_field_string(root, "", "name", FIELD_OPTIONAL, &name, decoder->problem) ||
        !copy_text(decoder, name, &ret->name) || !decode_input(decoder, root, &ret->input) ||
        !json_field_int(root, "", "seed", FIELD_OPTIONAL, 0, INT64_MAX, &seed, decoder->problem) ||
        !decode_classes(decoder, root, &ret->n_classes, &ret->classes))
        return false;
    ret->seed = (uint64_t)seed;
    if (ret->input.rank == 0)
        return problem_set(decoder->problem, 400, "bad_request",
                           "input.shape is missing: the shape of one example");
    if (json_object_get(root, "task") != NULL &&
        !decode_choice(decoder, "", "task", json_object_get(root, "task"), task_names, &ret->task))
        return false;
    return decode_layers(decoder, "", "layers", json_object_get(root, "layers"), 0, &ret->layers);
}

static bool decode_preset(struct decoder *decoder, json_t *root, struct preset_spec *ret)
{
    static const char *const known[] = {"preset", "input", "task", "classes", "seed", "options",
                                        NULL};
    const char *name = NULL;
    int64_t seed = 0;

    ret->task = -1;
    if (!json_fields_known(root, "", known, decoder->problem) ||
        !json_field_string(root, "", "preset", FIELD_REQUIRED, &name, decoder->problem) ||
        !copy_text(decoder, name, &ret->preset) || !decode_input(decoder, root, &ret->input) ||
        !json_field_int(root, "", "seed", FIELD_OPTIONAL, 0, INT64_MAX, &seed, decoder->problem) ||
        !decode_classes(decoder, root, &ret->n_classes, &ret->classes) ||
        !decode_options(decoder, root, ret))
        return false;
    ret->seed = (uint64_t)seed;
    return json_object_get(root, "task") == NULL ||
           decode_choice(decoder, "", "task", json_object_get(root, "task"), task_names, &ret->task);
}

static bool decode_root(struct decoder *decoder, json_t *root, struct layer_spec *ret)
{
    if (!json_is_object(root))
        return problem_set(decoder->problem, 400, "bad_request",
                           "a specification is %s, expected an object", json_kind(root));
    ret->is_preset = json_object_get(root, "preset") != NULL;
    if (ret->is_preset)
        return decode_preset(decoder, root, &ret->preset);
    if (json_object_get(root, "layers") == NULL)
        return problem_set(decoder->problem, 400, "bad_request",
                           "layers is missing, and so is preset");
    return decode_network(decoder, root, &ret->network);
}

bool layer_spec_decode(const void *bytes, size_t size, struct layer_spec *ret_spec,
                       struct problem *problem)
{
    struct decoder decoder = {.memory = message_memory_create(), .problem = problem};
    struct layer_spec spec = {.memory = decoder.memory};
    json_error_t error;
    json_t *root;
    bool ok;

    if (decoder.memory == NULL)
        return problem_set(problem, 507, "no_memory", "out of memory");
    root = json_loadb(bytes, size, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &error);
    if (root == NULL)
        ok = problem_set(problem, 400, "bad_json", "not valid JSON (line %d, column %d): %s",
                         error.line, error.column, error.text);
    else
        ok = decode_root(&decoder, root, &spec);
    json_decref(root);
    if (!ok) {
        message_memory_destroy(decoder.memory);
        return false;
    }
    *ret_spec = spec;
    return true;
}

void layer_spec_finish(struct layer_spec *spec)
{
    message_memory_destroy(spec->memory);
    *spec = (struct layer_spec){0};
}
