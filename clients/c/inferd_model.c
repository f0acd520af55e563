/* SPDX-License-Identifier: Apache-2.0 */
#include "clients/c/inferd_model.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool read_spec(json_t *object, struct tensor_spec *spec)
{
    const char *type = json_string_value(json_object_get(object, "datatype"));
    json_t *shape = json_object_get(object, "shape"), *dim;
    size_t i;

    spec->name = json_string_value(json_object_get(object, "name"));
    if (spec->name == NULL || type == NULL || !json_is_array(shape) ||
        json_array_size(shape) > WIRE_RANK_MAX)
        return false;
    spec->type = wire_type_find(type, strlen(type));
    spec->rank = (int)json_array_size(shape);
    json_array_foreach (shape, i, dim) {
        if (!json_is_integer(dim))
            return false;
        spec->dims[i] = json_integer_value(dim);
    }
    return spec->type != WIRE_NONE;
}

static bool read_specs(json_t *list, struct tensor_spec **ret_specs, int *ret_n)
{
    size_t n = json_array_size(list), i;

    if (!json_is_array(list) || n > 4096)
        return false;
    *ret_specs = calloc(n + 1, sizeof(**ret_specs));
    if (*ret_specs == NULL)
        return false;
    for (i = 0; i < n; i++)
        if (!read_spec(json_array_get(list, i), &(*ret_specs)[i]))
            return false;
    *ret_n = (int)n;
    return true;
}

bool inferd_model_fetch(struct inferd_client *client, const char *model, const char *version,
                        struct inferd_model *ret_model, struct inferd_error *err)
{
    struct inferd_model result = {0};

    if (!inferd_client_model_metadata(client, model, version, &result.metadata, err))
        return false;
    if (!read_specs(json_object_get(result.metadata, "inputs"), &result.inputs, &result.n_inputs) ||
        !read_specs(json_object_get(result.metadata, "outputs"), &result.outputs,
                    &result.n_outputs)) {
        err->status = 0;
        snprintf(err->text, sizeof(err->text),
                 "the metadata of '%.100s' is not as the protocol has it", model);
        inferd_model_finish(&result);
        return false;
    }
    *ret_model = result;
    return true;
}

void inferd_model_finish(struct inferd_model *model)
{
    json_decref(model->metadata);
    free(model->inputs);
    free(model->outputs);
    *model = (struct inferd_model){0};
}

const struct tensor_spec *inferd_model_input(const struct inferd_model *model, const char *name,
                                             size_t name_length)
{
    int i;

    for (i = 0; i < model->n_inputs; i++)
        if (strlen(model->inputs[i].name) == name_length &&
            memcmp(model->inputs[i].name, name, name_length) == 0)
            return &model->inputs[i];
    return NULL;
}
