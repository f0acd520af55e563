/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/onnx/legalise_edit.h"

#include <string.h>

enum { INPUTS_MAX = 16 }; /* of a node that is built or whose list is grown here */

struct node *rewrite_node(const struct rewrite *rewrite)
{
    return &rewrite->graph->nodes[rewrite->index];
}

int rewrite_input(const struct rewrite *rewrite, int index)
{
    const struct node *node = rewrite_node(rewrite);

    return index < node->n_inputs ? node->inputs[index] : VALUE_ABSENT;
}

int rewrite_output(const struct rewrite *rewrite, int index)
{
    const struct node *node = rewrite_node(rewrite);

    return index < node->n_outputs ? node->outputs[index] : VALUE_ABSENT;
}

const struct value *rewrite_value(const struct rewrite *rewrite, int id)
{
    return id == VALUE_ABSENT ? NULL : &rewrite->graph->values[id];
}

enum engine_status rewrite_no_memory(const struct rewrite *rewrite)
{
    return engine_error_set(rewrite->err, ENGINE_NO_MEMORY,
                            "no memory left within the model's budget");
}

enum engine_status rewrite_unsupported(const struct rewrite *rewrite, const char *why)
{
    return engine_error_set(rewrite->err, ENGINE_UNSUPPORTED, "%s", why);
}

enum engine_status rewrite_set_input(const struct rewrite *rewrite, int index, int value)
{
    const struct node *node = rewrite_node(rewrite);
    int inputs[INPUTS_MAX];
    int count = node->n_inputs > index + 1 ? node->n_inputs : index + 1;

    if (value == VALUE_ABSENT)
        return rewrite_no_memory(rewrite);
    if (index < node->n_inputs) {
        graph_set_input(rewrite->graph, rewrite->index, index, value);
        return ENGINE_OK;
    }
    if (count > INPUTS_MAX)
        return engine_error_set(rewrite->err, ENGINE_BAD_MODEL, "has %d inputs", node->n_inputs);
    for (int i = 0; i < count; i++)
        inputs[i] = rewrite_input(rewrite, i);
    inputs[index] = value;
    return graph_set_inputs(rewrite->graph, rewrite->index, count, inputs)
               ? ENGINE_OK
               : rewrite_no_memory(rewrite);
}

enum engine_status rewrite_ints_to_input(const struct rewrite *rewrite, const char *name, int index)
{
    const struct attribute *attribute = node_attribute(rewrite_node(rewrite), name);
    int id;

    if (attribute == NULL || rewrite_input(rewrite, index) != VALUE_ABSENT)
        return ENGINE_OK;
    if (attribute->type == ATTRIBUTE_INT)
        id = rewrite_add_ints(rewrite, &attribute->i, 1);
    else if (attribute->type == ATTRIBUTE_INTS)
        id = rewrite_add_ints(rewrite, attribute->ints, attribute->count);
    else
        return engine_error_set(rewrite->err, ENGINE_BAD_MODEL, "attribute '%s' is no list of ints",
                                name);
    return rewrite_set_input(rewrite, index, id);
}

enum engine_status rewrite_set_int(const struct rewrite *rewrite, const char *name, int64_t item)
{
    return node_set_int(rewrite->graph, rewrite_node(rewrite), name, item)
               ? ENGINE_OK
               : rewrite_no_memory(rewrite);
}

enum engine_status rewrite_set_string(const struct rewrite *rewrite, const char *name,
                                      const char *text)
{
    struct attribute attribute = {.name = name, .type = ATTRIBUTE_STRING};

    attribute.s = (struct bytes){.data = text, .length = strlen(text)};
    return node_set_attribute(rewrite->graph, rewrite_node(rewrite), &attribute)
               ? ENGINE_OK
               : rewrite_no_memory(rewrite);
}

const char *rewrite_string(const struct rewrite *rewrite, const char *name)
{
    return node_string(rewrite_node(rewrite), name, NULL);
}

int rewrite_add_ints(const struct rewrite *rewrite, const int64_t *items, size_t count)
{
    int id = graph_add_ints(rewrite->graph, "", items, count);

    return id < 0 ? VALUE_ABSENT : id;
}

/* A scalar constant of `size` bytes. */
static int add_scalar(const struct rewrite *rewrite, enum dtype dtype, const void *item)
{
    struct tensor tensor = {.dtype = dtype};
    int id = -1;

    tensor.data = arena_alloc(rewrite->graph->arena, dtype_size(dtype));
    if (tensor.data != NULL) {
        memcpy(tensor.data, item, dtype_size(dtype));
        id = graph_add_constant(rewrite->graph, "", &tensor);
    }
    return id < 0 ? VALUE_ABSENT : id;
}

int rewrite_add_int_scalar(const struct rewrite *rewrite, int64_t item)
{
    return add_scalar(rewrite, DTYPE_I64, &item);
}

int rewrite_add_float_scalar(const struct rewrite *rewrite, float item, int like)
{
    const struct value *value = rewrite_value(rewrite, like);
    enum dtype dtype = value != NULL ? value->dtype : DTYPE_F32;
    uint16_t half = dtype == DTYPE_F16 ? f32_to_f16(item) : f32_to_bf16(item);
    double wide = item;
    int inputs[2];

    switch (dtype) {
    case DTYPE_F32:
        return add_scalar(rewrite, DTYPE_F32, &item);
    case DTYPE_F64:
        return add_scalar(rewrite, DTYPE_F64, &wide);
    case DTYPE_F16:
    case DTYPE_BF16:
        return add_scalar(rewrite, dtype, &half);
    default:
        inputs[0] = add_scalar(rewrite, DTYPE_F32, &item);
        inputs[1] = like;
        return rewrite_add(rewrite, "CastLike", 2, inputs);
    }
}

int rewrite_add_to(const struct rewrite *rewrite, const char *op_type, int n_inputs,
                   const int *inputs, int output)
{
    const struct node *node = rewrite_node(rewrite);
    const char *name = node->name;
    int opset = node->opset, index;

    if (output == VALUE_ABSENT)
        return VALUE_ABSENT;
    for (int i = 0; i < n_inputs; i++)
        if (inputs[i] == VALUE_ABSENT)
            return VALUE_ABSENT;
    index = graph_add_node(rewrite->graph, "", op_type, name, n_inputs, inputs, 1, &output);
    if (index < 0)
        return VALUE_ABSENT;
    rewrite->graph->nodes[index].opset = opset;
    return output;
}

int rewrite_add(const struct rewrite *rewrite, const char *op_type, int n_inputs, const int *inputs)
{
    int output = graph_add_value(rewrite->graph, "");

    return rewrite_add_to(rewrite, op_type, n_inputs, inputs, output < 0 ? VALUE_ABSENT : output);
}

struct node *rewrite_producer(const struct rewrite *rewrite, int value)
{
    return &rewrite->graph->nodes[rewrite->graph->values[value].producer];
}

void rewrite_remove(const struct rewrite *rewrite)
{
    graph_remove_node(rewrite->graph, rewrite->index);
}
