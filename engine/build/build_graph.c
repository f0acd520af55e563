/* SPDX-License-Identifier: Apache-2.0
 * Nodes, constants and weights under the names of the layer that is being added. */
#include "engine/build/network_build.h"

#include "engine/kernels/random.h"

#include <stdio.h>
#include <string.h>

enum { FULL_NAME_MAX = BUILD_NAME_MAX + 64, OUTPUTS_MAX = 4 };

static void join(const struct build *build, char separator, const char *suffix,
                 char text[FULL_NAME_MAX])
{
    if (suffix[0] == '\0')
        snprintf(text, FULL_NAME_MAX, "%s", build->name);
    else
        snprintf(text, FULL_NAME_MAX, "%s%c%s", build->name, separator, suffix);
}

int build_node_output(struct build *build, const char *op_type, const char *suffix, int n_inputs,
                      const int *inputs, int n_outputs, int index)
{
    int outputs[OUTPUTS_MAX] = {NO_VALUE, NO_VALUE, NO_VALUE, NO_VALUE};
    char name[FULL_NAME_MAX];

    if (build->status != ENGINE_OK)
        return NO_VALUE;
    join(build, '/', suffix, name);
    outputs[index] = graph_add_value(build->graph, name);
    if (outputs[index] < 0 || graph_add_node(build->graph, "", op_type, name, n_inputs, inputs,
                                             n_outputs, outputs) < 0)
        return build_no_memory(build);
    return outputs[index];
}

int build_node(struct build *build, const char *op_type, const char *suffix, int n_inputs,
               const int *inputs)
{
    return build_node_output(build, op_type, suffix, n_inputs, inputs, 1, 0);
}

static struct node *last_node(const struct build *build)
{
    return &build->graph->nodes[build->graph->n_nodes - 1];
}

void build_int(struct build *build, const char *name, int64_t item)
{
    if (build->status == ENGINE_OK && !node_set_int(build->graph, last_node(build), name, item))
        build_no_memory(build);
}

void build_float(struct build *build, const char *name, double item)
{
    if (build->status == ENGINE_OK &&
        !node_set_float(build->graph, last_node(build), name, (float)item))
        build_no_memory(build);
}

void build_ints(struct build *build, const char *name, const int64_t *items, int count)
{
    if (build->status == ENGINE_OK &&
        !node_set_ints(build->graph, last_node(build), name, items, (size_t)count))
        build_no_memory(build);
}

void build_text(struct build *build, const char *name, const char *text)
{
    struct attribute attribute = {.name = name, .type = ATTRIBUTE_STRING,
                                  .s = {.data = text, .length = strlen(text)}};

    if (build->status == ENGINE_OK &&
        !node_set_attribute(build->graph, last_node(build), &attribute))
        build_no_memory(build);
}

int build_list(struct build *build, const char *suffix, const int64_t *items, int count)
{
    char name[FULL_NAME_MAX];
    int id;

    if (build->status != ENGINE_OK)
        return NO_VALUE;
    join(build, '/', suffix, name);
    id = graph_add_ints(build->graph, name, items, (size_t)count);
    return id >= 0 ? id : build_no_memory(build);
}

int build_scalar(struct build *build, const char *suffix, enum dtype dtype, double number)
{
    struct tensor tensor = {.dtype = dtype};
    char name[FULL_NAME_MAX];
    int id;

    if (build->status != ENGINE_OK)
        return NO_VALUE;
    tensor.data = arena_calloc(build->graph->arena, 1, sizeof(int64_t));
    if (tensor.data == NULL)
        return build_no_memory(build);
    if (dtype == DTYPE_F32)
        *(float *)tensor.data = (float)number;
    else if (dtype == DTYPE_I64)
        *(int64_t *)tensor.data = (int64_t)number;
    else
        *(uint8_t *)tensor.data = number != 0;
    join(build, '/', suffix, name);
    id = graph_add_constant(build->graph, name, &tensor);
    return id >= 0 ? id : build_no_memory(build);
}

int build_weight(struct build *build, const char *suffix, const struct shape *shape,
                 float **ret_data)
{
    struct tensor tensor = {.dtype = DTYPE_F32, .shape = *shape};
    char name[FULL_NAME_MAX], text[SHAPE_TEXT_MAX];
    size_t bytes = 0;
    int id;

    if (build->status != ENGINE_OK)
        return NO_VALUE;
    if (!shape_check(shape, sizeof(float), &bytes) ||
        (int64_t)(bytes / sizeof(float)) > build->parameters_max - build->n_parameters) {
        build_fail(build, NULL, "its %s of shape %s takes the network past %lld parameters", suffix,
                   shape_text(shape, text, sizeof(text)), (long long)build->parameters_max);
        if (build->err != NULL)
            build->err->status = ENGINE_OVER_BUDGET;
        build->status = ENGINE_OVER_BUDGET;
        return NO_VALUE;
    }
    build->n_parameters += (int64_t)(bytes / sizeof(float));
    build->n_tensors++;
    if (!build->is_trial)
        tensor.data = arena_alloc(build->graph->arena, bytes);
    if (!build->is_trial && tensor.data == NULL)
        return build_no_memory(build);
    join(build, '.', suffix, name);
    id = graph_add_constant(build->graph, name, &tensor);
    if (id < 0)
        return build_no_memory(build);
    *ret_data = tensor.data;
    return id;
}

int build_matrices(struct build *build, const char *suffix, const struct shape *shape, int parts,
                   const struct weight_matrix *matrix, const struct layer_init *init,
                   enum initialiser automatic)
{
    struct layer_init how = *init;
    float *data = NULL;
    int id = build_weight(build, suffix, shape, &data);
    uint64_t seed;

    if (how.choice == INIT_AUTO)
        how.choice = (int)automatic;
    for (int part = 0; part < parts && data != NULL && build->status == ENGINE_OK; part++) {
        seed = random_bits(random_bits(build->spec->seed, build->n_tensors), (uint64_t)part);
        build->status = initialise(matrix, &how, seed, data + part * matrix->rows * matrix->columns,
                                   build->err);
    }
    return id;
}

int build_vector(struct build *build, const char *suffix, int64_t size, float number)
{
    struct shape shape = {1, {size}};
    float *data = NULL;
    int id = build_weight(build, suffix, &shape, &data);

    for (int64_t i = 0; data != NULL && i < size; i++)
        data[i] = number;
    return id;
}

static bool cuts_negatives(int activation)
{
    return activation == ACTIVATION_RELU || activation == ACTIVATION_LEAKY_RELU ||
           activation == ACTIVATION_GELU || activation == ACTIVATION_SWISH;
}

/* Normalisation and dropout do not change what comes next; a block's end may have a function. */
enum initialiser build_automatic(const struct build *build, int own_activation)
{
    const struct build_frame *frame = &build->frames[build->depth - 1];
    int activation = own_activation;

    for (int i = frame->index + 1; i < frame->list->count && activation == ACTIVATION_NONE; i++) {
        const struct layer *layer = &frame->list->items[i];

        if (layer->type == LAYER_ACTIVATION)
            activation = layer->activation.function;
        else if (layer->type == LAYER_BATCH_NORM || layer->type == LAYER_LAYER_NORM)
            activation = layer->norm.activation;
        else if (layer->type != LAYER_DROPOUT && layer->type != LAYER_MAX_POOL)
            break;
    }
    return cuts_negatives(activation) ? INIT_HE_NORMAL : INIT_GLOROT_UNIFORM;
}
