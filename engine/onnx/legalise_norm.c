/* SPDX-License-Identifier: Apache-2.0
 * Softmax, Dropout and the normalisations. */
#include "engine/onnx/legalise_edit.h"

#include <string.h>

/* Reshapes `from` to the shape of `like`, into `output`. */
static enum engine_status reshape_like(const struct rewrite *rewrite, int from, int like,
                                       int output)
{
    int inputs[2] = {from, rewrite_add(rewrite, "Shape", 1, &like)};
    int id = rewrite_add_to(rewrite, "Reshape", 2, inputs, output);

    if (id == VALUE_ABSENT ||
        !node_set_int(rewrite->graph, rewrite_producer(rewrite, id), "allowzero", 1))
        return rewrite_no_memory(rewrite);
    return ENGINE_OK;
}

/* Before 13: over all dimensions from `axis` on, as one. That is the same where `axis` is the
 * last. */
enum engine_status legalise_softmax(const struct rewrite *rewrite)
{
    struct node *node = rewrite_node(rewrite);
    int x = rewrite_input(rewrite, 0), y = rewrite_output(rewrite, 0), flat;
    const struct value *value = rewrite_value(rewrite, x);
    int64_t axis = node_int(node, "axis", 1);

    if (value == NULL || y == VALUE_ABSENT)
        return engine_error_set(rewrite->err, ENGINE_BAD_MODEL, "needs an input and an output");
    if (axis == -1 || (value->shape.rank != RANK_UNKNOWN && axis == value->shape.rank - 1))
        return rewrite_set_int(rewrite, "axis", -1);
    flat = rewrite_add(rewrite, "Flatten", 1, &x);
    if (flat == VALUE_ABSENT ||
        !node_set_int(rewrite->graph, rewrite_producer(rewrite, flat), "axis", axis))
        return rewrite_no_memory(rewrite);
    rewrite_remove(rewrite);
    flat = rewrite_add(rewrite, rewrite_node(rewrite)->op_type, 1, &flat);
    if (flat == VALUE_ABSENT)
        return rewrite_no_memory(rewrite);
    return reshape_like(rewrite, flat, x, y);
}

/* Before 12 the ratio was an attribute; before 10 the mask had the type of the data. Files of that
 * age are run for inference whatever their `is_test` says. */
enum engine_status legalise_dropout(const struct rewrite *rewrite)
{
    struct node *node = rewrite_node(rewrite);
    int x = rewrite_input(rewrite, 0), mask = rewrite_output(rewrite, 1);
    int outputs[2] = {rewrite_output(rewrite, 0), VALUE_ABSENT};
    enum engine_status status = rewrite_set_input(
        rewrite, 1,
        rewrite_add_float_scalar(rewrite, node_float(node, "ratio", 0.5f), VALUE_ABSENT));
    int inputs[2], index;

    if (status != ENGINE_OK || mask == VALUE_ABSENT || node->opset >= 10)
        return status;
    inputs[0] = x;
    inputs[1] = rewrite_input(rewrite, 1);
    outputs[1] = graph_add_value(rewrite->graph, "");
    rewrite_remove(rewrite);
    index = outputs[1] < 0 ? -1
                           : graph_add_node(rewrite->graph, "", "Dropout",
                                            rewrite_node(rewrite)->name, 2, inputs, 2, outputs);
    if (index < 0)
        return rewrite_no_memory(rewrite);
    rewrite->graph->nodes[index].opset = rewrite_node(rewrite)->opset;
    inputs[0] = outputs[1];
    inputs[1] = x;
    return rewrite_add_to(rewrite, "CastLike", 2, inputs, mask) != VALUE_ABSENT
               ? ENGINE_OK
               : rewrite_no_memory(rewrite);
}

/* (X - mean) / sqrt(var + epsilon) * scale + B, with statistics for each element of a row. */
static enum engine_status per_element_norm(const struct rewrite *rewrite)
{
    const struct node *node = rewrite_node(rewrite);
    int x = rewrite_input(rewrite, 0), scale = rewrite_input(rewrite, 1);
    int bias = rewrite_input(rewrite, 2), mean = rewrite_input(rewrite, 3);
    int var = rewrite_input(rewrite, 4), y = rewrite_output(rewrite, 0);
    int epsilon = rewrite_add_float_scalar(rewrite, node_float(node, "epsilon", 1e-5f), x);
    int widened = rewrite_add(rewrite, "Add", 2, (int[]){var, epsilon});
    int deviation = rewrite_add(rewrite, "Sqrt", 1, &widened);
    int centred = rewrite_add(rewrite, "Sub", 2, (int[]){x, mean});
    int unit = rewrite_add(rewrite, "Div", 2, (int[]){centred, deviation});
    int scaled = rewrite_add(rewrite, "Mul", 2, (int[]){unit, scale});

    rewrite_remove(rewrite);
    return rewrite_add_to(rewrite, "Add", 2, (int[]){scaled, bias}, y) != VALUE_ABSENT
               ? ENGINE_OK
               : rewrite_no_memory(rewrite);
}

enum engine_status legalise_batch_norm(const struct rewrite *rewrite)
{
    struct node *node = rewrite_node(rewrite);

    for (int i = 1; i < node->n_outputs; i++)
        if (node->outputs[i] != VALUE_ABSENT &&
            graph_count_uses(rewrite->graph, node->outputs[i]) > 0)
            return rewrite_unsupported(rewrite, "training outputs of before opset 14");
    for (int i = 0; i < 5; i++)
        if (rewrite_input(rewrite, i) == VALUE_ABSENT)
            return engine_error_set(rewrite->err, ENGINE_BAD_MODEL, "needs five inputs");
    if (rewrite_output(rewrite, 0) == VALUE_ABSENT)
        return engine_error_set(rewrite->err, ENGINE_BAD_MODEL, "needs an output");
    node->n_outputs = 1;
    if (node->opset < 9 && node_int(node, "spatial", 1) == 0)
        return per_element_norm(rewrite);
    return rewrite_set_int(rewrite, "training_mode", 0);
}

/* Before 21 scale and bias are for each group: an InstanceNormalization whose channels are the
 * groups. */
enum engine_status legalise_group_norm(const struct rewrite *rewrite)
{
    const struct node *node = rewrite_node(rewrite);
    int64_t shape[3] = {0, node_int(node, "num_groups", 0), -1};
    float epsilon = node_float(node, "epsilon", 1e-5f);
    int x = rewrite_input(rewrite, 0), y = rewrite_output(rewrite, 0);
    int scale = rewrite_input(rewrite, 1), bias = rewrite_input(rewrite, 2);
    int grouped, normal;

    if (shape[1] < 1 || x == VALUE_ABSENT || scale == VALUE_ABSENT || bias == VALUE_ABSENT ||
        y == VALUE_ABSENT)
        return engine_error_set(rewrite->err, ENGINE_BAD_MODEL,
                                "needs three inputs, an output and num_groups");
    grouped = rewrite_add(rewrite, "Reshape", 2, (int[]){x, rewrite_add_ints(rewrite, shape, 3)});
    normal = rewrite_add(rewrite, "InstanceNormalization", 3, (int[]){grouped, scale, bias});
    if (normal == VALUE_ABSENT ||
        !node_set_float(rewrite->graph, rewrite_producer(rewrite, normal), "epsilon", epsilon))
        return rewrite_no_memory(rewrite);
    rewrite_remove(rewrite);
    return reshape_like(rewrite, normal, x, y);
}
