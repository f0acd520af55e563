/* SPDX-License-Identifier: Apache-2.0
 * Bias, residual and activation that follow a packed product are handed to its kernel, which has the
 * sums in registers. Each step makes a new node, which the walk meets again further on. */
#include "engine/kernels/activation.h"
#include "engine/ops/epilogue.h"
#include "engine/optimise/optimise.h"
#include "engine/optimise/pattern.h"

#include <math.h>
#include <string.h>

/* True for the operators that have an epilogue; `ret_columns` gets the number of their biases. */
static bool is_product(const struct graph *graph, int index, int64_t *ret_columns)
{
    const struct node *node = &graph->nodes[index];

    if (node->removed || strcmp(node->domain, "inferd") != 0 ||
        (strcmp(node->op_type, "PackedGemm") != 0 && strcmp(node->op_type, "PackedConv") != 0))
        return false;
    *ret_columns = node_int(node, "columns", 0);
    return true;
}

/* A finite or infinite number that a Clip's bound must be; the fallback where it is absent. */
static bool bound(const struct graph *graph, int node, int index, float fallback, float *ret)
{
    int value = pattern_input(graph, node, index);

    *ret = fallback;
    return value == VALUE_ABSENT || pattern_scalar(graph, value, ret);
}

/* What an ONNX node of one input computes, as a kernel's activation. */
static bool activation_of(const struct graph *graph, int index, struct activation *ret)
{
    static const struct {
        const char *op_type;
        enum activation_kind kind;
        float alpha, beta;      /* defaults of attributes of these names */
    } simple[] = {
        {"LeakyRelu", ACTIVATION_LEAKY_RELU, 0.01f, 0}, {"Sigmoid", ACTIVATION_SIGMOID, 0, 0},
        {"Tanh", ACTIVATION_TANH, 0, 0},                {"Swish", ACTIVATION_SWISH, 1, 0},
        {"HardSwish", ACTIVATION_HARD_SWISH, 0, 0},     {"HardSigmoid", ACTIVATION_HARD_SIGMOID, 0.2f, 0.5f},
    };
    const struct node *node = &graph->nodes[index];

    if (pattern_is(graph, index, "Relu")) {
        *ret = (struct activation){ACTIVATION_CLIP, 0, INFINITY};
        return true;
    }
    if (pattern_is(graph, index, "Gelu")) {
        bool is_tanh = strcmp(node_string(node, "approximate", "none"), "tanh") == 0;

        *ret = (struct activation){is_tanh ? ACTIVATION_GELU_TANH : ACTIVATION_GELU, 0, 0};
        return true;
    }
    if (pattern_is(graph, index, "Clip")) {
        ret->kind = ACTIVATION_CLIP;
        return bound(graph, index, 1, -INFINITY, &ret->alpha) &&
               bound(graph, index, 2, INFINITY, &ret->beta);
    }
    for (size_t i = 0; i < sizeof(simple) / sizeof(simple[0]); i++) {
        if (pattern_is(graph, index, simple[i].op_type)) {
            ret->kind = simple[i].kind;
            ret->alpha = node_float(node, "alpha", simple[i].alpha);
            ret->beta = node_float(node, "beta", simple[i].beta);
            return true;
        }
    }
    return false;
}

/* Puts a node with these inputs in the place of `product` and of `user` behind it. */
static struct node *merge(struct graph *graph, int product, int user, const int inputs[4])
{
    struct node before = graph->nodes[product];
    char op_type[64] = "inferd.";
    int output = graph->nodes[user].outputs[0];

    strncat(op_type, before.op_type, sizeof(op_type) - strlen(op_type) - 1);
    graph_remove_node(graph, product);
    graph_remove_node(graph, user);
    if (pattern_add(graph, product, op_type, 4, inputs, output) < 0)
        return NULL;
    pattern_last(graph)->attributes = before.attributes;
    pattern_last(graph)->n_attributes = before.n_attributes;
    return pattern_last(graph);
}

static bool merge_activation(struct graph *graph, int product, int user, const int inputs[4],
                             const struct activation *activation)
{
    struct node *node = merge(graph, product, user, inputs);

    return node != NULL &&
           pattern_set_string(graph, node, "activation", activation_name(activation->kind)) &&
           node_set_float(graph, node, "alpha", activation->alpha) &&
           node_set_float(graph, node, "beta", activation->beta);
}

/* Where `addend` goes: EPILOGUE_BIAS, EPILOGUE_RESIDUAL, or -1. */
static int addend_place(const struct graph *graph, int addend, int64_t columns, const int inputs[4])
{
    struct shape shape;

    if (addend < 0 || (graph->values[addend].dtype != DTYPE_NONE &&
                       graph->values[addend].dtype != DTYPE_F32))
        return -1;
    if (inputs[EPILOGUE_BIAS] == VALUE_ABSENT && pattern_is_constant(graph, addend) &&
        pattern_shape(graph, addend, &shape) && shape.rank == 1 && shape.dims[0] == columns)
        return EPILOGUE_BIAS;
    return inputs[EPILOGUE_RESIDUAL] == VALUE_ABSENT ? EPILOGUE_RESIDUAL : -1;
}

/* One step for the product at `index`; false only when the arena is used up. */
static bool fuse(struct graph *graph, int index, int64_t columns)
{
    int output = graph->nodes[index].outputs[0];
    int user = graph_single_user(graph, output), inputs[4], addend, place;
    struct activation activation;

    if (user < 0 || graph->nodes[user].n_outputs != 1 ||
        node_attribute(&graph->nodes[index], "activation") != NULL)
        return true;
    for (int i = 0; i < 4; i++)
        inputs[i] = pattern_input(graph, index, i);
    if (pattern_is(graph, user, "Add")) {
        addend = pattern_other(graph, user, output);
        place = addend_place(graph, addend, columns, inputs);
        if (place < 0)
            return true;
        inputs[place] = addend;
        return merge(graph, index, user, inputs) != NULL;
    }
    /* The value itself, not a bound of the Clip, is what the product makes. */
    if (pattern_input(graph, user, 0) == output && activation_of(graph, user, &activation))
        return merge_activation(graph, index, user, inputs, &activation);
    return true;
}

bool optimise_fuse_epilogue(struct graph *graph)
{
    for (int i = 0; i < graph->n_nodes; i++) {
        int64_t columns;

        if (is_product(graph, i, &columns) && !fuse(graph, i, columns))
            return false;
    }
    return true;
}
