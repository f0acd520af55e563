/* SPDX-License-Identifier: Apache-2.0
 * Where in a specification something is wrong, and the checks that need no shape. */
#include "engine/build/network_build.h"
#include "spec/layer_fields.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

const struct layer *build_layer(const struct build *build)
{
    const struct build_frame *frame = &build->frames[build->depth - 1];

    return &frame->list->items[frame->index];
}

/* "layers[3].layers[0]" */
static void path_text(const struct build *build, char *text, size_t size)
{
    size_t used = 0;

    text[0] = '\0';
    for (int d = 0; d < build->depth && used < size; d++)
        used += (size_t)snprintf(text + used, size - used, "%slayers[%d]", d > 0 ? "." : "",
                                 build->frames[d].index);
}

int build_fail(struct build *build, const char *field, const char *format, ...)
{
    char path[128], text[320];
    int type = build_layer(build)->type;
    va_list args;

    if (build->status != ENGINE_OK)
        return NO_VALUE;
    path_text(build, path, sizeof(path));
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    build->status = engine_error_set(
        build->err, ENGINE_BAD_INPUT, "%s%s%s (%s): %s", path, field != NULL ? "." : "",
        field != NULL ? field : "",
        type >= 0 && type < LAYER_TYPES ? layer_kinds[type].name : "unknown", text);
    return NO_VALUE;
}

int build_no_memory(struct build *build)
{
    if (build->status == ENGINE_OK)
        build->status =
            engine_error_set(build->err, ENGINE_NO_MEMORY, "out of memory for the network");
    return NO_VALUE;
}

const char *example_text(const struct example_shape *shape, char text[128])
{
    size_t used = (size_t)snprintf(text, 128, "[");

    for (int d = 0; d < shape->rank; d++) {
        const char *comma = d > 0 ? "," : "";

        if (shape->dims[d] == NETWORK_UNKNOWN)
            used += (size_t)snprintf(text + used, 128 - used, "%s?", comma);
        else
            used += (size_t)snprintf(text + used, 128 - used, "%s%lld", comma,
                                     (long long)shape->dims[d]);
    }
    snprintf(text + used, 128 - used, "]");
    return text;
}

bool build_is_known(struct build *build)
{
    char text[128];

    for (int d = 0; d < build->shape.rank; d++) {
        if (build->shape.dims[d] != NETWORK_UNKNOWN)
            continue;
        build_fail(build, NULL, "needs an input whose size is known, got %s",
                   example_text(&build->shape, text));
        return false;
    }
    return build->status == ENGINE_OK;
}

static void check_number(struct build *build, const struct layer_field *field, double number)
{
    if (!(number >= field->least && number <= field->most))
        build_fail(build, field->name, "expected %.10g to %.10g, got %.10g", field->least,
                   field->most, number);
}

static void check_field(struct build *build, const struct layer_field *field, const void *at)
{
    const struct layer_dims *dims = at;
    int count = 0;

    switch (field->kind) {
    case FIELD_INT:
        check_number(build, field, (double)*(const int64_t *)at);
        break;
    case FIELD_REAL:
        check_number(build, field, *(const double *)at);
        break;
    case FIELD_CHOICE:
        while (field->choices[count] != NULL)
            count++;
        if (*(const int *)at < 0 || *(const int *)at >= count)
            build_fail(build, field->name, "expected a number below %d, got %d", count,
                       *(const int *)at);
        break;
    case FIELD_DIMS:
        if (dims->count < 1 || dims->count > NETWORK_RANK_MAX) {
            build_fail(build, field->name, "expected 1 to %d numbers, got %d", NETWORK_RANK_MAX,
                       dims->count);
            break;
        }
        for (int d = 0; d < dims->count; d++)
            check_number(build, field, (double)dims->items[d]);
        break;
    case FIELD_LAYERS:
        if (((const struct layer_list *)at)->count < 1)
            build_fail(build, field->name, "expected at least one layer");
        break;
    case FIELD_FLAG:
        break;
    }
}

/* Names become those of tensors and of files' parts: letters, digits, '_', '-'. */
static void check_name(struct build *build, const char *name)
{
    size_t length = name != NULL ? strlen(name) : 1;

    if (length < 1 || length > NETWORK_NAME_MAX ||
        (name != NULL && strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                      "0123456789_-") != length))
        build_fail(build, "name", "expected 1 to %d letters, digits, '_' or '-'", NETWORK_NAME_MAX);
}

void build_check(struct build *build, const struct layer *layer)
{
    if (layer->type < 0 || layer->type >= LAYER_TYPES) {
        build_fail(build, "type", "there is no type %d", layer->type);
        return;
    }
    if (++build->n_layers > NETWORK_LAYERS_MAX)
        build_fail(build, NULL, "more than %d layers", NETWORK_LAYERS_MAX);
    check_name(build, layer->name);
    for (size_t i = 0; i < LAYER_FIELDS && build->status == ENGINE_OK; i++)
        if (layer_fields[i].layer == layer->type)
            check_field(build, &layer_fields[i], (const char *)layer + layer_fields[i].offset);
}
