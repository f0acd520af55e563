/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/optimise/pattern.h"

#include "engine/op.h"

#include <math.h>
#include <string.h>

enum { CONSTANT_DEPTH_MAX = 16 };

static const char internal[] = "inferd.";

bool pattern_is(const struct graph *graph, int node, const char *op_type)
{
    const struct node *it = node >= 0 ? &graph->nodes[node] : NULL;

    return it != NULL && !it->removed && (it->domain[0] == '\0' || strcmp(it->domain, "ai.onnx") == 0) &&
           (op_type == NULL || strcmp(it->op_type, op_type) == 0);
}

int pattern_producer(const struct graph *graph, int value, const char *op_type)
{
    int node = value >= 0 ? graph->values[value].producer : -1;

    return pattern_is(graph, node, op_type) && graph->nodes[node].n_outputs == 1 ? node : -1;
}

int pattern_user(const struct graph *graph, int value, const char *op_type)
{
    int node = graph_single_user(graph, value);

    return pattern_is(graph, node, op_type) ? node : -1;
}

int pattern_input(const struct graph *graph, int node, int index)
{
    return index < graph->nodes[node].n_inputs ? graph->nodes[node].inputs[index] : VALUE_ABSENT;
}

int pattern_other(const struct graph *graph, int node, int value)
{
    int first = pattern_input(graph, node, 0), second = pattern_input(graph, node, 1);

    if ((first == value) == (second == value))
        return -1;
    return first == value ? second : first;
}

/* Depth-first with a stack of bounded height; a longer chain of weights counts as not constant. */
bool pattern_is_constant(const struct graph *graph, int value)
{
    struct { int node, next; } stack[CONSTANT_DEPTH_MAX];
    int depth = 0, at = value;

    for (;;) {
        const struct value *it = &graph->values[at];

        if (it->constant == NULL) {
            const struct node *node = it->producer >= 0 ? &graph->nodes[it->producer] : NULL;

            if (node == NULL || node->removed || depth == CONSTANT_DEPTH_MAX || node->n_inputs == 0 ||
                (node->op != NULL && (node->op->flags & (OP_RANDOM | OP_DYNAMIC)) != 0))
                return false;
            stack[depth].node = it->producer;
            stack[depth++].next = 0;
        }
        for (at = VALUE_ABSENT; at == VALUE_ABSENT && depth > 0;) {
            const struct node *node = &graph->nodes[stack[depth - 1].node];

            if (stack[depth - 1].next < node->n_inputs)
                at = node->inputs[stack[depth - 1].next++];
            else
                depth--;
        }
        if (at == VALUE_ABSENT)
            return true;
    }
}

bool pattern_shape(const struct graph *graph, int value, struct shape *ret)
{
    const struct value *it;

    if (value < 0)
        return false;
    it = &graph->values[value];
    if (it->shape.rank == RANK_UNKNOWN)
        return false;
    ret->rank = it->shape.rank;
    for (int i = 0; i < ret->rank; i++) {
        ret->dims[i] = it->shape.dims[i];
        if (ret->dims[i] < 0)
            return false;
    }
    return true;
}

bool pattern_scalar(const struct graph *graph, int value, float *ret)
{
    const struct tensor *constant = value >= 0 ? graph->values[value].constant : NULL;

    if (constant == NULL || constant->dtype != DTYPE_F32 || shape_elements(&constant->shape) != 1)
        return false;
    memcpy(ret, constant->data, sizeof(*ret));
    return true;
}

bool pattern_is_scalar(const struct graph *graph, int value, double expected)
{
    float item;

    return pattern_scalar(graph, value, &item) &&
           fabs((double)item - expected) <= 1e-6 * fabs(expected);
}

int pattern_add(struct graph *graph, int like, const char *op_type, int n_inputs, const int *inputs,
                int output)
{
    const char *name = like >= 0 ? graph->nodes[like].name : "";
    const char *domain = "";

    if (strncmp(op_type, internal, sizeof(internal) - 1) == 0) {
        domain = "inferd";
        op_type += sizeof(internal) - 1;
    }
    if (output < 0)
        output = graph_add_value(graph, "");
    if (output < 0 || graph_add_node(graph, domain, op_type, name, n_inputs, inputs, 1, &output) < 0)
        return -1;
    pattern_last(graph)->opset = like >= 0 ? graph->nodes[like].opset : 0;
    return output;
}

struct node *pattern_last(struct graph *graph)
{
    return &graph->nodes[graph->n_nodes - 1];
}

int pattern_add_scalar(struct graph *graph, float item)
{
    float *data = arena_alloc(graph->arena, sizeof(*data));
    struct tensor tensor = {.dtype = DTYPE_F32, .data = data};

    if (data == NULL)
        return -1;
    *data = item;
    return graph_add_constant(graph, "", &tensor);
}

bool pattern_set_string(struct graph *graph, struct node *node, const char *name, const char *text)
{
    struct attribute attribute = {.name = name, .type = ATTRIBUTE_STRING};

    attribute.s.length = strlen(text);
    attribute.s.data = arena_strndup(graph->arena, text, attribute.s.length);
    return attribute.s.data != NULL && node_set_attribute(graph, node, &attribute);
}
