/* SPDX-License-Identifier: Apache-2.0 */
#include "proto/layer_spec.h"

#include "spec/layer_fields.h"

#include <string.h>

static void put_key(struct text *text, const char *key)
{
    text_puts(text, ", \"");
    text_puts(text, key);
    text_puts(text, "\": ");
}

static void put_string(struct text *text, const char *string)
{
    text_json_string(text, string, strlen(string));
}

/* `open` stands for a dimension that is not known. */
static void put_dims(struct text *text, const int64_t *items, int count, const char *open)
{
    text_puts(text, "[");
    for (int d = 0; d < count; d++) {
        text_puts(text, d > 0 ? ", " : "");
        if (items[d] < 0)
            text_puts(text, open);
        else
            text_json_int(text, items[d]);
    }
    text_puts(text, "]");
}

static bool is_default(const struct layer_field *field, const void *at)
{
    const struct layer_dims *dims = at;

    if (field->required)
        return false;
    switch (field->kind) {
    case FIELD_INT:
        return *(const int64_t *)at == (int64_t)field->fallback;
    case FIELD_REAL:
        return *(const double *)at == field->fallback;
    case FIELD_FLAG:
        return *(const bool *)at == (field->fallback != 0);
    case FIELD_CHOICE:
        return *(const int *)at == (int)field->fallback;
    case FIELD_DIMS:
        return dims->count == 1 && dims->items[0] == (int64_t)field->fallback;
    case FIELD_LAYERS:
        break;
    }
    return false;
}

static void put_layers(struct text *text, const struct layer_list *list, int depth);

static void put_field(struct text *text, const struct layer_field *field, const void *at, int depth)
{
    const struct layer_dims *dims = at;

    put_key(text, field->name);
    switch (field->kind) {
    case FIELD_INT:
        text_json_int(text, *(const int64_t *)at);
        break;
    case FIELD_REAL:
        text_json_double(text, *(const double *)at);
        break;
    case FIELD_FLAG:
        text_puts(text, *(const bool *)at ? "true" : "false");
        break;
    case FIELD_CHOICE:
        put_string(text, field->choices[*(const int *)at]);
        break;
    case FIELD_DIMS:
        if (dims->count == 1)
            text_json_int(text, dims->items[0]);
        else
            put_dims(text, dims->items, dims->count, "-1");
        break;
    case FIELD_LAYERS:
        put_layers(text, at, depth + 1);
        break;
    }
}

/* Recursion ends with the depth that a network may have. */
static void put_layers(struct text *text, const struct layer_list *list, int depth)
{
    text_puts(text, "[");
    for (int i = 0; i < list->count && depth <= NETWORK_DEPTH_MAX; i++) {
        const struct layer *layer = &list->items[i];

        text_puts(text, i > 0 ? ", {\"type\": " : "{\"type\": ");
        put_string(text, layer_kinds[layer->type].name);
        if (layer->name != NULL) {
            put_key(text, "name");
            put_string(text, layer->name);
        }
        for (size_t f = 0; f < LAYER_FIELDS; f++) {
            const void *at = (const char *)layer + layer_fields[f].offset;

            if (layer_fields[f].layer == layer->type && !is_default(&layer_fields[f], at))
                put_field(text, &layer_fields[f], at, depth);
        }
        text_puts(text, "}");
    }
    text_puts(text, "]");
}

void layer_spec_encode(const struct network_spec *network, struct text *text)
{
    const struct network_input *input = &network->input;

    text_puts(text, "{\"name\": ");
    put_string(text, network->name != NULL ? network->name : "network");
    put_key(text, "input");
    text_puts(text, "{\"shape\": ");
    put_dims(text, input->dims, input->rank, "null");
    if (input->name != NULL) {
        put_key(text, "name");
        put_string(text, input->name);
    }
    if (input->type != INPUT_AUTO) {
        put_key(text, "datatype");
        put_string(text, input_type_names[input->type]);
    }
    text_puts(text, "}");
    put_key(text, "task");
    put_string(text, task_names[network->task]);
    if (network->n_classes > 0) {
        put_key(text, "classes");
        if (network->classes == NULL)
            text_json_int(text, network->n_classes);
        for (int64_t i = 0; network->classes != NULL && i < network->n_classes; i++) {
            text_puts(text, i == 0 ? "[" : ", ");
            put_string(text, network->classes[i]);
        }
        text_puts(text, network->classes != NULL ? "]" : "");
    }
    put_key(text, "seed");
    text_json_uint(text, network->seed);
    put_key(text, "layers");
    put_layers(text, &network->layers, 0);
    text_puts(text, "}");
}
